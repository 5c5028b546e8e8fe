#!/bin/bash
# Walks the README's two commands in a fresh minimal Debian 12, as a new user would.
#
#   tests/fresh/run.sh            libraries, kubectl and the compiler's cache out of this machine's cache
#   tests/fresh/run.sh --cold     nothing from this machine: all is fetched and built
#
# The root is made by debootstrap (kept as build/fresh/root.tar), plus git, which the README asks for; the repository is cloned into
# it at HEAD. It runs in mount, pid, uts and ipc namespaces of its own but on this machine's network, which apt needs: ports 6443,
# 10250 and 30080 must be free, and no quickstart may run. Leaves build/fresh/root.tar and what it put into the cache.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
repository=$PWD
here=$repository/build/fresh
cache=${BRAMBLE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/bramble}
say() { printf -- '-- %s\n' "$*"; }
die() { printf 'fresh: %s\n' "$*" >&2; exit 1; }

inside=
cold=
case ${1:-} in
  '') ;;
  --cold) cold=1 ;;
  --inside) inside=$2 cold=${3:-} ;;
  *) die "unknown argument $1" ;;
esac
((EUID == 0)) || die 'run as root'

# Second stage: in the namespaces, still in this machine's root.
if [[ -n $inside ]]; then
  root=$inside
  mount --bind "$root" "$root"
  mount -t proc proc "$root/proc"
  mount --rbind /sys "$root/sys"
  mount --rbind /dev "$root/dev"
  mount -t tmpfs none "$root/run"
  if [[ -z $cold && -d $cache ]]; then
    mkdir -p "$root/cache"
    mount --bind "$cache" "$root/cache"
  fi
  run() { # a clean environment: nothing of this machine's shell helps
    env -i HOME=/root TERM=dumb PATH=/usr/sbin:/usr/bin:/sbin:/bin "${cache_settings[@]}" \
      chroot "$root" /bin/bash -c "cd /root/bramble && $1"
  }
  cache_settings=()
  [[ -n $cold ]] || cache_settings=(BRAMBLE_CACHE=/cache CCACHE_DIR=/cache/ccache)

  say 'provision/quickstart.sh'
  run 'provision/quickstart.sh' | tee "$root/quickstart.out" || die 'the quickstart failed'
  page=$(sed -n 's/.*The page: //p' "$root/quickstart.out")
  [[ $(curl -sS --max-time 10 --noproxy '*' "$page") == *'It works'* ]] || die "the page is not served at $page"
  say 'provision/quickstart.sh, the second time'
  seconds=$SECONDS
  run 'provision/quickstart.sh' >/dev/null || die 'the second run failed'
  say "the second run took $((SECONDS - seconds)) s"
  say 'provision/quickstart.sh --down'
  run 'provision/quickstart.sh --down' || die '--down failed'
  left=()
  ! ip link show cni0 >/dev/null 2>&1 || left+=('link cni0')
  [[ -z $(ip -o link show type veth) ]] || left+=("$(ip -o link show type veth)")
  ! chroot "$root" nft list table ip bramble >/dev/null 2>&1 || left+=('the nftables table')
  for group in /sys/fs/cgroup/bramble-quickstart /sys/fs/cgroup/*/bramble-quickstart; do
    [[ ! -d $group ]] || left+=("$group")
  done
  [[ -z $(awk -v dir="$root/root/bramble/build/quickstart" 'index($5, dir) == 1' /proc/self/mountinfo) ]] || left+=('mounts')
  [[ ! -e $root/root/bramble/build/quickstart ]] || left+=('build/quickstart')
  ! ip address show dev lo | grep -q '10\.43\.0\.10' || left+=('the DNS address on lo')
  [[ -z $(ss -Hltn 'sport = :6443 or sport = :10250') ]] || left+=('a listening port')
  ((${#left[@]} == 0)) || die "--down left: ${left[*]}"
  say 'nothing is left'

  say 'tests/run.sh'
  run 'tests/run.sh' | tee "$root/tests.out" || die 'tests/run.sh failed'
  [[ $(tail -n 1 "$root/tests.out") == *' passed, 0 failed' ]] || die "tests/run.sh ends with: $(tail -n 1 "$root/tests.out")"
  exit 0
fi

for port in 6443 10250 30080; do
  [[ -z $(ss -Hltn "sport = :$port") ]] || die "port $port is taken"
done
mkdir -p "$here"
if [[ ! -f $here/root.tar ]]; then
  say 'a minimal Debian 12'
  # shellcheck source=../../toolchains/apt.sh
  . toolchains/apt.sh  # mirror_uris
  mirror=$(mirror_uris | head -n 1)
  [[ -n $mirror ]] || die "apt knows no mirror of this Debian release; see /etc/apt"
  rm -rf "$here/new"
  debootstrap --variant=minbase --include=git,ca-certificates bookworm "$here/new" "$mirror" >"$here/debootstrap.log" 2>&1 ||
    { tail -n 5 "$here/debootstrap.log"; die 'debootstrap failed'; }
  tar -C "$here/new" -cf "$here/root.tar.new" .
  mv "$here/root.tar.new" "$here/root.tar"
  rm -rf "$here/new"
fi
root=$(mktemp -d "$here/root.XXXXXX")
# shellcheck disable=SC2317  # called by the trap
clean() {
  local mount
  for mount in /sys/fs/cgroup /sys/fs/cgroup/*/; do
    [[ ! -d ${mount%/}/bramble-quickstart ]] || find "${mount%/}/bramble-quickstart" -depth -type d -exec rmdir {} + 2>/dev/null || true
  done
  rm -rf --one-file-system "$root"
}
trap clean EXIT
tar -C "$root" -xf "$here/root.tar"
# How this machine reaches the archive: its apt's settings, names and certificates of the network. The sources are debootstrap's.
cp /etc/resolv.conf /etc/hosts "$root/etc/"
cp -a /etc/apt/apt.conf.d/. "$root/etc/apt/apt.conf.d/"
if [[ -d /usr/local/share/ca-certificates ]]; then cp -a /usr/local/share/ca-certificates "$root/usr/local/share/"; fi
git clone -q --no-hardlinks "$repository" "$root/root/bramble"
say "$(git -C "$root/root/bramble" log -1 --format='%h %s')"
unshare --mount --pid --uts --ipc --fork --propagation private --kill-child "$0" --inside "$root" "$cold"
say 'fresh: both commands work'

#!/bin/bash
# Builds a static runc for one architecture from Debian's source package, to be carried inside bramble.
#
#   toolchains/runc.sh amd64|arm64|armhf|armv6      the last line of stdout is the path of the program
#
# Debian's runc has no vendored libraries: they are packages too, and they fit only their own suite. So source, libraries and the
# Go compiler come together from the first of the suites below that has a runc of at least $least, the first with the fixes of
# CVE-2024-21626 and CVE-2025-31133, -52565, -52881; apt's signatures vouch for them (no sums are pinned here: a suite that moves
# drops what was there before). libseccomp is Debian 12's static one.
# Kept under ${BRAMBLE_CACHE:-${XDG_CACHE_HOME:-~/.cache}/bramble}/runc/<arch>-<hash>/. Installs nothing on the machine.
set -euo pipefail
export LC_ALL=C

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${BRAMBLE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/bramble}
arch=${1:-}
least=1.3.3
suites=(forky sid)
die() { echo "runc.sh: $*" >&2; exit 1; }
. "$here/apt.sh"        # fetch_package, mirror_uris
. "$here/apt_root.sh"   # private_root

case $arch in
  amd64) triplet=x86_64-linux-gnu    debian=amd64 go=(GOARCH=amd64)         flags='' ;;
  arm64) triplet=aarch64-linux-gnu   debian=arm64 go=(GOARCH=arm64)         flags='' ;;
  armhf) triplet=arm-linux-gnueabihf debian=armhf go=(GOARCH=arm GOARM=7)   flags='-march=armv7-a -mfpu=vfpv3-d16 -mfloat-abi=hard -mthumb' ;;
  armv6) triplet=arm-linux-gnueabi   debian=armel go=(GOARCH=arm GOARM=6)   flags='-march=armv6 -mfpu=vfp -mfloat-abi=softfp -marm' ;;
  *) die 'usage: runc.sh amd64|arm64|armhf|armv6' ;;
esac
command -v "$triplet-gcc" >/dev/null || die "$triplet-gcc is missing; run toolchains/install-packages.sh build (or cross)"

hash=$({ echo "$arch ${suites[*]}"; cat "${BASH_SOURCE[0]}" "$here/apt_root.sh"; } | sha256sum | cut -c1-12)
kept=$cache/runc/$arch-$hash
if [[ -x $kept/runc ]]; then echo "$kept/runc"; exit 0; fi
mkdir -p "$cache/runc"
exec 9>"$cache/runc/.lock"
flock 9
if [[ -x $kept/runc ]]; then echo "$kept/runc"; exit 0; fi   # built by another while this one waited

work=$(mktemp -d "$cache/runc/.XXXXXX")
log=$cache/runc/$arch.log
failed() { echo "runc.sh: failed, the end of $log:" >&2; tail -n 20 "$log" | cut -c1-300 >&2; }
trap 'status=$?; rm -rf "$work"; ((status == 0)) || failed' EXIT
: >"$log"

# source_and_go SUITE: the unpacked Go compiler and libraries in $work/go, the patched source in $work/source.
source_and_go() {
  local suite=$1 version libraries
  local root
  private_root "$suite" amd64
  # shellcheck disable=SC2031  # apt.sh sets it in subshells only
  export APT_CONFIG=$root/apt.conf
  apt-get -qq update >>"$log" 2>&1 || return 1
  version=$(apt-cache showsrc runc 2>/dev/null | sed -n 's/^Version: //p' | sort -V | tail -n 1)
  [[ -n $version ]] && dpkg --compare-versions "$version" ge "$least" || return 1
  libraries=$(apt-cache showsrc runc | awk -v RS= -v version="$version" 'index($0, "\nVersion: " version "\n")' |
    sed -n 's/^Build-Depends: //p' | tr ',' '\n' | grep -o '^ *golang[a-z0-9.-]*-dev' | sort -u)
  # The lists are words on purpose.
  # shellcheck disable=SC2086
  apt-get -qq -y --download-only --no-install-recommends install golang-go $libraries >>"$log" 2>&1 || return 1
  (cd "$work" && apt-get -qq --download-only source "runc=$version" >>"$log" 2>&1) || return 1
  local deb
  for deb in "$root"/archives/golang-*.deb; do dpkg -x "$deb" "$work/go"; done
  mkdir "$work/source"
  tar -xf "$work"/runc_*.orig.tar.* -C "$work/source" --strip-components=1
  tar -xf "$work"/runc_*.debian.tar.* -C "$work/source"
  local fix
  while read -r fix; do
    [[ -z $fix || $fix == \#* ]] || patch -d "$work/source" -p1 --batch <"$work/source/debian/patches/$fix" >>"$log" 2>&1 || die "$fix does not apply"
  done <"$work/source/debian/patches/series"
  runc_version=${version%%[+-]*}
}
found=
for suite in "${suites[@]}"; do
  rm -rf "$work"/{go,source} "$work"/runc_*
  source_and_go "$suite" && { found=1; break; }
done
[[ -n $found ]] || die "no suite of ${suites[*]} has a source of runc of at least $least"
unset APT_CONFIG

fetch_package libseccomp-dev "$debian" bookworm "$work/seccomp"
library=$work/seccomp/usr/lib/$triplet
rm -f "$library"/*.so*
cat >"$work/pkg-config" <<PKG
#!/bin/sh
case "\$*" in
  *--cflags*) echo "-I$work/seccomp/usr/include" ;;
  *--libs*) echo "-L$library -lseccomp" ;;
esac
PKG
chmod 755 "$work/pkg-config"

path=$work/path/src
mkdir -p "$path"
cp -r "$work/go/usr/share/gocode/src/." "$path/"
rm -rf "$path/github.com/opencontainers/runc"
mv "$work/source" "$path/github.com/opencontainers/runc"
compiler=$(echo "$work"/go/usr/lib/go-*)
(
  cd "$path/github.com/opencontainers/runc"
  env "${go[@]}" GOOS=linux GOROOT="$compiler" GOPATH="$work/path" GOCACHE="$work/objects" GO111MODULE=off GOTOOLCHAIN=local GOFLAGS=-trimpath \
    CGO_ENABLED=1 CC="$triplet-gcc" CGO_CFLAGS="-Os $flags -ffile-prefix-map=$work=." PKG_CONFIG="$work/pkg-config" \
    "$compiler/bin/go" build -buildvcs=false -tags 'seccomp urfave_cli_no_docs netgo osusergo' \
    -ldflags "-s -w -buildid= -X main.version=$runc_version -linkmode external -extldflags '-static -Wl,--build-id=none'" -o "$work/runc" . >>"$log" 2>&1
)
mkdir -p "$kept"
mv "$work/runc" "$kept/runc.new"
mv "$kept/runc.new" "$kept/runc"
echo "$kept/runc"

#!/bin/bash
# Installs the Debian 12 packages that building, testing or cross-compiling bramble needs; only what is missing.
#
#   toolchains/install-packages.sh build|test|cross|machine...
#
#   build  build for this machine and run the quickstart        test  build, and what the tests use
#   cross  build, and compilers and emulation for the other architectures
#   machine  what emulates a whole arm64 board
#
# Called by people, the quickstart and the test runner. Silent and quick when nothing is missing; else one line. Works in a
# minbase root (debootstrap --variant=minbase) with git. Leaves the packages behind, nothing else.
set -euo pipefail
export LC_ALL=C DEBIAN_FRONTEND=noninteractive

die() { echo "install-packages.sh: $*" >&2; exit 1; }

build=(
  g++ cmake ninja-build make ccache        # compiling
  tcl patch bzip2 xz-utils zstd            # SQLite's generator; unpacking sources
  python3                                  # compiles the schema's rows
  ca-certificates
  runc iproute2 nftables busybox-static    # running a node
)
test=(
  libgtest-dev libgmock-dev
  clang-19 libclang-rt-19-dev              # libFuzzer and its sanitizers
  crun e2fsprogs strace debootstrap curl procps openssl
  dbus-daemon python3-jeepney              # a bus and a logind that tests/e2e speaks for
  python3-yaml
  shellcheck
  python3-kubernetes ansible-core python3-jsonpatch   # clients of the API; toolchains/clients.sh brings two more
  nodejs
  docker-registry skopeo apache2-utils                # images from a registry, and one that is pushed to
)
cross=(
  g++-aarch64-linux-gnu g++-arm-linux-gnueabihf g++-arm-linux-gnueabi
  qemu-user-static
)
machine=(
  qemu-system-arm e2fsprogs busybox-static
)

(($# > 0)) || die 'usage: install-packages.sh build|test|cross|machine...'
wanted=("${build[@]}")
for set; do
  case $set in
    build) ;;
    test) wanted+=("${test[@]}") ;;
    cross) wanted+=("${cross[@]}") ;;
    machine) wanted+=("${machine[@]}") ;;
    *) die "no set of packages is called $set; there are build, test, cross and machine" ;;
  esac
done
# Debian's npm is a package of its own, others bring it with nodejs.
[[ ! " ${wanted[*]} " == *" nodejs "* ]] || command -v npm >/dev/null || wanted+=(npm)

missing=()
for package in "${wanted[@]}"; do
  [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
done
((${#missing[@]})) || exit 0
((EUID == 0)) || die "run as root: missing are ${missing[*]}"

log=$(mktemp)
trap 'rm -f "$log"' EXIT
echo "install-packages.sh: installing ${missing[*]}"

update() { apt-get -q update >>"$log" 2>&1 || die "apt-get update: $(grep -m1 '^E:' "$log" || tail -n 1 "$log")"; }
install() { apt-get -qy --no-install-recommends -o Dpkg::Use-Pty=0 install "${missing[@]}" >>"$log" 2>&1; }

# Package lists may be absent (a new root) or older than the mirror: update then, not before.
known() { apt-cache --quiet=0 show "${missing[@]}" 2>&1 | grep -q '^E:' && return 1 || return 0; }
known || update
if ! install; then
  update
  install || die "apt-get install: $(grep -m1 '^E:' "$log" || tail -n 1 "$log")"
fi

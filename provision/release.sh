#!/bin/bash
# Makes the files of a release in build/dist: for each architecture one static program with runc inside, its checksums, the
# archive of the sample image, and install.sh. Built again from the same sources they are the same to the byte.
#
#   provision/release.sh [ARCH...]        amd64 arm64 armhf armv6 (all without)
#
# BRAMBLE_RELEASE_URL: the prefix where install.sh looks when nobody tells it another.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
dist=$root/build/dist
(($#)) || set -- amd64 arm64 armhf armv6
budget=$((12 * 1024 * 1024))
die() { echo "release.sh: $*" >&2; exit 1; }

toolchains/install-packages.sh build cross >/dev/null || die 'packages could not be installed'
mkdir -p "$dist"

# The scripts that install.sh carries stand in the tree as files of their own.
awk -v killall=provision/killall.sh -v uninstall=provision/uninstall.sh -v mirror="${BRAMBLE_RELEASE_URL:-}" '
  function include(file,   line) { while ((getline line < file) > 0) print line; close(file) }
  $0 == "@KILLALL@" { include(killall); next }
  $0 == "@UNINSTALL@" { include(uninstall); next }
  /^default_mirror=/ { sub("@MIRROR@", mirror) }
  { print }' provision/install.sh >"$dist/install.sh"
chmod 755 "$dist/install.sh"

for arch; do
  suffix=-$arch
  [[ $arch != amd64 ]] || suffix=
  build=build/dist-$arch
  options=(-DCMAKE_BUILD_TYPE=MinSizeRel -DBRAMBLE_TESTS=OFF -DBRAMBLE_DEPS="$(toolchains/deps.sh "$arch" | tail -n 1)" -DBRAMBLE_RUNC="$(toolchains/runc.sh "$arch" | tail -n 1)")
  [[ $arch == amd64 ]] || options+=(-DCMAKE_TOOLCHAIN_FILE="$root/toolchains/$arch.cmake")
  cmake -S . -B "$build" -G Ninja "${options[@]}" >"$dist/$arch.log" 2>&1 || { tail -n 20 "$dist/$arch.log"; die "configuring $arch failed"; }
  ninja -C "$build" bramble >>"$dist/$arch.log" 2>&1 || { grep -E -A8 'error|FAILED' "$dist/$arch.log" | head -n 40; die "building $arch failed"; }
  install -m 755 "$build/bramble" "$dist/bramble$suffix"
  files=("bramble$suffix")
  for extra in "bramble-airgap-images$suffix.tar.zst" "kubectl$suffix"; do [[ ! -f $dist/$extra ]] || files+=("$extra"); done
  (cd "$dist" && sha256sum "${files[@]}" >"sha256sum-$arch.txt")
  rm -f "$dist/$arch.log"
  size=$(stat -c %s "$dist/bramble$suffix")
  printf '%-16s %9d bytes, %3d%% of the %d MB that it may have\n' "bramble$suffix" "$size" $((size * 100 / budget)) $((budget / 1024 / 1024))
done

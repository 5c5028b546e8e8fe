#!/bin/bash
# Shows that a cross-built binary is static, is for the processor that it says, and runs under emulation.
# Usage: smoke.sh arm64|armhf|armv6 BINARY. Called by tests/run.sh.
set -euo pipefail
arch=${1:?} binary=${2:?}
die() { echo "smoke $arch: $*" >&2; exit 1; }
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# e_machine of the ELF header: 0xB7 is AArch64, 0x28 is ARM.
machine=$(od -An -tx1 -j18 -N1 "$binary" | tr -d ' ')
case $arch in
  arm64) emulator=(qemu-aarch64-static) want=b7 ;;
  armhf) emulator=(qemu-arm-static -cpu cortex-a7) want=28 ;;
  armv6) emulator=(qemu-arm-static -cpu arm1176) want=28 ;;  # the Pi Zero's
  *) die 'unknown architecture' ;;
esac
[[ $machine == "$want" ]] || die "is for machine 0x$machine, not 0x$want"
# A static file names no interpreter (program header type 3).
if readelf -lW "$binary" | grep -q INTERP; then die 'is not static'; fi

version=$("${emulator[@]}" "$binary" --version)
[[ $version == 'bramble version v1.36'* ]] || die "--version says: $version"
"${emulator[@]}" "$binary" server --help | grep -q -- --cluster-cidr || die 'server --help does not work'
printf '%s: %d bytes\n' "$arch" "$(stat -c %s "$binary")"

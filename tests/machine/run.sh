#!/bin/bash
# The real binary on a real kernel: an emulated arm64 board of 512 MB with cgroup version 2, booted from Debian's kernel, an ext4
# disk, runc and busybox; its power is cut, its clock is wrong, its kernel lacks the memory cgroup. A real kubectl reaches it.
#
#   tests/machine/run.sh [--keep] [WORD...]     tests whose name contains one of the words (and those they stand on); all without
#
# BRAMBLE names the binary (default build/arm64/bramble). Prints "ok NAME" or "FAILED NAME" a test, the figures of the board, and
# "N passed, N failed" at the end. Leaves nothing behind but the cache and, with --keep, the folder with disks and logs. Runs in
# namespaces of its own: the ports that it forwards are nobody else's, and the emulator ends with it. Called by tests/run.sh.
set -euo pipefail
export LC_ALL=C PYTHONDONTWRITEBYTECODE=1
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
root=$PWD
binary=$(readlink -f "${BRAMBLE:-build/arm64/bramble}") || true
[[ -x $binary ]] || { echo "machine: build/arm64/bramble is missing; build it, or name it in BRAMBLE" >&2; exit 1; }
command -v qemu-system-aarch64 >/dev/null || { echo 'machine: qemu-system-aarch64 is missing; run toolchains/install-packages.sh machine' >&2; exit 1; }
((EUID == 0)) || { echo 'machine: run as root' >&2; exit 1; }
keep=
if [[ ${1:-} == --keep ]]; then keep=1 && shift; fi

state=$(mktemp -d /var/tmp/bmachine.XXXXXX)
# shellcheck disable=SC2317  # called by the trap
clean() {
  [[ -n $keep ]] && echo "machine: kept $state" && return
  rm -rf "$state"
}
trap clean EXIT
mkdir "$state/bin"
toolchains/kubectl.sh "$state/bin"
tests/machine/root.sh "$state/board"
install -D -m 755 "$binary" "$state/board/root/usr/local/bin/bramble"
image() { ARCH=arm64 BUSYBOX=$state/board/root/bin/busybox provision/sample/make-image.sh "$1" "$state/board/root/root/$2" "$3"; }
image bramble.local/web:1 web.tar 'It works: page one.'
image bramble.local/web:2 web2.tar 'It works: page two.'

export BRAMBLE_E2E_BINARY=$binary BRAMBLE_E2E_STATE=$state BRAMBLE_E2E_CGROUP='' BRAMBLE_E2E_ROOT=$root
# shellcheck disable=SC2016  # expanded inside
unshare --mount --net --ipc --pid --fork --mount-proc --propagation private --kill-child bash -c '
  set -euo pipefail
  ip link set lo up
  /usr/bin/python3 "$BRAMBLE_E2E_ROOT/tests/machine/main.py" "$@"
' bash "$@"

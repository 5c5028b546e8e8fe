#!/bin/bash
# End to end: the real binary, real containers, a real kubectl, in namespaces of their own, so that it runs beside a quickstart.
#
#   tests/e2e/run.sh [--keep] [--lab] [WORD...]     tests whose name contains one of the words; all without
#
# --lab: those of lab/, on three hosts instead of one. --bench-network: figures of the network between two.
#
# BRAMBLE names the binary (default build/bramble). Prints "ok NAME" or "FAILED NAME" a test, and "N passed, N failed" at the end.
# Leaves nothing behind but with --keep, which leaves the folder of the state with all logs. Called by tests/run.sh.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
root=$PWD
binary=$(readlink -f "${BRAMBLE:-build/bramble}")
[[ -x $binary ]] || { echo "e2e: $binary is missing; build it, or name it in BRAMBLE" >&2; exit 1; }
((EUID == 0)) || { echo 'e2e: run as root' >&2; exit 1; }
keep=
if [[ ${1:-} == --keep ]]; then keep=1 && shift; fi
export BRAMBLE_E2E_LAB=
case ${1:-} in
  --lab) BRAMBLE_E2E_LAB=tests/e2e/lab/main.py && shift ;;
  --bench-network) BRAMBLE_E2E_LAB=tests/bench/network.py && shift ;;
esac

# overlayfs wants its upper folders on a disk's file system, and socket paths are short (unix(7)).
state=$(mktemp -d /var/tmp/be2e.XXXXXX)
group=bramble-e2e-$$

# Processes end with their namespace; cgroups of version 1 have none and go by name.
# shellcheck disable=SC2317  # called by the trap
clean() {
  local mount dir
  for mount in /sys/fs/cgroup /sys/fs/cgroup/*/; do
    for dir in "${mount%/}/$group" "${mount%/}/$group-"*; do
      [[ -d $dir ]] || continue
      find "$dir" -depth -type d -exec rmdir {} + 2>/dev/null || true
    done
  done
  [[ -n $keep ]] && echo "e2e: kept $state" && return
  rm -rf "$state"
}
trap clean EXIT

mkdir "$state/bin"
toolchains/kubectl.sh "$state/bin"
toolchains/kubectl.sh --old "$state/bin"
toolchains/clients.sh "$state/clients"
toolchains/nginx.sh "$state/roots"

export PYTHONDONTWRITEBYTECODE=1
export BRAMBLE_E2E_BINARY=$binary BRAMBLE_E2E_STATE=$state BRAMBLE_E2E_CGROUP=$group BRAMBLE_E2E_ROOT=$root
# Bash stays as process 1 of the new namespace: it reaps what loses its parent.
# shellcheck disable=SC2016  # expanded inside
unshare --mount --net --uts --ipc --pid --fork --mount-proc --propagation private --kill-child bash -c '
  set -euo pipefail
  hostname bramble-e2e
  ip link set lo up
  if [[ $BRAMBLE_E2E_LAB ]]; then
    /usr/bin/python3 "$BRAMBLE_E2E_ROOT/$BRAMBLE_E2E_LAB" "$@"
    exit
  fi
  ip link add uplink0 type bridge
  ip address add 192.0.2.10/24 dev uplink0
  ip link set uplink0 up
  ip route add default via 192.0.2.1
  /usr/bin/python3 "$BRAMBLE_E2E_ROOT/tests/e2e/main.py" "$@"
' bash "$@"

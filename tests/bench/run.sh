#!/bin/bash
# Prints the figures of the README, measured in namespaces of their own; none is asserted.
#
#   tests/bench/run.sh [PART...]     parts: size start idle pods probes api dns pull crun (all without)
#
# BRAMBLE names the binary (default build/bramble), BENCH_IDLE_SECONDS the length of the idle part (30), BENCH_PODS the burst (100).
# Leaves nothing behind.
set -euo pipefail
export LC_ALL=C PYTHONDONTWRITEBYTECODE=1
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
binary=$(readlink -f "${BRAMBLE:-build/bramble}")
[[ -x $binary ]] || { echo "bench: $binary is missing; build it, or name it in BRAMBLE" >&2; exit 1; }
((EUID == 0)) || { echo 'bench: run as root' >&2; exit 1; }
state=$(mktemp -d /var/tmp/bbench.XXXXXX)
group=bramble-bench-$$
# shellcheck disable=SC2317  # called by the trap
clean() {
  local mount
  for mount in /sys/fs/cgroup /sys/fs/cgroup/*/; do
    [[ ! -d ${mount%/}/$group ]] || find "${mount%/}/$group" -depth -type d -exec rmdir {} + 2>/dev/null || true
  done
  rm -rf "$state"
}
trap clean EXIT
mkdir "$state/bin"
toolchains/kubectl.sh "$state/bin"
export BRAMBLE_E2E_BINARY=$binary BRAMBLE_E2E_STATE=$state BRAMBLE_E2E_CGROUP=$group BRAMBLE_E2E_ROOT=$PWD
# shellcheck disable=SC2016  # expanded inside
unshare --mount --net --uts --ipc --pid --fork --mount-proc --propagation private --kill-child bash -c '
  set -euo pipefail
  hostname bramble-e2e
  ip link set lo up
  ip link add uplink0 type bridge
  ip address add 192.0.2.10/24 dev uplink0
  ip link set uplink0 up
  ip route add default via 192.0.2.1
  /usr/bin/python3 "$BRAMBLE_E2E_ROOT/tests/bench/bench.py" "$@"
' bash "$@"

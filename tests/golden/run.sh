#!/bin/bash
# Replays recorded answers of upstream against a server without controllers, scheduler and node, in namespaces of its own.
#
#   tests/golden/run.sh              fails when a scenario of expected.txt differs; prints the counts of each area
#   tests/golden/run.sh --update     writes expected.txt anew: the scenarios that pass now
#   tests/golden/run.sh --show WORD  prints all differences of the scenarios whose area/name contains WORD
#
# BRAMBLE names the binary (default build/bramble). Leaves nothing behind.
set -euo pipefail
export LC_ALL=C PYTHONDONTWRITEBYTECODE=1
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
binary=$(readlink -f "${BRAMBLE:-build/bramble}")
[[ -x $binary ]] || { echo "golden: $binary is missing; build it, or name it in BRAMBLE" >&2; exit 1; }
state=$(mktemp -d /var/tmp/bgold.XXXXXX)
trap 'rm -rf "$state"' EXIT
export GOLDEN_BINARY=$binary GOLDEN_STATE=$state
# shellcheck disable=SC2016  # expanded inside
unshare --mount --net --uts --pid --fork --mount-proc --propagation private --kill-child bash -c '
  set -euo pipefail
  hostname bramble-golden
  ip link set lo up
  ip link add uplink0 type bridge
  ip address add 192.0.2.10/24 dev uplink0
  ip link set uplink0 up
  /usr/bin/python3 tests/golden/check.py "$@"
' bash "$@"

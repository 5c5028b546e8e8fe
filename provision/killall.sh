#!/bin/bash
# Ends every pod of a stopped bramble and takes back what it made on this host: processes in its cgroups, mounts under its
# folders, its links, routes and addresses, its nftables table. Files stay. Run as root; running it twice is harmless.
#
#   killall.sh [--run-dir DIR] [--state-dir DIR] [--cgroup-root NAME] [--service-cidr RANGE] [--cluster-dns ADDRESS]
#
# --state-dir names one folder under which all folders with mounts lie; without it the usual ones are taken.
set -euo pipefail
export LC_ALL=C

run_dir=/run/bramble state_dirs=(/var/lib/bramble /var/lib/kubelet) cgroup_root='' service_cidr=10.43.0.0/16 dns=10.43.0.10
while (($# > 0)); do
  case $1 in
    --run-dir) run_dir=$2 ;;
    --state-dir) state_dirs=("$2") ;;
    --cgroup-root) cgroup_root=$2 ;;
    --service-cidr) service_cidr=$2 ;;
    --cluster-dns) dns=$2 ;;
    -h | --help) sed -n '2,8s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "killall.sh: unknown argument $1" >&2; exit 1 ;;
  esac
  shift 2
done
((EUID == 0)) || { echo 'killall.sh: run as root' >&2; exit 1; }

# The cgroups of pods and shims in every hierarchy of version 1, or the one of version 2.
if [[ -n $cgroup_root ]]; then names=("$cgroup_root"); else names=(kubepods bramble/shims); fi
groups() {
  local name mount
  for name in "${names[@]}"; do
    for mount in /sys/fs/cgroup /sys/fs/cgroup/*/; do
      [[ ! -d ${mount%/}/$name ]] || find "${mount%/}/$name" -depth -type d
    done
  done
}

# Killed again until none is left: a process may start another while it dies.
for _ in 1 2 3 4 5 6 7 8 9 10; do
  mapfile -t pids < <(groups | while read -r group; do cat "$group/cgroup.procs" 2>/dev/null || true; done | sort -u)
  ((${#pids[@]})) || break
  kill -KILL "${pids[@]}" 2>/dev/null || true
  for pid in "${pids[@]}"; do timeout 2 tail --pid="$pid" -f /dev/null 2>/dev/null || true; done
done

for dir in "$run_dir" "${state_dirs[@]}"; do
  dir=$(readlink -f "$dir") || continue
  awk -v dir="$dir/" 'index($5 "/", dir) == 1 && $5 "/" != dir { print $5 }' /proc/self/mountinfo | sort -r | while read -r mount; do
    umount -l "$(printf '%b' "$mount")" 2>/dev/null || true
  done
done
groups | while read -r group; do rmdir "$group" 2>/dev/null || true; done

# The pods' links went with their network namespaces.
if ip link show cni0 >/dev/null 2>&1; then ip link delete cni0; fi
ip address del "$dns/32" dev lo 2>/dev/null || true
ip route del "$service_cidr" dev lo 2>/dev/null || true
nft delete table ip bramble 2>/dev/null || true
rm -rf "$run_dir"

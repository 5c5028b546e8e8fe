#!/bin/sh
# Ends every pod of a stopped bramble and takes back what it made on this host: processes in its cgroups, mounts under its
# folders, its links, routes and addresses, its nftables table. Files stay. Run as root; running it twice is harmless.
#
#   killall.sh [--run-dir DIR] [--state-dir DIR] [--cgroup-root NAME] [--service-cidr RANGE] [--cluster-dns ADDRESS]
#
# --state-dir names one folder under which all folders with mounts lie; without it the usual ones are taken, and the services
# named bramble* are stopped first.
set -eu
export LC_ALL=C

run_dir=/run/bramble state_dirs='/var/lib/bramble /var/lib/kubelet' names='kubepods bramble/shims' service_cidr=10.43.0.0/16 dns=10.43.0.10
own_services=1
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 0 ;;
  esac
  [ $# -ge 2 ] || { echo "killall.sh: $1 needs a value" >&2; exit 1; }
  case $1 in
    --run-dir) run_dir=$2 ;;
    --state-dir) state_dirs=$2 own_services= ;;
    --cgroup-root) names=$2 ;;
    --service-cidr) service_cidr=$2 ;;
    --cluster-dns) dns=$2 ;;
    *) echo "killall.sh: unknown argument $1" >&2; exit 1 ;;
  esac
  shift 2
done
[ "$(id -u)" = 0 ] || { echo 'killall.sh: run as root' >&2; exit 1; }

if [ -n "$own_services" ]; then
  if [ -d /run/systemd/system ]; then
    for unit in /etc/systemd/system/bramble*.service; do [ ! -f "$unit" ] || systemctl stop "$(basename "$unit")"; done
  elif [ -x /sbin/openrc-run ]; then
    for unit in /etc/init.d/bramble*; do [ ! -x "$unit" ] || "$unit" stop; done
  fi
fi

# The cgroups of pods and shims in every hierarchy of version 1, or the one of version 2, the inner ones first.
groups() {
  for name in $names; do
    for mount in /sys/fs/cgroup /sys/fs/cgroup/*/; do
      [ ! -d "${mount%/}/$name" ] || find "${mount%/}/$name" -depth -type d
    done
  done
}
processes() { groups | while read -r group; do cat "$group/cgroup.procs" 2>/dev/null || true; done | sort -u; }

# Killed again until none is left: a process may start another while it dies.
for _ in 1 2 3 4 5 6 7 8 9 10; do
  pids=$(processes)
  [ -n "$pids" ] || break
  for pid in $pids; do kill -KILL "$pid" 2>/dev/null || true; done
  for pid in $pids; do
    # Until it has ended, two seconds at the most.
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
      kill -0 "$pid" 2>/dev/null || break
      sleep 0.1
    done
  done
done

for dir in "$run_dir" $state_dirs; do
  dir=$(readlink -f "$dir") || continue
  awk -v dir="$dir/" 'index($5 "/", dir) == 1 && $5 "/" != dir { print $5 }' /proc/self/mountinfo | sort -r | while read -r mount; do
    umount -l "$(printf '%b' "$mount")" 2>/dev/null || true
  done
done
groups | while read -r group; do rmdir "$group" 2>/dev/null || true; done

# The pods' links went with their network namespaces.
for link in cni0 flannel.1 flannel-v6.1; do
  if ip link show "$link" >/dev/null 2>&1; then ip link delete "$link"; fi
done
ip address del "$dns/32" dev lo 2>/dev/null || true
ip route del "$service_cidr" dev lo 2>/dev/null || true
nft delete table ip bramble 2>/dev/null || true
rm -rf "$run_dir"

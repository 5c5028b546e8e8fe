#!/bin/sh
# Removes a bramble that install.sh installed: ends its pods, takes back what it made on this host, removes its service, its
# programs and its data. What is left afterwards: packages, and kernel modules that were loaded.
#
#   bramble-uninstall.sh [--keep-data]      --keep-data: <data-dir> and /etc/bramble stay
set -eu
export LC_ALL=C

service='@SERVICE@' bin_dir='@BIN_DIR@' unit='@UNIT@' environment='@ENVIRONMENT@' init='@INIT@'
keep=
case ${1:-} in
  '') ;;
  --keep-data) keep=1 ;;
  *) sed -n '2,5s/^# \{0,1\}//p' "$0"; exit 1 ;;
esac
[ "$(id -u)" = 0 ] || { echo 'run as root' >&2; exit 1; }

data=$(sed -n "s/^BRAMBLE_DATA_DIR=//p" "$environment" 2>/dev/null || true)
data=${data:-/var/lib/bramble}
case $data in
  /*/*) ;;
  *) echo "will not remove $data; remove it by hand" >&2; keep=1 ;;
esac

if [ "$init" = systemd ]; then
  systemctl disable --now "$service" 2>/dev/null || true
else
  rc-service "$service" stop 2>/dev/null || true
  rc-update -q del "$service" default 2>/dev/null || true
fi
rm -f "$unit" "$environment"
if [ "$init" = systemd ]; then
  systemctl daemon-reload
  systemctl reset-failed "$service" 2>/dev/null || true
fi

# Another service of bramble on this machine keeps the program and its pods.
others=
for other in /etc/systemd/system/bramble*.service /etc/init.d/bramble*; do [ ! -f "$other" ] || others="$others $other"; done
if [ -n "$others" ]; then
  rm -f "$0"
  echo "removed $service; still there:$others"
  exit 0
fi

if [ -x "$bin_dir/bramble-killall.sh" ]; then "$bin_dir/bramble-killall.sh"; fi
rm -rf /run/bramble /var/lib/kubelet /var/log/pods /var/log/containers
if [ -z "$keep" ]; then rm -rf --one-file-system "$data" /etc/bramble; fi
rm -f "$bin_dir/bramble" "$bin_dir/bramble-killall.sh" "/var/log/$service.log"
rm -f "$0"
echo "bramble is removed${keep:+; its data stays in $data}"

#!/bin/sh
# Installs bramble on this machine as a service, or brings it up to date.
#
#   curl -sfL PREFIX/install.sh | sh -                                             a server with a node
#   curl -sfL PREFIX/install.sh | BRAMBLE_URL=https://SERVER:6443 BRAMBLE_TOKEN=... sh -    a node of that server
#   INSTALL_BRAMBLE_MIRROR=/media/usb/bramble sh /media/usb/bramble/install.sh     from a folder, without any network
#
# Variables:
#   BRAMBLE_URL, BRAMBLE_TOKEN, BRAMBLE_TOKEN_FILE   the server to join; every BRAMBLE_* goes into the service's environment file
#   INSTALL_BRAMBLE_MIRROR         URL prefix or folder that holds the release files (default: where this script came from)
#   INSTALL_BRAMBLE_VERSION        PREFIX/VERSION/ holds the files;  INSTALL_BRAMBLE_CHANNEL: PREFIX/channels/CHANNEL names the version
#   INSTALL_BRAMBLE_EXEC           command and flags of the service ("server --disable servicelb"); arguments of this script are appended
#   INSTALL_BRAMBLE_NAME           the service is bramble-NAME;  INSTALL_BRAMBLE_TYPE: notify or exec (systemd)
#   INSTALL_BRAMBLE_SKIP_DOWNLOAD  true: the program in BIN_DIR stays;  _SKIP_ENABLE, _SKIP_START: true
#   INSTALL_BRAMBLE_FORCE_RESTART  true: restart even when nothing changed
#   INSTALL_BRAMBLE_BIN_DIR        default /usr/local/bin, or /opt/bin where that is read-only
#   INSTALL_BRAMBLE_BIN_DIR_READ_ONLY  true: nothing is written there (implies SKIP_DOWNLOAD)
#   INSTALL_BRAMBLE_SYSTEMD_DIR    default /etc/systemd/system
#   INSTALL_BRAMBLE_SYMLINK        skip: no kubectl is put beside bramble;  force: even where there is one
#
# Nothing is touched before the download has been checked against its SHA-256; a running service restarts only when its program,
# its unit or its environment changed, and its pods run on.
set -eu
umask 022

# Put in when the release is made.
default_mirror='@MIRROR@'

say() { echo "[INFO]  $*"; }
warn() { echo "[WARN]  $*" >&2; }
die() { echo "[ERROR] $*" >&2; exit 1; }
has() { command -v "$1" >/dev/null 2>&1; }
is_true() { [ "${1:-}" = true ]; }

work=
as_root=
# shellcheck disable=SC2317  # called by the trap
clean() { [ -z "$work" ] || $as_root rm -rf "$work"; }
trap clean EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# ' around a word for a shell that reads it again.
quote() { printf '%s' "$1" | sed "s/'/'\\\\''/g; 1s/^/'/; \$s/\$/'/"; }

# --- What is asked for --------------------------------------------------------------------------------------------------

settle_service() { # arguments: those of the script
  command=
  case "${INSTALL_BRAMBLE_EXEC:-} ${1:-}" in
    ' ' | ' -'* | -*) ;;
    *)
      # The first word of either is the command, unless it is a flag.
      # shellcheck disable=SC2086  # words on purpose
      set -- ${INSTALL_BRAMBLE_EXEC:-} "$@"
      INSTALL_BRAMBLE_EXEC=
      command=$1
      shift
      ;;
  esac
  if [ -z "$command" ]; then
    command=server
    [ -z "${BRAMBLE_URL:-}" ] || command=agent
  fi
  case $command in
    server | agent) ;;
    *) die "the command is server or agent, not $command; see INSTALL_BRAMBLE_EXEC" ;;
  esac
  if [ "$command" = agent ]; then
    case ${BRAMBLE_URL:-} in
      '') ;;  # --server may stand in the configuration
      https://?*) ;;
      *) die "BRAMBLE_URL must begin with https://, like https://192.168.1.10:6443, and is $BRAMBLE_URL" ;;
    esac
    if [ -n "${BRAMBLE_URL:-}" ] && [ -z "${BRAMBLE_TOKEN:-}${BRAMBLE_TOKEN_FILE:-}" ]; then
      case " ${INSTALL_BRAMBLE_EXEC:-} $*" in
        *' --token'*) ;;
        *) [ -s /etc/bramble/config.yaml ] || die 'an agent needs BRAMBLE_TOKEN or BRAMBLE_TOKEN_FILE: it stands on the server in /var/lib/bramble/server/node-token' ;;
      esac
    fi
  fi
  words=$command
  # shellcheck disable=SC2086  # words on purpose
  for word in ${INSTALL_BRAMBLE_EXEC:-} "$@"; do words="$words $(quote "$word")"; done

  if [ -n "${INSTALL_BRAMBLE_NAME:-}" ]; then
    case $INSTALL_BRAMBLE_NAME in
      *[!A-Za-z0-9_.-]*) die "INSTALL_BRAMBLE_NAME may hold letters, digits, dots, dashes and underscores: $INSTALL_BRAMBLE_NAME" ;;
    esac
    service=bramble-$INSTALL_BRAMBLE_NAME
  elif [ "$command" = agent ]; then
    service=bramble-agent
  else
    service=bramble
  fi
  type=${INSTALL_BRAMBLE_TYPE:-notify}
  bin_dir=${INSTALL_BRAMBLE_BIN_DIR:-}
  if [ -z "$bin_dir" ]; then
    bin_dir=/usr/local/bin
    if ! $as_root mkdir -p /usr/local/bin 2>/dev/null || ! $as_root sh -c ': >/usr/local/bin/.bramble-try && rm /usr/local/bin/.bramble-try' 2>/dev/null; then
      bin_dir=/opt/bin
    fi
  fi
  program=$bin_dir/bramble
  if is_true "${INSTALL_BRAMBLE_BIN_DIR_READ_ONLY:-}"; then INSTALL_BRAMBLE_SKIP_DOWNLOAD=true; fi
}

settle_init() {
  if [ -x /sbin/openrc-run ]; then
    init=openrc
    unit=/etc/init.d/$service
    environment=/etc/bramble/$service.env
  elif [ -x /bin/systemctl ] || has systemctl; then
    init=systemd
    unit=${INSTALL_BRAMBLE_SYSTEMD_DIR:-/etc/systemd/system}/$service.service
    environment=$unit.env
  else
    die 'this machine has neither systemd nor OpenRC; run "bramble server" by your own supervisor'
  fi
}

# --- The machine --------------------------------------------------------------------------------------------------------

settle_architecture() {
  machine=$(uname -m)
  features=$(sed -n 's/^Features[[:space:]]*: //p' /proc/cpuinfo 2>/dev/null | head -n 1)
  case $machine in
    x86_64 | amd64) arch=amd64 ;;
    aarch64 | arm64) arch=arm64 ;;
    arm*)
      # The name of the kernel is not enough: an ARMv6 board has no VFPv3, and some kernels call themselves after others.
      case " $features " in
        *' vfpv3 '* | *' vfpv3d16 '* | *' neon '*) arch=armhf ;;
        *' vfp '*) arch=armv6 ;;
        *) die "this processor has no floating point unit that bramble knows ($machine, features: ${features:-none})" ;;
      esac
      ;;
    *) die "no bramble is built for $machine; there are amd64, arm64, armhf and armv6" ;;
  esac
  suffix=-$arch
  [ "$arch" != amd64 ] || suffix=
  kernel=$(uname -r)
  major=${kernel%%.*}
  minor=${kernel#*.}
  minor=${minor%%[!0-9]*}
  if [ "$major" -lt 4 ] || { [ "$major" -eq 4 ] && [ "$minor" -lt 19 ]; }; then
    die "kernel $kernel is too old: bramble needs 4.19 or newer (nf_tables, overlayfs, cgroups)"
  fi
  if ! grep -qw overlay /proc/filesystems 2>/dev/null && has modprobe && ! $as_root modprobe overlay 2>/dev/null; then
    warn 'this kernel has no overlay file system; containers cannot run without it'
  fi
}

has_memory_cgroup() {
  if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
    grep -qw memory /sys/fs/cgroup/cgroup.controllers
  else
    awk '$1 == "memory" && $4 == 1 { found = 1 } END { exit !found }' /proc/cgroups 2>/dev/null
  fi
}

# A Raspberry Pi starts without the memory cgroup unless its one-line cmdline.txt says otherwise.
mend_raspberry_pi() {
  has_memory_cgroup && return 0
  grep -qi 'raspberry pi' /proc/device-tree/model 2>/dev/null || grep -qi 'raspberry pi' /proc/cpuinfo 2>/dev/null || {
    warn 'the memory cgroup is off: pods cannot run. Add "cgroup_enable=memory" to the kernel command line and reboot'
    return 0
  }
  cmdline=
  for file in /boot/firmware/cmdline.txt /boot/firmware/current/cmdline.txt /boot/cmdline.txt; do
    if [ -f "$file" ] && ! grep -q 'DO NOT EDIT' "$file"; then cmdline=$file && break; fi
  done
  [ -n "$cmdline" ] || die 'the memory cgroup is off, and no cmdline.txt was found in /boot/firmware or /boot; add "cgroup_memory=1 cgroup_enable=memory" to the kernel command line and reboot'
  lines=$(grep -c '[^[:space:]]' "$cmdline" || true)
  [ "$lines" = 1 ] || die "$cmdline must be one line and has $lines; mend it by hand (only the first counts), then run this again"
  needed=
  for switch in cgroup_memory=1 cgroup_enable=memory; do
    grep -qw -- "$switch" "$cmdline" || needed="$needed $switch"
  done
  if [ -n "$needed" ]; then
    $as_root cp -p "$cmdline" "$cmdline.before-bramble"
    # A new file in one step: a power cut leaves the old line or the new one.
    grep '[^[:space:]]' "$cmdline" | sed "s/[[:space:]]*\$/$needed/" >"$work/cmdline.txt"
    $as_root cp "$work/cmdline.txt" "$cmdline.new"
    $as_root sync
    $as_root mv "$cmdline.new" "$cmdline"
    say "$cmdline: added$needed (before: $cmdline.before-bramble)"
  fi
  reboot_needed=1
}

# --- Files of the release -----------------------------------------------------------------------------------------------

# fetch NAME FILE: of the mirror; 1 when it has none or it cannot be had.
fetch() {
  case $mirror in
    http://* | https://*)
      if has curl; then curl -fsSL --retry 3 --connect-timeout 20 -o "$2" "$mirror/$1"
      elif has wget; then wget -q -T 20 -O "$2" "$mirror/$1"
      else die 'neither curl nor wget is there; install one, or give a folder in INSTALL_BRAMBLE_MIRROR'; fi
      ;;
    *) [ -f "$mirror/$1" ] && cp "$mirror/$1" "$2" ;;
  esac
}

settle_mirror() {
  mirror=${INSTALL_BRAMBLE_MIRROR:-}
  if [ -z "$mirror" ]; then
    here=$(dirname "$0")
    if [ -f "$here/install.sh" ] && [ -f "$here/sha256sum-$arch.txt" ]; then mirror=$here
    else
      case $default_mirror in
        http*://*) mirror=$default_mirror ;;
        *) die 'where are the release files? Set INSTALL_BRAMBLE_MIRROR to their URL prefix or folder' ;;
      esac
    fi
  fi
  mirror=${mirror%/}
  case $mirror in http://* | https://* | /*) ;; *) mirror=$PWD/$mirror ;; esac
  version=${INSTALL_BRAMBLE_VERSION:-}
  if [ -z "$version" ] && [ -n "${INSTALL_BRAMBLE_CHANNEL:-}" ]; then
    fetch "channels/$INSTALL_BRAMBLE_CHANNEL" "$work/channel" 2>/dev/null || die "$mirror has no channel $INSTALL_BRAMBLE_CHANNEL"
    version=$(head -n 1 "$work/channel")
    case $version in '' | *[!A-Za-z0-9.+_-]*) die "$mirror/channels/$INSTALL_BRAMBLE_CHANNEL does not name a version" ;; esac
  fi
  [ -z "$version" ] || mirror=$mirror/$version
}

sum_of() { sha256sum "$1" | cut -d ' ' -f 1; }

# expect NAME: the sum that the list gives to a file; "" when it has none.
expect() { awk -v name="$1" 'NF == 2 && ($2 == name || $2 == "*" name) && length($1) == 64 { print $1; exit }' "$work/sums"; }

download() {
  file=bramble$suffix
  fetch "sha256sum-$arch.txt" "$work/sums" || die "cannot get $mirror/sha256sum-$arch.txt"
  sum=$(expect "$file")
  [ -n "$sum" ] || die "$mirror/sha256sum-$arch.txt has no checksum of $file; is this the right URL? It begins: $(head -c 60 "$work/sums" | tr -d '\n')"
  if [ -x "$program" ] && [ "$(sum_of "$program")" = "$sum" ]; then
    say "bramble is there already ($program)"
    return 0
  fi
  say "getting $mirror/$file"
  fetch "$file" "$work/bramble" || die "cannot get $mirror/$file (no network, no such file, or no space left in $bin_dir)"
  [ "$(sum_of "$work/bramble")" = "$sum" ] || die "the download is damaged: SHA-256 $(sum_of "$work/bramble") instead of $sum. Nothing was changed; run this again"
  chmod 755 "$work/bramble"
  "$work/bramble" --version >"$work/version" 2>&1 || die "this program does not run here: $(head -n 1 "$work/version")"
  new_program=$work/bramble
}

install_kubectl() {
  [ "${INSTALL_BRAMBLE_SYMLINK:-}" != skip ] || return 0
  ! has kubectl || [ "${INSTALL_BRAMBLE_SYMLINK:-}" = force ] || return 0
  sum=$(expect "kubectl$suffix")
  [ -n "$sum" ] || return 0
  fetch "kubectl$suffix" "$work/kubectl" || return 0
  [ "$(sum_of "$work/kubectl")" = "$sum" ] || { warn "kubectl$suffix is damaged and was left out"; return 0; }
  $as_root install -m 755 "$work/kubectl" "$bin_dir/kubectl"
  say "kubectl: $bin_dir/kubectl"
}

# Archives that lie beside the program go where the node finds them at its start.
install_images() {
  for archive in "$mirror"/bramble-airgap-images"$suffix".tar*; do
    [ -f "$archive" ] || continue
    data=${BRAMBLE_DATA_DIR:-/var/lib/bramble}/agent/images
    $as_root mkdir -p "$data"
    $as_root cp -u "$archive" "$data/"
  done
}

# --- The service --------------------------------------------------------------------------------------------------------

write_scripts() {
  cat >"$work/killall" <<'KILLALL'
@KILLALL@
KILLALL
  cat >"$work/uninstall" <<'UNINSTALL'
@UNINSTALL@
UNINSTALL
  if is_true "${INSTALL_BRAMBLE_BIN_DIR_READ_ONLY:-}"; then return 0; fi
  $as_root install -m 755 "$work/killall" "$bin_dir/bramble-killall.sh"
  sed "s|@SERVICE@|$service|; s|@BIN_DIR@|$bin_dir|; s|@UNIT@|$unit|; s|@ENVIRONMENT@|$environment|; s|@INIT@|$init|" "$work/uninstall" >"$work/uninstall.own"
  remove=bramble-uninstall.sh
  [ "$service" = bramble ] || remove=$service-uninstall.sh
  $as_root install -m 755 "$work/uninstall.own" "$bin_dir/$remove"
}

write_environment() {
  {
    env | grep -E '^(BRAMBLE_|[Nn][Oo]_[Pp][Rr][Oo][Xx][Yy]=|[Hh][Tt][Tt][Pp][Ss]?_[Pp][Rr][Oo][Xx][Yy]=)' | sort || true
  } >"$work/environment"
  # What an earlier run was given stays when this one gives nothing, so that an upgrade by curl alone keeps the token.
  if [ ! -s "$work/environment" ] && $as_root test -s "$environment"; then $as_root cat "$environment" >"$work/environment"; fi
}

write_unit_systemd() {
  cat >"$work/unit" <<UNIT
[Unit]
Description=bramble: Kubernetes for small machines ($command)
Wants=network-online.target
After=network-online.target

[Install]
WantedBy=multi-user.target

[Service]
Type=$type
NotifyAccess=main
EnvironmentFile=-/etc/default/%N
EnvironmentFile=-/etc/sysconfig/%N
EnvironmentFile=-$environment
KillMode=process
Delegate=yes
LimitNOFILE=1048576
LimitNPROC=infinity
LimitCORE=infinity
TasksMax=infinity
TimeoutStartSec=0
WatchdogSec=60
Restart=always
RestartSec=5s
ExecStartPre=-/sbin/modprobe br_netfilter
ExecStartPre=-/sbin/modprobe overlay
ExecStart=$program $words
UNIT
}

write_unit_openrc() {
  cat >"$work/unit" <<UNIT
#!/sbin/openrc-run
description="bramble: Kubernetes for small machines ($command)"
depend() {
  after network-online
  want cgroups
}
supervisor=supervise-daemon
name=$service
command="$program"
command_args="$words >>/var/log/$service.log 2>&1"
pidfile="/run/$service.pid"
respawn_delay=5
respawn_max=0
rc_ulimit="-n 1048576"
set -o allexport
if [ -f /etc/environment ]; then . /etc/environment; fi
if [ -f "$environment" ]; then . "$environment"; fi
set +o allexport
UNIT
}

# put NEW FILE MODE: installs what differs, and notes that something did.
put() {
  if $as_root cmp -s "$1" "$2" && [ "$($as_root stat -c %a "$2")" = "$3" ]; then return 0; fi
  $as_root mkdir -p "$(dirname "$2")"
  # The file that holds a token is never readable to others, not for a moment.
  # shellcheck disable=SC2016  # expanded inside
  $as_root sh -c 'umask 077 && cp "$1" "$2.new" && chmod "$3" "$2.new" && sync "$2.new" 2>/dev/null; mv "$2.new" "$2"' sh "$1" "$2" "$3"
  changed=1
}

is_running() {
  if [ "$init" = systemd ]; then systemctl is-active --quiet "$service"; else rc-service "$service" status >/dev/null 2>&1; fi
}

enable_and_start() {
  if [ "$init" = systemd ]; then
    $as_root systemctl daemon-reload
    is_true "${INSTALL_BRAMBLE_SKIP_ENABLE:-}" || $as_root systemctl enable --quiet "$service"
  else
    is_true "${INSTALL_BRAMBLE_SKIP_ENABLE:-}" || $as_root rc-update -q add "$service" default
  fi
  if is_true "${INSTALL_BRAMBLE_SKIP_START:-}"; then return 0; fi
  if [ -n "$reboot_needed" ]; then
    warn 'the memory cgroup is switched on by a reboot; the service starts then:  sudo reboot'
    return 0
  fi
  if [ -z "$changed" ] && is_running && ! is_true "${INSTALL_BRAMBLE_FORCE_RESTART:-}"; then
    say 'nothing changed; the service runs on'
    return 0
  fi
  say "starting $service"
  if [ "$init" = systemd ]; then
    $as_root systemctl restart "$service" || die "it did not start; see: journalctl -u $service"
  else
    $as_root rc-service "$service" restart || die "it did not start; see /var/log/$service.log"
  fi
}

main() {
  if [ "$(id -u)" != 0 ]; then
    has sudo || die 'run this as root'
    as_root=sudo
  fi
  changed='' reboot_needed='' new_program=''
  settle_service "$@"
  settle_init
  settle_architecture
  has sha256sum || die 'sha256sum is missing; install coreutils'
  $as_root mkdir -p "$bin_dir" 2>/dev/null || true
  # On the file system of the program: what does not fit there is known before anything changes.
  if is_true "${INSTALL_BRAMBLE_BIN_DIR_READ_ONLY:-}" || [ -n "$as_root" ]; then work=$(mktemp -d); else work=$(mktemp -d "$bin_dir/.bramble-install.XXXXXX"); fi
  if is_true "${INSTALL_BRAMBLE_SKIP_DOWNLOAD:-}"; then
    [ -x "$program" ] || die "$program is missing, and INSTALL_BRAMBLE_SKIP_DOWNLOAD is set; put bramble there first"
  else
    settle_mirror
    download
  fi
  mend_raspberry_pi
  write_environment
  "write_unit_$init"
  # From here on the machine changes.
  if [ -n "$new_program" ]; then put "$new_program" "$program" 755; fi
  if [ -n "${mirror:-}" ]; then
    install_kubectl
    install_images
  fi
  write_scripts
  put "$work/environment" "$environment" 600
  unit_mode=644
  [ "$init" = systemd ] || unit_mode=755
  put "$work/unit" "$unit" "$unit_mode"
  enable_and_start
  if [ "$command" = server ]; then say 'kubeconfig: /etc/bramble/bramble.yaml    nodes join with: /var/lib/bramble/server/node-token'; fi
}

# Read whole before it runs: a download that was cut off does nothing.
main "$@"

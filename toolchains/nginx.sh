#!/bin/bash
# Puts a root file system with nginx out of Debian's packages into a directory, for the end to end tests: they make images of it.
#
#   toolchains/nginx.sh DIR     DIR/nginx: nginx, its configuration and pages, the libraries that it is linked with, and a shell
#
# Called by tests/e2e/run.sh. Installs nothing: the packages of this machine's release are unpacked into
# ${BRAMBLE_CACHE:-${XDG_CACHE_HOME:-~/.cache}/bramble}/nginx, DIR gets a symbolic link. Instant when it is there already.
set -euo pipefail
export LC_ALL=C

cache=${BRAMBLE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/bramble}/nginx
die() { echo "nginx.sh: $*" >&2; exit 1; }
(($# == 1)) || die 'usage: nginx.sh DIR'
directory=$1

mkdir -p "$cache" "$directory"
exec 9>"$cache/.lock"
flock 9
root=$cache/$(. /etc/os-release && echo "$VERSION_CODENAME")-$(dpkg --print-architecture)
if [[ ! -d $root ]]; then
  work=$(mktemp -d "$cache/.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  packages=(nginx nginx-common libc6 libcrypt1 libpcre2-8-0 libssl3 zlib1g busybox-static)
  download() { (cd "$work" && apt-get -qq -o APT::Sandbox::User=root download "${packages[@]}" >&2); }
  download 2>/dev/null || { apt-get -qq update >&2 && download; } || die "one of ${packages[*]} cannot be downloaded"
  for deb in "$work"/*.deb; do dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$work" --keep-directory-symlink; done
  rm -rf "$work"/*.deb "$work"/usr/share/{doc,man,locale,lintian} "$work"/usr/lib/*/gconv
  [[ -x $work/usr/sbin/nginx ]] || die 'the package holds no nginx'
  printf '%s\n' 'user root;' 'worker_processes 1;' 'error_log /dev/stderr;' 'pid /run/nginx.pid;' 'events { worker_connections 64; }' \
    'http { include mime.types; access_log off; server { listen 80; root /usr/share/nginx/html; } }' >"$work/etc/nginx/nginx.conf"
  mkdir -p "$work"/{run,tmp,var/log/nginx,var/lib/nginx,bin}
  for applet in sh cat ls; do ln -s busybox "$work/bin/$applet"; done
  printf 'root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33::/:/bin/sh\n' >"$work/etc/passwd"
  printf 'root:x:0:\nwww-data:x:33:\n' >"$work/etc/group"
  chmod 755 "$work"
  mv "$work" "$root"
fi
ln -sfn "$root" "$directory/nginx"

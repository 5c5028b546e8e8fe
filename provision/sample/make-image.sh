#!/bin/sh
# Makes a small web server image from Debian's static busybox, as a Docker archive (Docker image specification 1.2).
# Usage: make-image.sh NAME[:TAG] OUT.tar [TEXT OF THE PAGE]
# ARCH=arm64 BUSYBOX=FILE makes one for another processor. Called by quickstart.sh and by the tests. The same input gives the same
# bytes. Needs tar, sha256sum and busybox-static.
set -eu

name=${1:?"name of the image"}
out=${2:?"archive to write"}
page=${3:-"It works: a page from a container that bramble runs."}
busybox=${BUSYBOX:-/bin/busybox}

lister=$busybox
[ -z "${ARCH:-}" ] || lister=/bin/busybox  # one for another processor may not run here; Debian's have the same applets
for file in "$busybox" "$lister"; do
  [ -x "$file" ] || { echo "make-image: $file is missing; install busybox-static" >&2; exit 1; }
done
arch=${ARCH:-$(uname -m)}
case $arch in
  x86_64) arch=amd64 ;;
  aarch64) arch=arm64 ;;
  amd64 | arm64 | arm) ;;
  arm*) arch=arm ;;
  *) echo "make-image: unknown machine $arch" >&2; exit 1 ;;
esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
mkdir -p "$root/bin" "$root/etc" "$root/tmp" "$root/www" "$root/root" "$root/usr/bin"
chmod 1777 "$root/tmp"
cp "$busybox" "$root/bin/busybox"
"$lister" --list | while read -r applet; do
  [ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
done
printf 'root:x:0:0:root:/root:/bin/sh\nweb:x:1000:1000:web:/:/bin/sh\n' >"$root/etc/passwd"
printf 'root:x:0:\nweb:x:1000:\n' >"$root/etc/group"
printf '%s\n' "$page" >"$root/www/index.html"

pack() { tar --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 --format=gnu -C "$1" -cf "$2" .; }
mkdir "$work/archive"
pack "$root" "$work/archive/layer.tar"
layer=$(sha256sum "$work/archive/layer.tar" | cut -d' ' -f1)
printf '{"architecture":"%s","os":"linux","created":"1970-01-01T00:00:00Z","config":{"Env":["PATH=/bin:/usr/bin"],"Cmd":["/bin/httpd","-f","-v","-p","80","-h","/www"],"WorkingDir":"/"},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]},"history":[{"created":"1970-01-01T00:00:00Z","created_by":"busybox"}]}' \
  "$arch" "$layer" >"$work/config"
config=$(sha256sum "$work/config" | cut -d' ' -f1)
mv "$work/config" "$work/archive/$config.json"
printf '[{"Config":"%s.json","RepoTags":["%s"],"Layers":["layer.tar"]}]' "$config" "$name" >"$work/archive/manifest.json"
pack "$work/archive" "$out"

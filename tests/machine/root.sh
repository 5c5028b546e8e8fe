#!/bin/bash
# Puts what the emulated board boots from into a directory: DIR/vmlinuz and the tree DIR/root, without bramble.
#
#   tests/machine/root.sh DIR
#
# Debian 12's kernel for arm64 with the modules that a node needs, runc with its two libraries, a static busybox as the rest of
# the system, and the files of tests/machine/root. Packages are kept in the cache (toolchains/apt.sh); what is unpacked of them too,
# by the name of the kernel and the checksum of this file, so only the first call takes long. Called by run.sh.
set -euo pipefail
export LC_ALL=C
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${BRAMBLE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/bramble}
die() { echo "machine/root.sh: $*" >&2; exit 1; }
. "$here/../../toolchains/apt.sh"  # fetch_package
(($# == 1)) || die 'usage: root.sh DIR'
directory=$1
suite=bookworm

mkdir -p "$cache/machine"
exec 9>"$cache/machine/.lock"
flock 9

# The newest kernel has another name after each update: the package that stands for it names it. The cloud flavour has what a
# virtual machine has, a third of the bytes, and its disk driver built in, so that it needs no initial root.
work=$(mktemp -d "$cache/machine/.XXXXXX")
trap 'rm -rf "$work"' EXIT
fetch_package linux-image-cloud-arm64 arm64 "$suite" "$work/meta"
meta=$(find "$cache/distfiles/$suite" -name 'linux-image-cloud-arm64_*_arm64.deb' | sort -V | tail -n 1)
kernel=$(dpkg-deb --field "$meta" Depends | grep -oE '^linux-image-[^ ]+')
version=${kernel#linux-image-}

made=$cache/machine/$version-$(sha256sum "$here/root.sh" | cut -c 1-12)
if [[ ! -d $made ]]; then
  # A name that the archive has no more is asked for anew next time.
  (fetch_package "$kernel" arm64 "$suite" "$work/kernel") || { rm -f "$meta"; die "cannot get $kernel; run this again"; }
  root=$work/made/root
  mkdir -p "$root"
  for package in runc libc6 libseccomp2 busybox-static; do fetch_package "$package" arm64 "$suite" "$root"; done
  rm -rf "${root:?}/usr/share" "${root:?}/usr/lib/aarch64-linux-gnu/"{gconv,audit}
  mkdir -p "$root"/{proc,sys,dev,run,tmp,root,sbin,etc,var/log}
  chmod 1777 "$root/tmp"
  # This machine's busybox is the same version for another processor.
  busybox --list | while read -r applet; do [[ -e $root/bin/$applet ]] || ln -s busybox "$root/bin/$applet"; done
  ln -s /bin/busybox "$root/sbin/init"
  ln -s /bin/busybox "$root/sbin/modprobe"  # where the kernel calls it
  modules=lib/modules/$version
  mkdir -p "$root/$modules"
  (
    cd "$work/kernel/$modules"
    find kernel/{net,lib,crypto,fs/overlayfs,drivers/virtio,drivers/net} -name '*.ko' ! -path '*/ethernet/*' ! -path '*/wireless/*' -print0 |
      tar -c --null -T - -f - modules.order modules.builtin modules.builtin.modinfo
  ) | tar -x -C "$root/$modules" -f -
  busybox depmod -b "$root" "$version"
  printf 'root:x:0:0:root:/root:/bin/sh\n' >"$root/etc/passwd"
  printf 'root:x:0:\n' >"$root/etc/group"
  printf '127.0.0.1 localhost board\n' >"$root/etc/hosts"
  printf 'nameserver 10.0.2.3\n' >"$root/etc/resolv.conf"
  mv "$work/kernel/boot/vmlinuz-$version" "$work/made/vmlinuz"
  chmod 755 "$work/made"
  mv "$work/made" "$made"
fi
mkdir -p "$directory"
cp -a "$made/." "$directory/"
cp -a --no-preserve=ownership "$here/root/." "$directory/root/"

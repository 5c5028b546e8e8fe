#!/bin/bash
# Puts two client libraries into a directory, for the end to end tests.
#
#   toolchains/clients.sh DIR     DIR/ansible_collections: kubernetes.core as Debian's ansible ships it
#                                 DIR/node_modules: npm's @kubernetes/client-node, as tests/e2e/node_client/package-lock.json pins it
#
# Called by tests/e2e/run.sh. Installs nothing: both are unpacked into ${BRAMBLE_CACHE:-${XDG_CACHE_HOME:-~/.cache}/bramble}/clients,
# DIR gets symbolic links. Of the ansible package (300 MB of collections) only the one is unpacked; ansible-core is installed
# as a package. Instant when both are there already.
set -euo pipefail
export LC_ALL=C

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${BRAMBLE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/bramble}/clients
die() { echo "clients.sh: $*" >&2; exit 1; }
(($# == 1)) || die 'usage: clients.sh DIR'
directory=$1

mkdir -p "$cache" "$directory"
exec 9>"$cache/.lock"
flock 9
work=$(mktemp -d "$cache/.XXXXXX")
trap 'rm -rf "$work"' EXIT

# What the package of this machine's release holds; a newer one replaces it when the folder is removed.
collections=$cache/ansible_collections
if [[ ! -d $collections ]]; then
  download() { (cd "$work" && apt-get -qq -o APT::Sandbox::User=root download ansible >&2); }
  download 2>/dev/null || { apt-get -qq update >&2 && download; } || die 'the package ansible cannot be downloaded'
  dpkg-deb --fsys-tarfile "$work"/ansible_*.deb |
    tar -x -C "$work" --strip-components=5 --wildcards './usr/lib/python3/dist-packages/ansible_collections/kubernetes/core/*'
  [[ -f $work/ansible_collections/kubernetes/core/MANIFEST.json ]] || die 'the package ansible holds no kubernetes.core'
  mv "$work/ansible_collections" "$collections"
fi

# One folder a lock file: what was made from another is left alone, another checkout may use it.
lock=$root/tests/e2e/node_client/package-lock.json
modules=$cache/node-$(sha256sum "$lock" | cut -c 1-16)
if [[ ! -d $modules ]]; then
  mkdir "$work/node"
  cp "${lock%/*}"/package{,-lock}.json "$work/node/"
  (cd "$work/node" && npm ci --ignore-scripts --omit=optional --no-audit --no-fund --silent >"$work/log" 2>&1) ||
    die "npm ci: $(grep -m1 -i error "$work/log" || tail -n 1 "$work/log")"
  mv "$work/node" "$modules"
fi

ln -sfn "$collections" "$directory/ansible_collections"
ln -sfn "$modules/node_modules" "$directory/node_modules"

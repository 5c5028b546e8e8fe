#!/bin/bash
# Sourced by runc.sh after apt.sh: a root of apt's own, for packages with all that they need and for sources.
# apt.sh makes the same for single packages; the two become one when the libraries are built anew for another reason, since what
# apt.sh says is part of what names them.

# private_root SUITE ARCHITECTURE: sets $root to a root of apt's own under $cache/apt for one suite and architecture: own lists and
# package state, the machine's transport settings and archive keys. To be called with a lock of the caller's on it.
private_root() {
  local suite=$1 architecture=$2 keys options uri
  # shellcheck disable=SC2154  # set by the caller
  root=$cache/apt/$suite-$architecture
  mkdir -p "$root"/{lists/partial,archives/partial,empty}
  uri=$(mirror_uris | head -n 1)
  [[ -n $uri ]] || die "apt knows no mirror of this Debian release; see /etc/apt"
  keys=/usr/share/keyrings/debian-archive-keyring.gpg
  options=
  [[ ! -f $keys ]] || options="[signed-by=$keys] "
  printf '%s\n' "deb $options$uri $suite main" "deb-src $options$uri $suite main" >"$root/sources.list"
  : >"$root/status"
  {
    apt-config dump | grep '^Acquire::' || true
    cat <<CONFIG
APT::Architecture "$architecture";
APT::Architectures { "$architecture"; };
APT::Sandbox::User "root";
Acquire::Languages "none";
Dir::State "$root";
Dir::State::status "$root/status";
Dir::State::lists "$root/lists";
Dir::Cache "$root";
Dir::Cache::archives "$root/archives";
Dir::Etc::main "/dev/null";
Dir::Etc::parts "$root/empty";
Dir::Etc::sourcelist "$root/sources.list";
Dir::Etc::sourceparts "$root/empty";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "$root/empty";
CONFIG
  } >"$root/apt.conf"
}

#!/bin/bash
# Sourced by deps.sh and kubectl.sh: files from the Debian mirror that this machine's apt is set to. Changes nothing on the
# machine; no host is named here. Expects $cache and die() of the caller.

# mirror_uris [security]: the mirror of the machine's own release; with "security" also that of its security updates.
mirror_uris() {
  local release
  release=$(. /etc/os-release && echo "$VERSION_CODENAME")
  # shellcheck disable=SC2016  # apt fills these in
  apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' |
    awk -v r="$release" -v all="${1:-}" '$2 == r || (all && ($2 == r "-security" || $2 == r "/updates")) { sub("/$", "", $1); print $1 }' | sort -u
}

# fetch_source FILE SHA256 DIR: a source tarball into DIR by its path in the archive's pool; the sum vouches for it.
fetch_source() {
  local file=$1 sum=$2 dir=$3 source letters uri pool part
  [[ ! -f $dir/$file ]] || { echo "$sum  $dir/$file" | sha256sum --check --status && return; rm -f "$dir/$file"; }
  source=${file%%_*}
  letters=${source:0:1}
  [[ $source != lib* ]] || letters=${source:0:4}
  part=$(mktemp "$dir/.part.XXXXXX")
  for uri in $(mirror_uris security); do
    for pool in pool/main pool/updates/main; do
      # "+" is escaped as apt does it; messages only matter when nothing is found.
      if /usr/lib/apt/apt-helper -qq download-file "$uri/$pool/$letters/$source/${file//+/%2b}" "$part" "SHA256:$sum" 2>/dev/null &&
         echo "$sum  $part" | sha256sum --check --status; then
        mv "$part" "$dir/$file"
        return
      fi
    done
  done
  rm -f "$part"
  return 1
}

# fetch_package PACKAGE ARCHITECTURE SUITE DIR: unpacks a binary package of any suite and Debian architecture into DIR. It is
# kept in $cache/distfiles/<suite>. apt checks it, in a root of its own under $cache/apt: own lists and package state, the
# machine's transport settings and archive keys.
fetch_package() {
  local package=$1 architecture=$2 suite=$3 dir=$4 root kept keys options uri
  # shellcheck disable=SC2154  # set by the caller
  root=$cache/apt/$suite-$architecture
  kept=$cache/distfiles/$suite
  mkdir -p "$root"/{lists/partial,archives/partial,empty} "$kept" "$dir"
  exec 8>"$root/lock"
  flock 8
  if [[ -z $(find "$kept" -name "${package}_*_$architecture.deb") ]]; then
    uri=$(mirror_uris | head -n 1)
    [[ -n $uri ]] || die "apt knows no mirror of this Debian release; see /etc/apt"
    keys=/usr/share/keyrings/debian-archive-keyring.gpg
    options=
    [[ ! -f $keys ]] || options="[signed-by=$keys] "
    echo "deb $options$uri $suite main" >"$root/sources.list"
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
    (
      cd "$kept"
      export APT_CONFIG=$root/apt.conf
      apt-get -qq update >&2 && apt-get -qq download "$package" >&2
    ) || die "cannot download $package for $architecture from $suite"
  fi
  dpkg -x "$(find "$kept" -name "${package}_*_$architecture.deb" | sort -V | tail -n 1)" "$dir"
  exec 8>&-
}

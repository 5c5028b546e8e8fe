# Sourced by deps.sh and kubectl.sh: files from the Debian mirror that this machine's apt is set to. Changes nothing on the
# machine; no host is named here. Expects die() of the caller.

# mirror_uris: the mirror of the machine's own release, and of its security updates, without the trailing slash.
mirror_uris() {
  local release
  release=$(. /etc/os-release && echo "$VERSION_CODENAME")
  apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' |
    awk -v r="$release" '$2 == r || $2 == r "-security" || $2 == r "/updates" { sub("/$", "", $1); print $1 }' | sort -u
}

# fetch_source FILE SHA256 DIR: a source tarball into DIR by its path in the archive's pool; the sum vouches for it.
fetch_source() {
  local file=$1 sum=$2 dir=$3 source letters uri pool part
  [[ ! -f $dir/$file ]] || { echo "$sum  $dir/$file" | sha256sum --check --status && return; rm -f "$dir/$file"; }
  source=${file%%_*}
  letters=${source:0:1}
  [[ $source != lib* ]] || letters=${source:0:4}
  part=$(mktemp "$dir/.part.XXXXXX")
  for uri in $(mirror_uris); do
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

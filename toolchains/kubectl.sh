#!/bin/bash
# Puts a kubectl out of Debian's packages into a directory, for tests and examples.
#
#   toolchains/kubectl.sh DIR         DIR/kubectl, of the newest suite (1.36 when this was written)
#   toolchains/kubectl.sh --old DIR   DIR/kubectl-1.20, of Debian 12
#
# Called by the tests and the quickstart. Never takes a kubectl that is installed on this machine, and installs none: the
# package is unpacked into ${BRAMBLE_CACHE:-${XDG_CACHE_HOME:-~/.cache}/bramble}/kubectl, DIR gets a symbolic link. Instant when
# it is there already.
set -euo pipefail
export LC_ALL=C

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${BRAMBLE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/bramble}
die() { echo "kubectl.sh: $*" >&2; exit 1; }
. "$here/apt.sh"   # fetch_package

# Debian 12 has it in kubernetes-client, the suites after it in a package of its own.
package=kubectl
suites=(forky sid trixie)
link=kubectl
if [[ ${1:-} == --old ]]; then
  package=kubernetes-client
  suites=(bookworm)
  link=kubectl-1.20
  shift
fi
(($# == 1)) || die 'usage: kubectl.sh [--old] DIR'
directory=$1

architecture=$(dpkg --print-architecture)
mkdir -p "$cache/kubectl" "$directory"
exec 9>"$cache/kubectl/.lock"
flock 9

# The lists of a moving suite expire after days, and a mirror may lag: an old kubectl is better than none. They stay signed.
# shellcheck disable=SC2031  # apt.sh sets it in subshells only
{ cat "${APT_CONFIG:-/dev/null}"; echo 'Acquire::Check-Valid-Until "false";'; } >"$cache/kubectl/.apt.conf"
# shellcheck disable=SC2031
export APT_CONFIG=$cache/kubectl/.apt.conf

# The first suite that this mirror serves; what is unpacked already wins.
unpacked=
for suite in "${suites[@]}"; do
  [[ ! -x $cache/kubectl/$suite-$architecture/usr/bin/kubectl ]] || { unpacked=$cache/kubectl/$suite-$architecture; break; }
done
for suite in "${suites[@]}"; do
  [[ -z $unpacked ]] || break
  work=$(mktemp -d "$cache/kubectl/.XXXXXX")
  if (fetch_package "$package" "$architecture" "$suite" "$work") && [[ -x $work/usr/bin/kubectl ]]; then
    unpacked=$cache/kubectl/$suite-$architecture
    rm -rf "$unpacked"
    chmod 755 "$work"
    mv "$work" "$unpacked"
  else
    rm -rf "$work"
  fi
done
[[ -n $unpacked ]] || die "$package for $architecture is in none of: ${suites[*]}"
ln -sfn "$unpacked/usr/bin/kubectl" "$directory/$link"

#!/bin/bash
# Shows that a cross-built binary is static, is for the processor that it says, and serves the API under emulation: a real kubectl
# makes a Deployment there, its pods are made by the controllers, and all of it is still there after a kill and a second start.
# (Containers cannot be run so: the emulator passes the kernel's calls on, and runc is for this machine.)
# Usage: smoke.sh arm64|armhf|armv6 BINARY. Called by tests/run.sh; root, for a network namespace of its own.
set -euo pipefail
if [[ ${1:-} != --inside ]]; then exec unshare --net --mount --pid --fork --mount-proc --kill-child "$0" --inside "$@"; fi
arch=${2:?} binary=${3:?}
die() { echo "smoke $arch: $*" >&2; exit 1; }
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# e_machine of the ELF header: 0xB7 is AArch64, 0x28 is ARM.
machine=$(od -An -tx1 -j18 -N1 "$binary" | tr -d ' ')
case $arch in
  arm64) emulator=(qemu-aarch64-static) want=b7 ;;
  armhf) emulator=(qemu-arm-static -cpu cortex-a7) want=28 ;;
  armv6) emulator=(qemu-arm-static -cpu arm1176) want=28 ;;  # the Pi Zero's
  amd64) emulator=() want=3e ;;  # this machine: to try the script itself
  *) die 'unknown architecture' ;;
esac
[[ $machine == "$want" ]] || die "is for machine 0x$machine, not 0x$want"
# A static file names no interpreter (program header type 3).
if readelf -lW "$binary" | grep -q INTERP; then die 'is not static'; fi

version=$("${emulator[@]}" "$binary" --version)
[[ $version == 'bramble version v1.36'* ]] || die "--version says: $version"
help=$("${emulator[@]}" "$binary" server --help)  # whole: a reader that ends early would end the writer
[[ $help == *--cluster-cidr* ]] || die 'server --help does not work'

dir=$(mktemp -d)
server=
clean() {
  if [[ -n $server ]]; then kill -9 "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; fi
  rm -rf "$dir"
}
trap clean EXIT
ip link set lo up
toolchains/kubectl.sh "$dir"
kubectl=("$dir/kubectl" --kubeconfig "$dir/admin.yaml" --cache-dir "$dir/kube" --request-timeout 30s)
start() {
  "${emulator[@]}" "$binary" server --disable-agent --bind-address 127.0.0.1 --advertise-address 127.0.0.1 --data-dir "$dir/data" \
    --run-dir "$dir/run" --node-ip 127.0.0.1 --write-kubeconfig "$dir/admin.yaml" >>"$dir/log" 2>&1 &
  server=$!
  local deadline=$((SECONDS + 120))
  until [[ $("${kubectl[@]}" get --raw /readyz 2>/dev/null) == ok ]]; do
    kill -0 "$server" 2>/dev/null || { tail -n 20 "$dir/log"; die 'the server ended'; }
    ((SECONDS < deadline)) || { tail -n 20 "$dir/log"; die 'the server does not get ready'; }
    sleep 0.2
  done
}
pods() { "${kubectl[@]}" get pods -l app=web -o jsonpath='{.items[*].spec.containers[0].image}'; }
start
"${kubectl[@]}" create deployment web --image=web --replicas=2 >/dev/null
deadline=$((SECONDS + 60))
until [[ $(pods) == 'web web' ]]; do
  ((SECONDS < deadline)) || { tail -n 20 "$dir/log"; die "the controllers made no pods: $(pods)"; }
  sleep 0.2
done
before=$("${kubectl[@]}" get deployment,replicaset,pods -o jsonpath='{range .items[*]}{.metadata.uid} {end}')
kill -9 "$server"
wait "$server" 2>/dev/null || true
start
after=$("${kubectl[@]}" get deployment,replicaset,pods -o jsonpath='{range .items[*]}{.metadata.uid} {end}')
[[ $before == "$after" ]] || die "objects before the kill: $before; after: $after"
printf '%s: %d bytes\n' "$arch" "$(stat -Lc %s "$binary")"

#!/bin/bash
# From a fresh Debian machine to a page served by containers: installs what building needs, builds bramble, starts a cluster
# of one node, imports a small web image, applies a Deployment and a NodePort Service, and fetches the page.
#
#   sudo provision/quickstart.sh          start, or show that all is well (a second run is quick)
#   sudo provision/quickstart.sh --down   remove all that was started; packages and the build stay
#
# State: build/quickstart/ (kubeconfig build/quickstart/kubeconfig.yaml). Outside of it only cgroups (bramble-quickstart),
# the links cni0 and veth*, the cluster DNS address on lo, and the nftables table "bramble".
set -euo pipefail
export LC_ALL=C
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
state=$root/build/quickstart
unit=bramble-quickstart
cgroup=bramble-quickstart
kubeconfig=$state/kubeconfig.yaml
image=bramble.local/web:1

step=0
say() { step=$((step + 1)); printf '[%d/7] %s\n' "$step" "$*"; }
die() { printf 'quickstart: %s\n' "$*" >&2; exit 1; }
has_systemd() { [[ -d /run/systemd/system ]] && command -v systemd-run >/dev/null; }
# The body of http://ADDRESS:PORT/ without any program: what a minimal system has.
fetch() {
  local line
  exec 3<>"/dev/tcp/$1/$2" || return 1
  printf 'GET / HTTP/1.0\r\nHost: %s\r\n\r\n' "$1" >&3
  while IFS= read -r -t 5 -u 3 line && [[ $line != $'\r' ]]; do :; done
  cat <&3
  exec 3>&-
}
kubectl() { "$state/bin/kubectl" --kubeconfig "$kubeconfig" "$@"; }

case ${1:-} in
  '' | --down) ;;
  -h | --help) sed -n '2,10s/^# \{0,1\}//p' "$0"; exit 0 ;;
  *) die "unknown argument $1; see --help" ;;
esac
((EUID == 0)) || die 'run as root: sudo provision/quickstart.sh'

running_pid() {
  local pid
  pid=$(cat "$state/pid" 2>/dev/null) || return 1
  [[ -n $pid && $(readlink "/proc/$pid/exe" 2>/dev/null) == "$root/build/"* ]] || return 1
  echo "$pid"
}

stop_server() {
  if has_systemd && systemctl is-active --quiet "$unit"; then
    systemctl stop "$unit"
    return
  fi
  local pid
  pid=$(running_pid) || return 0
  kill "$pid"
  tail --pid="$pid" -f /dev/null  # until it has ended
}

if [[ ${1:-} == --down ]]; then
  stop_server
  provision/killall.sh --run-dir "$state/run" --state-dir "$state" --cgroup-root "$cgroup"
  rm -rf "$state"
  echo 'quickstart: removed; packages and build/ stay'
  exit 0
fi

port_owner() { ss -Hltnp "sport = :$1" | sed -n 's/.*users:(("\([^"]*\)",pid=\([0-9]*\).*/\1 (pid \2)/p' | head -n 1; }

say 'packages for building and running'
toolchains/install-packages.sh build || die 'packages could not be installed'

if ! running_pid >/dev/null && ! { has_systemd && systemctl is-active --quiet "$unit"; }; then
  for port in 6443 10250; do
    if [[ -n $(ss -Hltn "sport = :$port") ]]; then
      owner=$(port_owner "$port")
      die "port $port is taken by ${owner:-a process of another namespace}; stop it and run this again"
    fi
  done
fi

say 'libraries (the first time some minutes)'
mkdir -p "$state/bin" "$state/run"
deps=$(toolchains/deps.sh "$(dpkg --print-architecture)" | tail -n 1) || die 'the libraries could not be built'

say 'bramble (the first time some minutes)'
if [[ ! -f build/release/build.ninja ]]; then
  cmake -S . -B build/release -G Ninja -DBRAMBLE_DEPS="$deps" -DCMAKE_BUILD_TYPE=MinSizeRel -DBRAMBLE_TESTS=OFF >"$state/build.log" 2>&1 ||
    { tail -n 20 "$state/build.log"; die 'configuring failed'; }
fi
ninja -C build/release bramble >"$state/build.log" 2>&1 || { grep -E -A8 'error|FAILED' "$state/build.log" | head -n 40; die 'the build failed'; }
ln -sfn release/bramble build/bramble
toolchains/kubectl.sh "$state/bin" >"$state/kubectl.log" 2>&1 || { tail -n 5 "$state/kubectl.log"; die 'kubectl could not be fetched'; }

say 'the cluster'
arguments=(
  server --data-dir "$state/data" --run-dir "$state/run" --kubelet-root-dir "$state/kubelet" --pod-log-dir "$state/log"
  --write-kubeconfig "$kubeconfig" --cgroup-root "$cgroup" --runtime "$(command -v runc)" --config "$state/config.yaml"
)
[[ -f $state/config.yaml ]] || echo '# flags of bramble server, one a line: "debug: true"' >"$state/config.yaml"
if ! running_pid >/dev/null && ! { has_systemd && systemctl is-active --quiet "$unit"; }; then
  if has_systemd; then
    systemd-run --quiet --unit "$unit" --property Type=notify --property KillMode=process --property Delegate=yes \
      --property TimeoutStartSec=120 "$root/build/bramble" "${arguments[@]}" || die "it did not start; see: journalctl -u $unit"
  else
    setsid "$root/build/bramble" "${arguments[@]}" </dev/null >>"$state/server.log" 2>&1 &
    echo $! >"$state/pid"
    disown
  fi
fi
for _ in $(seq 300); do
  if [[ -s $kubeconfig ]] && kubectl get --raw /readyz >/dev/null 2>&1; then ready=1 && break; fi
  running_pid >/dev/null || has_systemd || { tail -n 5 "$state/server.log" >&2; die 'the server ended; build/quickstart/server.log has all it said'; }
  sleep 0.1
done
[[ -n ${ready:-} ]] || die 'the server is not ready after 30 seconds; see build/quickstart/server.log'
for _ in $(seq 100); do kubectl get nodes -o name 2>/dev/null | grep -q . && break; sleep 0.1; done
kubectl wait --for=condition=Ready node --all --timeout=60s >/dev/null || die 'the node is not ready; see kubectl describe nodes'

say 'a small web image'
[[ -f $state/web.tar ]] || provision/sample/make-image.sh "$image" "$state/web.tar"
build/bramble images import --run-dir "$state/run" "$state/web.tar" >/dev/null || die 'the image could not be imported'

say 'two web servers and a Service'
kubectl apply -f provision/sample/web.yaml >/dev/null || die 'kubectl apply failed'
kubectl rollout status deployment/web --timeout=120s >/dev/null || { kubectl get pods -o wide; die 'the web servers did not become ready'; }

say 'the page, through the NodePort'
address=$(kubectl get nodes -o jsonpath='{.items[0].status.addresses[?(@.type=="InternalIP")].address}')
page=
for _ in $(seq 50); do page=$(fetch "$address" 30080 2>/dev/null) && [[ -n $page ]] && break; sleep 0.1; done
[[ -n $page ]] || die "http://$address:30080/ does not answer"
printf '\n    %s\n\n' "$page"
cat <<EOF
It runs. The page: http://$address:30080/
Kubeconfig: $kubeconfig

Try next:
    export KUBECONFIG=$kubeconfig PATH=$state/bin:\$PATH
    kubectl get pods -o wide
    kubectl scale deployment web --replicas 5
    kubectl exec -it deployment/web -- sh
    kubectl logs -f deployment/web
    sudo provision/quickstart.sh --down      # removes the cluster
EOF

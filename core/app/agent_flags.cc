#include "core/app/agent_flags.h"

namespace bramble {

using Kind = FlagSpec::Kind;

static const FlagSpec kAgentFlags[] = {
    {"config", 'c', "BRAMBLE_CONFIG_FILE", Kind::kText, "/etc/bramble/config.yaml", "Config", "file of flags; FILE.d/*.yaml are read after it"},
    {"debug", 0, "BRAMBLE_DEBUG", Kind::kSwitch, "false", "Logging", "more log lines"},
    {"server", 's', "BRAMBLE_URL", Kind::kText, "", "Cluster", "the server to join: https://HOST:6443"},
    {"token", 't', "BRAMBLE_TOKEN", Kind::kText, "", "Cluster", "token to join with; not looked at once this machine has joined"},
    {"token-file", 0, "BRAMBLE_TOKEN_FILE", Kind::kText, "", "Cluster", "file that holds the token"},
    {"data-dir", 'd', "BRAMBLE_DATA_DIR", Kind::kText, "/var/lib/bramble", "Data", "folder for all state"},
    {"run-dir", 0, "", Kind::kText, "/run/bramble", "Data", "folder for sockets and namespaces, emptied by a reboot"},
    {"kubelet-root-dir", 0, "", Kind::kText, "/var/lib/kubelet", "Data", "folder for the volumes of pods"},
    {"pod-log-dir", 0, "", Kind::kText, "/var/log", "Data", "folder under which pods/ and containers/ hold logs"},
    {"disable-kube-proxy", 0, "", Kind::kSwitch, "false", "Components", "no service proxy"},
    {"node-name", 0, "BRAMBLE_NODE_NAME", Kind::kText, "", "Node", "name of this node (the host's)"},
    {"node-ip", 'i', "", Kind::kText, "", "Node", "address of this node (of the default route)"},
    {"node-external-ip", 0, "", Kind::kList, "", "Node", "addresses of this node as the world outside sees it"},
    {"flannel-iface", 0, "", Kind::kText, "", "Node", "interface to other nodes (the one with the node's address)"},
    {"node-label", 0, "", Kind::kList, "", "Node", "labels set when the node registers"},
    {"node-taint", 0, "", Kind::kList, "", "Node", "taints set when the node registers"},
    {"private-registry", 0, "", Kind::kText, "/etc/bramble/registries.yaml", "Node", "file of registries: mirrors, rewrites, credentials, TLS"},
    {"disable-default-registry-endpoint", 0, "", Kind::kSwitch, "false", "Node", "of registries that have mirrors, ask those alone"},
    {"kubelet-arg", 0, "", Kind::kList, "", "Node",
     "arguments of the kubelet, as NAME=VALUE: serialize-image-pulls, max-parallel-image-pulls, image-gc-high-threshold, image-gc-low-threshold, minimum-image-ttl-duration, maximum-image-ttl-duration"},
    {"kube-proxy-arg", 0, "", Kind::kList, "", "Node", "arguments of kube-proxy, as NAME=VALUE: nodeport-addresses"},
    {"resolv-conf", 0, "BRAMBLE_RESOLV_CONF", Kind::kText, "/etc/resolv.conf", "Node", "where upstream name servers are read"},
    {"runtime", 0, "", Kind::kText, "runc", "Node", "OCI runtime: runc, crun, or a path"},
    {"cgroup-root", 0, "", Kind::kText, "", "Node", "cgroup under which kubepods lives"},
    {"kubelet-port", 0, "", Kind::kNumber, "10250", "Node", "port of the kubelet's own API"},
};

std::span<const FlagSpec> agent_flags() { return kAgentFlags; }

}  // namespace bramble

#include "core/app/server_flags.h"

namespace bramble {

using Kind = FlagSpec::Kind;

static const FlagSpec kServerFlags[] = {
    {"config", 'c', "BRAMBLE_CONFIG_FILE", Kind::kText, "/etc/bramble/config.yaml", "Config", "file of flags; FILE.d/*.yaml are read after it"},
    {"debug", 0, "BRAMBLE_DEBUG", Kind::kSwitch, "false", "Logging", "more log lines"},
    {"bind-address", 0, "", Kind::kText, "0.0.0.0", "Listener", "address the API listens on"},
    {"https-listen-port", 0, "", Kind::kNumber, "6443", "Listener", "port the API listens on"},
    {"advertise-address", 0, "", Kind::kText, "", "Listener", "address that the kubernetes Service announces (the node's)"},
    {"tls-san", 0, "", Kind::kList, "", "Listener", "more names and addresses for the API's certificate"},
    {"data-dir", 'd', "BRAMBLE_DATA_DIR", Kind::kText, "/var/lib/bramble", "Data", "folder for all state"},
    {"backup-dir", 0, "", Kind::kText, "", "Data", "folder for backups of the cluster's state (DATA-DIR/server/db/backups)"},
    {"backup-retention", 0, "", Kind::kNumber, "5", "Data", "backups kept; 0: none are made but by command"},
    {"backup-interval-hours", 0, "", Kind::kNumber, "12", "Data", "hours between two backups"},
    {"run-dir", 0, "", Kind::kText, "/run/bramble", "Data", "folder for sockets and namespaces, emptied by a reboot"},
    {"kubelet-root-dir", 0, "", Kind::kText, "/var/lib/kubelet", "Data", "folder for the volumes of pods"},
    {"pod-log-dir", 0, "", Kind::kText, "/var/log", "Data", "folder under which pods/ and containers/ hold logs"},
    {"secrets-encryption", 0, "", Kind::kSwitch, "false", "Data", "seal Secrets at rest (AES-GCM); of a cluster that runs: bramble secrets-encrypt enable"},
    {"cluster-cidr", 0, "", Kind::kText, "10.42.0.0/16", "Networking", "addresses of pods"},
    {"service-cidr", 0, "", Kind::kText, "10.43.0.0/16", "Networking", "addresses of services"},
    {"service-node-port-range", 0, "", Kind::kText, "30000-32767", "Networking", "ports of NodePort services"},
    {"cluster-dns", 0, "", Kind::kText, "10.43.0.10", "Networking", "address of the cluster's DNS"},
    {"cluster-domain", 0, "", Kind::kText, "cluster.local", "Networking", "domain of the cluster's DNS"},
    {"flannel-backend", 0, "", Kind::kText, "vxlan", "Networking", "how pods of other nodes are reached: vxlan, host-gw, or none: /etc/cni/net.d says it"},
    {"flannel-external-ip", 0, "", Kind::kSwitch, "false", "Networking", "nodes reach each other by their external addresses"},
    {"write-kubeconfig", 'o', "BRAMBLE_KUBECONFIG_OUTPUT", Kind::kText, "/etc/bramble/bramble.yaml", "Client", "where the admin's kubeconfig is written"},
    {"write-kubeconfig-mode", 0, "BRAMBLE_KUBECONFIG_MODE", Kind::kText, "0600", "Client", "its file mode"},
    {"disable", 0, "", Kind::kList, "", "Components", "parts that are left out: coredns (the cluster's DNS), servicelb"},
    {"disable-network-policy", 0, "", Kind::kSwitch, "false", "Components", "NetworkPolicies are not carried out"},
    {"token", 't', "BRAMBLE_TOKEN", Kind::kText, "", "Cluster", "secret by which servers join (made at the first start: DATA-DIR/server/token); agents too, without --agent-token"},
    {"token-file", 0, "BRAMBLE_TOKEN_FILE", Kind::kText, "", "Cluster", "file that has it"},
    {"agent-token", 0, "BRAMBLE_AGENT_TOKEN", Kind::kText, "", "Cluster", "secret by which agents join (made at the first start: DATA-DIR/server/node-token)"},
    {"agent-token-file", 0, "BRAMBLE_AGENT_TOKEN_FILE", Kind::kText, "", "Cluster", "file that has it"},
    {"disable-agent", 0, "", Kind::kSwitch, "false", "Components", "no node on this machine: control plane only"},
    {"disable-scheduler", 0, "", Kind::kSwitch, "false", "Components", "no scheduler"},
    {"disable-controller-manager", 0, "", Kind::kSwitch, "false", "Components", "no controllers"},
    {"disable-kube-proxy", 0, "", Kind::kSwitch, "false", "Components", "no service proxy"},
    {"kube-apiserver-arg", 0, "", Kind::kList, "", "Components", "arguments of kube-apiserver, as NAME=VALUE: token-auth-file, oidc-..., audit-policy-file, audit-log-path, audit-log-maxage, audit-log-maxbackup, audit-log-maxsize, audit-log-format", true},
    {"kube-controller-manager-arg", 0, "", Kind::kList, "", "Components", "arguments of kube-controller-manager, as NAME=VALUE: node-cidr-mask-size", true},
    {"node-name", 0, "BRAMBLE_NODE_NAME", Kind::kText, "", "Node", "name of this node (the host's)"},
    {"node-ip", 'i', "", Kind::kText, "", "Node", "address of this node (of the default route)"},
    {"node-external-ip", 0, "", Kind::kList, "", "Node", "addresses of this node as the world outside sees it"},
    {"flannel-iface", 0, "", Kind::kText, "", "Node", "interface to other nodes (the one with the node's address)"},
    {"node-label", 0, "", Kind::kList, "", "Node", "labels set when the node registers"},
    {"node-taint", 0, "", Kind::kList, "", "Node", "taints set when the node registers"},
    {"private-registry", 0, "", Kind::kText, "/etc/bramble/registries.yaml", "Node", "file of registries: mirrors, rewrites, credentials, TLS"},
    {"disable-default-registry-endpoint", 0, "", Kind::kSwitch, "false", "Node", "of registries that have mirrors, ask those alone"},
    {"kubelet-arg", 0, "", Kind::kList, "", "Node",
     "arguments of the kubelet, as NAME=VALUE: serialize-image-pulls, max-parallel-image-pulls, image-gc-high-threshold, image-gc-low-threshold, minimum-image-ttl-duration, maximum-image-ttl-duration, eviction-hard, eviction-soft, eviction-soft-grace-period, eviction-minimum-reclaim, eviction-max-pod-grace-period, eviction-pressure-transition-period, system-reserved, kube-reserved, enforce-node-allocatable, fail-swap-on, shutdown-grace-period, config (a KubeletConfiguration)", true},
    {"kube-proxy-arg", 0, "", Kind::kList, "", "Node", "arguments of kube-proxy, as NAME=VALUE: nodeport-addresses", true},
    {"resolv-conf", 0, "BRAMBLE_RESOLV_CONF", Kind::kText, "/etc/resolv.conf", "Node", "where upstream name servers are read"},
    {"runtime", 0, "", Kind::kText, "", "Node", "OCI runtime: runc, crun, or a path (the runc inside, else runc from PATH)"},
    {"cgroup-root", 0, "", Kind::kText, "", "Node", "cgroup under which kubepods lives"},
    {"kubelet-port", 0, "", Kind::kNumber, "10250", "Node", "port of the kubelet's own API"},
};

std::span<const FlagSpec> server_flags() { return kServerFlags; }

std::string store_dir(const Flags& flags) { return flags.text("data-dir") + "/server/db"; }

std::string backup_dir(const Flags& flags) {
  const std::string& given = flags.text("backup-dir");
  return given.empty() ? store_dir(flags) + "/backups" : given;
}

}  // namespace bramble

// What the flags of a node may say, by the rules of the kubelet and the API server that k3s hands them to
// (kubelet options.ValidateKubeletFlags, kubelet validateNodeIP, k8s.io/kubernetes/pkg/util/taints). Pure but for the last. Each
// Error is kInvalidArgument, one line that names the flag.
#pragma once

#include <string>
#include <vector>

#include "cni/netlink/rtnetlink.h"

namespace bramble {

Status check_node_name(const std::string& name);
Status check_node_labels(const std::vector<std::string>& labels);  // "key=value"
Status check_node_taints(const std::vector<std::string>& taints);  // "key=value:Effect", "key:Effect"
Status check_cluster_domain(const std::string& domain);
// Pods and services do not overlap; there is a range for at least one node in that of the pods, of so many bits.
Status check_cluster_ranges(const IpPrefix& pods, const IpPrefix& services, int node_bits);
// An IPv4 address, in its plain form.
Result<std::string> parse_node_address(const std::string& text);
// One by which others reach a host: neither of a loopback nor of many.
Status check_node_address(const std::string& address);
Status check_external_address(const std::string& address);  // IPv4 or IPv6
Status check_flannel_backend(const std::string& backend);
// One of this machine's interfaces has it. Reads the kernel's tables.
Status check_own_address(const std::string& address);

}  // namespace bramble

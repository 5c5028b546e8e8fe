// Texts of the files that every pod gets: /etc/hosts and /etc/resolv.conf. Pure. (Kubernetes: "DNS for Services and Pods",
// "Adding entries to Pod /etc/hosts with HostAliases".)
#pragma once

#include <string>
#include <vector>

#include "core/json/value.h"

namespace bramble {

// spec.hostnameOverride, spec.hostname or the pod's name, cut to 63 characters; and "<host>.<subdomain>.<ns>.svc.<domain>" or "".
std::string pod_hostname(Value pod);
std::string pod_fqdn(Value pod, const std::string& domain);
// The name that the kernel has: the host name, the full one with setHostnameAsFQDN, the node's with hostNetwork. kInvalidArgument:
// it does not fit into the kernel's 64 characters.
Result<std::string> pod_kernel_name(Value pod, const std::string& domain, const std::string& node_name);
std::string hosts_text(Value pod, const std::vector<std::string>& pod_ips, const std::string& domain, const std::string& node_hosts);
// node_text: the node's own resolv.conf. warnings: what upstream says when resolvers' limits cut something off.
struct ResolvConf {
  std::string text;
  std::vector<std::string> warnings;
};
ResolvConf resolv_conf(Value pod, const std::string& cluster_dns, const std::string& domain, const std::string& node_text);

}  // namespace bramble

// Texts of the files that every pod gets: /etc/hosts and /etc/resolv.conf. Pure. (Kubernetes: "DNS for Services and Pods",
// "Adding entries to Pod /etc/hosts with HostAliases".)
#pragma once

#include <string>
#include <vector>

#include "core/json/value.h"

namespace bramble {

// spec.hostname or the pod's name, cut to 63 characters; and "<host>.<subdomain>.<ns>.svc.<domain>" or "".
std::string pod_hostname(Value pod);
std::string pod_fqdn(Value pod, const std::string& domain);
std::string hosts_text(Value pod, const std::vector<std::string>& pod_ips, const std::string& domain, const std::string& node_hosts);
// node_text: the node's own resolv.conf.
std::string resolv_text(Value pod, const std::string& cluster_dns, const std::string& domain, const std::string& node_text);

}  // namespace bramble

// ClusterFacts: what the nodes of one cluster must agree on. The server's flags decide; it tells its agents at
// kClusterFactsPath, and an agent keeps them in a file, so that it can start while the server is away.
#pragma once

#include <string>
#include <string_view>

#include "core/base/result.h"

namespace bramble {

inline constexpr std::string_view kClusterFactsPath = "/v1-bramble/config";

struct ClusterFacts {
  std::string pod_range, service_range, dns_address, domain;
  bool dns = true, network_policy = true;  // whether nodes have them
  std::string flannel_backend = "vxlan";   // see NodeOptions
  bool flannel_external_ip = false;
  bool operator==(const ClusterFacts&) const = default;
};

std::string cluster_facts_text(const ClusterFacts& facts);  // JSON
Result<ClusterFacts> parse_cluster_facts(std::string_view text);

}  // namespace bramble

// NodeResourcesFit: what the pod asks for is free. Every resource that is short is named; when one is more than the node has
// at all, no other pod's end would help.
#include <algorithm>

#include "core/scheduler/filters.h"

namespace bramble {

namespace {

// Upstream's order of reasons: cpu, memory, ephemeral storage, then the others.
int order_of(std::string_view resource) {
  return resource == "cpu" ? 0 : resource == "memory" ? 1 : resource == "ephemeral-storage" ? 2 : 3;
}

bool short_of(const NodeInfo& node, const std::string& resource, const Quantity& asked) {
  return asked > node.allocatable_of(resource) - node.requested_of(resource);
}

}  // namespace

Verdict filter_node_resources_fit(const PodFacts& pod, const NodeInfo& node) {
  Verdict v;
  auto object = [&](std::string reason, bool unresolvable) {
    v.plugin = Plugin::kNodeResourcesFit;
    v.reasons.push_back(std::move(reason));
    v.unresolvable = v.unresolvable || unresolvable;
  };
  int64_t pods_max = node.allocatable_of("pods").value();
  if (static_cast<int64_t>(node.pods.size()) + 1 > pods_max) object("Too many pods", pods_max < 1);
  for (int turn = 0; turn <= 3; turn++) {
    for (const auto& [resource, asked] : pod.requests) {
      if (order_of(resource) != turn || asked.is_zero() || !short_of(node, resource, asked)) continue;
      object(cat("Insufficient ", resource), asked > node.allocatable_of(resource));
    }
  }
  return v;
}

}  // namespace bramble

// NodeName: a pod that names its node runs there.
#include "core/scheduler/filters.h"

namespace bramble {

Verdict filter_node_name(const PodFacts& pod, const NodeInfo& node) {
  std::string_view wanted = pod.view().node_name();
  if (wanted.empty() || wanted == node.name()) return {};
  return {Plugin::kNodeName, {"node(s) didn't match the requested node name"}, true};
}

}  // namespace bramble

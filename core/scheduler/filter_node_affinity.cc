// NodeAffinity: spec.nodeSelector and the required terms of node affinity.
#include "core/resources/node_affinity.h"
#include "core/scheduler/filters.h"

namespace bramble {

Verdict filter_node_affinity(const PodFacts& pod, const NodeInfo& node) {
  if (node_matches_pod(node.node.root(), pod.doc.root())) return {};
  return {Plugin::kNodeAffinity, {"node(s) didn't match Pod's node affinity/selector"}, true};
}

}  // namespace bramble

// What pods and nodes prefer: PreferNoSchedule taints and preferred node affinity.
#include "core/resources/node_affinity.h"
#include "core/resources/taints.h"
#include "core/scheduler/scores.h"

namespace bramble {

int64_t score_taint_preferences(const PodFacts& pod, const NodeInfo& node) {
  return count_untolerated_preferences(node.node["spec"]["taints"], pod.view().tolerations());
}

int64_t score_node_affinity(const PodFacts& pod, const NodeInfo& node) {
  return preferred_node_weight(node.node.root(), pod.doc.root());
}

}  // namespace bramble

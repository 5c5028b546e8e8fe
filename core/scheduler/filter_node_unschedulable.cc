// NodeUnschedulable: a cordoned node takes only pods that tolerate the taint of that name.
#include "core/resources/taints.h"
#include "core/scheduler/filters.h"

namespace bramble {

Verdict filter_node_unschedulable(const PodFacts& pod, const NodeInfo& node) {
  if (!node.node["spec"]["unschedulable"].boolean()) return {};
  static const Document taint = *Document::parse(R"({"key":"node.kubernetes.io/unschedulable","effect":"NoSchedule"})");
  if (find_toleration(pod.view().tolerations(), taint.root())) return {};
  return {Plugin::kNodeUnschedulable, {"node(s) were unschedulable"}, true};
}

}  // namespace bramble

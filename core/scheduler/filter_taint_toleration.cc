// TaintToleration: NoSchedule and NoExecute taints keep out what does not tolerate them.
#include "core/resources/taints.h"
#include "core/scheduler/filters.h"

namespace bramble {

Verdict filter_taint_toleration(const PodFacts& pod, const NodeInfo& node) {
  if (!first_untolerated(node.node["spec"]["taints"], pod.view().tolerations(), true, true)) return {};
  return {Plugin::kTaintToleration, {"node(s) had untolerated taint(s)"}, true};
}

}  // namespace bramble

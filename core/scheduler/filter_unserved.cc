// What a pod demands that no filter here can judge yet. Placing it anyway would break its demand in silence, so it waits, and its
// condition says why. Demands that are mere preferences (preferredDuringScheduling..., ScheduleAnyway) hold nobody up.
#include "core/scheduler/filters.h"

namespace bramble {

namespace {

const NodeInfo* only_node(const Nodes& nodes) {
  const NodeInfo* only = nullptr;
  for (const auto& [name, info] : nodes) {
    if (!info.node) continue;
    if (only != nullptr) return nullptr;
    only = &info;
  }
  return only;
}

// One domain holds all pods, so no spread is uneven: true of any constraint but one that wants several domains.
bool spread_is_even(Value constraint, const Nodes& nodes) {
  const NodeInfo* only = only_node(nodes);
  return only != nullptr && only->node["metadata"]["labels"].has(constraint["topologyKey"].str()) && constraint["minDomains"].integer(1) <= 1;
}

}  // namespace

std::string unserved_objection(PodView pod, const Nodes& nodes) {
  Value affinity = pod.spec()["affinity"];
  for (const char* sort : {"podAffinity", "podAntiAffinity"}) {
    if (affinity[sort]["requiredDuringSchedulingIgnoredDuringExecution"].size() == 0) continue;
    return cat("pod requires ", sort, ", which this version of bramble does not serve yet (preferredDuringSchedulingIgnoredDuringExecution does not hold a pod up)");
  }
  for (Value c : pod.spec()["topologySpreadConstraints"].items()) {
    if (c["whenUnsatisfiable"].str("DoNotSchedule") != "DoNotSchedule" || spread_is_even(c, nodes)) continue;
    return "pod requires a topology spread, which this version of bramble does not serve yet (whenUnsatisfiable ScheduleAnyway does not hold a pod up)";
  }
  return {};
}

}  // namespace bramble

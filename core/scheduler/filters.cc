#include "core/scheduler/filters.h"

namespace bramble {

namespace {

using Filter = Verdict (*)(const PodFacts&, const NodeInfo&);

constexpr Filter kNodeFilters[] = {filter_node_unschedulable, filter_node_name, filter_taint_toleration, filter_node_affinity};
constexpr Filter kUseFilters[] = {filter_node_ports, filter_node_resources_fit};

}  // namespace

Verdict filter_all(const PodFacts& pod, const NodeInfo& node) {
  for (Filter f : kNodeFilters) {
    Verdict v = f(pod, node);
    if (!v.fits()) return v;
  }
  for (Filter f : kUseFilters) {
    Verdict v = f(pod, node);
    if (!v.fits()) return v;
  }
  return {};
}

bool fits_empty_node(const PodFacts& pod, const NodeInfo& node) {
  for (Filter f : kNodeFilters) {
    if (!f(pod, node).fits()) return false;
  }
  NodeInfo empty;
  empty.node = node.node;
  empty.allocatable = node.allocatable;
  return filter_node_resources_fit(pod, empty).fits();
}

std::string claims_objection(const Snapshot& snapshot, PodView pod) {
  for (Value volume : pod.volumes().items()) {
    std::string name = volume["persistentVolumeClaim"]["claimName"].text();
    if (volume["ephemeral"].is_object()) name = cat(pod.name(), "-", volume["name"].str());
    if (name.empty()) continue;
    Document claim = snapshot.get(resource_ids::kPersistentVolumeClaims, pod.ns(), name);
    if (!claim) return cat("persistentvolumeclaim ", go_quote(name), " not found");
    if (claim["metadata"]["deletionTimestamp"]) return cat("persistentvolumeclaim ", go_quote(name), " is being deleted");
    if (claim["spec"]["volumeName"].str().empty()) return "pod has unbound immediate PersistentVolumeClaims";
  }
  return {};
}

}  // namespace bramble

// Filters: whether a pod may run on a node at all. Each is a pure function in a file filter_<name>.cc, named after upstream's
// plugin; the texts are upstream's, users read them. They are asked in this order and the first that objects speaks for the node.
#pragma once

#include <string>
#include <vector>

#include "core/scheduler/node_info.h"

namespace bramble {

enum class Plugin { kNone, kNodeUnschedulable, kNodeName, kTaintToleration, kNodeAffinity, kNodePorts, kNodeResourcesFit, kVolumeBinding, kUnserved };

struct Verdict {
  Plugin plugin = Plugin::kNone;      // who objects; kNone: the node fits
  std::vector<std::string> reasons;
  bool unresolvable = false;          // no other pod's end would change it
  bool fits() const { return plugin == Plugin::kNone; }
};

Verdict filter_node_unschedulable(const PodFacts& pod, const NodeInfo& node);
Verdict filter_node_name(const PodFacts& pod, const NodeInfo& node);
Verdict filter_taint_toleration(const PodFacts& pod, const NodeInfo& node);
Verdict filter_node_affinity(const PodFacts& pod, const NodeInfo& node);
Verdict filter_node_ports(const PodFacts& pod, const NodeInfo& node);
Verdict filter_node_resources_fit(const PodFacts& pod, const NodeInfo& node);

// All of them in order.
Verdict filter_all(const PodFacts& pod, const NodeInfo& node);
// Those that look at the node alone, and whether the pod would fit into it empty: whether a change of the node can help.
bool fits_empty_node(const PodFacts& pod, const NodeInfo& node);

// Whether the pod's volume claims stand in its way on every node; "" when not.
std::string claims_objection(const Snapshot& snapshot, PodView pod);
// What the pod demands of its neighbours that cannot be judged yet; "" when nothing.
std::string unserved_objection(PodView pod, const Nodes& nodes);

}  // namespace bramble

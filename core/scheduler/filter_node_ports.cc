// NodePorts: two pods of a node cannot have the same host port.
#include "core/scheduler/filters.h"

namespace bramble {

Verdict filter_node_ports(const PodFacts& pod, const NodeInfo& node) {
  for (const HostPort& wanted : pod.ports) {
    for (const auto& [uid, other] : node.pods) {
      for (const HostPort& taken : other.ports) {
        if (!host_ports_conflict(wanted, taken)) continue;
        return {Plugin::kNodePorts, {"node(s) didn't have free ports for the requested pod ports"}, false};
      }
    }
  }
  return {};
}

}  // namespace bramble

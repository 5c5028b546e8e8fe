// What of a node pods may have: its capacity less what is reserved and less what is kept free before pods are evicted; and the
// cgroups that hold them to it. Upstream's Node Allocatable (pkg/kubelet/cm/node_container_manager_linux.go).
#pragma once

#include <memory>

#include "core/kubelet/node_parts.h"

namespace bramble {

// allocatable: the capacity, or less of it for other reasons. Only hard thresholds count. Pure.
ResourceAmounts less_reserved(ResourceAmounts allocatable, const ResourceAmounts& capacity, const NodeReserves& reserves, const std::vector<EvictionThreshold>& thresholds);
// What the pods' cgroup may have: thresholds do not count here, so that there is something to evict for. process_ids: 0 when unknown. Pure.
Cgroups::GroupLimits pods_limits(const ResourceAmounts& capacity, const NodeReserves& reserves, int64_t process_ids);

// Sets the limits, and tries again where the pods use more than they are to have. Loop thread; owned by Kubelet.
class NodeCgroups {
 public:
  explicit NodeCgroups(NodeParts& parts);
  void enforce();

 private:
  bool limit_pods();
  void tell(std::string type, std::string reason, std::string message);
  NodeParts& parts_;
  std::unique_ptr<Alarm> alarm_;
};

}  // namespace bramble

// NodeReport: this node as the cluster sees it: the Node object, its status when it changes and every five minutes, its Lease
// every ten seconds. Loop thread. (Kubernetes: "Node status", "Node heartbeats".)
#pragma once

#include <memory>
#include <string>

#include "core/kubelet/node_parts.h"

namespace bramble {

struct MachineFacts {
  std::string machine_id, system_uuid, boot_id, kernel_version, os_image, architecture;
  int64_t memory_bytes = 0, disk_bytes = 0;
  int cpus = 0;
};
MachineFacts read_machine(const std::string& root_dir);
ResourceAmounts node_capacity(const MachineFacts& machine, int max_pods);

// The Node to register. Pure.
Document node_object(const KubeletOptions& options, const MachineFacts& machine);
// Its status: `node` is what the API has. Pure.
struct NodeHealth {
  std::string not_ready;  // why; empty: ready
  bool memory_pressure = false, disk_pressure = false;
};
// What upstream's kubelet says of a network that cannot take pods.
Error network_not_ready(const Error& why);
Document node_status(const KubeletOptions& options, const MachineFacts& machine, const ResourceAmounts& capacity, const ResourceAmounts& allocatable,
                     Value node, const std::vector<ImageInfo>& images, const NodeHealth& health, int64_t now_us);

class NodeReport {
 public:
  explicit NodeReport(NodeParts& parts, MachineFacts machine);
  void poke();  // something in it may have changed (images, conditions)

 private:
  Task<void> report_statuses();
  Task<bool> report_once();
  void note_readiness(Value node, Value status);
  Task<void> renew_lease();
  NodeParts& parts_;
  MachineFacts machine_;
  std::unique_ptr<Alarm> alarm_;
  bool due_ = false;  // asked for since the last report began
  int64_t last_us_ = 0;
  Event woke_;
  TaskGroup tasks_;
};

}  // namespace bramble

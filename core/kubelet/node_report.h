// NodeReport: this node as the cluster sees it: the Node object, its status when it changes, when somebody else changes it,
// and every five minutes; its Lease every ten seconds. Loop thread. (Kubernetes: "Node status", "Node heartbeats".)
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/kubelet/node_parts.h"

namespace bramble {

struct MachineFacts {
  std::string machine_id, system_uuid, boot_id, kernel_version, os_image, architecture;
  int64_t memory_bytes = 0, disk_bytes = 0, swap_bytes = 0;
  int cpus = 0;
  std::map<std::string, int64_t> hugepage_bytes;  // set aside, by "hugepages-2Mi"
};
MachineFacts read_machine(const std::string& root_dir);
ResourceAmounts node_capacity(const MachineFacts& machine, int max_pods);
// What pods may have of it: memory that is set aside for huge pages is no other memory.
ResourceAmounts node_allocatable(const MachineFacts& machine, const ResourceAmounts& capacity);

// The Node to register. Pure.
Document node_object(const KubeletOptions& options, const MachineFacts& machine);
// Its status: `node` is what the API has. Pure.
struct NodeHealth {
  std::string not_ready;  // why; empty: ready
  bool memory_pressure = false, disk_pressure = false, pid_pressure = false;
};
// What upstream's kubelet says of a network that cannot take pods.
Error network_not_ready(const Error& why);
Document node_status(const KubeletOptions& options, const MachineFacts& machine, const ResourceAmounts& capacity, const ResourceAmounts& allocatable,
                     Value node, const std::vector<ImageInfo>& images, const NodeHealth& health, int64_t now_us, const std::optional<RuntimeFeatures>& features = {});

class NodeReport {
 public:
  // beat: called at each heartbeat, for what is done beside it rather than by a timer of its own.
  NodeReport(NodeParts& parts, MachineFacts machine, std::function<void()> beat);
  void poke();  // something in it may have changed (images, conditions)
  void show_pressures(std::vector<std::string> conditions) { pressures_ = std::move(conditions), poke(); }  // those that are true
  void show_not_ready(std::string why) { not_ready_ = std::move(why), poke(); }                             // "": nothing of that sort
  void node_changed(const Document& node);  // the API's; when it is not what was written last, it is written again

 private:
  Task<void> report_statuses();
  Task<bool> report_once();
  void report_in_ms(int64_t ms);  // at the latest
  void note_conditions(Value node, Value status);
  Task<void> renew_lease();
  NodeParts& parts_;
  MachineFacts machine_;
  std::function<void()> beat_;
  std::vector<std::string> pressures_;
  std::string not_ready_;
  std::unique_ptr<Alarm> alarm_;
  int64_t due_us_ = 0;  // when the next report is asked for (monotonic); 0: only the regular one
  int64_t last_us_ = 0;
  Document last_status_;  // as it was written last, or found to be there
  Event woke_;
  TaskGroup tasks_;
};

}  // namespace bramble

// NodeShutdown: when the machine is about to go down, pods end first, with time to do so, the least important before the others.
// systemd-logind is asked to wait (an inhibitor lock of mode "delay") and tells (PrepareForShutdown); while the shutdown lasts the node
// is not ready and takes no pods. Without a bus or a logind nothing is delayed; it is asked for again. Loop thread; begins anew
// with the process. (Upstream: pkg/kubelet/nodeshutdown; systemd: "Inhibitor Locks".)
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/kubelet/node_parts.h"
#include "core/runtime/dbus.h"

namespace bramble {

class PodWorker;

inline constexpr std::string_view kShutdownReason = "Terminated", kShutdownMessage = "Pod was terminated in response to imminent node shutdown.";

struct ShutdownGroup {
  ShutdownGrace grace;
  std::vector<std::string> uids;
};
struct ShutdownPod {
  std::string uid;
  int64_t priority = 0;
};
// periods: the lowest priority first. A pod is of the highest period that is not above its own priority, or of the lowest. Pure.
std::vector<ShutdownGroup> group_by_priority(const std::vector<ShutdownGrace>& periods, const std::vector<ShutdownPod>& pods);
// The file that lets logind wait so long. Pure.
std::string logind_override(int64_t seconds);

class NodeShutdown {
 public:
  struct Hooks {
    std::function<void(const std::function<void(PodWorker&)>&)> each_worker;
    std::function<void(std::string why)> not_ready;  // "": ready again
  };
  NodeShutdown(NodeParts& parts, std::vector<ShutdownGrace> periods, Hooks hooks);
  void start();
  bool now() const { return now_; }
  void pod_released() { released_.pulse(); }

 private:
  Task<void> run();
  Task<Status> watch();
  Task<Status> have_time();
  Task<Status> inhibit();
  Task<Result<int64_t>> longest_delay_us();
  Task<void> end_pods();
  bool any_holds(const std::vector<std::string>& uids) const;
  void tell(std::string message);
  int64_t all_seconds() const;

  NodeParts& parts_;
  std::vector<ShutdownGrace> periods_;
  Hooks hooks_;
  bool now_ = false;
  std::unique_ptr<DbusConnection> bus_;
  UniqueFd lock_;
  std::optional<bool> told_;  // what logind said last and was not acted on yet
  Event told_something_, released_;
  TaskGroup tasks_;
};

}  // namespace bramble

// Evictions: the node looks whether it is short of memory, disk, inodes or process ids, says so in its conditions, and ends pods
// before the kernel does; and whether pods hold more on its disk than they may. It looks when the kernel tells of memory
// (memory_watch.h), and beside the node's heartbeat, which wakes the process anyway, while there are pods or a condition holds:
// no timer of its own. Files are counted only of pods that have a limit, once a minute. First what nobody uses is given up, then
// one pod goes; the next look waits until it has given back what it had. (Upstream: pkg/kubelet/eviction.)
// Loop thread; begins anew with the process.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "core/kubelet/eviction_plan.h"
#include "core/kubelet/memory_watch.h"
#include "core/kubelet/node_usage.h"
#include "core/loop/loop.h"

namespace bramble {

class PodWorker;

class Evictions {
 public:
  struct Hooks {
    std::function<void(const std::function<void(PodWorker&)>&)> each_worker;
    std::function<std::vector<PodReading>()> pods;        // with their paths, without counts
    std::function<void()> changed;                        // the conditions are others than before
    std::function<Task<void>()> remove_unused_images;
  };
  struct Policy {
    std::vector<EvictionThreshold> thresholds;
    int64_t transition_us = limits::kEvictionTransitionUs, max_grace_s = 0;
  };
  // parts and usage outlive it.
  Evictions(NodeParts& parts, Policy policy, NodeUsage& usage, Hooks hooks);
  ~Evictions();
  void start();
  void heartbeat();     // the node does something anyway: looks, if there is reason to
  void pod_released();  // a pod has given back what it had
  // The conditions that are true, for the node's status and for pods that come.
  const std::vector<std::string>& pressures() const { return pressures_; }
  const std::map<std::string, uint64_t>& evicted_by_signal() const { return counts_; }

 private:
  void poke_in_ms(int64_t ms);
  Task<void> run();
  Task<void> look();
  Task<bool> enforce_limits();
  Task<bool> reclaim(EvictionThreshold threshold);
  Task<void> evict_one(EvictionThreshold threshold, SignalState state);
  Task<SignalStates> read();
  bool waits_for_cleanup();
  bool evict(PodWorker& worker, const std::string& signal, const std::string& message, int64_t grace_s, bool disruption);
  void tell_node(std::string reason, std::string message);

  NodeParts& parts_;
  Policy policy_;
  NodeUsage& usage_;
  Hooks hooks_;
  EvictionState state_;
  bool own_image_disk_ = false;
  std::vector<std::string> pressures_;
  std::map<std::string, uint64_t> counts_;
  std::set<std::string> leaving_;  // uids of those that were evicted and hold something yet
  int64_t cleanup_until_us_ = 0, scan_due_us_ = 0, looked_us_ = 0, armed_us_ = 0;
  bool asked_ = false;
  std::unique_ptr<MemoryWatch> memory_watch_;
  std::unique_ptr<Alarm> alarm_;
  Event woke_;
  TaskGroup tasks_;
};

// What there is now. Blocking. pods_group: the cgroup of all pods.
struct SignalReading {
  SignalStates states;
  bool own_image_disk = false;
  uint64_t reclaimable_bytes = 0;  // of memory: counts as used by the kernel, and as free here
};
SignalReading read_signals(const Cgroups& cgroups, const std::string& pods_group, const std::string& node_disk, const std::string& image_disk);

}  // namespace bramble

// NodeSettings: what an admin may set of how a node looks after itself; names, forms and meanings are those of upstream's
// KubeletConfiguration. Values; any thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/base/eviction_limits.h"
#include "core/kubelet/eviction_plan.h"

namespace bramble {

// What is kept from pods: for the system, and for bramble itself. Amounts of cpu, memory, ephemeral-storage and pid.
struct NodeReserves {
  ResourceAmounts system, kube;
  // "pods" (their cgroup gets no more than the rest), "system-reserved", "kube-reserved" and their "-compressible" forms (the
  // cgroups named below get no more than what is reserved); empty: nothing is enforced.
  std::set<std::string> enforce = {"pods"};
  std::string system_cgroup, kube_cgroup;
};

// Who may use swap: nobody, or burstable pods by what they ask for of the memory.
enum class SwapBehavior { kNone, kLimited };

struct ShutdownGrace {
  int64_t priority = 0, seconds = 0;
  bool operator==(const ShutdownGrace&) const = default;
};

struct NodeSettings {
  std::optional<std::map<std::string, std::string>> eviction_hard;  // "memory.available" to "100Mi"; nothing: by the machine
  std::map<std::string, std::string> eviction_soft, eviction_soft_grace;
  std::optional<std::map<std::string, std::string>> eviction_reclaim;
  bool merge_default_evictions = false;
  int64_t eviction_max_grace_s = 0;
  int64_t eviction_transition_us = limits::kEvictionTransitionUs;
  NodeReserves reserves;
  SwapBehavior swap = SwapBehavior::kLimited;
  bool fail_swap_on = false;
  std::vector<ShutdownGrace> shutdown;  // by priority, the lowest first; empty: nothing is delayed

  // The thresholds that hold on a machine with so much memory. kInvalidArgument with upstream's texts.
  Result<std::vector<EvictionThreshold>> thresholds(int64_t memory_bytes) const;
};

// Of the two periods that an admin gives: what is for critical pods is the end of the whole.
std::vector<ShutdownGrace> shutdown_of_periods(int64_t all_s, int64_t critical_s);

}  // namespace bramble

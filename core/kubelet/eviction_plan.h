// When a node is short of something, and which pod goes for it. Pure: values in, values out. Thresholds, conditions, ranking and
// texts are upstream's (pkg/kubelet/eviction; Kubernetes: "Node-pressure Eviction").
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/eviction_limits.h"
#include "core/base/result.h"
#include "core/resources/pod_view.h"

namespace bramble {

// Those that come first are acted on first. kAllocatableMemory: memory of what pods together may have.
enum class Signal { kMemory, kAllocatableMemory, kNodeDisk, kNodeInodes, kImageDisk, kImageInodes, kPids };
std::string_view signal_name(Signal signal);  // "memory.available"
std::string_view pressure_of(Signal signal);  // the node's condition: "MemoryPressure"
std::string_view resource_of(Signal signal);  // what there is little of: "memory", "ephemeral-storage", "inodes", "pids"

// An amount, or a share of the capacity.
struct ThresholdAmount {
  std::optional<Quantity> quantity;
  float share = 0;  // as upstream keeps it, so that its texts have the same digits
  uint64_t of(uint64_t capacity) const;
  Quantity text_of(uint64_t capacity) const;
};

struct EvictionThreshold {
  Signal signal = Signal::kMemory;
  ThresholdAmount below, reclaim;  // reclaim: so much more than `below` must be free for it to be over
  bool soft = false;
  int64_t grace_us = 0;            // of a soft one: how long it may last first
};

// Each by the signal's name: {"memory.available": "100Mi", "nodefs.available": "10%"}, graces like "1m30s". pods_are_limited: the
// hard threshold of memory counts for what pods may have together, too. kInvalidArgument with upstream's texts.
using BySignal = std::map<std::string, std::string>;
Result<std::vector<EvictionThreshold>> parse_thresholds(const BySignal& hard, const BySignal& soft, const BySignal& soft_grace, const BySignal& reclaim, bool pods_are_limited);

struct SignalState {
  uint64_t available = 0, capacity = 0;
};
using SignalStates = std::map<Signal, SignalState>;

// Whether any threshold is met, or would be if its minimum reclaim were part of it.
bool any_threshold_met(const std::vector<EvictionThreshold>& thresholds, const SignalStates& states);

// What lasts between two looks.
class EvictionState {
 public:
  EvictionState(std::vector<EvictionThreshold> thresholds, int64_t transition_us) : thresholds_(std::move(thresholds)), transition_us_(transition_us) {}
  struct Verdict {
    std::vector<std::string> pressures;    // conditions that are true, in order
    std::optional<EvictionThreshold> act;  // something must go for this one
  };
  Verdict look(const SignalStates& states, int64_t now_us);
  const std::vector<EvictionThreshold>& thresholds() const { return thresholds_; }
  // The largest amount of memory below which something is to happen; 0: none.
  uint64_t memory_below(uint64_t capacity) const;

 private:
  std::vector<EvictionThreshold> thresholds_;
  int64_t transition_us_;
  std::map<size_t, int64_t> met_since_us_;  // by place in thresholds_
  std::set<size_t> acting_;                 // met for their grace: over only with their minimum reclaim
  std::map<std::string, int64_t, std::less<>> pressure_seen_us_;
};

struct EvictionCandidate {
  std::string uid;
  int64_t priority = 0;
  uint64_t used = 0, requested = 0;  // of what there is little of
  bool measured = false;
};
// The order in which they go.
std::vector<size_t> rank_for_eviction(Signal signal, const std::vector<EvictionCandidate>& pods);

// Static pods, mirror pods and those of a system-critical priority are never evicted.
bool is_critical(const PodView& pod);

// What counts of a pod's files for a signal. own_image_disk: images and writable layers are on a file system of their own.
struct CountedFiles {
  bool layers = false, logs = false, volumes = false;
};
CountedFiles counted_files(Signal signal, bool own_image_disk);
// Whether removing images helps.
bool images_help(Signal signal, bool own_image_disk);

// The seconds that an evicted pod has to end.
int64_t eviction_grace_s(const EvictionThreshold& threshold, const PodView& pod, int64_t max_grace_s);

struct ContainerUse {
  std::string name;
  uint64_t used = 0;
  Quantity requested;
};
// "The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi. Container a was using 1Gi, request is 0, has
// larger consumption of memory. "
std::string eviction_message(const EvictionThreshold& threshold, const SignalState& state, const std::vector<ContainerUse>& containers);

// Of a pod that comes while these conditions hold: why it is refused; nothing when it may come.
std::optional<std::string> refusal_under_pressure(const PodView& pod, const std::vector<std::string>& pressures);

}  // namespace bramble

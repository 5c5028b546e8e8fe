#include "core/kubelet/node_settings.h"

#include <algorithm>

namespace bramble {

// Memory: upstream's 100Mi, on small boards less. Disks: as k3s keeps them.
static BySignal default_hard(int64_t memory_bytes) {
  const bool small = memory_bytes * limits::kEvictionMemoryPercent / 100 < static_cast<int64_t>(limits::kEvictionMemoryBytesMax);
  return {{"memory.available", small ? cat(limits::kEvictionMemoryPercent, "%") : Quantity::of_bytes(static_cast<int64_t>(limits::kEvictionMemoryBytesMax)).text()},
          {"nodefs.available", "5%"},
          {"nodefs.inodesFree", "5%"},
          {"imagefs.available", "5%"},
          {"imagefs.inodesFree", "5%"}};
}

Result<std::vector<EvictionThreshold>> NodeSettings::thresholds(int64_t memory_bytes) const {
  BySignal hard = eviction_hard.value_or(default_hard(memory_bytes));
  if (eviction_hard && merge_default_evictions) hard.merge(default_hard(memory_bytes));
  const BySignal reclaim = eviction_reclaim.value_or(BySignal{{"nodefs.available", "10%"}, {"imagefs.available", "10%"}});
  return parse_thresholds(hard, eviction_soft, eviction_soft_grace, reclaim, reserves.enforce.contains("pods"));
}

std::vector<ShutdownGrace> shutdown_of_periods(int64_t all_s, int64_t critical_s) {
  constexpr int64_t kSystemPriority = 2000000000;
  if (all_s == 0 || critical_s > all_s) return {};
  return {{0, all_s - critical_s}, {kSystemPriority, critical_s}};
}

}  // namespace bramble

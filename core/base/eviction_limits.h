// How often a node looks whether it is short of something. As limits.h; apart from it because the kubelet alone reads it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace bramble::limits {

constexpr int64_t kEvictionSettleMs = 1000;                      // between two looks that the kernel asks for: it may tell many times
constexpr int64_t kEvictionCleanupMs = 30 * 1000;                // after a pod was evicted, until the next may go: upstream's
constexpr int64_t kEvictionTransitionUs = 5 * 60 * 1000000LL;    // a condition outlasts its cause by so much, as upstream's
constexpr int64_t kEvictionGraceSeconds = 1;                     // of a pod that goes at once: upstream's
constexpr int64_t kEvictionFolderScanMs = 5000;                  // counting what the pods with a limit hold on disk, at one look
constexpr int64_t kEvictionScanPeriodUs = 60 * 1000000LL;        // how often: upstream's volumeStatsAggPeriod
constexpr uint64_t kEvictionMemoryBytesMax = 100ULL << 20;       // kept free of memory by default: upstream's, on 2 GB and more
constexpr int64_t kEvictionMemoryPercent = 5;                    // on less: 25 MB of 512
constexpr size_t kKernelLogRecordBytesMax = 8 * 1024;            // of /dev/kmsg: the kernel's own CONSOLE_EXT_LOG_MAX
constexpr int64_t kNodeCgroupRetryMs = 60 * 1000;                // the pods' cgroup that cannot be made smaller yet: upstream's

}  // namespace bramble::limits

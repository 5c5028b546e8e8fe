// What a node tells of its use: nothing is measured until somebody asks. As limits.h.
#pragma once

#include <cstddef>
#include <cstdint>

namespace bramble::limits {

constexpr size_t kUsageFileBytesMax = 64 * 1024;                // of one file of a cgroup; memory.stat has some 2 kB
constexpr size_t kUsageDevicesMax = 64;                         // block devices of one cgroup
constexpr size_t kUsageInterfacesMax = 64;                      // links of one network namespace
constexpr int64_t kUsageReuseUs = 1000 * 1000;                  // a reading so young answers another question too
constexpr int64_t kUsageWindowMinUs = 10 * 1000000LL;           // of a CPU rate; metrics-server asks each 15 s
constexpr int64_t kUsageWindowMaxUs = 120 * 1000000LL;          // an older first point says nothing of now
constexpr int64_t kUsageSecondLookMs = 1000;                    // then one of a second is measured, while the asker waits
constexpr int64_t kDiskScanReuseUs = 60 * 1000000LL;            // bytes below a folder are not counted again so soon; upstream: a minute
constexpr size_t kDiskScanEntriesMax = 200 * 1000;              // of one folder's scan; beyond, what was counted is told
constexpr int64_t kDiskScanMs = 2000;                           // of all scans of one question; the rest have their turn at the next
constexpr size_t kDiskScanDepthMax = 64;                        // an open descriptor each
constexpr size_t kDiskScanLinksMax = 16 * 1024;                 // files with several names that are counted once
constexpr size_t kNodeRequestBytesMax = 16 * 1024;              // of a request to the kubelet's port: nothing there takes a body

}  // namespace bramble::limits

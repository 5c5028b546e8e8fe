// DiskScan: how many bytes and inodes lie below a folder, as du(1) counts: what files occupy, a file with several names once,
// nothing of other file systems, no link followed. Bounded in entries, depth and time, whatever a container has made there.
// FileSystemUsage: what a file system says of itself. Blocking; off the loop's thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace bramble {

struct DiskScan {
  uint64_t bytes = 0, inodes = 0;
  bool whole = true;  // false: a bound was met, so there is more
};
// Nothing when there is no such folder. deadline_us: of CLOCK_MONOTONIC.
std::optional<DiskScan> scan_disk(const std::string& folder, int64_t deadline_us);

struct FileSystemUsage {
  uint64_t capacity_bytes = 0, available_bytes = 0, used_bytes = 0, inodes = 0, inodes_free = 0;
  uint64_t device = 0;  // st_dev
  bool in_memory = false;
};
std::optional<FileSystemUsage> file_system_usage(const std::string& path);

}  // namespace bramble

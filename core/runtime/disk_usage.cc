#include "core/runtime/disk_usage.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include <set>
#include <string_view>

#include "core/base/limits.h"

namespace bramble {

namespace {

int64_t monotonic_us() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<int64_t>(t.tv_sec) * 1000000 + t.tv_nsec / 1000;
}

struct Walk {
  DiskScan out;
  dev_t device = 0;
  int64_t deadline_us = 0;
  size_t entries = 0;
  bool stopped = false;
  std::set<ino_t> several_names;

  void count(const struct stat& s) {
    if (!S_ISDIR(s.st_mode) && s.st_nlink > 1) {
      if (several_names.size() < limits::kDiskScanLinksMax) {
        if (!several_names.insert(s.st_ino).second) return;
      } else if (several_names.contains(s.st_ino)) {
        return;
      }
    }
    out.bytes += static_cast<uint64_t>(s.st_blocks) * 512;
    out.inodes++;
  }

  bool may_go_on() {
    stopped = stopped || ++entries > limits::kDiskScanEntriesMax || (entries % 256 == 0 && monotonic_us() > deadline_us);
    if (stopped) out.whole = false;
    return !stopped;
  }

  // Takes the descriptor.
  void folder(int fd, size_t depth) {
    DIR* d = fdopendir(fd);
    if (!d) {
      close(fd);
      return;
    }
    for (dirent* e = readdir(d); e && may_go_on(); e = readdir(d)) {
      std::string_view name = e->d_name;
      if (name == "." || name == "..") continue;
      struct stat s {};
      if (fstatat(dirfd(d), e->d_name, &s, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) != 0 || s.st_dev != device) continue;
      count(s);
      if (!S_ISDIR(s.st_mode)) continue;
      if (depth >= limits::kDiskScanDepthMax) {
        out.whole = false;
        continue;
      }
      int below = openat(dirfd(d), e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
      if (below >= 0) folder(below, depth + 1);
    }
    closedir(d);
  }
};

}  // namespace

std::optional<DiskScan> scan_disk(const std::string& folder, int64_t deadline_us) {
  int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return std::nullopt;
  struct stat s {};
  Walk walk;
  walk.deadline_us = deadline_us;
  if (fstat(fd, &s) == 0) {
    walk.device = s.st_dev;
    walk.count(s);
  }
  walk.folder(fd, 1);
  return walk.out;
}

std::optional<FileSystemUsage> file_system_usage(const std::string& path) {
  struct statvfs v {};
  struct statfs f {};
  struct stat s {};
  if (statvfs(path.c_str(), &v) != 0 || statfs(path.c_str(), &f) != 0 || stat(path.c_str(), &s) != 0) return std::nullopt;
  FileSystemUsage out;
  const uint64_t block = v.f_frsize;
  out.capacity_bytes = v.f_blocks * block;
  out.available_bytes = v.f_bavail * block;
  out.used_bytes = (v.f_blocks - v.f_bfree) * block;
  out.inodes = v.f_files;
  out.inodes_free = v.f_ffree;
  out.device = s.st_dev;
  const auto type = static_cast<uint32_t>(f.f_type);  // signed where a word has 32 bits
  out.in_memory = type == TMPFS_MAGIC || type == RAMFS_MAGIC;
  return out;
}

}  // namespace bramble

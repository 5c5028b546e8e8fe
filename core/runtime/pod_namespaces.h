// The ipc and uts namespaces of a pod, kept as bind mounts of files so that they live without a process in them, and the
// pod's /dev/shm. Blocking calls that make threads of their own: run them in offload(). Idempotent.
#pragma once

#include <string>

#include "core/base/result.h"

namespace bramble {

// Makes <dir>/ipc and <dir>/uts (the latter with this host name).
Status make_pod_namespaces(const std::string& dir, const std::string& hostname);
// Whether the first process of the PID namespace at <dir>/pid lives (<dir>/first has its number). If not, what is left of it is
// taken away, so that another can be made.
bool first_process_lives(const std::string& dir);
void end_first_process(const std::string& dir);
// A tmpfs of 64 MiB, or nothing to do when it is mounted.
Status mount_shm(const std::string& path);
// Detaches every mount at or below the path (longest first) and removes the tree.
Status unmount_and_remove(const std::string& path);
bool is_mount_point(const std::string& path);
// The mount that holds what the path leads to, and whether it takes part in the passing on of mounts.
struct MountedAt {
  std::string path;
  bool shared = false, slave = false;
};
MountedAt mount_holding(const std::string& path);

}  // namespace bramble

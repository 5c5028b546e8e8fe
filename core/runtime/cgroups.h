// Cgroups: the tree under which pods are kept, in cgroup version 1 (one tree per controller) and version 2 (one tree):
//   <root>/pod<uid>/<container id>              Guaranteed
//   <root>/{burstable,besteffort}/pod<uid>/...  the others
//   bramble/shims                               the shims, outside pods and outside bramble's own service
// Only files and folders of /sys/fs/cgroup; nothing is kept in memory but where the trees are. Blocking but quick; any thread.
// (Kernel: admin-guide/cgroup-v1, admin-guide/cgroup-v2. Kubernetes: "Node-level resource managers", pod level cgroups.)
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/base/result.h"

namespace bramble {

struct PodCgroupLimits {
  uint64_t cpu_shares = 2;
  std::optional<int64_t> cpu_quota_us, memory_bytes, pids;
  int64_t cpu_period_us = 100000;
  bool operator==(const PodCgroupLimits&) const = default;
};

// cgroup v1 shares (2..262144) as a v2 weight (1..10000), as runc converts them.
uint64_t cpu_weight_of_shares(uint64_t shares);

class Cgroups {
 public:
  struct Options {
    std::string mount = "/sys/fs/cgroup";
    std::string mountinfo = "/proc/self/mountinfo";
    std::string root = "kubepods";
    std::string shims = "bramble/shims";
  };
  // Finds the trees. Version 2 alone when it is mounted at Options::mount; else version 1. kUnavailable when there is none.
  static Result<Cgroups> open(Options options);

  bool v2() const { return v2_; }
  bool has_controller(const std::string& name) const { return trees_.contains(v2_ ? "" : name) && (!v2_ || v2_controllers_.contains(name)); }
  // kUnavailable naming the kernel command line to edit when the memory controller is off.
  Status check_memory() const;
  // Makes <root> and its QoS folders, and the shims' folder.
  Status prepare(uint64_t node_cpu_shares);
  Status set_burstable_shares(uint64_t shares);
  // What all pods together may have; what is absent stays as it is. kUnavailable while they use more.
  struct GroupLimits {
    std::optional<uint64_t> cpu_shares;
    std::optional<int64_t> memory_bytes, pids;
  };
  Status limit_pods(const GroupLimits& limits);
  // The same of a cgroup of somebody else's ("/system.slice"). kNotFound when it is not there.
  Status limit_group(const std::string& path, const GroupLimits& limits);
  // Whether the kernel keeps count of swap by cgroup; prepare() was called before.
  bool counts_swap() const;

  // qos: "Guaranteed" "Burstable" "BestEffort".
  std::string pod_path(std::string_view qos, std::string_view pod_uid) const;  // "/kubepods/burstable/pod<uid>"
  Status make_pod(std::string_view qos, std::string_view pod_uid, const PodCgroupLimits& limits);
  // Of a cgroup that is there; `path` as pod_path() gives it, with a container's id behind it or not.
  Status set_cpu(const std::string& path, const PodCgroupLimits& limits) const;
  Status set_memory(const std::string& path, const PodCgroupLimits& limits) const;
  // Kills what is left in it and removes it, in all trees. Not there is fine. kUnavailable: processes do not go away yet.
  Status remove_pod(std::string_view qos, std::string_view pod_uid);
  // Whether the kernel killed something in that cgroup for want of memory.
  bool oom_killed(const std::string& cgroup_path) const;
  std::optional<int64_t> memory_usage_bytes(const std::string& cgroup_path) const;
  // Where a cgroup's files of that controller are; "" when the controller has no tree.
  std::string folder(const std::string& controller, std::string_view path) const { return dir(controller, path); }
  // (qos, uid) of the pods that have a folder.
  std::vector<std::pair<std::string, std::string>> pods() const;
  // The cgroup.procs files by which a shim moves out of our own cgroup.
  std::vector<std::string> shim_procs_files() const;
  // Kills every process of every pod, and every shim: for taking a node down.
  void kill_all() const;
  // Removes root and shims when they are empty.
  void remove_all();

 private:
  std::string dir(const std::string& controller, std::string_view path) const;
  Status make_dir(const std::string& path);
  Status write_limits(const std::string& path, const PodCgroupLimits& limits);

  Options options_;
  bool v2_ = false;
  std::map<std::string, std::string> trees_;  // controller ("" in version 2; "name=systemd", "unified") -> mount point
  std::map<std::string, bool> v2_controllers_;
};

}  // namespace bramble

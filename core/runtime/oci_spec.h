// ContainerSpec: what one container is to be, as values, and its OCI runtime configuration (config.json, OCI Runtime
// Specification 1.0.2 and 1.1, "Configuration" and "Linux Container Configuration"). Pure; any thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/json/builder.h"

namespace bramble {

struct OciMount {
  std::string destination, type, source;
  std::vector<std::string> options;
};

struct OciUser {
  uint32_t uid = 0, gid = 0;
  std::vector<uint32_t> additional_gids;
};

struct OciRlimit {
  std::string type;  // "RLIMIT_NOFILE"
  uint64_t hard = 0, soft = 0;
};

struct OciProcess {
  std::vector<std::string> args, env;
  std::string cwd = "/";
  OciUser user;
  bool terminal = false;
  bool no_new_privileges = false;
  std::vector<std::string> capabilities;  // "CAP_CHOWN"; effective, permitted and bounding
  std::optional<int> oom_score_adj;
  std::string apparmor_profile, selinux_label;  // "": none
  std::vector<OciRlimit> rlimits;
};

struct OciResources {
  std::optional<uint64_t> cpu_shares;
  std::optional<int64_t> cpu_quota_us, memory_bytes, pids;
  std::optional<int64_t> swap_bytes;  // beside the memory; in cgroup version 1 it needs memory_bytes
  uint64_t cpu_period_us = 100000;
  std::map<std::string, int64_t> hugepage_bytes;  // by page size as the kernel writes it: "2MB"
};

struct OciDevice {
  std::string path;
  char type = 'c';
  int64_t major = 0, minor = 0;
  uint32_t mode = 0666, uid = 0, gid = 0;
};

struct ContainerSpec {
  OciProcess process;
  std::string rootfs;  // absolute
  bool readonly_root = false;
  std::vector<OciMount> mounts;  // after the default ones, in order
  // Namespaces by type ("pid" "network" "ipc" "uts" "mount" "cgroup"): a path to join, or "" for a new one. One that is
  // not named is the host's.
  std::map<std::string, std::string> namespaces;
  std::string cgroups_path;  // "/kubepods/burstable/pod<uid>/<id>"
  OciResources resources;
  std::vector<OciDevice> devices;
  bool privileged = false;  // all devices, nothing masked, writable /sys
  bool unmasked = false;    // procMount: Unmasked
  bool host_network = false;
  bool cgroup_v2 = false;
  Document seccomp;         // absent: unconfined
  std::string selinux_mount_label, root_propagation = "rslave";
  std::string shm_source;  // a directory to bind at /dev/shm; "": a tmpfs of its own
  std::map<std::string, std::string> sysctls, annotations;
};

// The whole config.json.
Document oci_config(const ContainerSpec& spec);
// The process object alone, as `runc exec --process` reads it.
Document oci_process(const OciProcess& process);

// What a container may do when nothing is said (the set that container engines agree on).
std::vector<std::string> default_capabilities();
std::vector<std::string> all_capabilities();  // that this process may hand on
// `base` with add and drop of a securityContext: names without "CAP_", any case, "ALL" for every one.
std::vector<std::string> adjust_capabilities(std::vector<std::string> base, const std::vector<std::string>& add, const std::vector<std::string>& drop);

}  // namespace bramble

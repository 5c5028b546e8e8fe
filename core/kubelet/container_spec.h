// From a pod's container and its image to what the runtime is to make: command, user, security, resources, standard mounts.
// Pure, but for texts that the caller has read. (Kubernetes API: Container, SecurityContext; runtime defaults as CRI engines have.)
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/json/value.h"
#include "core/kubelet/environment.h"
#include "core/kubelet/host_security.h"
#include "core/kubelet/node_settings.h"
#include "images/image_store.h"
#include "core/runtime/oci_spec.h"

namespace bramble {

struct ContainerPlan {
  Value pod, container;
  const ImageConfig* image = nullptr;
  Environment env;
  std::vector<OciMount> volume_mounts;
  std::string passwd, group;             // of the image
  std::string rootfs, cgroups_path;
  std::string pod_run_dir;               // namespaces and shm
  std::string pid_namespace;             // to join; "": one of its own
  std::string hosts_path, hostname_path, resolv_path, message_path;  // "" : not mounted
  bool cgroup_v2 = false, may_lower_oom_score = true, hugetlb = false;  // hugetlb: there is such a controller
  int64_t node_memory_bytes = 0, node_swap_bytes = 0;
  bool counts_swap = false;      // the kernel does, by cgroup
  SwapBehavior swap = SwapBehavior::kNone;
  HostSecurity host;
  Document seccomp_profile;      // of seccompProfile Localhost
  std::string hostname;          // for HOSTNAME
  std::string apparmor_default;  // the loaded profile of RuntimeDefault; "": none
};

// kInvalidArgument becomes CreateContainerConfigError (runAsNonRoot), kNotFound CreateContainerError (no such user).
Result<ContainerSpec> container_spec(const ContainerPlan& plan);

// Guaranteed -997, BestEffort 1000, Burstable by its part of the node's memory (upstream's GetContainerOOMScoreAdjust).
int oom_score_adjust(std::string_view qos, int64_t memory_request, int64_t node_memory);
// How much swap the container may have (upstream's GetContainerSwapBehavior and calcSwapForBurstablePods).
int64_t swap_limit(const ContainerPlan& plan);
uint64_t cpu_shares_of_milli(int64_t milli);
int64_t cpu_quota_of_milli(int64_t milli, int64_t period_us);
// A number, "SIGTERM" or "TERM"; 15 when it means nothing.
int signal_number(std::string_view text);

}  // namespace bramble

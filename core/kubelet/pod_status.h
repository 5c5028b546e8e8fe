// The status of a pod as its node sees it: phase, conditions, container statuses, addresses. A pure function of the pod as the
// API has it and what the node knows. (Kubernetes: "Pod Lifecycle"; reasons and messages are upstream's.)
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/json/builder.h"
#include "core/kubelet/container_record.h"
#include "core/kubelet/pod_plan.h"
#include "core/runtime/cgroups.h"

namespace bramble {

struct WaitingReason {
  std::string reason, message;
  bool operator==(const WaitingReason&) const = default;
};

// PodResizePending, PodResizeInProgress.
struct ResizeCondition {
  std::string reason, message;
  int64_t generation = 0;             // of the spec that it is about
  int64_t since_us = 0, seen_us = 0;  // wall time: of this reason, of this condition
};

struct PodStatusFacts {
  std::vector<ContainerRecord> records;
  std::map<std::string, WaitingReason, std::less<>> waiting;  // by container name
  std::set<std::string, std::less<>> starting;  // names of containers whose start, postStart with it, is under way
  std::map<std::string, ContainerHealth, std::less<>> health;  // by container id; absent: nobody probes it
  std::vector<std::string> pod_ips, host_ips;
  bool sandbox_ready = false;
  bool resetting = false;    // all containers are being ended, to begin anew
  bool terminating = false;  // its end has been asked for
  bool all_stopped = false;  // with terminating: nothing runs any more
  std::string failed_reason, failed_message;  // the node refused or evicted it
  bool disruption = false;   // with these: the condition DisruptionTarget says so too
  int64_t start_us = 0;      // when the node first saw it
  Document allocated;        // the pod with the resources that it has been allocated; absent: what it asks for
  std::optional<PodCgroupLimits> cgroup;  // what the pod's own cgroup has been given
  std::optional<ResizeCondition> resize_pending, resize_in_progress;
};

// The whole status object; conditions of others and lastTransitionTime of unchanged ones are kept from pod.status.
Document pod_status(Value pod, const PodStatusFacts& facts, int64_t now_us);

// The strategic merge patch of a pod that makes the status of `shown` (the pod as the API was last seen) that one. Of the conditions
// only those that are another are in it: one that somebody else writes meanwhile stays as it is.
Document status_patch(Value shown, Value status);

}  // namespace bramble

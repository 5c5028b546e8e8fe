// The status of a pod as its node sees it: phase, conditions, container statuses, addresses. A pure function of the pod as the
// API has it and what the node knows. (Kubernetes: "Pod Lifecycle"; reasons and messages are upstream's.)
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/json/builder.h"
#include "core/kubelet/container_record.h"
#include "core/kubelet/pod_actions.h"

namespace bramble {

struct WaitingReason {
  std::string reason, message;
  bool operator==(const WaitingReason&) const = default;
};

struct PodStatusFacts {
  std::vector<ContainerRecord> records;
  std::map<std::string, WaitingReason, std::less<>> waiting;  // by container name
  std::set<std::string, std::less<>> starting;  // names of containers whose start, postStart with it, is under way
  std::map<std::string, ContainerHealth, std::less<>> health;  // by container id; absent: nobody probes it
  std::vector<std::string> pod_ips, host_ips;
  bool sandbox_ready = false;
  bool terminating = false;  // its end has been asked for
  bool all_stopped = false;  // with terminating: nothing runs any more
  std::string failed_reason, failed_message;  // the node refused or evicted it
  bool disruption = false;   // with these: the condition DisruptionTarget says so too
  int64_t start_us = 0;      // when the node first saw it
};

// The whole status object; conditions of others and lastTransitionTime of unchanged ones are kept from pod.status.
Document pod_status(Value pod, const PodStatusFacts& facts, int64_t now_us);

}  // namespace bramble

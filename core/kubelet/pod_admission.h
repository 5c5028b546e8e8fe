// Whether this node takes a pod on beside those that it has: the scheduler may have been asked wrongly, several of them may be at
// work, or somebody set nodeName by hand. Pure. Reasons and messages are upstream's (kubelet's lifecycle predicates).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/resources/pod_view.h"

namespace bramble {

// What every message of a refusal begins with, but for that of a resize.
inline constexpr std::string_view kPodRejected = "Pod was rejected: ";

struct PodRefusal {
  std::string reason, message;  // of the pod's status and of an event
};

struct AdmissionNode {
  Value node;  // as the API has it; absent: nothing is known of its labels and taints
  ResourceAmounts allocatable;
  int64_t max_pods = 0;
};

// others: the pods of the node that have not ended. Nothing: it is taken on.
std::optional<PodRefusal> refuse_pod(Value pod, const AdmissionNode& node, const std::vector<Document>& others, bool of_manifest);

}  // namespace bramble

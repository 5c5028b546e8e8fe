// Resize in place: what a pod asks for, what the node has allocated to it, and what its cgroups have been given. Pure functions
// of values. (Kubernetes: "Resize CPU and Memory Resources assigned to Containers"; KEP 1287, KEP 5419.)
//   desired    the spec, as the API has it
//   allocated  what the node has agreed to; what it counts against its resources, and starts containers with
//   actuated   what the cgroup of each running container has (ContainerRecord::resources), and that of the pod
// Who keeps them: PodWorker, in records.json. pod_resizing.cc carries out what is planned here.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/json/builder.h"
#include "core/kubelet/container_record.h"
#include "core/runtime/cgroups.h"

namespace bramble {

// {"pod": resources, "containers": {name: resources}} of init containers and containers.
Document allocation_of(Value pod);
// The pod with the resources that it has been allocated. The same document when they are what it asks for.
Document with_allocation(const Document& pod, Value allocation);
// What the API remembers, for a node that has forgotten: the spec where it tells nothing.
Document allocation_in_status(Value pod);
// A copy of the holder's resources; {} when it has none.
Document resources_of(Value holder);
bool increases_requests(Value allocated, Value desired);
// The pod with the larger of each request: what a container holds until it has been given less counts.
Document with_held(const Document& allocated, const std::vector<ContainerRecord>& records);

// Whether a container would need another share of swap, which is not given in place; may_swap: whether one of such a pod has any.
bool resizes_swap(Value desired, Value allocated, const std::function<bool(Value pod, Value container)>& may_swap);

// What resources mean to the kernel; zero: not said. CPU in thousandths. A container without a limit has that of its pod.
struct CpuMemory {
  int64_t cpu_request = 0, cpu_limit = 0, memory_request = 0, memory_limit = 0;
  bool operator==(const CpuMemory&) const = default;
};
CpuMemory cpu_memory(Value pod_resources, Value container_resources);
PodCgroupLimits container_limits(const CpuMemory& amounts);
PodCgroupLimits pod_limits(Value allocated_pod);

// What is to be written to cgroups, in order: a limit of the pod rises before those of its containers, and falls after them; of
// the containers what falls comes first.
struct ResizeStep {
  enum Part { kMemory, kCpu } part = kMemory;
  std::string container_id;  // "": the pod's own
  PodCgroupLimits limits;
};
struct ResizePlan {
  std::vector<ResizeStep> steps;
  std::vector<std::string> restart;       // ids of containers that must be started anew instead
  bool in_progress = false;               // something that runs has not what it is to have
  bool lowers_memory = false;             // somewhere: then what is in use counts
};
// pod_now: what the pod's cgroup has.
ResizePlan plan_resize(Value allocated_pod, Value actuated_pod_resources, const std::vector<ContainerRecord>& records, const PodCgroupLimits& pod_now);
// Why memory cannot be taken away, in upstream's words; "" when it can. usage of a container's id, or of "" for the pod.
std::string forbidden_decrease(Value allocated_pod, const std::vector<ContainerRecord>& records, const ResizePlan& plan, const PodCgroupLimits& pod_now,
                               const std::map<std::string, int64_t, std::less<>>& usage_bytes);

// The message of an event, as upstream writes it: "Pod resize started: {...}".
std::string resize_message(std::string_view what, Value pod, int64_t generation, std::string_view error);

}  // namespace bramble

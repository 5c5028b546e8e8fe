// metrics.k8s.io/v1beta1: NodeMetrics and PodMetrics, as metrics-server serves them, made of what the nodes measure when somebody
// asks. Objects are those of the watch cache that the selectors choose; what a node has no sample of is left out of lists and
// not found alone. Nothing is kept here. Owner's loop thread. (Kubernetes: "Resource metrics pipeline"; sigs.k8s.io/metrics-server)
#pragma once

#include <functional>

#include "core/apiserver/respond.h"
#include "core/client/node_readings.h"
#include "core/registry/registry.h"

namespace bramble {

inline constexpr std::string_view kUsageGroup = "metrics.k8s.io";

// The way to a node's readings by its name; null when there is none.
using ReadingsOf = std::function<NodeReadings*(std::string_view node)>;

// get and list. readings is copied into the task.
Task<void> serve_usage_api(std::shared_ptr<Request> request, Registry* registry, ReadingsOf readings);

// nodes/proxy to the kubelet's port of a node that is reached in this process: whether it was such a request; else nothing is sent.
NodeReadings* kubelet_behind_proxy(const Request& request, Registry& registry, const ReadingsOf& readings);
Task<void> serve_node_page(std::shared_ptr<Request> request, NodeReadings* node);

// The APIService that says who serves the group; its status apart, as it is written.
Document usage_api_service();
Document usage_api_service_status();

}  // namespace bramble

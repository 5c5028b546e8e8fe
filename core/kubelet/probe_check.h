// One check of a container's health: a command in it, an HTTP GET, a TCP connection, or a gRPC health call; what comes of it, in
// upstream's words. (Kubernetes: "Liveness, Readiness, and Startup Probes"; grpc.health.v1.) Loop thread; nothing is kept.
#pragma once

#include <string>

#include "core/client/alarm.h"
#include "core/json/value.h"
#include "core/runtime/pod_runtime.h"

namespace bramble {

struct ProbePlace {
  std::string uid, id;  // pod and container
  std::string pod_ip;
  Document container;
};

struct ProbeAnswer {
  // kError: it could not be carried out, and says nothing of the container.
  enum Kind { kSuccess, kWarning, kFailure, kError } kind = kSuccess;
  std::string text;
};

// Carries the probe out once, within its timeoutSeconds: then a command is killed and a connection closed. Dropping the task
// does the same. runtime outlives it.
Task<ProbeAnswer> check_health(PodRuntime* runtime, AlarmFactory alarms, ProbePlace place, Document probe);

// status of a grpc.health.v1.HealthCheckResponse: 1 is SERVING; nothing when the message is none.
std::optional<int> health_status(std::string_view message);

}  // namespace bramble

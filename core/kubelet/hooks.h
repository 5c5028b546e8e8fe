// Lifecycle hooks of containers: exec, httpGet and sleep. (Kubernetes: "Container Lifecycle Hooks".) Loop thread.
#pragma once

#include <string>

#include "core/json/value.h"
#include "core/runtime/pod_runtime.h"

namespace bramble {

// Where a hook runs.
struct HookPlace {
  std::string uid, id;  // pod and container
  std::string pod_ip;
  Document container;   // its ports have names
};

// Runs a postStart or preStop handler to its end, however long that takes: the caller drops it when it has waited enough, and
// what was begun ends with it. runtime outlives the task. An error: the command did not exit with 0, or the HTTP request got
// no answer (its status does not matter).
Task<Status> run_hook(PodRuntime* runtime, HookPlace place, Document handler);

}  // namespace bramble

// What the Endpoints and the EndpointSlice controllers share: which pods stand behind a service, with what ports, names and
// times. Pure. Upstream: pkg/controller/util/endpoint, staging endpointslice.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/client/plan.h"
#include "core/json/builder.h"

namespace bramble {

struct BackendPort {
  std::string name, protocol, app_protocol;
  int64_t port = 0;
  auto operator<=>(const BackendPort&) const = default;
};

struct Backend {
  Document pod;
  std::string ip;
  std::vector<BackendPort> ports;  // in the service's order; a named port that the pod lacks is left out
  bool ready = false;              // as published: with publishNotReadyAddresses always
  bool serving = false;            // its Ready condition
  bool terminating = false;
  std::string hostname;            // "" unless pods of this service have names of their own
};

bool is_headless(Value service);
bool selects_pods(Value service);  // has a selector and is no ExternalName

// Backends of one IP family ("IPv4", "IPv6"), by namespace and name of the pod.
std::vector<Backend> backends_of(const Snapshot& snapshot, Value service, std::string_view family);

// Keys of the services that a change of a service or pod concerns.
void service_keys(const Snapshot& snapshot, const Change& change, const std::function<void(const ObjectKey&)>& sink);

// endpoints.kubernetes.io/last-change-trigger-time: the earliest time, later than `published`, at which the service was made
// or a pod became (un)ready; `published` when there is none. From facts alone, so it is the same after a restart.
std::string change_trigger_time(Value service, const std::vector<Backend>& backends, std::string_view published);

constexpr const char* kTriggerTimeAnnotation = "endpoints.kubernetes.io/last-change-trigger-time";

}  // namespace bramble

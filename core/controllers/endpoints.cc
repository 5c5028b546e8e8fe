// Endpoints controller: the old Endpoints object of each service with a selector.
// Watches: services, pods, endpoints. Writes: endpoints, Events on the Endpoints. Never: those of services without a selector.
// Upstream: pkg/controller/endpoint.
#include <algorithm>
#include <map>

#include "core/base/limits.h"
#include "core/controllers/all.h"
#include "core/controllers/object_writes.h"
#include "core/controllers/service_endpoints.h"

namespace bramble {

namespace {

using resource_ids::kEndpoints;
using resource_ids::kPods;
using resource_ids::kServices;

constexpr const char* kHeadlessLabel = "service.kubernetes.io/headless";
constexpr const char* kManagedByLabel = "endpoints.kubernetes.io/managed-by";
constexpr const char* kOverCapacity = "endpoints.kubernetes.io/over-capacity";

void keys(const Snapshot& snapshot, const Change& change, const KeySink& sink) {
  if (change.resource == kEndpoints) {
    if (!change.after) sink(key_of(change.before));
    else if (change.before && !equal(change.before["subsets"], change.after["subsets"])) sink(key_of(change.after));
    else if (!change.before) sink(key_of(change.after));  // at start: one whose service is gone
    return;
  }
  service_keys(snapshot, change, sink);
}

void write_address(Mut addresses, const Backend& b) {
  Mut a = addresses.append_object();
  a.set("ip", b.ip);
  if (!b.hostname.empty()) a.set("hostname", b.hostname);
  std::string_view node = b.pod["spec"]["nodeName"].str();
  if (!node.empty()) a.set("nodeName", node);
  Mut ref = a.object("targetRef");
  ref.set("kind", "Pod");
  ref.set("namespace", namespace_of(b.pod));
  ref.set("name", name_of(b.pod));
  ref.set("uid", uid_of(b.pod));
}

// One subset for each set of ports that pods have in common; addresses by IP, ready ones apart from the others.
void write_subsets(Mut endpoints, std::vector<Backend> backends) {
  std::sort(backends.begin(), backends.end(), [](const Backend& a, const Backend& b) {
    return a.ip == b.ip ? uid_of(a.pod) < uid_of(b.pod) : a.ip < b.ip;
  });
  std::map<std::vector<BackendPort>, std::vector<const Backend*>> by_ports;
  for (const Backend& b : backends) {
    std::vector<BackendPort> ports = b.ports;
    std::sort(ports.begin(), ports.end());
    by_ports[ports].push_back(&b);
  }
  Mut subsets = endpoints.array("subsets");
  subsets.clear();
  for (const auto& [ports, members] : by_ports) {
    Mut subset = subsets.append_object();
    for (bool ready : {true, false}) {
      for (const Backend* b : members) {
        if (b->ready == ready) write_address(subset.array(ready ? "addresses" : "notReadyAddresses"), *b);
      }
    }
    for (const BackendPort& p : ports) {
      Mut port = subset.array("ports").append_object();
      if (!p.name.empty()) port.set("name", p.name);
      port.set("port", p.port);
      port.set("protocol", p.protocol);
      if (!p.app_protocol.empty()) port.set("appProtocol", p.app_protocol);
    }
  }
  if (subsets.size() == 0) endpoints.remove("subsets");
}

// Terminating pods are no endpoints here, unless everything is to be published. A service with ports has no use for pods that
// offer none of them.
std::vector<Backend> addresses_of(const Snapshot& snapshot, Value service) {
  std::string_view family = service["spec"]["ipFamilies"].item(0).str("IPv4");
  std::vector<Backend> all = backends_of(snapshot, service, family);
  bool publish_all = service["spec"]["publishNotReadyAddresses"].boolean();
  bool has_ports = service["spec"]["ports"].size() > 0;
  std::erase_if(all, [&](const Backend& b) { return (b.terminating && !publish_all) || (has_ports && b.ports.empty()); });
  return all;
}

void truncate(std::vector<Backend>& backends) {
  std::stable_sort(backends.begin(), backends.end(), [](const Backend& a, const Backend& b) { return a.ready > b.ready; });
  backends.resize(limits::kEndpointsMax);
}

Document wanted_endpoints(const Snapshot& snapshot, const Document& service, const Document& there) {
  Builder b(there.root());
  if (!there) b = Builder();
  Mut e = b.root();
  e.set("apiVersion", "v1");
  e.set("kind", "Endpoints");
  Mut metadata = e.object("metadata");
  metadata.set("name", name_of(service));
  metadata.set("namespace", namespace_of(service));
  metadata.set("labels", service["metadata"]["labels"]);
  metadata.object("labels").set(kManagedByLabel, "endpoint-controller");
  if (is_headless(service.root())) metadata.object("labels").set(kHeadlessLabel, "");

  std::vector<Backend> backends = addresses_of(snapshot, service.root());
  Mut annotations = metadata.object("annotations");
  std::string trigger = change_trigger_time(service.root(), backends, annotations[kTriggerTimeAnnotation].str());
  if (!trigger.empty()) annotations.set(kTriggerTimeAnnotation, trigger);
  annotations.remove(kOverCapacity);
  if (backends.size() > limits::kEndpointsMax) {
    annotations.set(kOverCapacity, "truncated");
    truncate(backends);
  }
  write_subsets(e, std::move(backends));
  return b.finish();
}

bool same_content(const Document& a, const Document& b) {
  return equal(a["subsets"], b["subsets"]) && equal(a["metadata"]["labels"], b["metadata"]["labels"]) &&
         a["metadata"]["annotations"][kOverCapacity].str() == b["metadata"]["annotations"][kOverCapacity].str();
}

Plan reconcile(const Snapshot& snapshot, const ObjectKey& key, const Moment&) {
  Plan plan;
  Document service = snapshot.get(kServices, key.ns, key.name);
  Document there = snapshot.get(kEndpoints, key.ns, key.name);
  if (!service) {
    bool ours = there["metadata"]["labels"][kManagedByLabel].exists();
    if (ours && !snapshot.may_be_lost(kServices, key.ns, key.name)) plan.writes.push_back(delete_write(kEndpoints, there));
    return plan;
  }
  if (!selects_pods(service.root())) return plan;
  Document next = wanted_endpoints(snapshot, service, there);
  if (there && same_content(there, next)) return plan;
  Write w = there ? update_write(kEndpoints, next) : create_write(kEndpoints, next);
  const char* reason = there ? "FailedToUpdateEndpoint" : "FailedToCreateEndpoint";
  const char* what = there ? "update endpoint " : "create endpoint for service ";
  w.on_failure = EventNote{next, "Warning", reason, cat("Failed to ", what, key.text(), ": {error}"), {}, {}};
  plan.writes.push_back(std::move(w));
  return plan;
}

}  // namespace

Controller endpoints_controller() {
  return {"endpoints", "endpoint-controller", "endpoint-controller", {kServices, kPods, kEndpoints}, {}, keys, reconcile, {}};
}

}  // namespace bramble

// EndpointSlice controller: the slices of each service with a selector, of at most kEndpointsPerSlice endpoints, for each IP
// family of the service and each set of ports that its pods have in common.
// Watches: services, pods, endpointslices, nodes (their zones). Writes: endpointslices that carry its managed-by label. Never: others.
// Upstream: pkg/controller/endpointslice, staging endpointslice/reconciler.
#include <algorithm>
#include <map>

#include "core/base/limits.h"
#include "core/controllers/all.h"
#include "core/controllers/object_writes.h"
#include "core/controllers/owner_refs.h"
#include "core/controllers/service_endpoints.h"

namespace bramble {

namespace {

using resource_ids::kEndpointSlices;
using resource_ids::kNodes;
using resource_ids::kPods;
using resource_ids::kServices;

constexpr const char* kManagedByLabel = "endpointslice.kubernetes.io/managed-by";
constexpr const char* kManager = "endpointslice-controller.k8s.io";
constexpr const char* kServiceNameLabel = "kubernetes.io/service-name";
constexpr const char* kHeadlessLabel = "service.kubernetes.io/headless";

bool is_ours(const Document& slice) { return slice["metadata"]["labels"][kManagedByLabel].str() == kManager; }

void keys(const Snapshot& snapshot, const Change& change, const KeySink& sink) {
  if (change.resource == kEndpointSlices) {
    for (const Document* slice : {&change.before, &change.after}) {
      if (!*slice || !is_ours(*slice)) continue;
      sink({std::string(namespace_of(*slice)), (*slice)["metadata"]["labels"][kServiceNameLabel].text()});
    }
    return;
  }
  if (change.resource == kNodes) {
    auto zone = [](const Document& node) { return node["metadata"]["labels"]["topology.kubernetes.io/zone"].str(); };
    if (zone(change.before) == zone(change.after)) return;
    snapshot.each(kServices, "", [&](const Document& service) {
      sink(key_of(service));
      return true;
    });
    return;
  }
  service_keys(snapshot, change, sink);
}

// Hints of a Service with spec.trafficDistribution: each ready endpoint is for its own zone, or its own node and then its zone
// (KEP-4444, KEP-3015). Upstream: staging endpointslice/trafficdist.
void write_hints(Value service, const Backend& backend, std::string_view node, const std::string& zone, Mut endpoint) {
  std::string_view distribution = service["spec"]["trafficDistribution"].str();
  const bool by_node = distribution == "PreferSameNode";
  if (!by_node && distribution != "PreferSameZone" && distribution != "PreferClose") return;
  if (!backend.ready || (zone.empty() && !(by_node && !node.empty()))) return;
  Mut hints = endpoint.object("hints");
  if (!zone.empty()) hints.array("forZones").append_object().set("name", zone);
  if (by_node && !node.empty()) hints.array("forNodes").append_object().set("name", node);
}

Document endpoint_of(const Snapshot& snapshot, Value service, const Backend& backend) {
  Builder b;
  Mut e = b.root();
  e.array("addresses").append(backend.ip);
  Mut conditions = e.object("conditions");
  conditions.set("ready", backend.ready);
  conditions.set("serving", backend.serving);
  conditions.set("terminating", backend.terminating);
  if (!backend.hostname.empty()) e.set("hostname", backend.hostname);
  Mut ref = e.object("targetRef");
  ref.set("kind", "Pod");
  ref.set("namespace", namespace_of(backend.pod));
  ref.set("name", name_of(backend.pod));
  ref.set("uid", uid_of(backend.pod));
  std::string_view node = backend.pod["spec"]["nodeName"].str();
  std::string zone;
  if (!node.empty()) {
    e.set("nodeName", node);
    zone = snapshot.get(kNodes, "", node)["metadata"]["labels"]["topology.kubernetes.io/zone"].text();
    if (!zone.empty()) e.set("zone", zone);
  }
  write_hints(service, backend, node, zone, e);
  return b.finish();
}

Document ports_document(const std::vector<BackendPort>& ports) {
  Builder b;
  b.set_root_array();
  for (const BackendPort& p : ports) {
    Mut port = b.root().append_object();
    port.set("name", p.name);
    port.set("protocol", p.protocol);
    port.set("port", p.port);
    if (!p.app_protocol.empty()) port.set("appProtocol", p.app_protocol);
  }
  return b.finish();
}

// Labels of the service go along, but for those that say whose slice it is.
Document labels_of(Value service) {
  Builder b;
  for (auto [key, value] : service["metadata"]["labels"].members()) {
    if (key != kHeadlessLabel && key != kServiceNameLabel && key != kManagedByLabel) b.root().set(key, value.str());
  }
  b.root().set(kServiceNameLabel, meta(service, "name"));
  b.root().set(kManagedByLabel, kManager);
  if (is_headless(service)) b.root().set(kHeadlessLabel, "");
  return b.finish();
}

// The endpoints that one group (family and ports) shall have, by pod; taken away as they find their slice.
using Wanted = std::map<std::string, Document>;

struct Group {
  std::string family;
  Document ports;
  Wanted wanted;
};

std::string pod_of(Value endpoint) { return endpoint["targetRef"]["uid"].text(); }

std::vector<Group> groups_of(const Snapshot& snapshot, Value service, std::string_view family,
                             std::vector<Backend>& all_backends) {
  std::map<std::string, Group> groups;
  bool has_ports = service["spec"]["ports"].size() > 0;
  for (Backend& b : backends_of(snapshot, service, family)) {
    if (has_ports && b.ports.empty()) continue;
    Document ports = ports_document(b.ports);
    Group& g = groups[ports.root().dump()];
    g.family = std::string(family);
    g.ports = ports;
    g.wanted[std::string(uid_of(b.pod))] = endpoint_of(snapshot, service, b);
    all_backends.push_back(std::move(b));
  }
  std::vector<Group> out;
  for (auto& [text, group] : groups) out.push_back(std::move(group));
  if (out.empty()) {  // a slice without endpoints tells that there are none
    out.push_back({std::string(family), ports_document({}), {}});
  }
  return out;
}

// A slice as it shall be: its endpoints less those that are gone, the others brought up to date.
struct Draft {
  Document there;                   // empty: to be made
  std::vector<Document> endpoints;
};

Draft keep_wanted(const Document& slice, Wanted& wanted) {
  Draft d{slice, {}};
  for (Value e : slice["endpoints"].items()) {
    auto it = wanted.find(pod_of(e));
    if (it == wanted.end()) continue;
    d.endpoints.push_back(std::move(it->second));
    wanted.erase(it);
  }
  return d;
}

// What is left goes where there is room, into the fullest slice first; then into new ones.
void place_rest(Wanted& wanted, std::vector<Draft>& drafts) {
  std::vector<Draft*> by_fill;
  for (Draft& d : drafts) by_fill.push_back(&d);
  std::stable_sort(by_fill.begin(), by_fill.end(),
                   [](const Draft* a, const Draft* b) { return a->endpoints.size() > b->endpoints.size(); });
  size_t at = 0;
  std::vector<Draft> fresh;
  for (auto& [uid, endpoint] : wanted) {
    while (at < by_fill.size() && by_fill[at]->endpoints.size() >= limits::kEndpointsPerSlice) at++;
    if (at < by_fill.size()) {
      by_fill[at]->endpoints.push_back(std::move(endpoint));
      continue;
    }
    if (fresh.empty() || fresh.back().endpoints.size() >= limits::kEndpointsPerSlice) fresh.push_back({});
    fresh.back().endpoints.push_back(std::move(endpoint));
  }
  wanted.clear();
  for (Draft& d : fresh) drafts.push_back(std::move(d));
}

Document write_slice(const Document& service, const Group& group, const Draft& draft, std::string_view trigger_time) {
  Builder b(draft.there.root());
  if (!draft.there) b = Builder();
  Mut s = b.root();
  s.set("apiVersion", "discovery.k8s.io/v1");
  s.set("kind", "EndpointSlice");
  Mut metadata = s.object("metadata");
  if (!draft.there) metadata.set("generateName", cat(name_of(service), "-"));
  metadata.set("namespace", namespace_of(service));
  metadata.set("labels", labels_of(service.root()).root());
  if (!trigger_time.empty()) metadata.object("annotations").set(kTriggerTimeAnnotation, trigger_time);
  set_controller_ref(s, service.root());
  s.set("addressType", group.family);
  Mut endpoints = s.array("endpoints");
  endpoints.clear();
  for (const Document& e : draft.endpoints) endpoints.append(e.root());
  s.set("ports", group.ports.root());
  return b.finish();
}

bool same_content(const Document& a, const Document& b) {
  bool same_endpoints = equal(a["endpoints"], b["endpoints"]) || (a["endpoints"].size() == 0 && b["endpoints"].size() == 0);
  bool same_ports = equal(a["ports"], b["ports"]) || (a["ports"].size() == 0 && b["ports"].size() == 0);
  return same_endpoints && same_ports && equal(a["metadata"]["labels"], b["metadata"]["labels"]) &&
         equal(a["metadata"]["ownerReferences"], b["metadata"]["ownerReferences"]);
}

EventNote failure_note(const Document& service, const char* verb, const char* reason) {
  return {service, "Warning", reason, cat("Error ", verb, " Endpoint Slices for Service ", namespace_of(service), "/",
                                          name_of(service), ": {error}"), {}, {}};
}

void plan_group(const Document& service, Group& group, std::vector<Document> slices, const std::vector<Backend>& backends,
                Plan& plan) {
  bool placeholder = group.wanted.empty();
  std::vector<Draft> drafts;
  for (const Document& slice : slices) drafts.push_back(keep_wanted(slice, group.wanted));
  place_rest(group.wanted, drafts);
  if (drafts.empty()) drafts.push_back({});
  size_t kept = 0;
  for (const Draft& d : drafts) kept += d.endpoints.empty() ? 0 : 1;
  for (const Draft& d : drafts) {
    if (d.endpoints.empty() && (kept > 0 || !placeholder || &d != &drafts.front())) {
      if (d.there) plan.writes.push_back(delete_write(kEndpointSlices, d.there));
      continue;
    }
    std::string_view published = d.there["metadata"]["annotations"][kTriggerTimeAnnotation].str();
    Document next = write_slice(service, group, d, change_trigger_time(service.root(), backends, published));
    if (d.there && same_content(d.there, next)) continue;
    Write w = d.there ? update_write(kEndpointSlices, next) : create_write(kEndpointSlices, next);
    w.on_failure = failure_note(service, d.there ? "updating" : "creating", "FailedToUpdateEndpointSlices");
    plan.writes.push_back(std::move(w));
  }
}

Plan reconcile(const Snapshot& snapshot, const ObjectKey& key, const Moment&) {
  Plan plan;
  Document service = snapshot.get(kServices, key.ns, key.name);
  if (!service || !selects_pods(service.root()) || being_deleted(service.root())) return plan;  // else owner references clean up
  std::vector<Document> slices;
  snapshot.each(kEndpointSlices, key.ns, [&](const Document& slice) {
    bool of_service = slice["metadata"]["labels"][kServiceNameLabel].str() == key.name;
    if (of_service && is_ours(slice) && !being_deleted(slice.root())) slices.push_back(slice);
    return true;
  });
  std::vector<std::string> families;
  for (Value f : service["spec"]["ipFamilies"].items()) families.push_back(f.text());
  if (families.empty()) families.push_back("IPv4");

  for (const std::string& family : families) {
    std::vector<Backend> backends;
    for (Group& group : groups_of(snapshot, service.root(), family, backends)) {
      std::vector<Document> of_group;
      std::erase_if(slices, [&](const Document& slice) {
        bool fits = slice["addressType"].str() == group.family &&
                    (equal(slice["ports"], group.ports.root()) || (slice["ports"].size() == 0 && group.ports.root().size() == 0));
        if (fits) of_group.push_back(slice);
        return fits;
      });
      plan_group(service, group, std::move(of_group), backends, plan);
    }
  }
  // Slices of ports or families that are no more.
  for (const Document& slice : slices) plan.writes.push_back(delete_write(kEndpointSlices, slice));
  return plan;
}

}  // namespace

Controller endpointslice_controller() {
  return {"endpointslice", "endpointslice-controller", "endpoint-slice-controller", {kServices, kPods, kEndpointSlices, kNodes},
          {},              keys,                       reconcile,                   {}};
}

}  // namespace bramble

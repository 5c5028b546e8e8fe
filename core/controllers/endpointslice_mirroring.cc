// EndpointSlice mirroring: Endpoints that somebody writes for a service without a selector become slices, because proxies and DNS
// read only those.
// Watches: endpoints, services, endpointslices. Writes: endpointslices that carry its managed-by label. Never: others, nor slices
// of Endpoints that ask not to be mirrored. Upstream: pkg/controller/endpointslicemirroring.
#include <algorithm>

#include "core/base/limits.h"
#include "core/controllers/all.h"
#include "core/controllers/object_writes.h"
#include "core/controllers/owner_refs.h"

namespace bramble {

namespace {

using resource_ids::kEndpoints;
using resource_ids::kEndpointSlices;
using resource_ids::kServices;

constexpr const char* kManagedByLabel = "endpointslice.kubernetes.io/managed-by";
constexpr const char* kManager = "endpointslicemirroring-controller.k8s.io";
constexpr const char* kServiceNameLabel = "kubernetes.io/service-name";
constexpr const char* kSkipLabel = "endpointslice.kubernetes.io/skip-mirror";
constexpr const char* kLeaderAnnotation = "control-plane.alpha.kubernetes.io/leader";
constexpr const char* kAppliedAnnotation = "kubectl.kubernetes.io/last-applied-configuration";

bool is_ours(const Document& slice) { return slice["metadata"]["labels"][kManagedByLabel].str() == kManager; }

void keys(const Snapshot&, const Change& change, const KeySink& sink) {
  const Document& object = change.after ? change.after : change.before;
  if (change.resource != kEndpointSlices) {
    sink(key_of(object));
  } else if (is_ours(object)) {
    sink({std::string(namespace_of(object)), object["metadata"]["labels"][kServiceNameLabel].text()});
  }
}

bool is_mirrored(const Document& endpoints, const Document& service) {
  if (!endpoints || !service || being_deleted(endpoints.root())) return false;
  Value metadata = endpoints["metadata"];
  bool refused = metadata["labels"][kSkipLabel].str() == "true" || metadata["annotations"].has(kLeaderAnnotation);
  return !refused && service["spec"]["selector"].size() == 0;
}

void write_endpoint(Mut endpoints, Value address, bool ready) {
  Mut e = endpoints.append_object();
  e.array("addresses").append(address["ip"].str());
  e.object("conditions").set("ready", ready);
  for (const char* part : {"hostname", "targetRef", "nodeName"}) e.set(part, address[part]);
}

void write_labels(const Document& endpoints, Mut metadata) {
  Mut labels = metadata.object("labels");
  labels.clear();
  for (auto [key, value] : endpoints["metadata"]["labels"].members()) labels.set(key, value.str());
  labels.set(kServiceNameLabel, name_of(endpoints));
  labels.set(kManagedByLabel, kManager);
  for (auto [key, value] : endpoints["metadata"]["annotations"].members()) {
    if (key != kAppliedAnnotation) metadata.object("annotations").set(key, value.str());
  }
}

// The slices that one subset makes: for each family one, of at most as many endpoints as one Endpoints object may have.
Document slice_of(const Document& endpoints, Value subset, bool ipv6) {
  Builder b;
  Mut s = b.root();
  s.set("apiVersion", "discovery.k8s.io/v1");
  s.set("kind", "EndpointSlice");
  Mut metadata = s.object("metadata");
  metadata.set("generateName", cat(name_of(endpoints), "-"));
  metadata.set("namespace", namespace_of(endpoints));
  write_labels(endpoints, metadata);
  set_controller_ref(s, endpoints.root());
  s.set("addressType", ipv6 ? "IPv6" : "IPv4");
  Mut list = s.array("endpoints");
  for (const char* part : {"addresses", "notReadyAddresses"}) {
    for (Value address : subset[part].items()) {
      bool fits = (address["ip"].str().find(':') != std::string_view::npos) == ipv6;
      bool ready = part == std::string_view("addresses");
      if (fits && list.size() < limits::kEndpointsMax) write_endpoint(list, address, ready);
    }
  }
  Mut ports = s.array("ports");
  for (Value p : subset["ports"].items()) {
    Mut port = ports.append_object();
    port.set("name", p["name"].str());
    port.set("protocol", p["protocol"].str("TCP"));
    port.set("port", p["port"]);
    port.set("appProtocol", p["appProtocol"]);
  }
  return list.size() == 0 ? Document() : b.finish();
}

bool same_list(Value a, Value b) { return equal(a, b) || (a.size() == 0 && b.size() == 0); }

bool same_place(const Document& a, const Document& b) {
  return a["addressType"].str() == b["addressType"].str() && same_list(a["ports"], b["ports"]);
}

bool same_content(const Document& a, const Document& b) {
  return same_place(a, b) && same_list(a["endpoints"], b["endpoints"]) &&
         equal(a["metadata"]["labels"], b["metadata"]["labels"]);
}

// The wanted content under the name, uid and version of the one that is there.
Document moved_into(const Document& there, const Document& wanted) {
  Builder b(there.root());
  for (const char* part : {"endpoints", "ports"}) b.root().set(part, wanted[part]);
  for (const char* part : {"labels", "annotations", "ownerReferences"}) b["metadata"].set(part, wanted["metadata"][part]);
  return b.finish();
}

Plan reconcile(const Snapshot& snapshot, const ObjectKey& key, const Moment&) {
  Plan plan;
  Document endpoints = snapshot.get(kEndpoints, key.ns, key.name), service = snapshot.get(kServices, key.ns, key.name);
  bool lost = (!endpoints && snapshot.may_be_lost(kEndpoints, key.ns, key.name)) || (!service && snapshot.may_be_lost(kServices, key.ns, key.name));
  if (lost) return plan;
  std::vector<Document> there;
  snapshot.each(kEndpointSlices, key.ns, [&](const Document& slice) {
    if (is_ours(slice) && slice["metadata"]["labels"][kServiceNameLabel].str() == key.name) there.push_back(slice);
    return true;
  });
  std::vector<Document> wanted;
  if (is_mirrored(endpoints, service)) {
    for (Value subset : endpoints["subsets"].items()) {
      for (bool ipv6 : {false, true}) {
        if (Document slice = slice_of(endpoints, subset, ipv6)) wanted.push_back(std::move(slice));
      }
    }
  }
  for (const Document& slice : wanted) {
    auto match = std::find_if(there.begin(), there.end(), [&](const Document& t) { return same_place(t, slice); });
    if (match == there.end()) {
      plan.writes.push_back(create_write(kEndpointSlices, slice));
      continue;
    }
    if (!same_content(*match, slice)) plan.writes.push_back(update_write(kEndpointSlices, moved_into(*match, slice)));
    there.erase(match);
  }
  for (const Document& slice : there) plan.writes.push_back(delete_write(kEndpointSlices, slice));
  return plan;
}

}  // namespace

Controller endpointslice_mirroring_controller() {
  return {"endpointslice-mirroring", "endpointslicemirroring-controller", "endpoint-slice-mirroring-controller",
          {kEndpoints, kServices, kEndpointSlices}, {}, keys, reconcile, {}};
}

}  // namespace bramble

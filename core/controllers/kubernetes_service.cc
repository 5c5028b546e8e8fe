// The `kubernetes` Service in namespace default, with the Endpoints and the EndpointSlice that lead to this API server.
// Watches: namespaces, services, endpoints, endpointslices. Writes: those three objects. Never: others.
// Upstream: pkg/controlplane/controller/kubernetesservice, pkg/controlplane/reconcilers.
#include "core/controllers/all.h"
#include "core/controllers/object_writes.h"
#include "core/controllers/owner_refs.h"

namespace bramble {

namespace {

using resource_ids::kEndpoints;
using resource_ids::kEndpointSlices;
using resource_ids::kNamespaces;
using resource_ids::kServices;

const ObjectKey kKey{"default", "kubernetes"};

struct Api {
  std::string address;
  int64_t port;
  std::string cluster_ip;
};

void keys(const Snapshot&, const Change& change, const KeySink& sink) {
  const Document& object = change.after ? change.after : change.before;
  bool concerns = change.resource == kNamespaces ? name_of(object) == kKey.ns : key_of(object) == kKey;
  if (concerns) sink(kKey);
}

void write_metadata(Mut object, const char* api_version, const char* kind) {
  object.set("apiVersion", api_version);
  object.set("kind", kind);
  Mut metadata = object.object("metadata");
  metadata.set("name", kKey.name);
  metadata.set("namespace", kKey.ns);
}

Document service(const Api& api) {
  Builder b;
  write_metadata(b.root(), "v1", "Service");
  Mut labels = b["metadata"].object("labels");
  labels.set("component", "apiserver");
  labels.set("provider", "kubernetes");
  Mut spec = b.root().object("spec");
  spec.set("clusterIP", api.cluster_ip);
  spec.array("clusterIPs").append(api.cluster_ip);
  spec.set("ipFamilyPolicy", "SingleStack");
  spec.set("sessionAffinity", "None");
  spec.set("type", "ClusterIP");
  Mut port = spec.array("ports").append_object();
  port.set("name", "https");
  port.set("protocol", "TCP");
  port.set("port", 443);
  port.set("targetPort", api.port);
  return b.finish();
}

void write_port(Mut ports, const Api& api) {
  Mut port = ports.append_object();
  port.set("name", "https");
  port.set("port", api.port);
  port.set("protocol", "TCP");
}

Document endpoints(const Api& api, const Document& there) {
  Builder b(there.root());
  if (!there) b = Builder();
  write_metadata(b.root(), "v1", "Endpoints");
  b["metadata"].object("labels").set("endpointslice.kubernetes.io/skip-mirror", "true");
  Mut subsets = b.root().array("subsets");
  subsets.clear();
  Mut subset = subsets.append_object();
  subset.array("addresses").append_object().set("ip", api.address);
  write_port(subset.array("ports"), api);
  return b.finish();
}

Document slice(const Api& api, const Document& there) {
  Builder b(there.root());
  if (!there) b = Builder();
  write_metadata(b.root(), "discovery.k8s.io/v1", "EndpointSlice");
  b["metadata"].object("labels").set("kubernetes.io/service-name", kKey.name);
  b.root().set("addressType", api.address.find(':') == std::string::npos ? "IPv4" : "IPv6");
  Mut list = b.root().array("endpoints");
  list.clear();
  Mut endpoint = list.append_object();
  endpoint.array("addresses").append(api.address);
  endpoint.object("conditions").set("ready", true);
  Mut ports = b.root().array("ports");
  ports.clear();
  write_port(ports, api);
  return b.finish();
}

// The content that we own; order of members does not matter, whatever else the stored form has does.
void plan_object(const Snapshot& snapshot, const ResourceId& resource, Document (*make)(const Api&, const Document&),
                 std::vector<const char*> owned, const Api& api, Plan& plan) {
  Document there = snapshot.get(resource, kKey.ns, kKey.name);
  Document next = make(api, there);
  if (!there) {
    plan.writes.push_back(create_write(resource, std::move(next)));
    return;
  }
  for (const char* part : owned) {
    if (equal(there[part], next[part])) continue;
    plan.writes.push_back(update_write(resource, std::move(next)));
    return;
  }
}

Plan reconcile(const Snapshot& snapshot, const Api& api) {
  Plan plan;
  Document ns = snapshot.get(kNamespaces, "", kKey.ns);
  if (!ns || being_deleted(ns.root())) return plan;
  Document there = snapshot.get(kServices, kKey.ns, kKey.name);
  if (!there) plan.writes.push_back(create_write(kServices, service(api)));
  plan_object(snapshot, kEndpoints, endpoints, {"subsets"}, api, plan);
  plan_object(snapshot, kEndpointSlices, slice, {"addressType", "endpoints", "ports"}, api, plan);
  return plan;
}

}  // namespace

Controller kubernetes_service_controller(std::string advertise_address, uint16_t api_port, std::string cluster_ip) {
  Api api{std::move(advertise_address), api_port, std::move(cluster_ip)};
  auto step = [api = std::move(api)](const Snapshot& snapshot, const ObjectKey&, const Moment&) { return reconcile(snapshot, api); };
  return {"kubernetes-service", "system:apiserver", "apiserver", {kNamespaces, kServices, kEndpoints, kEndpointSlices},
          {kKey},               keys,               step,        {}};
}

}  // namespace bramble

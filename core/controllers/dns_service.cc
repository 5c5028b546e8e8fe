// The `kube-dns` Service in namespace kube-system, with the EndpointSlice and the Endpoints that show where the cluster's DNS is: every
// node serves it at the cluster address itself, so that is the endpoint.
// Watches: namespaces, services, endpointslices, endpoints. Writes: those objects. Never: a kube-dns Service that somebody made for pods of
// his own (with a selector or another address), nor what belongs to it.
#include "core/controllers/all.h"
#include "core/controllers/object_writes.h"
#include "core/controllers/owner_refs.h"

namespace bramble {

namespace {

using resource_ids::kEndpoints;
using resource_ids::kEndpointSlices;
using resource_ids::kNamespaces;
using resource_ids::kServices;

const ObjectKey kKey{"kube-system", "kube-dns"};

struct PortOf {
  const char *name, *protocol;
};
constexpr PortOf kPorts[] = {{"dns", "UDP"}, {"dns-tcp", "TCP"}};

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

void write_ports(Mut list) {
  for (const PortOf& p : kPorts) {
    Mut port = list.append_object();
    port.set("name", p.name);
    port.set("port", 53);
    port.set("protocol", p.protocol);
  }
}

Document service(const std::string& address) {
  Builder b;
  write_metadata(b.root(), "v1", "Service");
  Mut labels = b["metadata"].object("labels");
  labels.set("k8s-app", "kube-dns");
  labels.set("kubernetes.io/cluster-service", "true");
  labels.set("kubernetes.io/name", "CoreDNS");  // as charts and dashboards look for it
  Mut spec = b.root().object("spec");
  spec.set("clusterIP", address);
  spec.array("clusterIPs").append(address);
  spec.set("ipFamilyPolicy", "SingleStack");
  spec.set("type", "ClusterIP");
  write_ports(spec.array("ports"));
  return b.finish();
}

Document slice(const std::string& address) {
  Builder b;
  write_metadata(b.root(), "discovery.k8s.io/v1", "EndpointSlice");
  Mut labels = b["metadata"].object("labels");
  labels.set("k8s-app", "kube-dns");
  labels.set("kubernetes.io/service-name", kKey.name);
  labels.set("endpointslice.kubernetes.io/managed-by", "bramble");
  b.root().set("addressType", address.find(':') == std::string::npos ? "IPv4" : "IPv6");
  Mut endpoint = b.root().array("endpoints").append_object();
  endpoint.array("addresses").append(address);
  endpoint.object("conditions").set("ready", true);
  write_ports(b.root().array("ports"));
  return b.finish();
}

Document endpoints(const std::string& address) {
  Builder b;
  write_metadata(b.root(), "v1", "Endpoints");
  Mut labels = b["metadata"].object("labels");
  labels.set("k8s-app", "kube-dns");
  labels.set("endpointslice.kubernetes.io/skip-mirror", "true");
  Mut subset = b.root().array("subsets").append_object();
  subset.array("addresses").append_object().set("ip", address);
  write_ports(subset.array("ports"));
  return b.finish();
}

// Of what is there the content is made right, the rest left as it is.
void plan_object(const Snapshot& snapshot, const ResourceId& resource, const Document& wanted, const char* content, Plan& plan) {
  Document there = snapshot.get(resource, kKey.ns, kKey.name);
  if (!there) {
    plan.writes.push_back(create_write(resource, wanted));
    return;
  }
  if (equal(there[content], wanted[content])) return;
  Builder b(there.root());
  b.root().set(content, wanted[content]);
  plan.writes.push_back(update_write(resource, b.finish()));
}

Plan reconcile(const Snapshot& snapshot, const std::string& address) {
  Plan plan;
  Document ns = snapshot.get(kNamespaces, "", kKey.ns);
  if (!ns || being_deleted(ns.root())) return plan;
  Document there = snapshot.get(kServices, kKey.ns, kKey.name);
  if (!there) plan.writes.push_back(create_write(kServices, service(address)));
  else if (there["spec"]["selector"].size() > 0 || there["spec"]["clusterIP"].str() != address) return plan;
  plan_object(snapshot, kEndpointSlices, slice(address), "endpoints", plan);
  plan_object(snapshot, kEndpoints, endpoints(address), "subsets", plan);
  return plan;
}

}  // namespace

Controller dns_service_controller(std::string address) {
  auto step = [address = std::move(address)](const Snapshot& snapshot, const ObjectKey&, const Moment&) { return reconcile(snapshot, address); };
  return {"dns-service", "system:apiserver", "bramble", {kNamespaces, kServices, kEndpointSlices, kEndpoints}, {kKey}, keys, step, {}};
}

}  // namespace bramble

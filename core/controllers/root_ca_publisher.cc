// Root CA publisher: each active namespace has the ConfigMap kube-root-ca.crt, with which pods check the API server.
// Watches: namespaces, configmaps. Writes: that ConfigMap. Never: another. Upstream: pkg/controller/certificates/rootcacertpublisher.
#include "core/controllers/all.h"
#include "core/controllers/object_writes.h"
#include "core/controllers/owner_refs.h"

namespace bramble {

namespace {

using resource_ids::kConfigMaps;
using resource_ids::kNamespaces;

constexpr const char* kName = "kube-root-ca.crt";
constexpr const char* kDescription =
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal "
    "service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.";

void keys(const Snapshot&, const Change& change, const KeySink& sink) {
  const Document& object = change.after ? change.after : change.before;
  if (change.resource == kNamespaces) sink({"", std::string(name_of(object))});
  else if (name_of(object) == kName) sink({"", std::string(namespace_of(object))});
}

void write_content(Mut config_map, const std::string& ca_pem) {
  config_map.object("metadata").object("annotations").set("kubernetes.io/description", kDescription);
  Mut data = config_map.object("data");
  data.clear();
  data.set("ca.crt", ca_pem);
}

Plan publish(const Snapshot& snapshot, const ObjectKey& key, const std::string& ca_pem) {
  Plan plan;
  Document ns = snapshot.get(kNamespaces, "", key.name);
  if (!ns || being_deleted(ns.root())) return plan;
  Document there = snapshot.get(kConfigMaps, key.name, kName);
  Builder b(there.root());
  if (!there) {
    b = Builder();
    b.root().set("apiVersion", "v1");
    b.root().set("kind", "ConfigMap");
    Mut metadata = b.root().object("metadata");
    metadata.set("name", kName);
    metadata.set("namespace", key.name);
  }
  write_content(b.root(), ca_pem);
  Document next = b.finish();
  if (!there) {
    plan.writes.push_back(create_write(kConfigMaps, std::move(next)));
    plan.writes.back().tolerate.push_back(Code::kNotFound);  // the namespace has gone meanwhile
  } else if (!equal(there.root(), next.root())) {
    plan.writes.push_back(update_write(kConfigMaps, std::move(next)));
  }
  return plan;
}

}  // namespace

Controller root_ca_publisher_controller(std::string ca_pem) {
  auto reconcile = [ca_pem = std::move(ca_pem)](const Snapshot& snapshot, const ObjectKey& key, const Moment&) {
    return publish(snapshot, key, ca_pem);
  };
  return {"root-ca-publisher", "root-ca-cert-publisher", "root-ca-cert-publisher", {kNamespaces, kConfigMaps},
          {},                  keys,                     reconcile,                {}};
}

}  // namespace bramble

// ServiceAccount controller: each active namespace has the account "default".
// Watches: namespaces, serviceaccounts. Writes: serviceaccounts (create). Never: a change of one that is there.
// Upstream: pkg/controller/serviceaccount.
#include "core/controllers/all.h"
#include "core/controllers/object_writes.h"
#include "core/controllers/owner_refs.h"

namespace bramble {

namespace {

using resource_ids::kNamespaces;
using resource_ids::kServiceAccounts;

void keys(const Snapshot&, const Change& change, const KeySink& sink) {
  const Document& object = change.after ? change.after : change.before;
  if (change.resource == kNamespaces) sink({"", std::string(name_of(object))});
  else if (!change.after && name_of(object) == "default") sink({"", std::string(namespace_of(object))});
}

Plan reconcile(const Snapshot& snapshot, const ObjectKey& key, const Moment&) {
  Plan plan;
  Document ns = snapshot.get(kNamespaces, "", key.name);
  if (!ns || being_deleted(ns.root())) return plan;
  if (snapshot.get(kServiceAccounts, key.name, "default")) return plan;
  Builder b;
  b.root().set("apiVersion", "v1");
  b.root().set("kind", "ServiceAccount");
  Mut metadata = b.root().object("metadata");
  metadata.set("name", "default");
  metadata.set("namespace", key.name);
  plan.writes.push_back(create_write(kServiceAccounts, b.finish()));
  return plan;
}

}  // namespace

Controller service_account_controller() {
  return {"serviceaccount", "service-account-controller", "serviceaccount-controller", {kNamespaces, kServiceAccounts},
          {},               keys,                         reconcile,                   {}};
}

}  // namespace bramble

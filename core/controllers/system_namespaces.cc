// System namespaces: default, kube-system, kube-public and kube-node-lease exist, always.
// Watches: namespaces. Writes: those four. Never: anything else. Upstream: pkg/controlplane/controller/systemnamespaces.
#include "core/controllers/all.h"
#include "core/controllers/object_writes.h"

namespace bramble {

namespace {

using resource_ids::kNamespaces;

const std::vector<ObjectKey>& system_keys() {
  static const std::vector<ObjectKey> keys{{"", "kube-system"}, {"", "kube-public"}, {"", "kube-node-lease"}, {"", "default"}};
  return keys;
}

void keys(const Snapshot&, const Change& change, const KeySink& sink) {
  if (change.after) return;
  for (const ObjectKey& key : system_keys()) {
    if (key.name == name_of(change.before)) sink(key);
  }
}

Plan reconcile(const Snapshot& snapshot, const ObjectKey& key, const Moment&) {
  Plan plan;
  if (snapshot.get(kNamespaces, "", key.name)) return plan;
  Builder b;
  b.root().set("apiVersion", "v1");
  b.root().set("kind", "Namespace");
  b.root().object("metadata").set("name", key.name);
  plan.writes.push_back(create_write(kNamespaces, b.finish()));
  return plan;
}

}  // namespace

Controller system_namespaces_controller() {
  return {"system-namespaces", "system:apiserver", "apiserver", {kNamespaces}, system_keys(), keys, reconcile, {}};
}

}  // namespace bramble

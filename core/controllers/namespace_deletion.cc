// Namespace controller: empties a namespace that is being deleted, then finalizes it. Pods go first, the rest when none is left
// (KEP-5080), so that nothing a pod relies on vanishes under it.
// Watches: namespaces and every kind that lives in one. Writes: deletes of content, namespaces/status, namespaces/finalize.
// Never: a namespace that is not being deleted. Upstream: pkg/controller/namespace.
#include <algorithm>
#include <map>

#include "core/base/clock.h"
#include "core/base/limits.h"
#include "core/controllers/all.h"
#include "core/controllers/object_writes.h"
#include "core/controllers/owner_refs.h"
#include "core/resources/conditions.h"
#include "core/resources/kind.h"

namespace bramble {

namespace {

using resource_ids::kNamespaces;
using resource_ids::kPods;

// Every kind stored in namespaces, once: another version or group of the same objects is left out.
const std::vector<ResourceId>& content_resources() {
  static const std::vector<ResourceId> all = [] {
    std::vector<ResourceId> out;
    for (const Kind& k : all_kinds()) {
      if (!k.stored || !k.namespaced || k.stored_as.elsewhere()) continue;
      bool known = std::any_of(out.begin(), out.end(),
                               [&](const ResourceId& r) { return r.group == k.group && r.resource == k.resource; });
      if (!known) out.push_back({std::string(k.group), std::string(k.version), std::string(k.resource)});
    }
    return out;
  }();
  return all;
}

void keys(const Snapshot& snapshot, const Change& change, const KeySink& sink) {
  const Document& object = change.after ? change.after : change.before;
  if (change.resource == kNamespaces) {
    if (change.after && being_deleted(change.after.root())) sink({"", std::string(name_of(object))});
    return;
  }
  Document ns = snapshot.get(kNamespaces, "", namespace_of(object));
  if (ns && being_deleted(ns.root())) sink({"", std::string(name_of(ns))});
}

bool has_pods(const Snapshot& snapshot, std::string_view ns) {
  bool found = false;
  snapshot.each(kPods, ns, [&](const Document&) {
    found = true;
    return false;
  });
  return found;
}

Plan reconcile(const Snapshot& snapshot, const ObjectKey& key, const Moment&) {
  Plan plan;
  Document ns = snapshot.get(kNamespaces, "", key.name);
  if (!ns || !being_deleted(ns.root())) return plan;
  bool pods_first = has_pods(snapshot, key.name);
  for (const ResourceId& resource : content_resources()) {
    if (pods_first && resource != kPods) continue;
    snapshot.each(resource, key.name, [&](const Document& object) {
      if (being_deleted(object.root())) return true;
      Write w = delete_write(resource, object);
      w.with_previous = !plan.writes.empty();
      w.tolerate.push_back(Code::kConflict);  // replaced meanwhile: the watch brings us back
      plan.writes.push_back(std::move(w));
      return plan.writes.size() < limits::kNamespaceDeletesPerPlan;
    });
    if (plan.writes.size() >= limits::kNamespaceDeletesPerPlan) break;
  }
  return plan;
}

struct Remaining {
  std::map<std::string, int64_t> by_resource;   // "pods." -> 2
  std::map<std::string, int64_t> by_finalizer;
};

Remaining count_remaining(const Snapshot& snapshot, std::string_view ns) {
  Remaining r;
  for (const ResourceId& resource : content_resources()) {
    snapshot.each(resource, ns, [&](const Document& object) {
      r.by_resource[cat(resource.resource, ".", resource.group)]++;
      for (Value f : object["metadata"]["finalizers"].items()) r.by_finalizer[f.text()]++;
      return true;
    });
  }
  return r;
}

std::string list_of(const std::map<std::string, int64_t>& counts, std::string_view between) {
  std::vector<std::string> parts;
  for (const auto& [what, n] : counts) parts.push_back(cat(what, between, n, " resource instances"));
  return join(parts, ", ");
}

void write_conditions(Mut conditions, const Remaining& left, const Outcome& outcome, std::string_view now) {
  auto set = [&](const char* type, const char* status, const char* reason, std::string_view message) {
    set_condition(conditions, {type, status, reason, message}, now);
  };
  set("NamespaceDeletionDiscoveryFailure", "False", "ResourcesDiscovered", "All resources successfully discovered");
  set("NamespaceDeletionGroupVersionParsingFailure", "False", "ParsedGroupVersions",
      "All legacy kube types successfully parsed");
  if (outcome.error) {
    set("NamespaceDeletionContentFailure", "True", "ContentDeletionFailed",
        cat("Failed to delete all resource types, 1 remaining: ", outcome.error->message()));
  } else {
    set("NamespaceDeletionContentFailure", "False", "ContentDeleted",
        "All content successfully deleted, may be waiting on finalization");
  }
  if (left.by_resource.empty()) {
    set("NamespaceContentRemaining", "False", "ContentRemoved", "All content successfully removed");
  } else {
    set("NamespaceContentRemaining", "True", "SomeResourcesRemain",
        cat("Some resources are remaining: ", list_of(left.by_resource, " has ")));
  }
  if (left.by_finalizer.empty()) {
    set("NamespaceFinalizersRemaining", "False", "ContentRemoved", "All content successfully removed");
  } else {
    set("NamespaceFinalizersRemaining", "True", "SomeFinalizersRemain",
        cat("Some finalizers are remaining: ", list_of(left.by_finalizer, " in ")));
  }
}

Document without_finalizer(const Document& ns) {
  Builder next(ns.root());
  Mut finalizers = next.root().object("spec").array("finalizers");
  for (size_t i = finalizers.size(); i-- > 0;) {
    if (finalizers.item(i).str() == "kubernetes") finalizers.remove_item(i);
  }
  return next.finish();
}

bool has_finalizer(const Document& ns) {
  for (Value f : ns["spec"]["finalizers"].items()) {
    if (f.str() == "kubernetes") return true;
  }
  return false;
}

Plan finish(const Snapshot& snapshot, const ObjectKey& key, const Moment& now, const Outcome& outcome) {
  const int64_t now_us = now.wall_us;
  Plan plan;
  Document ns = snapshot.get(kNamespaces, "", key.name);
  if (!ns || !being_deleted(ns.root())) return plan;
  Remaining left = count_remaining(snapshot, key.name);
  if (left.by_resource.empty() && !outcome.error) {
    if (has_finalizer(ns)) plan.writes.push_back(update_write(kNamespaces, without_finalizer(ns), "finalize"));
    return plan;
  }
  Builder next(ns.root());
  write_conditions(next.root().object("status").array("conditions"), left, outcome, format_rfc3339(now_us));
  Document changed = next.finish();
  if (!equal(changed["status"], ns["status"])) plan.writes.push_back(update_write(kNamespaces, std::move(changed), "status"));
  return plan;
}

}  // namespace

Controller namespace_controller() {
  std::vector<ResourceId> watches = content_resources();
  watches.push_back(kNamespaces);
  return {"namespace", "namespace-controller", "namespace-controller", std::move(watches), {}, keys, reconcile, finish};
}

}  // namespace bramble

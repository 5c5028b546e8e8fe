// Garbage collector: deletes what has lost all its owners, and carries out foreground deletion and orphaning.
// Watches: every stored kind but Events. Writes: deletes and owner references of any object, its two finalizers, an Event for a
// reference that cannot be. Never: an object with an owner that is there, that may only be lost, or that is of a kind not known here.
// A key is an object anywhere: ns, and "group/version/resource/name". Upstream: pkg/controller/garbagecollector; where that keeps
// a graph with "virtual" nodes for owners it has not seen, this asks the snapshot, which is the truth.
#include <algorithm>

#include "core/controllers/all.h"
#include "core/controllers/object_writes.h"
#include "core/controllers/owner_index.h"
#include "core/controllers/owner_refs.h"
#include "core/resources/kind.h"

namespace bramble {

namespace {

constexpr const char* kForeground = "foregroundDeletion";
constexpr const char* kOrphan = "orphan";

std::vector<ResourceId> collected_resources() {
  std::vector<ResourceId> out;
  for (const Kind& k : all_kinds()) {
    if (!k.stored || k.stored_as.elsewhere() || !k.collected) continue;
    bool known = std::any_of(out.begin(), out.end(),
                             [&](const ResourceId& r) { return r.group == k.group && r.resource == k.resource; });
    if (!known) out.push_back({std::string(k.group), std::string(k.version), std::string(k.resource)});
  }
  return out;
}

ObjectKey pack(const ObjectId& id) {
  return {id.key.ns, cat(id.resource.group, "/", id.resource.version, "/", id.resource.resource, "/", id.key.name)};
}

ObjectId unpack(const ObjectKey& key) {
  auto group = *cut(key.name, "/");
  auto version = *cut(group.second, "/");
  auto resource = *cut(version.second, "/");
  return {{std::string(group.first), std::string(version.first), std::string(resource.first)},
          {key.ns, std::string(resource.second)}};
}

bool has_finalizer(Value object, std::string_view name) {
  for (Value f : object["metadata"]["finalizers"].items()) {
    if (f.str() == name) return true;
  }
  return false;
}

bool waits_for_dependents(Value object) { return being_deleted(object) && has_finalizer(object, kForeground); }

Value owner_reference(Value object, std::string_view uid) {
  for (Value ref : object["metadata"]["ownerReferences"].items()) {
    if (ref["uid"].str() == uid) return ref;
  }
  return {};
}

// ---- keys

// Most changes (statuses, heartbeats) are none of the collector's.
bool same_for_collection(const Change& change) {
  if (!change.before || !change.after || uid_of(change.before) != uid_of(change.after)) return false;
  for (const char* part : {"ownerReferences", "finalizers", "deletionTimestamp"}) {
    Value before = change.before["metadata"][part], after = change.after["metadata"][part];
    if (before.exists() != after.exists() || (before && !equal(before, after))) return false;
  }
  return true;
}

void keys(OwnerIndex& index, const Snapshot& snapshot, const Change& change, const KeySink& sink) {
  if (same_for_collection(change)) return;
  index.observe(change);
  const Document& object = change.after ? change.after : change.before;
  ObjectId id{change.resource, key_of(object)};
  auto sink_dependents = [&](std::string_view uid) {
    for (const ObjectId& d : index.dependents(uid)) sink(pack(d));
  };
  // Its owners may have waited for it.
  if (change.before) {
    for (Value ref : change.before["metadata"]["ownerReferences"].items()) {
      if (const ObjectId* owner = index.find(ref["uid"].str())) sink(pack(*owner));
    }
  }
  if (!change.after) {
    bool in_doubt = snapshot.may_be_lost(id.resource, id.key.ns, id.key.name);
    in_doubt ? index.note_end(uid_of(change.before)) : index.forget_ends();
    sink_dependents(uid_of(change.before));
    return;
  }
  if (change.after["metadata"]["ownerReferences"].size() > 0) sink(pack(id));
  bool ending = being_deleted(change.after.root());
  if (ending && (has_finalizer(change.after.root(), kForeground) || has_finalizer(change.after.root(), kOrphan))) {
    sink(pack(id));
    sink_dependents(uid_of(change.after));
  }
}

// ---- owners

enum class OwnerState { kSolid, kAbsent, kWaiting, kImpossible };

OwnerState owner_state(const Snapshot& snapshot, const OwnerIndex& index, Value object, Value ref) {
  auto parts = cut(ref["apiVersion"].str(), "/");
  std::string_view group = parts ? parts->first : "", version = parts ? parts->second : ref["apiVersion"].str();
  const Kind* kind = find_kind_by_name(group, version, ref["kind"].str());
  if (!kind || !kind->stored) return OwnerState::kSolid;  // not known here: never a reason to delete
  std::string_view ns = kind->namespaced ? meta(object, "namespace") : "";
  if (kind->namespaced && ns.empty()) return OwnerState::kImpossible;
  ResourceId resource{std::string(kind->group), std::string(kind->version), std::string(kind->resource)};
  Document owner = snapshot.get(resource, ns, ref["name"].str());
  if (!owner || uid_of(owner) != ref["uid"].str()) {
    bool lost = snapshot.may_be_lost(resource, ns, ref["name"].str()) && !index.saw_end(ref["uid"].str());
    return lost ? OwnerState::kSolid : OwnerState::kAbsent;
  }
  return waits_for_dependents(owner.root()) ? OwnerState::kWaiting : OwnerState::kSolid;
}

// ---- writes

Write without_finalizer(const ObjectId& id, Value object, std::string_view finalizer) {
  Builder b;
  Mut metadata = b.root().object("metadata");
  metadata.set("resourceVersion", meta(object, "resourceVersion"));
  Mut rest = metadata.array("finalizers");
  for (Value f : object["metadata"]["finalizers"].items()) {
    if (f.str() != finalizer) rest.append(f);
  }
  return patch_write(id.resource, id.key, PatchType::kMerge, b.finish());
}

// Without the references to these owners. A merge patch of the whole list, so it holds for every kind.
Write without_owners(const ObjectId& id, Value object, const std::vector<std::string>& uids) {
  Builder b;
  Mut metadata = b.root().object("metadata");
  metadata.set("resourceVersion", meta(object, "resourceVersion"));
  Mut rest = metadata.array("ownerReferences");
  for (Value ref : object["metadata"]["ownerReferences"].items()) {
    if (std::find(uids.begin(), uids.end(), ref["uid"].str()) == uids.end()) rest.append(ref);
  }
  return patch_write(id.resource, id.key, PatchType::kMerge, b.finish());
}

Write without_blocking(const ObjectId& id, Value object) {
  Builder b;
  Mut metadata = b.root().object("metadata");
  metadata.set("resourceVersion", meta(object, "resourceVersion"));
  Mut refs = metadata.array("ownerReferences");
  for (Value ref : object["metadata"]["ownerReferences"].items()) {
    Builder copy(ref);
    if (ref["blockOwnerDeletion"].boolean()) copy.root().set("blockOwnerDeletion", false);
    refs.append(copy.root());
  }
  return patch_write(id.resource, id.key, PatchType::kMerge, b.finish());
}

Write deletion(const ObjectId& id, const Document& object, const char* propagation) {
  Write w = delete_write(id.resource, object);
  w.delete_options.propagation = propagation;
  w.delete_options.resource_version = std::string(version_of(object));
  return w;
}

// ---- the three tasks

// Foreground deletion: the object goes when no dependent blocks it any more.
Plan delete_dependents_first(const Snapshot& snapshot, const OwnerIndex& index, const ObjectId& id, const Document& object) {
  Plan plan;
  for (const ObjectId& d : index.dependents(uid_of(object))) {
    Document dependent = snapshot.get(d.resource, d.key.ns, d.key.name);
    if (owner_reference(dependent.root(), uid_of(object))["blockOwnerDeletion"].boolean()) return plan;  // its end wakes us
  }
  plan.writes.push_back(without_finalizer(id, object.root(), kForeground));
  return plan;
}

Plan orphan_dependents(const Snapshot& snapshot, const OwnerIndex& index, const ObjectId& id, const Document& object) {
  Plan plan;
  for (const ObjectId& d : index.dependents(uid_of(object))) {
    Document dependent = snapshot.get(d.resource, d.key.ns, d.key.name);
    if (!dependent) continue;
    Write w = without_owners(d, dependent.root(), {std::string(uid_of(object))});
    w.with_previous = !plan.writes.empty();
    plan.writes.push_back(std::move(w));
  }
  plan.writes.push_back(without_finalizer(id, object.root(), kOrphan));
  return plan;
}

EventNote impossible_reference(const Document& object, Value ref) {
  return {object, "Warning", "OwnerRefInvalidNamespace",
          cat("ownerRef [", ref["apiVersion"].str(), "/", ref["kind"].str(), ", namespace: , name: ", ref["name"].str(),
              ", uid: ", ref["uid"].str(), "] does not exist in namespace \"\""), {}, {}};
}

Plan delete_if_ownerless(const Snapshot& snapshot, const OwnerIndex& index, const ObjectId& id, const Document& object) {
  Plan plan;
  std::vector<std::string> gone, waiting;
  bool solid = false;
  for (Value ref : object["metadata"]["ownerReferences"].items()) {
    switch (owner_state(snapshot, index, object.root(), ref)) {
      case OwnerState::kSolid: solid = true; break;
      case OwnerState::kAbsent: gone.push_back(ref["uid"].text()); break;
      case OwnerState::kWaiting: waiting.push_back(ref["uid"].text()); break;
      case OwnerState::kImpossible:
        plan.events.push_back(impossible_reference(object, ref));
        return plan;
    }
  }
  if (solid) {
    gone.insert(gone.end(), waiting.begin(), waiting.end());
    if (!gone.empty()) plan.writes.push_back(without_owners(id, object.root(), gone));
    return plan;
  }
  if (gone.empty() && waiting.empty()) return plan;
  std::vector<ObjectId> dependents = index.dependents(uid_of(object));
  if (!waiting.empty() && !dependents.empty()) {
    // A circle of owners that all wait for each other is opened here.
    bool circle = std::any_of(dependents.begin(), dependents.end(), [&](const ObjectId& d) {
      return waits_for_dependents(snapshot.get(d.resource, d.key.ns, d.key.name).root());
    });
    if (circle) plan.writes.push_back(without_blocking(id, object.root()));
    Write w = deletion(id, object, "Foreground");
    if (circle) w.delete_options.resource_version.clear();
    plan.writes.push_back(std::move(w));
    return plan;
  }
  const char* propagation = has_finalizer(object.root(), kOrphan)        ? "Orphan"
                            : has_finalizer(object.root(), kForeground) ? "Foreground"
                                                                        : "Background";
  plan.writes.push_back(deletion(id, object, propagation));
  return plan;
}

Plan reconcile(const Snapshot& snapshot, const OwnerIndex& index, const ObjectKey& key) {
  ObjectId id = unpack(key);
  Document object = snapshot.get(id.resource, id.key.ns, id.key.name);
  if (!object) return {};
  if (being_deleted(object.root())) {
    if (has_finalizer(object.root(), kOrphan)) return orphan_dependents(snapshot, index, id, object);
    if (has_finalizer(object.root(), kForeground)) return delete_dependents_first(snapshot, index, id, object);
    return {};
  }
  return delete_if_ownerless(snapshot, index, id, object);
}

}  // namespace

Controller garbage_collector() {
  auto index = std::make_shared<OwnerIndex>();
  auto observe = [index](const Snapshot& snapshot, const Change& change, const KeySink& sink) {
    keys(*index, snapshot, change, sink);
  };
  auto step = [index](const Snapshot& snapshot, const ObjectKey& key, const Moment&) { return reconcile(snapshot, *index, key); };
  auto object = [](const Snapshot& snapshot, const ObjectKey& key) {
    ObjectId id = unpack(key);
    return snapshot.get(id.resource, id.key.ns, id.key.name);
  };
  return {"garbage-collector", "generic-garbage-collector", "garbage-collector-controller", collected_resources(), {}, observe,
          step, {}, object};
}

}  // namespace bramble

// Protection of storage that is in use: a claim keeps its finalizer while a pod on some node uses it, a volume while it is bound.
// Two controllers of one shape. The finalizers are set when the objects are made (core/resources); those without get theirs here.
// Watches: persistentvolumeclaims and pods; persistentvolumes. Writes: their finalizers. Never: anything else of them.
// Upstream: pkg/controller/volume/pvcprotection, pkg/controller/volume/pvprotection.
#include "core/controllers/all.h"
#include "core/controllers/object_writes.h"
#include "core/resources/pod_view.h"

namespace bramble {

namespace {

using resource_ids::kPersistentVolumeClaims;
using resource_ids::kPods;
const ResourceId kVolumes{"", "v1", "persistentvolumes"};
constexpr std::string_view kClaimFinalizer = "kubernetes.io/pvc-protection", kVolumeFinalizer = "kubernetes.io/pv-protection";

bool has_finalizer(const Document& object, std::string_view finalizer) {
  for (Value f : object["metadata"]["finalizers"].items()) {
    if (f.str() == finalizer) return true;
  }
  return false;
}

// The finalizer goes from a deleted object, or comes to one that lives, as an update of all of it, as upstream writes it.
Write with_finalizer(const ResourceId& resource, const Document& object, std::string_view finalizer, bool wanted) {
  Builder b(object.root());
  Mut list = b.root().object("metadata").array("finalizers");
  for (size_t i = list.size(); i-- > 0;) {
    if (list.item(i).str() == finalizer) list.remove_item(i);
  }
  if (wanted) list.append(finalizer);
  if (list.size() == 0) b.root().object("metadata").remove("finalizers");
  return update_write(resource, b.finish());
}

// used: whether something needs it now.
Plan protect(const ResourceId& resource, const Document& object, std::string_view finalizer, const std::function<bool()>& used) {
  Plan plan;
  const bool deleted = object["metadata"]["deletionTimestamp"].exists(), has = has_finalizer(object, finalizer);
  if (!deleted && !has) plan.writes.push_back(with_finalizer(resource, object, finalizer, true));
  if (deleted && has && !used()) plan.writes.push_back(with_finalizer(resource, object, finalizer, false));
  return plan;
}

// The claim of a pod's volume; "": it has none. Generic ephemeral volumes have one named after both.
std::string claim_name(Value pod, Value volume) {
  if (volume["persistentVolumeClaim"]) return volume["persistentVolumeClaim"]["claimName"].text();
  return volume["ephemeral"] ? cat(meta(pod, "name"), "-", volume["name"].str()) : std::string();
}

// Its node is done with it; what waits is a finalizer of its own.
bool is_shut_down(Value pod) {
  Value m = pod["metadata"];
  return m["deletionTimestamp"].exists() && m["deletionGracePeriodSeconds"].exists() && m["deletionGracePeriodSeconds"].integer() == 0;
}

bool owns(Value pod, Value claim) {
  for (Value o : claim["metadata"]["ownerReferences"].items()) {
    if (o["controller"].boolean() && o["uid"].str() == meta(pod, "uid")) return true;
  }
  return false;
}

// A pod without a node is not reckoned: no node starts one whose claim is being deleted.
bool uses(const Document& pod, const Document& claim) {
  if (!PodView(pod).is_assigned()) return false;
  for (Value v : pod["spec"]["volumes"].items()) {
    if (claim_name(pod.root(), v) != name_of(claim)) continue;
    if (v["persistentVolumeClaim"]) return true;
    if (!is_shut_down(pod.root()) && owns(pod.root(), claim.root())) return true;
  }
  return false;
}

void claim_keys(const Snapshot&, const Change& change, const KeySink& sink) {
  if (change.resource == kPersistentVolumeClaims) {
    if (change.after) sink(key_of(change.after));
    return;
  }
  // A pod that goes, ends, or gives way to another of its name.
  if (!change.before) return;
  const Document& pod = change.before;
  const bool gone = !change.after || uid_of(change.after) != uid_of(pod) || PodView(change.after).is_terminal() || is_shut_down(change.after.root());
  if (!gone) return;
  for (Value v : pod["spec"]["volumes"].items()) {
    std::string name = claim_name(pod.root(), v);
    if (!name.empty()) sink({std::string(namespace_of(pod)), name});
  }
}

Plan reconcile_claim(const Snapshot& snapshot, const ObjectKey& key, const Moment&) {
  Document claim = snapshot.get(kPersistentVolumeClaims, key.ns, key.name);
  if (!claim) return {};
  auto used = [&] {
    bool found = snapshot.may_be_lost(kPods, key.ns, "");
    snapshot.each(kPods, key.ns, [&](const Document& pod) {
      found = found || uses(pod, claim);
      return !found;
    });
    return found;
  };
  return protect(kPersistentVolumeClaims, claim, kClaimFinalizer, used);
}

void volume_keys(const Snapshot&, const Change& change, const KeySink& sink) {
  if (change.after) sink(key_of(change.after));
}

Plan reconcile_volume(const Snapshot& snapshot, const ObjectKey& key, const Moment&) {
  Document volume = snapshot.get(kVolumes, "", key.name);
  if (!volume) return {};
  return protect(kVolumes, volume, kVolumeFinalizer, [&] { return volume["status"]["phase"].str() == "Bound"; });
}

}  // namespace

Controller claim_protection_controller() {
  return {"pvc-protection", "pvc-protection-controller", "pvc-protection-controller", {kPersistentVolumeClaims, kPods}, {}, claim_keys, reconcile_claim, {}};
}

Controller volume_protection_controller() {
  return {"pv-protection", "pv-protection-controller", "pv-protection-controller", {kVolumes}, {}, volume_keys, reconcile_volume, {}};
}

}  // namespace bramble

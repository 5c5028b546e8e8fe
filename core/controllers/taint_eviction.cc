// Taint eviction: deletes pods from nodes with NoExecute taints, at once or when their toleration runs out. The time counts from
// when the taint was added (or the pod began, if later), so a restart changes nothing.
// Watches: pods, nodes. Writes: pods/status (the disruption condition), pod deletes, Events on pods. Upstream: pkg/controller/tainteviction.
#include <algorithm>

#include "core/base/clock.h"
#include "core/controllers/all.h"
#include "core/controllers/object_writes.h"
#include "core/resources/pod_view.h"
#include "core/resources/taints.h"

namespace bramble {

namespace {

using resource_ids::kNodes;
using resource_ids::kPods;

bool has_no_execute(Value node) {
  for (Value taint : node["spec"]["taints"].items()) {
    if (taint["effect"].str() == "NoExecute") return true;
  }
  return false;
}

void keys(const Snapshot& snapshot, const Change& change, const KeySink& sink) {
  if (!change.after) return;
  if (change.resource == kNodes) {
    if (change.before && equal(change.before["spec"]["taints"], change.after["spec"]["taints"])) return;
    if (!has_no_execute(change.after.root())) return;
    snapshot.each(kPods, "", [&](const Document& pod) {
      if (pod["spec"]["nodeName"].str() == name_of(change.after)) sink(key_of(pod));
      return true;
    });
    return;
  }
  PodView pod(change.after);
  if (!pod.is_assigned() || pod.is_deleting()) return;
  bool known = change.before && PodView(change.before).is_assigned() &&
               equal(change.before["spec"]["tolerations"], change.after["spec"]["tolerations"]);
  if (!known && has_no_execute(snapshot.get(kNodes, "", pod.node_name()).root())) sink(key_of(change.after));
}

// When the pod has to go; nothing: never.
std::optional<int64_t> eviction_time_us(PodView pod, Value node, int64_t now_us) {
  std::optional<int64_t> due_us;
  int64_t began_us = parse_rfc3339(pod.condition("PodScheduled")["lastTransitionTime"].str()).value_or(0);
  for (Value taint : node["spec"]["taints"].items()) {
    if (taint["effect"].str() != "NoExecute") continue;
    std::optional<int64_t> seconds;
    bool tolerated = false;
    for (Value t : pod.tolerations().items()) {
      if (!tolerates(t, taint)) continue;
      tolerated = true;
      if (!t["tolerationSeconds"].exists()) continue;
      int64_t s = std::max<int64_t>(0, t["tolerationSeconds"].integer());
      seconds = std::min(seconds.value_or(s), s);
    }
    if (!tolerated) return now_us;
    if (!seconds) continue;
    int64_t added_us = parse_rfc3339(taint["timeAdded"].str()).value_or(now_us);
    int64_t at_us = std::max(added_us, began_us) + *seconds * 1000000;
    due_us = std::min(due_us.value_or(at_us), at_us);
  }
  return due_us;
}

Document disruption_patch(const Document& pod, int64_t now_us) {
  Builder b;
  Mut c = b.root().object("status").array("conditions").append_object();
  c.set("type", "DisruptionTarget");
  c.set("status", "True");
  c.set("reason", "DeletionByTaintManager");
  c.set("message", "Taint manager: deleting due to NoExecute taint");
  c.set("lastTransitionTime", format_rfc3339(now_us));
  int64_t generation = pod["metadata"]["generation"].integer();
  if (generation > 0) c.set("observedGeneration", generation);
  return b.finish();
}

Plan reconcile(const Snapshot& snapshot, const ObjectKey& key, const Moment& now) {
  const int64_t now_us = now.wall_us;
  Plan plan;
  Document doc = snapshot.get(kPods, key.ns, key.name);
  PodView pod(doc);
  if (!doc || !pod.is_assigned() || pod.is_deleting()) return plan;
  Document node = snapshot.get(kNodes, "", pod.node_name());
  std::optional<int64_t> due_us = eviction_time_us(pod, node.root(), now_us);
  if (!due_us) return plan;
  if (*due_us > now_us) {
    plan.requeue_after_ms = (*due_us - now_us) / 1000 + 1;
    return plan;
  }
  plan.events.push_back({doc, "Normal", "TaintManagerEviction", cat("Marking for deletion Pod ", key.text()), {}, {}});
  plan.writes.push_back(patch_write(kPods, key, PatchType::kStrategic, disruption_patch(doc, now_us), "status"));
  plan.writes.push_back(delete_write(kPods, doc));
  return plan;
}

}  // namespace

Controller taint_eviction_controller() {
  return {"taint-eviction", "node-controller", "taint-eviction-controller", {kNodes, kPods}, {}, keys, reconcile, {}};
}

}  // namespace bramble

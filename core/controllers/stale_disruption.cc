// Stale disruptions: a pod that was to be evicted and was not deleted within two minutes loses its DisruptionTarget condition.
// Watches: pods. Writes: pods/status. Never: deletes. Upstream: pkg/controller/disruption, its queue of stale pods.
#include <algorithm>

#include "core/base/clock.h"
#include "core/base/limits.h"
#include "core/controllers/all.h"
#include "core/controllers/object_writes.h"
#include "core/resources/conditions.h"
#include "core/resources/pod_view.h"

namespace bramble {

namespace {

using resource_ids::kPods;

// The kubelet's own announcement may take as long as it will.
bool may_be_stale(PodView pod) {
  Value c = pod.condition("DisruptionTarget");
  return pod.is_active() && c["status"].str() == "True" && c["reason"].str() != "TerminationByKubelet";
}

void keys(const Snapshot&, const Change& change, const KeySink& sink) {
  if (change.after && may_be_stale(PodView(change.after))) sink(key_of(change.after));
}

Plan reconcile(const Snapshot& snapshot, const ObjectKey& key, const Moment& now) {
  Plan plan;
  Document pod = snapshot.get(kPods, key.ns, key.name);
  if (!pod || !may_be_stale(PodView(pod))) return plan;
  int64_t since_us = parse_rfc3339(PodView(pod).condition("DisruptionTarget")["lastTransitionTime"].str()).value_or(0);
  int64_t wait_us = since_us + limits::kDisruptionTimeoutUs - now.wall_us;
  if (wait_us > 0) {
    plan.requeue_after_ms = wait_us / 1000 + 1;
    return plan;
  }
  Builder next(pod.root());
  Mut c = find_condition(next.root()["status"]["conditions"], "DisruptionTarget");
  c.clear();
  c.set("type", "DisruptionTarget");
  c.set("status", "False");
  c.set_null("lastProbeTime");
  c.set("lastTransitionTime", format_rfc3339(now.wall_us));
  plan.writes.push_back(update_write(kPods, next.finish(), "status"));
  return plan;
}

}  // namespace

Controller stale_disruption_controller() {
  return {"stale-disruption", "disruption-controller", "controllermanager", {kPods}, {}, keys, reconcile, {}};
}

}  // namespace bramble

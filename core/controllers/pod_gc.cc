// Pod GC: removes pods that no kubelet will ever remove: those of nodes that are gone (after a while: a node may come back),
// those that were deleted before they had a node, and the oldest of too many ended ones.
// Watches: pods, nodes. Writes: pods/status (the disruption condition), pod deletes with grace 0. Upstream: pkg/controller/podgc.
#include <map>
#include <memory>
#include <set>

#include "core/base/clock.h"
#include "core/base/limits.h"
#include "core/controllers/all.h"
#include "core/controllers/object_writes.h"
#include "core/resources/pod_view.h"

namespace bramble {

namespace {

using resource_ids::kNodes;
using resource_ids::kPods;

const ObjectKey kEndedPods{"", "ended pods"};  // the key of the threshold

// What cannot be read from one snapshot: since when a node is missing, which ones were seen to be deleted while an absent one may
// have been lost (Snapshot::may_be_lost), and which pods have ended, the oldest first.
struct Memory {
  std::set<std::string> deleted_nodes;
  std::map<std::string, int64_t> missing_since_us;  // monotonic
  std::set<std::pair<std::string, ObjectKey>> ended;
};

bool is_assigned_elsewhere(const Document& pod, std::string_view node) { return pod["spec"]["nodeName"].str() != node; }

void keys(Memory& memory, const Snapshot& snapshot, const Change& change, const KeySink& sink) {
  if (change.resource == kNodes) {
    const Document& node = change.after ? change.after : change.before;
    if (change.after) {
      memory.missing_since_us.erase(std::string(name_of(node)));
      memory.deleted_nodes.erase(std::string(name_of(node)));
      return;
    }
    if (snapshot.may_be_lost(kNodes, "", name_of(node))) memory.deleted_nodes.emplace(name_of(node));
    snapshot.each(kPods, "", [&](const Document& pod) {
      if (!is_assigned_elsewhere(pod, name_of(node))) sink(key_of(pod));
      return true;
    });
    return;
  }
  auto entry = [](const Document& pod) { return std::pair{meta(pod.root(), "creationTimestamp"), key_of(pod)}; };
  if (change.before) memory.ended.erase({std::string(entry(change.before).first), entry(change.before).second});
  if (!change.after) return;
  PodView pod(change.after);
  if (pod.is_terminal()) {
    memory.ended.insert({std::string(entry(change.after).first), entry(change.after).second});
    if (memory.ended.size() > limits::kTerminatedPodsMax) sink(kEndedPods);
  }
  bool node_missing = pod.is_assigned() && !snapshot.get(kNodes, "", pod.node_name());
  if (node_missing || (!pod.is_assigned() && pod.is_deleting())) sink(key_of(change.after));
}

Document failed_status(const Document& pod, int64_t now_us) {
  Builder b;
  Mut status = b.root().object("status");
  status.set("phase", "Failed");
  Mut c = status.array("conditions").append_object();
  c.set("type", "DisruptionTarget");
  c.set("status", "True");
  c.set("reason", "DeletionByPodGC");
  c.set("message", "PodGC: node no longer exists");
  c.set("lastTransitionTime", format_rfc3339(now_us));
  int64_t generation = pod["metadata"]["generation"].integer();
  if (generation > 0) c.set("observedGeneration", generation);
  return b.finish();
}

void plan_removal(const Document& pod, Plan& plan) {
  Write w = delete_write(kPods, pod);
  w.delete_options.grace_period_s = 0;
  plan.writes.push_back(std::move(w));
}

Plan trim_ended(const Snapshot& snapshot, const Memory& memory) {
  Plan plan;
  size_t excess = memory.ended.size() > limits::kTerminatedPodsMax ? memory.ended.size() - limits::kTerminatedPodsMax : 0;
  for (auto it = memory.ended.begin(); it != memory.ended.end() && excess > 0; ++it, excess--) {
    if (Document pod = snapshot.get(kPods, it->second.ns, it->second.name)) plan_removal(pod, plan);
  }
  return plan;
}

Plan reconcile(Memory& memory, const Snapshot& snapshot, const ObjectKey& key, const Moment& now) {
  if (key == kEndedPods) return trim_ended(snapshot, memory);
  Plan plan;
  Document doc = snapshot.get(kPods, key.ns, key.name);
  if (!doc) return plan;
  PodView pod(doc);
  if (!pod.is_assigned()) {
    if (pod.is_deleting()) plan_removal(doc, plan);
    return plan;
  }
  std::string node(pod.node_name());
  if (snapshot.get(kNodes, "", node)) return plan;
  if (snapshot.may_be_lost(kNodes, "", node) && !memory.deleted_nodes.contains(node)) return plan;
  int64_t since_us = memory.missing_since_us.emplace(node, now.monotonic_us).first->second;
  int64_t wait_us = since_us + limits::kNodeQuarantineUs - now.monotonic_us;
  if (wait_us > 0) {
    plan.requeue_after_ms = wait_us / 1000 + 1;
    return plan;
  }
  if (!pod.is_terminal()) plan.writes.push_back(patch_write(kPods, key, PatchType::kStrategic, failed_status(doc, now.wall_us), "status"));
  plan_removal(doc, plan);
  return plan;
}

}  // namespace

Controller pod_gc_controller() {
  auto memory = std::make_shared<Memory>();
  auto observe = [memory](const Snapshot& snapshot, const Change& change, const KeySink& sink) {
    keys(*memory, snapshot, change, sink);
  };
  auto step = [memory](const Snapshot& snapshot, const ObjectKey& key, const Moment& now) {
    return reconcile(*memory, snapshot, key, now);
  };
  // Nodes first: their pods are judged by them.
  return {"pod-gc", "pod-garbage-collector", "pod-garbage-collector", {kNodes, kPods}, {}, observe, step, {}};
}

}  // namespace bramble

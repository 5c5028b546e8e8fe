// Node lifecycle: a node that stops reporting becomes Unknown, its conditions become taints, its pods stop being ready.
// A heartbeat is a change of the node's Lease or of its Ready condition's time; what counts is how long ago we saw it, never the
// time of day, of the node or ours. Watches: nodes, leases, pods of nodes that are not ready. Writes: nodes/status (conditions), nodes (taints),
// pods/status (Ready), Events on nodes and pods. Never: deletes (taint eviction does). Upstream: pkg/controller/nodelifecycle.
#include <algorithm>
#include <map>
#include <memory>
#include <set>

#include "core/base/clock.h"
#include "core/base/limits.h"
#include "core/controllers/all.h"
#include "core/controllers/object_writes.h"
#include "core/resources/conditions.h"
#include "core/resources/pod_view.h"
#include "core/resources/taints.h"

namespace bramble {

namespace {

using resource_ids::kLeases;
using resource_ids::kNodes;
using resource_ids::kPods;

constexpr const char* kLeaseNamespace = "kube-node-lease";
constexpr const char* kNotReadyTaint = "node.kubernetes.io/not-ready";
constexpr const char* kUnreachableTaint = "node.kubernetes.io/unreachable";

// The last heartbeat of each node: what it said, and when we saw that. After a restart every node has its full grace again.
struct Heartbeat {
  std::string lease_renewed, ready_reported;
  std::optional<int64_t> seen_us;  // monotonic
};
using Heartbeats = std::map<std::string, Heartbeat>;

// Nodes of a zone are given up one after the other: when the last was, and which ones were and have not come back.
struct Zone {
  std::optional<int64_t> last_us;  // monotonic
  std::set<std::string> given_up;
};

struct Memory {
  Heartbeats beats;
  std::map<std::string, Zone> zones;
};

void all_nodes(const Snapshot& snapshot, const KeySink& sink) {
  snapshot.each(kNodes, "", [&](const Document& node) {
    sink(key_of(node));
    return true;
  });
}

void keys(Memory& memory, const Snapshot& snapshot, const Change& change, const KeySink& sink) {
  const Document& object = change.after ? change.after : change.before;
  if (change.resource == kLeases) {
    if (namespace_of(object) == kLeaseNamespace) sink({"", std::string(name_of(object))});
  } else if (change.resource == kNodes) {
    if (!change.after) {
      memory.beats.erase(std::string(name_of(object)));
      for (auto& [name, zone] : memory.zones) zone.given_up.erase(std::string(name_of(object)));
    }
    sink(key_of(object));
    // Whether all nodes are down together decides about the taints of each.
    bool flipped = condition_status(change.before.root(), "Ready") != condition_status(change.after.root(), "Ready");
    if (flipped) all_nodes(snapshot, sink);
  } else if (change.after && PodView(change.after).is_ready()) {
    std::string node = change.after["spec"]["nodeName"].text();
    if (node.empty()) return;
    bool suspect = condition_status(snapshot.get(kNodes, "", node).root(), "Ready") != "True";
    if (suspect) sink({"", node});
  }
}

int64_t grace_left_us(Heartbeat& beat, const Snapshot& snapshot, const Document& node, int64_t monotonic_us) {
  std::string renewed = snapshot.get(kLeases, kLeaseNamespace, name_of(node))["spec"]["renewTime"].text();
  Value ready = find_condition(node["status"]["conditions"], "Ready");
  std::string reported = ready["lastHeartbeatTime"].text();
  if (!beat.seen_us || renewed != beat.lease_renewed || reported != beat.ready_reported) beat = {renewed, reported, monotonic_us};
  bool never_reported = !ready.exists();
  int64_t grace_us = never_reported ? limits::kNodeStartupGraceUs : limits::kNodeMonitorGraceUs;
  return *beat.seen_us + grace_us - monotonic_us;
}

// ---- conditions

Document with_unknown_conditions(const Document& node, int64_t now_us) {
  Builder next(node.root());
  Mut conditions = next.root().object("status").array("conditions");
  std::string now = format_rfc3339(now_us);
  for (const char* type : {"Ready", "MemoryPressure", "DiskPressure", "PIDPressure"}) {
    Mut c = find_condition(conditions, type);
    if (!c) {
      c = conditions.append_object();
      c.set("type", type);
      c.set("status", "Unknown");
      c.set("lastHeartbeatTime", meta(node.root(), "creationTimestamp"));
      c.set("lastTransitionTime", now);
      c.set("reason", "NodeStatusNeverUpdated");
      c.set("message", "Kubelet never posted node status.");
    } else if (c["status"].str() != "Unknown") {
      c.set("status", "Unknown");
      c.set("lastTransitionTime", now);
      c.set("reason", "NodeStatusUnknown");
      c.set("message", "Kubelet stopped posting node status.");
    }
  }
  return next.finish();
}

EventNote node_note(const Document& node, const char* state) {
  return {node, "Normal", state, cat("Node ", name_of(node), " status is now: ", state), {}, {}};
}

void plan_unknown(const Document& node, int64_t now_us, Plan& plan) {
  Document next = with_unknown_conditions(node, now_us);
  if (equal(next["status"], node["status"])) return;
  if (condition_status(node.root(), "Ready") == "True") plan.events.push_back(node_note(node, "NodeNotReady"));
  plan.writes.push_back(update_write(kNodes, std::move(next), "status"));
}

// ---- taints

struct Taint {
  std::string_view key, effect;
  bool wanted;
};

// ---- how fast nodes are given up: upstream's zone states and rates (handleDisruption, ComputeZoneState) and its flags' defaults

constexpr double kZoneUnhealthyShare = 0.55;                             // unhealthy-zone-threshold
constexpr size_t kLargeZoneNodes = 50;                                   // large-cluster-size-threshold
constexpr int64_t kNodeEvictionPeriodUs = 10 * 1000000LL;                // node-eviction-rate, 0.1 a second
constexpr int64_t kNodeEvictionSlowPeriodUs = 100 * 1000000LL;           // secondary-node-eviction-rate, 0.01 a second

std::string zone_of(Value node) {
  Value labels = node["metadata"]["labels"];
  std::string_view region = labels["topology.kubernetes.io/region"].str(), zone = labels["topology.kubernetes.io/zone"].str();
  return region.empty() && zone.empty() ? std::string() : cat(region, ":", zone);
}

struct ZoneCount {
  size_t ready = 0, not_ready = 0;
  bool all_down() const { return ready == 0; }
  bool most_down() const { return not_ready > 2 && static_cast<double>(not_ready) >= kZoneUnhealthyShare * static_cast<double>(ready + not_ready); }
};

// Microseconds between two nodes of the zone; nothing: none is given up now. With every node of every zone down it is more likely
// us who cannot see.
std::optional<int64_t> eviction_period_us(const Snapshot& snapshot, const std::string& zone) {
  std::map<std::string, ZoneCount> zones;
  snapshot.each(kNodes, "", [&](const Document& node) {
    ZoneCount& z = zones[zone_of(node.root())];
    (condition_is_true(node.root(), "Ready") ? z.ready : z.not_ready)++;
    return true;
  });
  if (std::all_of(zones.begin(), zones.end(), [](const auto& z) { return z.second.all_down(); })) return std::nullopt;
  const ZoneCount& own = zones[zone];
  if (own.all_down() || !own.most_down()) return kNodeEvictionPeriodUs;
  if (own.ready + own.not_ready > kLargeZoneNodes) return kNodeEvictionSlowPeriodUs;
  return std::nullopt;
}

// Whether the node may be given up now; else when to ask again.
bool may_give_up(Memory& memory, const Snapshot& snapshot, const Document& node, int64_t monotonic_us, Plan& plan) {
  std::string name(name_of(node)), zone = zone_of(node.root());
  std::optional<int64_t> period_us = eviction_period_us(snapshot, zone);
  if (!period_us) return false;  // a change of any node's readiness asks again
  Zone& z = memory.zones[zone];
  if (z.given_up.contains(name)) return true;
  int64_t wait_us = z.last_us ? *z.last_us + *period_us - monotonic_us : 0;
  if (wait_us > 0) {
    int64_t wait_ms = wait_us / 1000 + 1;
    plan.requeue_after_ms = std::min(plan.requeue_after_ms.value_or(wait_ms), wait_ms);
    return false;
  }
  z.last_us = monotonic_us;
  z.given_up.insert(name);
  return true;
}

bool all_zones_down(const Snapshot& snapshot) {
  bool ready = false;
  snapshot.each(kNodes, "", [&](const Document& node) {
    ready = condition_is_true(node.root(), "Ready");
    return !ready;
  });
  return !ready;
}

std::vector<Taint> wanted_taints(Memory& memory, const Snapshot& snapshot, const Document& doc, int64_t monotonic_us, Plan& plan) {
  Value node = doc.root();
  std::string_view ready = condition_status(node, "Ready");
  bool not_ready = ready == "False", unreachable = ready == "Unknown" || ready.empty();
  bool evict = false;
  if (not_ready || unreachable) {
    // One that is given up stays so, under the right name, until all are down.
    bool given_up = has_taint(node["spec"]["taints"], kNotReadyTaint, "NoExecute") || has_taint(node["spec"]["taints"], kUnreachableTaint, "NoExecute");
    evict = given_up ? !all_zones_down(snapshot) : may_give_up(memory, snapshot, doc, monotonic_us, plan);
  } else {
    memory.zones[zone_of(node)].given_up.erase(std::string(name_of(doc)));
  }
  return {
      {kNotReadyTaint, "NoSchedule", not_ready},
      {kUnreachableTaint, "NoSchedule", unreachable},
      {"node.kubernetes.io/memory-pressure", "NoSchedule", condition_is_true(node, "MemoryPressure")},
      {"node.kubernetes.io/disk-pressure", "NoSchedule", condition_is_true(node, "DiskPressure")},
      {"node.kubernetes.io/pid-pressure", "NoSchedule", condition_is_true(node, "PIDPressure")},
      {"node.kubernetes.io/network-unavailable", "NoSchedule", condition_is_true(node, "NetworkUnavailable")},
      {"node.kubernetes.io/unschedulable", "NoSchedule", node["spec"]["unschedulable"].boolean()},
      {kNotReadyTaint, "NoExecute", not_ready && evict},
      {kUnreachableTaint, "NoExecute", unreachable && evict},
  };
}

void plan_taints(Memory& memory, const Snapshot& snapshot, const Document& node, const Moment& now, Plan& plan) {
  const int64_t now_us = now.wall_us;
  // A node that never said anything keeps the not-ready taint that it was registered with.
  if (!find_condition(node["status"]["conditions"], "Ready")) return;
  Builder next(node.root());
  Mut spec = next.root().object("spec");
  Mut taints = spec.array("taints");
  bool changed = false;
  for (const Taint& t : wanted_taints(memory, snapshot, node, now.monotonic_us, plan)) {
    if (has_taint(node["spec"]["taints"], t.key, t.effect) == t.wanted) continue;
    changed = true;
    if (t.wanted) {
      Mut taint = taints.append_object();
      taint.set("key", t.key);
      taint.set("effect", t.effect);
      taint.set("timeAdded", format_rfc3339(now_us));
      continue;
    }
    for (size_t i = taints.size(); i-- > 0;) {
      if (taints.item(i)["key"].str() == t.key && taints.item(i)["effect"].str() == t.effect) taints.remove_item(i);
    }
  }
  if (!changed) return;
  if (taints.size() == 0) spec.remove("taints");
  plan.writes.push_back(update_write(kNodes, next.finish()));
}

// ---- pods

void plan_pods_not_ready(const Snapshot& snapshot, const Document& node, int64_t now_us, Plan& plan) {
  snapshot.each(kPods, "", [&](const Document& pod) {
    PodView view(pod);
    if (view.node_name() != name_of(node) || !view.is_ready()) return true;
    Builder next(pod.root());
    Mut ready = find_condition(next.root()["status"]["conditions"], "Ready");
    ready.set("status", "False");
    ready.set("lastTransitionTime", format_rfc3339(now_us));
    Write w = update_write(kPods, next.finish(), "status");
    w.with_previous = !plan.writes.empty() && plan.writes.back().resource == kPods;
    plan.writes.push_back(std::move(w));
    plan.events.push_back({pod, "Warning", "NodeNotReady", "Node is not ready", {}, {}});
    return true;
  });
}

Plan reconcile(Memory& memory, const Snapshot& snapshot, const ObjectKey& key, const Moment& now) {
  const int64_t now_us = now.wall_us;
  Plan plan;
  Document node = snapshot.get(kNodes, "", key.name);
  if (!node) return plan;
  int64_t left_us = grace_left_us(memory.beats[key.name], snapshot, node, now.monotonic_us);
  if (left_us <= 0) plan_unknown(node, now_us, plan);
  else plan.requeue_after_ms = left_us / 1000 + 1;
  if (!plan.writes.empty()) return plan;  // taints and pods follow from what was written
  if (condition_status(node.root(), "Ready") != "True") plan_pods_not_ready(snapshot, node, now_us, plan);
  plan_taints(memory, snapshot, node, now, plan);
  return plan;
}

}  // namespace

Controller node_lifecycle_controller() {
  auto memory = std::make_shared<Memory>();
  auto observe = [memory](const Snapshot& snapshot, const Change& change, const KeySink& sink) { keys(*memory, snapshot, change, sink); };
  auto step = [memory](const Snapshot& snapshot, const ObjectKey& key, const Moment& now) { return reconcile(*memory, snapshot, key, now); };
  return {"node-lifecycle", "node-controller", "node-controller", {kNodes, kLeases, kPods}, {}, observe, step, {}};
}

}  // namespace bramble

// Disruption controller: works out how many of a PodDisruptionBudget's pods may go at once, for evictions to read.
// Watches: poddisruptionbudgets, pods. Writes: poddisruptionbudgets/status, Events on budgets and pods. Never: pods.
// Upstream: pkg/controller/disruption.
#include <algorithm>
#include <map>

#include "core/base/clock.h"
#include "core/base/limits.h"
#include "core/controllers/all.h"
#include "core/controllers/object_writes.h"
#include "core/controllers/owner_refs.h"
#include "core/resources/disruption_budget.h"
#include "core/resources/field_rules.h"
#include "core/resources/kind.h"
#include "core/resources/pod_view.h"
#include "core/resources/selector.h"

namespace bramble {

namespace {

using resource_ids::kDeployments;
using resource_ids::kPods;
using resource_ids::kReplicaSets;

const ResourceId kBudgets{"policy", "v1", "poddisruptionbudgets"};
const ResourceId kReplicationControllers{"", "v1", "replicationcontrollers"};
const ResourceId kStatefulSets{"apps", "v1", "statefulsets"};

bool selects(const Document& budget, Value pod) {
  auto selector = LabelSelector::from_object(budget["spec"]["selector"]);
  return selector.ok() && selector->matches(pod["metadata"]["labels"]);
}

void keys(const Snapshot& snapshot, const Change& change, const KeySink& sink) {
  Value before = change.before.root(), after = change.after.root();
  if (change.resource == kBudgets) return sink(key_of(after ? after : before));
  snapshot.each(kBudgets, meta(after ? after : before, "namespace"), [&](const Document& budget) {
    if ((before && selects(budget, before)) || (after && selects(budget, after))) sink(key_of(budget));
    return true;
  });
}

// `&LabelSelector{...}`, as Go prints it.
std::string go_text(Value selector) {
  std::map<std::string, std::string> labels;
  for (auto [key, value] : selector["matchLabels"].members()) labels[std::string(key)] = value.text();
  std::string out = "&LabelSelector{MatchLabels:map[string]string{";
  for (const auto& [key, value] : labels) out += cat(key, ": ", value, ",");
  out += "},MatchExpressions:[]LabelSelectorRequirement{";
  for (Value e : selector["matchExpressions"].items()) {
    std::vector<std::string> values;
    for (Value v : e["values"].items()) values.push_back(v.text());
    out += cat("LabelSelectorRequirement{Key:", e["key"].str(), ",Operator:", e["operator"].str(), ",Values:[", join(values, " "), "],},");
  }
  return out + "},}";
}

struct Scale {
  std::string uid;
  int64_t replicas = 0;
};

std::optional<Scale> scale_of_object(const Document& owner, std::string_view uid) {
  if (!owner || uid_of(owner) != uid) return std::nullopt;
  return Scale{std::string(uid), owner["spec"]["replicas"].integer(1)};
}

// Any other owner counts when its kind has a scale.
Result<std::optional<Scale>> scale_of_any(const Snapshot& snapshot, Value ref, std::string_view ns, std::string_view group,
                                          std::string_view version) {
  std::string_view kind_name = ref["kind"].str();
  const Kind* kind = find_kind_by_name(group, version, kind_name);
  if (kind == nullptr) return Error(Code::kNotFound, cat("no matches for kind ", go_quote(kind_name), " in version ", go_quote(ref["apiVersion"].str())));
  if (!kind->scale.present) {
    std::string resource = group.empty() ? std::string(kind->resource) : cat(kind->resource, ".", group);
    return Error(Code::kNotFound, cat(resource, " does not implement the scale subresource"));
  }
  const ResourceId id{std::string(kind->group), std::string(kind->version), std::string(kind->resource)};
  return scale_of_object(snapshot.get(id, ns, ref["name"].str()), ref["uid"].str());
}

// What a pod's controller wants to run; of a Deployment's ReplicaSet, what the Deployment wants.
Result<std::optional<Scale>> scale_of_owner(const Snapshot& snapshot, Value ref, std::string_view ns) {
  std::string_view api_version = ref["apiVersion"].str(), kind = ref["kind"].str(), name = ref["name"].str(), uid = ref["uid"].str();
  auto parts = cut(api_version, "/");
  std::string_view group = parts ? parts->first : std::string_view(), version = parts ? parts->second : api_version;
  const bool workloads = group == "apps" || group == "extensions";
  if (group.empty() && kind == "ReplicationController") {
    if (auto scale = scale_of_object(snapshot.get(kReplicationControllers, ns, name), uid)) return scale;
  }
  if (workloads && kind == "ReplicaSet") {
    Document set = snapshot.get(kReplicaSets, ns, name);
    Value owner = controller_ref(set.root());
    const bool deployed = owner["kind"].str() == "Deployment";
    if (set && uid_of(set) == uid && deployed) {
      if (auto scale = scale_of_object(snapshot.get(kDeployments, ns, owner["name"].str()), owner["uid"].str())) return scale;
    }
    if (auto scale = scale_of_object(set, uid); scale && !deployed) return scale;
  }
  if (group == "apps" && kind == "StatefulSet") {
    if (auto scale = scale_of_object(snapshot.get(kStatefulSets, ns, name), uid)) return scale;
  }
  return scale_of_any(snapshot, ref, ns, group, version);
}

struct Expected {
  int64_t pods = 0, healthy = 0;
  bool unmanaged = false;  // some pods have no controller
};

// The sum of what the pods' controllers want.
Result<Expected> expected_scale(const Snapshot& snapshot, const std::vector<Document>& pods) {
  Expected out;
  std::map<std::string, int64_t> scales;
  for (const Document& pod : pods) {
    Value ref = controller_ref(pod.root());
    if (!ref) {
      out.unmanaged = true;
      continue;
    }
    if (scales.contains(ref["uid"].text())) continue;
    TRY_ASSIGN(std::optional<Scale> scale, scale_of_owner(snapshot, ref, namespace_of(pod)));
    if (!scale) return Error(Code::kNotFound, cat("found no controllers for pod ", go_quote(name_of(pod))));
    scales[scale->uid] = scale->replicas;
  }
  for (const auto& [uid, replicas] : scales) out.pods += replicas;
  return out;
}

Result<Expected> expected(const Snapshot& snapshot, Value spec, const std::vector<Document>& pods) {
  Expected out;
  if (spec.has("maxUnavailable")) {
    TRY_ASSIGN(out, expected_scale(snapshot, pods));
    out.healthy = std::max<int64_t>(0, out.pods - scaled_value(spec["maxUnavailable"], out.pods, true));
  } else if (spec["minAvailable"].is_number()) {
    out.pods = static_cast<int64_t>(pods.size());
    out.healthy = spec["minAvailable"].integer();
  } else if (spec.has("minAvailable")) {
    TRY_ASSIGN(out, expected_scale(snapshot, pods));
    out.healthy = scaled_value(spec["minAvailable"], out.pods, true);
  }
  return out;
}

// Pods whose eviction was granted and whose deletion is still to come, with the time of the grant.
struct Disrupted {
  std::map<std::string, std::string> times;
  std::optional<int64_t> first_overdue_us;
};

Disrupted still_disrupted(const Document& budget, const std::vector<Document>& pods, int64_t now_us, Plan& plan) {
  Disrupted out;
  Value granted = budget["status"]["disruptedPods"];
  for (const Document& pod : pods) {
    Value time = granted[name_of(pod)];
    if (being_deleted(pod.root()) || !time) continue;
    int64_t overdue_us = parse_rfc3339(time.str()).value_or(0) + limits::kDisruptionTimeoutUs;
    if (overdue_us < now_us) {
      // Upstream names the namespace twice.
      plan.events.push_back({pod, "Warning", "NotDeleted",
                             cat("Pod was expected by PDB ", namespace_of(budget), "/", namespace_of(budget), " to be deleted but it wasn't"), {}, {}});
      continue;
    }
    out.first_overdue_us = std::min(out.first_overdue_us.value_or(overdue_us), overdue_us);
    out.times[std::string(name_of(pod))] = time.text();
  }
  return out;
}

int64_t healthy(const std::vector<Document>& pods, const Disrupted& disrupted, int64_t now_us) {
  int64_t n = 0;
  for (const Document& pod : pods) {
    auto granted = disrupted.times.find(std::string(name_of(pod)));
    bool leaves = granted != disrupted.times.end() && parse_rfc3339(granted->second).value_or(0) + limits::kDisruptionTimeoutUs > now_us;
    if (!being_deleted(pod.root()) && !leaves && PodView(pod).is_ready()) n++;
  }
  return n;
}

// A pod of several budgets cannot be evicted; the first of them tells.
void tell_of_rivals(const Snapshot& snapshot, const Document& budget, const std::vector<Document>& pods, Plan& plan) {
  std::vector<Document> rivals;
  snapshot.each(kBudgets, namespace_of(budget), [&](const Document& other) {
    if (name_of(other) != name_of(budget)) rivals.push_back(other);
    return true;
  });
  for (const Document& pod : pods) {
    bool shared = false, first = true;
    for (const Document& rival : rivals) {
      if (!selects(rival, pod.root())) continue;
      shared = true;
      first = first && name_of(budget) < name_of(rival);
    }
    if (!shared || !first) continue;
    plan.events.push_back({pod, "Warning", "MultiplePodDisruptionBudgets",
                           cat("Pod ", go_quote(namespace_of(pod)), "/", go_quote(name_of(pod)),
                               " matches multiple PodDisruptionBudgets.  Chose ", go_quote(name_of(budget)), " arbitrarily."),
                           {}, {}});
  }
}

void plan_status(const Document& budget, Builder next, Plan& plan) {
  Document changed = next.finish();
  if (!equal(changed["status"], budget["status"])) plan.writes.push_back(update_write(kBudgets, std::move(changed), "status"));
}

// Nothing is known: so nothing may go.
void plan_failure(const Document& budget, const Error& error, int64_t now_us, Plan& plan) {
  Builder next(budget.root());
  write_disruption_sync_failed(next.root().object("status"), error.message(), format_rfc3339(now_us));
  plan_status(budget, std::move(next), plan);
}

void plan_counts(const Document& budget, const Expected& want, int64_t have, const Disrupted& disrupted, int64_t now_us, Plan& plan) {
  Builder next(budget.root());
  Mut status = next.root().object("status");
  status.set("observedGeneration", budget["metadata"]["generation"]);
  status.remove("disruptedPods");
  for (const auto& [name, time] : disrupted.times) status.object("disruptedPods").set(name, time);
  // A budget without pods yet allows nothing, so that its first ones are safe until they are counted.
  status.set("disruptionsAllowed", want.pods <= 0 ? 0 : std::max<int64_t>(0, have - want.healthy));
  status.set("currentHealthy", have);
  status.set("desiredHealthy", want.healthy);
  status.set("expectedPods", want.pods);
  Document counted = next.snapshot();
  if (!disruption_condition_fits(counted.root()) || !equal(counted["status"], budget["status"])) {
    write_disruption_allowed(status, format_rfc3339(now_us));
  }
  plan_status(budget, std::move(next), plan);
}

Plan reconcile(const Snapshot& snapshot, const ObjectKey& key, const Moment& now) {
  Plan plan;
  Document budget = snapshot.get(kBudgets, key.ns, key.name);
  if (!budget) return plan;
  auto note = [&](const char* type, const char* reason, std::string message) {
    plan.events.push_back({budget, type, reason, std::move(message), {}, {}});
  };
  Value spec = budget["spec"];
  auto selector = LabelSelector::from_object(spec["selector"]);
  if (!selector.ok()) {
    note("Warning", "NoPods", cat("Failed to get pods: ", selector.error().message()));
    plan_failure(budget, selector.error(), now.wall_us, plan);
    return plan;
  }
  std::vector<Document> pods;
  snapshot.each(kPods, key.ns, [&](const Document& pod) {
    if (selector->matches(pod["metadata"]["labels"])) pods.push_back(pod);
    return true;
  });
  if (pods.empty()) note("Normal", "NoPods", "No matching pods found");
  tell_of_rivals(snapshot, budget, pods, plan);
  Result<Expected> want = expected(snapshot, spec, pods);
  if (!want.ok()) {
    note("Warning", "CalculateExpectedPodCountFailed", cat("Failed to calculate the number of expected pods: ", want.error().message()));
    plan_failure(budget, want.error(), now.wall_us, plan);
    return plan;
  }
  if (want->unmanaged) {
    note("Warning", "UnmanagedPods",
         cat("Pods selected by this PodDisruptionBudget (selector: ", go_text(spec["selector"]),
             ") were found to be unmanaged. As a result, the status of the PDB cannot be calculated correctly, which may result in "
             "undefined behavior. To account for these pods please set \".spec.minAvailable\" field of the PDB to an integer value."));
  }
  Disrupted disrupted = still_disrupted(budget, pods, now.wall_us, plan);
  plan_counts(budget, *want, healthy(pods, disrupted, now.wall_us), disrupted, now.wall_us, plan);
  if (disrupted.first_overdue_us) plan.requeue_after_ms = (*disrupted.first_overdue_us - now.wall_us) / 1000 + 1;
  return plan;
}

}  // namespace

Controller disruption_controller() {
  return {"disruption", "disruption-controller", "controllermanager", {kBudgets, kPods}, {}, keys, reconcile, {}};
}

}  // namespace bramble

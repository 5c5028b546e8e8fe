// ReplicaSet controller: keeps as many active pods of a template as asked for.
// Watches: replicasets, pods. Writes: pods (create, delete,
// owner references), replicasets/status, Events on the ReplicaSet. Never: a ReplicaSet's spec. Upstream: pkg/controller/replicaset.
#include <algorithm>

#include "core/base/clock.h"
#include "core/base/limits.h"
#include "core/controllers/all.h"
#include "core/controllers/owner_refs.h"
#include "core/controllers/pod_ranking.h"
#include "core/resources/conditions.h"
#include "core/resources/pod_view.h"

namespace bramble {

namespace {

using resource_ids::kPods;
using resource_ids::kReplicaSets;

bool is_replicaset_ref(Value ref) { return ref["kind"].str() == "ReplicaSet" && ref["apiVersion"].str() == "apps/v1"; }

bool has_owner(Value pod) { return controller_ref(pod).exists(); }

// The set that a pod belongs to, if it is still the same one.
void key_of_owner(const Snapshot& snapshot, Value pod, const KeySink& sink) {
  Value ref = controller_ref(pod);
  if (!is_replicaset_ref(ref)) return;
  std::string_view ns = meta(pod, "namespace");
  Document rs = snapshot.get(kReplicaSets, ns, ref["name"].str());
  if (rs && uid_of(rs) == ref["uid"].str()) sink({std::string(ns), std::string(name_of(rs))});
}

void keys_of_orphan(const Snapshot& snapshot, Value pod, const KeySink& sink) {
  Value labels = pod["metadata"]["labels"];
  snapshot.each(kReplicaSets, meta(pod, "namespace"), [&](const Document& rs) {
    Result<LabelSelector> selector = LabelSelector::from_object(rs["spec"]["selector"]);
    if (selector.ok() && !selector->empty() && selector->matches(labels)) {
      sink({std::string(namespace_of(rs)), std::string(name_of(rs))});
    }
    return true;
  });
}

void keys(const Snapshot& snapshot, const Change& change, const KeySink& sink) {
  Value before = change.before.root(), after = change.after.root();
  if (change.resource == kReplicaSets) {
    Value rs = after ? after : before;
    sink({std::string(meta(rs, "namespace")), std::string(meta(rs, "name"))});
    return;
  }
  if (before) key_of_owner(snapshot, before, sink);
  if (!after) return;
  if (has_owner(after)) {
    key_of_owner(snapshot, after, sink);
  } else if (!being_deleted(after)) {
    bool changed = !before || has_owner(before) || !equal(before["metadata"]["labels"], after["metadata"]["labels"]);
    if (changed) keys_of_orphan(snapshot, after, sink);
  }
}

struct Pods {
  std::vector<Document> active;       // claimed: ours once the plan's writes are done
  std::vector<Document> terminating;  // ours, on their way out
  std::vector<Write> claims;
};

Pods pods_of(const Snapshot& snapshot, Value rs, const LabelSelector& selector) {
  Pods out;
  std::vector<Document> candidates;
  snapshot.each(kPods, meta(rs, "namespace"), [&](const Document& pod) {
    PodView view(pod);
    Value ref = controller_ref(pod.root());
    if (ref && ref["uid"].str() != meta(rs, "uid")) return true;
    if (view.is_active()) candidates.push_back(pod);
    if (ref && view.is_deleting() && !view.is_terminal() && selector.matches(view.labels())) out.terminating.push_back(pod);
    return true;
  });
  Claimed claimed = claim(rs, selector, kPods, candidates);
  out.active = std::move(claimed.objects);
  out.claims = std::move(claimed.writes);
  return out;
}

// Active pods of all sets that have the same controller (a Deployment's), this one's included.
std::vector<Document> related_pods(const Snapshot& snapshot, Value rs, const std::vector<Document>& own) {
  Value owner = controller_ref(rs);
  if (!owner) return own;
  std::vector<std::string> family;
  snapshot.each(kReplicaSets, meta(rs, "namespace"), [&](const Document& other) {
    if (controlled_by(other.root(), owner["uid"].str())) family.emplace_back(uid_of(other));
    return true;
  });
  std::vector<Document> out;
  snapshot.each(kPods, meta(rs, "namespace"), [&](const Document& pod) {
    std::string_view set_uid = controller_ref(pod.root())["uid"].str();
    if (std::find(family.begin(), family.end(), set_uid) != family.end() && PodView(pod).is_active()) out.push_back(pod);
    return true;
  });
  return out;
}

Document pod_from_template(Value rs) {
  Value tmpl = rs["spec"]["template"];
  Builder b;
  Mut pod = b.root();
  pod.set("apiVersion", "v1");
  pod.set("kind", "Pod");
  Mut metadata = pod.object("metadata");
  metadata.set("generateName", cat(meta(rs, "name"), "-"));
  metadata.set("namespace", meta(rs, "namespace"));
  for (const char* part : {"labels", "annotations", "finalizers"}) metadata.set(part, tmpl["metadata"][part]);
  set_controller_ref(pod, rs);
  pod.set("spec", tmpl["spec"]);
  return b.finish();
}

EventNote note(const Document& rs, const char* type, const char* reason, std::string message) {
  return EventNote{rs, type, reason, std::move(message), {}, {}};
}

// One pod, then two, four ...: when each creation fails (a quota), few are tried in vain.
void plan_creations(const Document& rs, size_t count, Plan& plan) {
  Document pod = pod_from_template(rs.root());
  for (size_t sent = 0, batch = 1; sent < count; batch *= 2) {
    for (size_t i = 0; i < batch && sent < count; i++, sent++) {
      Write w;
      w.resource = kPods;
      w.key.ns = std::string(namespace_of(rs));
      w.body = pod;
      w.with_previous = i > 0;
      w.on_success = note(rs, "Normal", "SuccessfulCreate", "Created pod: {name}");
      w.on_failure = note(rs, "Warning", "FailedCreate", "Error creating: {error}");
      plan.writes.push_back(std::move(w));
    }
  }
}

void plan_deletions(const Document& rs, const std::vector<Document>& doomed, Plan& plan) {
  bool first = true;
  for (const Document& pod : doomed) {
    Write w;
    w.verb = Write::Verb::kDelete;
    w.resource = kPods;
    w.key = {std::string(namespace_of(pod)), std::string(name_of(pod))};
    w.delete_options.uid = std::string(uid_of(pod));
    w.with_previous = !std::exchange(first, false);
    w.tolerate = {Code::kNotFound};
    w.on_success = note(rs, "Normal", "SuccessfulDelete", "Deleted pod: {name}");
    w.on_failure = note(rs, "Warning", "FailedDelete", "Error deleting: {error}");
    plan.writes.push_back(std::move(w));
  }
}

Plan reconcile(const Snapshot& snapshot, const ObjectKey& key, const Moment& now) {
  const int64_t now_us = now.wall_us;
  Plan plan;
  Document rs = snapshot.get(kReplicaSets, key.ns, key.name);
  if (!rs) return plan;
  Result<LabelSelector> selector = LabelSelector::from_object(rs["spec"]["selector"]);
  if (!selector.ok()) return plan;
  Pods pods = pods_of(snapshot, rs.root(), *selector);
  plan.writes = std::move(pods.claims);
  if (being_deleted(rs.root())) return plan;

  size_t wanted = static_cast<size_t>(std::max<int64_t>(0, rs["spec"]["replicas"].integer(1)));
  size_t have = pods.active.size();
  if (have < wanted) {
    plan_creations(rs, std::min(wanted - have, limits::kReplicaBurst), plan);
  } else if (have > wanted) {
    size_t excess = std::min(have - wanted, limits::kReplicaBurst);
    std::vector<Document> related = related_pods(snapshot, rs.root(), pods.active);
    plan_deletions(rs, pods_to_delete(pods.active, related, excess, now_us), plan);
  }
  return plan;
}

bool labels_include(Value labels, Value wanted) {
  for (auto [key, value] : wanted.members()) {
    if (!equal(labels[key], value)) return false;
  }
  return true;
}

void write_counts(Value rs, const Pods& pods, int64_t now_us, Mut status) {
  int64_t min_ready_s = rs["spec"]["minReadySeconds"].integer();
  int64_t labelled = 0, ready = 0, available = 0;
  for (const Document& pod : pods.active) {
    PodView view(pod);
    if (labels_include(view.labels(), rs["spec"]["template"]["metadata"]["labels"])) labelled++;
    if (view.is_ready()) ready++;
    if (view.is_available(min_ready_s, now_us)) available++;
  }
  auto put = [&](const char* name, int64_t n) {
    if (n == 0) status.remove(name);
    else status.set(name, n);
  };
  status.set("replicas", static_cast<int64_t>(pods.active.size()));
  put("fullyLabeledReplicas", labelled);
  put("readyReplicas", ready);
  put("availableReplicas", available);
  status.set("terminatingReplicas", static_cast<int64_t>(pods.terminating.size()));
  put("observedGeneration", rs["metadata"]["generation"].integer());
}

void write_failure(Value rs, int64_t have, const Outcome& outcome, int64_t now_us, Mut status) {
  bool failing = find_condition(rs["status"]["conditions"], "ReplicaFailure").exists();
  if (outcome.error && !failing) {
    int64_t wanted = rs["spec"]["replicas"].integer(1);
    const char* reason = have < wanted ? "FailedCreate" : have > wanted ? "FailedDelete" : "";
    std::string now = format_rfc3339(now_us);
    set_condition(status.array("conditions"), {"ReplicaFailure", "True", reason, outcome.error->message()}, now);
  } else if (!outcome.error && failing) {
    remove_condition(status.array("conditions"), "ReplicaFailure");
    if (status["conditions"].size() == 0) status.remove("conditions");
  }
}

// When the first pod that is ready becomes available.
std::optional<int64_t> next_available_ms(Value rs, const Pods& pods, int64_t now_us) {
  int64_t min_ready_s = rs["spec"]["minReadySeconds"].integer();
  if (min_ready_s == 0) return std::nullopt;
  std::optional<int64_t> first;
  for (const Document& pod : pods.active) {
    const auto at_us = PodView(pod).available_at_us(min_ready_s);
    if (!at_us || *at_us <= now_us) continue;
    int64_t wait_ms = (*at_us - now_us) / 1000 + 1;
    first = std::min(first.value_or(wait_ms), wait_ms);
  }
  return first;
}

Plan finish(const Snapshot& snapshot, const ObjectKey& key, const Moment& now, const Outcome& outcome) {
  const int64_t now_us = now.wall_us;
  Plan plan;
  Document rs = snapshot.get(kReplicaSets, key.ns, key.name);
  if (!rs) return plan;
  Result<LabelSelector> selector = LabelSelector::from_object(rs["spec"]["selector"]);
  if (!selector.ok()) return plan;
  Pods pods = pods_of(snapshot, rs.root(), *selector);
  Builder next(rs.root());
  Mut status = next.root().object("status");
  write_counts(rs.root(), pods, now_us, status);
  write_failure(rs.root(), static_cast<int64_t>(pods.active.size()), outcome, now_us, status);
  Document changed = next.finish();
  if (!equal(changed["status"], rs["status"])) {
    Write w;
    w.verb = Write::Verb::kUpdate;
    w.resource = kReplicaSets;
    w.key = key;
    w.body = std::move(changed);
    w.options.subresource = "status";
    w.tolerate = {Code::kNotFound};
    plan.writes.push_back(std::move(w));
  }
  plan.requeue_after_ms = next_available_ms(rs.root(), pods, now_us);
  return plan;
}

}  // namespace

Controller replicaset_controller() {
  return {"replicaset", "replicaset-controller", "replicaset-controller", {kReplicaSets, kPods}, {}, keys, reconcile, finish};
}

}  // namespace bramble

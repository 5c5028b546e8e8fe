// Deployment controller: moves pods from the sets of older templates to the set of the present one.
// Watches: deployments, replicasets, pods (of Recreate). Writes: replicasets (create, size, annotations, owner references, delete
// beyond the history limit), the deployment's revision annotation and status, Events on the Deployment. Never: its spec, but for a rollback.
// Each reconcile takes one step and stops; the change that it makes wakes the next one. Upstream: pkg/controller/deployment.
#include "core/controllers/deployment.h"

#include "core/base/clock.h"
#include "core/controllers/all.h"
#include "core/controllers/object_writes.h"
#include "core/controllers/owner_refs.h"
#include "core/resources/conditions.h"
#include "core/resources/pod_view.h"

namespace bramble {

namespace {

using namespace deployment_annotations;
using resource_ids::kDeployments;
using resource_ids::kPods;
using resource_ids::kReplicaSets;

bool is_recreate(Value deployment) { return deployment["spec"]["strategy"]["type"].str() == "Recreate"; }

void key_of_owner(const Snapshot& snapshot, Value rs, const KeySink& sink) {
  Value ref = controller_ref(rs);
  if (ref["kind"].str() != "Deployment" || ref["apiVersion"].str() != "apps/v1") return;
  Document d = snapshot.get(kDeployments, meta(rs, "namespace"), ref["name"].str());
  if (d && uid_of(d) == ref["uid"].str()) sink(key_of(d.root()));
}

void keys_of_orphan(const Snapshot& snapshot, Value rs, const KeySink& sink) {
  snapshot.each(kDeployments, meta(rs, "namespace"), [&](const Document& d) {
    Result<LabelSelector> selector = LabelSelector::from_object(d["spec"]["selector"]);
    if (selector.ok() && !selector->empty() && selector->matches(rs["metadata"]["labels"])) sink(key_of(d.root()));
    return true;
  });
}

// A pod's end lets a Recreate go on.
void keys_of_pod(const Snapshot& snapshot, const Change& change, const KeySink& sink) {
  bool ended = !change.after || PodView(change.after).is_terminal();
  if (!change.before || !ended) return;
  Value ref = controller_ref(change.before.root());
  if (ref["kind"].str() != "ReplicaSet") return;
  Document rs = snapshot.get(kReplicaSets, namespace_of(change.before), ref["name"].str());
  if (!rs) return;
  key_of_owner(snapshot, rs.root(), [&](const ObjectKey& key) {
    if (is_recreate(snapshot.get(kDeployments, key.ns, key.name).root())) sink(key);
  });
}

void keys(const Snapshot& snapshot, const Change& change, const KeySink& sink) {
  Value before = change.before.root(), after = change.after.root();
  if (change.resource == kDeployments) {
    sink(key_of(after ? after : before));
  } else if (change.resource == kPods) {
    keys_of_pod(snapshot, change, sink);
  } else {
    if (before) key_of_owner(snapshot, before, sink);
    if (after && controller_ref(after)) key_of_owner(snapshot, after, sink);
    else if (after && !being_deleted(after)) keys_of_orphan(snapshot, after, sink);
  }
}

EventNote event(const Document& d, const char* type, const char* reason, std::string message) {
  return EventNote{d, type, reason, std::move(message), {}, {}};
}

Write status_write(Document next) {
  Write w;
  w.verb = Write::Verb::kUpdate;
  w.resource = kDeployments;
  w.key = key_of(next.root());
  w.body = std::move(next);
  w.options.subresource = "status";
  w.tolerate = {Code::kNotFound};
  return w;
}

void append(Plan& plan, std::vector<Write> writes) {
  for (Write& w : writes) plan.writes.push_back(std::move(w));
}

// The last line of each step: what the status is now, and when to look at the deadline.
void plan_status(const Document& d, const DeploymentSets& sets, bool with_progress, int64_t now_us, Plan& plan) {
  Document next = next_status(d, sets, with_progress, now_us);
  plan.requeue_after_ms = progress_check_ms(d.root(), next["status"], now_us);
  if (!equal(next["status"], d["status"])) plan.writes.push_back(status_write(std::move(next)));
}

// The name that the new set would get is taken by something else: another name next time.
Plan plan_collision(const Document& d) {
  Plan plan;
  Builder next(d.root());
  Mut status = next.root().object("status");
  status.set("collisionCount", status["collisionCount"].integer() + 1);
  plan.writes.push_back(status_write(next.finish()));
  return plan;
}

Plan plan_new_set(const Snapshot& snapshot, const Document& d, const DeploymentSets& sets, int64_t now_us) {
  Value tmpl = d["spec"]["template"];
  std::string hash = pod_template_hash(tmpl, d["status"]["collisionCount"].integer());
  int64_t size = new_set_size(d.root(), sets);
  Document rs = make_new_set(d.root(), sets, size, hash);
  if (snapshot.get(kReplicaSets, namespace_of(d), name_of(rs))) return plan_collision(d);

  Plan plan;
  Write create;
  create.resource = kReplicaSets;
  create.key = {std::string(namespace_of(d)), std::string(name_of(rs))};
  create.body = rs;
  std::string quoted = go_quote(name_of(rs));
  create.on_failure = event(d, "Warning", "ReplicaSetCreateError", cat("Failed to create new replica set ", quoted, ": {error}"));
  if (size > 0) {
    create.on_success =
        event(d, "Normal", "ScalingReplicaSet", cat("Scaled up replica set ", name_of(rs), " from 0 to ", size));
  }
  plan.writes.push_back(std::move(create));
  if (has_progress_deadline(d.root())) {
    Builder next(d.root());
    set_deployment_condition(next.root().object("status"), "Progressing", "True", "NewReplicaSetCreated",
                             cat("Created new replica set ", quoted), now_us);
    plan.writes.push_back(status_write(next.finish()));
  }
  return plan;
}

// Annotations of the new set and the revision of the deployment. A plan with writes is the whole step.
Plan plan_revision(const Document& d, const DeploymentSets& sets, int64_t now_us) {
  Plan plan;
  const SetState* newest = sets.new_set();
  if (!newest) return plan;
  if (Document refreshed = refreshed_new_set(d.root(), sets)) {
    Write w;
    w.verb = Write::Verb::kUpdate;
    w.resource = kReplicaSets;
    w.key = key_of(refreshed.root());
    w.body = std::move(refreshed);
    plan.writes.push_back(std::move(w));
    return plan;
  }
  std::string_view revision = newest->annotation(kRevision);
  if (d["metadata"]["annotations"][kRevision].str() != revision) {
    Builder next(d.root());
    next.root().object("metadata").object("annotations").set(kRevision, revision);
    Write w;
    w.verb = Write::Verb::kUpdate;  // the account may not patch deployments
    w.resource = kDeployments;
    w.key = key_of(d.root());
    w.body = next.finish();
    plan.writes.push_back(std::move(w));
    return plan;
  }
  if (has_progress_deadline(d.root()) && !find_condition(d["status"]["conditions"], "Progressing")) {
    Builder next(d.root());
    set_deployment_condition(next.root().object("status"), "Progressing", "True", "FoundNewReplicaSet",
                             cat("Found new replica set ", go_quote(newest->name())), now_us);
    plan.writes.push_back(status_write(next.finish()));
  }
  return plan;
}

bool old_pods_running(const Snapshot& snapshot, const Document& d, const DeploymentSets& sets) {
  for (const SetState& s : sets.all) {
    if (!sets.is_new(s) && s.actual() > 0) return true;
  }
  bool running = false;
  snapshot.each(kPods, namespace_of(d), [&](const Document& pod) {
    for (const SetState& s : sets.all) {
      if (sets.is_new(s) || !controlled_by(pod.root(), uid_of(s.doc))) continue;
      running = running || !PodView(pod).is_terminal();
    }
    return !running;
  });
  return running;
}

Plan plan_resize(const Document& d, const DeploymentSets& sets, bool with_progress, int64_t now_us) {
  Plan plan;
  append(plan, resize_writes(d, sets));
  plan_status(d, sets, with_progress, now_us, plan);
  return plan;
}

Plan plan_complete(const Document& d, const DeploymentSets& sets, int64_t now_us) {
  Plan plan;
  if (deployment_complete(d.root(), d["status"])) append(plan, history_cleanup(d.root(), sets));
  plan_status(d, sets, true, now_us, plan);
  return plan;
}

Plan plan_rolling(const Snapshot& snapshot, const Document& d, DeploymentSets& sets, int64_t now_us) {
  if (!sets.new_set()) return plan_new_set(snapshot, d, sets, now_us);
  if (step_rolling(d.root(), sets)) return plan_resize(d, sets, true, now_us);
  return plan_complete(d, sets, now_us);
}

Plan plan_recreate(const Snapshot& snapshot, const Document& d, DeploymentSets& sets, int64_t now_us) {
  if (scale_down_old(sets)) return plan_resize(d, sets, true, now_us);
  if (old_pods_running(snapshot, d, sets)) return plan_resize(d, sets, true, now_us);
  if (!sets.new_set()) return plan_new_set(snapshot, d, sets, now_us);
  SetState* newest = sets.new_set();
  if (newest->size != wanted_replicas(d.root())) {
    newest->size = wanted_replicas(d.root());
    newest->refresh_annotations = true;
    return plan_resize(d, sets, true, now_us);
  }
  return plan_complete(d, sets, now_us);
}

Plan plan_scaling(const Document& d, DeploymentSets& sets, int64_t now_us) {
  scale_proportionally(d.root(), sets);
  Plan plan;
  append(plan, resize_writes(d, sets));
  if (d["spec"]["paused"].boolean() && plan.writes.empty()) append(plan, history_cleanup(d.root(), sets));
  plan_status(d, sets, false, now_us, plan);
  return plan;
}

std::vector<Document> sets_in_namespace(const Snapshot& snapshot, const ObjectKey& key) {
  std::vector<Document> out;
  snapshot.each(kReplicaSets, key.ns, [&](const Document& rs) {
    out.push_back(rs);
    return true;
  });
  return out;
}

Plan plan_select_all(const Document& d) {
  Plan plan;
  plan.events.push_back(event(d, "Warning", "SelectingAll",
                              "This deployment is selecting all pods. A non-empty selector is required."));
  int64_t generation = d["metadata"]["generation"].integer();
  if (d["status"]["observedGeneration"].integer() < generation) {
    Builder next(d.root());
    next.root().object("status").set("observedGeneration", generation);
    plan.writes.push_back(status_write(next.finish()));
  }
  return plan;
}

Plan reconcile(const Snapshot& snapshot, const ObjectKey& key, const Moment& now) {
  const int64_t now_us = now.wall_us;
  Document d = snapshot.get(kDeployments, key.ns, key.name);
  if (!d) return {};
  Result<LabelSelector> selector = LabelSelector::from_object(d["spec"]["selector"]);
  if (!selector.ok()) return {};
  if (selector->empty()) return plan_select_all(d);
  Claimed claimed = claim(d.root(), *selector, kReplicaSets, sets_in_namespace(snapshot, key));
  if (!claimed.writes.empty()) {
    Plan plan;
    plan.writes = std::move(claimed.writes);
    return plan;
  }
  DeploymentSets sets = sort_sets(d.root(), claimed.objects);
  if (being_deleted(d.root())) {
    Plan plan;
    plan_status(d, sets, false, now_us, plan);
    return plan;
  }
  Plan revision = plan_revision(d, sets, now_us);
  if (!revision.writes.empty()) return revision;
  if (d["spec"]["paused"].boolean()) return plan_scaling(d, sets, now_us);
  if (wanted_rollback(d.root())) return sets.new_set() ? plan_rollback(d, sets) : plan_new_set(snapshot, d, sets, now_us);
  if (is_scaling_event(d.root(), sets)) return plan_scaling(d, sets, now_us);
  return is_recreate(d.root()) ? plan_recreate(snapshot, d, sets, now_us) : plan_rolling(snapshot, d, sets, now_us);
}

// A set that could not be made is told in the status; everything else said it already.
Plan finish(const Snapshot& snapshot, const ObjectKey& key, const Moment& now, const Outcome& outcome) {
  const int64_t now_us = now.wall_us;
  Plan plan;
  Document d = snapshot.get(kDeployments, key.ns, key.name);
  if (!d || !outcome.error || !has_progress_deadline(d.root())) return plan;
  std::string hash = pod_template_hash(d["spec"]["template"], d["status"]["collisionCount"].integer());
  std::string name = cat(key.name, "-", hash);
  bool creation_failed = outcome.succeeded == 0 && outcome.error->code() != Code::kConflict &&
                         !snapshot.get(kReplicaSets, key.ns, name);
  if (!creation_failed) return plan;
  Builder next(d.root());
  set_deployment_condition(next.root().object("status"), "Progressing", "False", "ReplicaSetCreateError",
                           cat("Failed to create new replica set ", go_quote(name), ": ", outcome.error->message()), now_us);
  Document changed = next.finish();
  if (!equal(changed["status"], d["status"])) plan.writes.push_back(status_write(std::move(changed)));
  return plan;
}

}  // namespace

Controller deployment_controller() {
  return {"deployment", "deployment-controller", "deployment-controller", {kDeployments, kReplicaSets, kPods},
          {},           keys,                    reconcile,               finish};
}

}  // namespace bramble

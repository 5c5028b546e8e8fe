#include <algorithm>

#include "core/base/clock.h"
#include "core/controllers/deployment.h"
#include "core/resources/conditions.h"

namespace bramble {

namespace {

struct Counts {
  int64_t replicas = 0, updated = 0, ready = 0, available = 0, unavailable = 0;
  std::optional<int64_t> terminating = 0;
};

Counts count(const DeploymentSets& sets) {
  Counts c;
  int64_t sizes = 0;
  for (const SetState& s : sets.all) {
    sizes += s.size;
    c.replicas += s.actual();
    c.ready += s.ready();
    c.available += s.available();
    if (sets.is_new(s)) c.updated = s.actual();
    Value terminating = s.doc["status"]["terminatingReplicas"];
    if (!terminating.exists()) c.terminating.reset();
    else if (c.terminating) *c.terminating += terminating.integer();
  }
  c.unavailable = std::max<int64_t>(0, sizes - c.available);
  return c;
}

void write_counts(Value deployment, const Counts& c, Mut status) {
  auto put = [&](const char* name, int64_t n) {
    if (n == 0) status.remove(name);
    else status.set(name, n);
  };
  put("observedGeneration", deployment["metadata"]["generation"].integer());
  put("replicas", c.replicas);
  put("updatedReplicas", c.updated);
  put("readyReplicas", c.ready);
  put("availableReplicas", c.available);
  put("unavailableReplicas", c.unavailable);
  if (c.terminating) status.set("terminatingReplicas", *c.terminating);
  else status.remove("terminatingReplicas");
}

void write_available(Value deployment, const Counts& c, int64_t now_us, Mut status) {
  if (c.available >= wanted_replicas(deployment) - fence_posts(deployment).unavailable) {
    set_deployment_condition(status, "Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability.",
                             now_us);
  } else {
    set_deployment_condition(status, "Available", "False", "MinimumReplicasUnavailable",
                             "Deployment does not have minimum availability.", now_us);
  }
}

bool made_progress(Value old_status, const Counts& c) {
  int64_t old_updated = old_status["updatedReplicas"].integer();
  return c.updated > old_updated || c.replicas - c.updated < old_status["replicas"].integer() - old_updated ||
         c.ready > old_status["readyReplicas"].integer() || c.available > old_status["availableReplicas"].integer();
}

bool timed_out(Value deployment, Value condition, int64_t now_us) {
  if (!condition) return false;
  std::string_view reason = condition["reason"].str();
  if (reason == "NewReplicaSetAvailable") return false;
  if (reason == "ProgressDeadlineExceeded") return true;
  int64_t from_us = parse_rfc3339(condition["lastUpdateTime"].str()).value_or(now_us);
  return from_us + deployment["spec"]["progressDeadlineSeconds"].integer() * 1000000 < now_us;
}

// A progressing condition is renewed even when its status and reason stay, so that the deadline counts from the last step.
void renew_progressing(Mut status, Value current, std::string_view message, int64_t now_us) {
  std::string transition;
  if (current["status"].str() == "True") transition = current["lastTransitionTime"].text();
  if (current) remove_condition(status.array("conditions"), "Progressing");
  set_deployment_condition(status, "Progressing", "True", "ReplicaSetUpdated", message, now_us);
  if (!transition.empty()) find_condition(status["conditions"], "Progressing").set("lastTransitionTime", transition);
}

void write_progress(const Document& deployment, const DeploymentSets& sets, const Counts& c, int64_t now_us, Mut status) {
  Value d = deployment.root();
  Value current = find_condition(d["status"]["conditions"], "Progressing");
  if (!has_progress_deadline(d)) {
    remove_condition(status.array("conditions"), "Progressing");
    return;
  }
  if (c.replicas == c.updated && current["reason"].str() == "NewReplicaSetAvailable") return;  // no roll-out under way
  std::string who = sets.new_set() ? cat("ReplicaSet ", go_quote(sets.new_set()->name()))
                                   : cat("Deployment ", go_quote(name_of(deployment)));
  int64_t wanted = wanted_replicas(d);
  if (c.updated == wanted && c.replicas == wanted && c.available == wanted) {
    set_deployment_condition(status, "Progressing", "True", "NewReplicaSetAvailable", cat(who, " has successfully progressed."),
                             now_us);
  } else if (made_progress(d["status"], c)) {
    renew_progressing(status, current, cat(who, " is progressing."), now_us);
  } else if (timed_out(d, current, now_us)) {
    set_deployment_condition(status, "Progressing", "False", "ProgressDeadlineExceeded", cat(who, " has timed out progressing."),
                             now_us);
  }
}

// The failure of a set is the deployment's; the new set's comes first.
void write_failure(const DeploymentSets& sets, int64_t now_us, Mut status) {
  Value failure;
  auto look = [&](const SetState& s) {
    if (!failure) failure = find_condition(s.doc["status"]["conditions"], "ReplicaFailure");
  };
  if (sets.new_set()) look(*sets.new_set());
  for (const SetState& s : sets.all) look(s);
  if (!failure) {
    remove_condition(status.array("conditions"), "ReplicaFailure");
    return;
  }
  set_deployment_condition(status, "ReplicaFailure", failure["status"].str(), failure["reason"].str(), failure["message"].str(),
                           now_us);
}

// Paused and resumed roll-outs say so, unless the last one failed for good.
void write_pause(Value deployment, int64_t now_us, Mut status) {
  if (!has_progress_deadline(deployment)) return;
  std::string reason = find_condition(status["conditions"], "Progressing")["reason"].text();
  if (reason == "ProgressDeadlineExceeded") return;
  bool paused = deployment["spec"]["paused"].boolean();
  if (paused && reason != "DeploymentPaused") {
    set_deployment_condition(status, "Progressing", "Unknown", "DeploymentPaused", "Deployment is paused", now_us);
  } else if (!paused && reason == "DeploymentPaused") {
    set_deployment_condition(status, "Progressing", "Unknown", "DeploymentResumed", "Deployment is resumed", now_us);
  }
}

}  // namespace

bool has_progress_deadline(Value deployment) {
  Value seconds = deployment["spec"]["progressDeadlineSeconds"];
  return seconds.is_integer() && seconds.integer() != INT32_MAX;
}

void set_deployment_condition(Mut status, std::string_view type, std::string_view cond_status, std::string_view reason,
                              std::string_view message, int64_t now_us) {
  Mut conditions = status.array("conditions");
  Mut current = find_condition(conditions, type);
  std::string now = format_rfc3339(now_us);
  std::string transition = now;
  if (current) {
    if (current["status"].str() == cond_status) {
      if (current["reason"].str() == reason) return;
      transition = current["lastTransitionTime"].text(now);
    }
    remove_condition(conditions, type);
  }
  Mut c = conditions.append_object();
  c.set("type", type);
  c.set("status", cond_status);
  c.set("lastUpdateTime", now);
  c.set("lastTransitionTime", transition);
  c.set("reason", reason);
  c.set("message", message);
}

bool deployment_complete(Value deployment, Value status) {
  int64_t wanted = wanted_replicas(deployment);
  return status["updatedReplicas"].integer() == wanted && status["replicas"].integer() == wanted &&
         status["availableReplicas"].integer() == wanted &&
         status["observedGeneration"].integer() >= deployment["metadata"]["generation"].integer();
}

Document next_status(const Document& deployment, const DeploymentSets& sets, bool with_progress, int64_t now_us) {
  Value d = deployment.root();
  Builder next(d);
  Mut status = next.root().object("status");
  Counts c = count(sets);
  write_counts(d, c, status);
  write_pause(d, now_us, status);
  write_available(d, c, now_us, status);
  if (with_progress) {
    write_progress(deployment, sets, c, now_us, status);
    write_failure(sets, now_us, status);
  }
  return next.finish();
}

std::optional<int64_t> progress_check_ms(Value deployment, Value status, int64_t now_us) {
  Value current = find_condition(status["conditions"], "Progressing");
  if (!has_progress_deadline(deployment) || !current) return std::nullopt;
  std::string_view reason = current["reason"].str();
  if (reason == "ProgressDeadlineExceeded" || reason == "NewReplicaSetAvailable") return std::nullopt;
  if (deployment["spec"]["paused"].boolean() || deployment_complete(deployment, status)) return std::nullopt;
  int64_t from_us = parse_rfc3339(current["lastUpdateTime"].str()).value_or(now_us);
  int64_t due_us = from_us + deployment["spec"]["progressDeadlineSeconds"].integer() * 1000000;
  return std::max<int64_t>(0, (due_us - now_us) / 1000) + 1000;
}

}  // namespace bramble

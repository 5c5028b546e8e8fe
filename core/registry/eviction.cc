// pods/eviction: a delete that respects the pod's PodDisruptionBudget (k8s.io/kubernetes/pkg/registry/core/pod/storage/eviction.go).
#include "core/base/limits.h"
#include "core/registry/api_status.h"
#include "core/registry/managed_fields.h"
#include "core/registry/object_meta.h"
#include "core/registry/registry.h"
#include "core/resources/conditions.h"
#include "core/resources/disruption_budget.h"
#include "core/resources/pod_view.h"
#include "core/resources/selector.h"

namespace bramble {

namespace {

constexpr std::string_view kViolates = "Cannot evict pod as it would violate the pod's disruption budget.";
constexpr int64_t kComeAgainS = 10;

Error refused(std::string cause, int64_t retry_after_s) {
  StatusDetails details;
  details.present = true;
  details.causes.push_back({"DisruptionBudget", std::move(cause), ""});
  details.retry_after_s = retry_after_s;
  return status_failure(Code::kTooManyRequests, kViolates, details);
}

// Nobody knows yet what the budget allows.
Error still_processed(std::string_view budget) {
  return refused(cat("The disruption budget ", budget, " is still being processed by the server."), kComeAgainS);
}

// Pods that disturb nobody when they go: not running yet, or no longer.
bool needs_no_budget(PodView pod) { return pod.is_terminal() || pod.phase() == "Pending" || pod.is_deleting(); }

// An unready pod does not count for its budget: it may go when the others suffice, or when the budget says so.
bool goes_unready(PodView pod, const Document& budget) {
  if (pod.is_ready()) return false;
  if (budget["spec"]["unhealthyPodEvictionPolicy"].str() == "AlwaysAllow") return true;
  Value status = budget["status"];
  int64_t desired = status["desiredHealthy"].integer();
  return desired > 0 && status["currentHealthy"].integer() >= desired;
}

// The budget after one more disruption.
Result<Builder> spent(Value budget, std::string_view pod_name, bool dry_run, const std::string& now) {
  const ResourceName resource{"policy", "poddisruptionbudget"};
  std::string_view name = meta(budget, "name");
  Value status = budget["status"];
  if (status["observedGeneration"].integer() < budget["metadata"]["generation"].integer()) return still_processed(name);
  int64_t allowed = status["disruptionsAllowed"].integer();
  if (allowed < 0) return api_forbidden(resource, name, "pdb disruptions allowed is negative");
  if (status["disruptedPods"].size() > limits::kDisruptedPodsMax) {
    return api_forbidden(resource, name, "DisruptedPods map too big - too many evictions not confirmed by PDB controller");
  }
  if (allowed == 0) {
    return refused(cat("The disruption budget ", name, " needs ", status["desiredHealthy"].integer(), " healthy pods and has ",
                       status["currentHealthy"].integer(), " currently"),
                   0);
  }
  Builder next(budget);
  if (dry_run) return next;
  Mut after = next.root().object("status");
  after.set("disruptionsAllowed", allowed - 1);
  if (allowed == 1) write_disruption_allowed(after, now);
  after.object("disruptedPods").set(pod_name, now);
  return next;
}

// The preconditions of the delete hold for the mark as well.
Status check_preconditions(const DeleteRequest& request, Value pod) {
  auto refuse = [&](std::string_view what, const std::string& wanted, std::string_view has, std::string_view hint) {
    return api_conflict({"", "Pod"}, request.name,
                        cat("the ", what, " in the precondition (", wanted, ") does not match the ", what, " in record (", has,
                            "). The object might have been ", hint));
  };
  if (request.uid && !request.uid->empty() && *request.uid != meta(pod, "uid")) {
    return refuse("UID", *request.uid, meta(pod, "uid"), "deleted and then recreated");
  }
  const auto& version = request.resource_version;
  if (version && !version->empty() && *version != meta(pod, "resourceVersion")) {
    return refuse("ResourceVersion", *version, meta(pod, "resourceVersion"), "modified");
  }
  return ok();
}

void mark_target(Mut pod, const std::string& now) {
  Mut conditions = pod.object("status").array("conditions");
  Mut at = find_condition(conditions, "DisruptionTarget");
  const std::string since = at["status"].str() == "True" ? at["lastTransitionTime"].text(now) : now;
  if (!at) at = conditions.append_object();
  at.clear();
  at.set("type", "DisruptionTarget");
  if (int64_t generation = pod["metadata"]["generation"].integer()) at.set("observedGeneration", generation);
  at.set("status", "True");
  at.set_null("lastProbeTime");
  at.set("lastTransitionTime", since);
  at.set("reason", "EvictionByEvictionAPI");
  at.set("message", "Eviction API: evicting");
}

}  // namespace

std::vector<Document> Registry::budgets_of(Value pod) const {
  std::vector<Document> out;
  const Kind* kind = find_kind("policy", "v1", "poddisruptionbudgets");
  cache_.view().range(registry_prefix(*kind, meta(pod, "namespace")), "", 0, [&](const EntryRef& entry) {
    auto selector = LabelSelector::from_object(entry->document["spec"]["selector"]);
    if (selector.ok() && selector->matches(pod["metadata"]["labels"])) out.push_back(entry->document);
    return true;
  });
  return out;
}

// Takes one disruption from the budget as it is now, or refuses. A dry run only looks.
Task<Status> Registry::spend(Document budget, std::string pod_name, bool dry_run) {
  WriteRequest request;
  request.kind = find_kind("policy", "v1", "poddisruptionbudgets");
  request.ns = namespace_of(budget), request.name = name_of(budget);
  request.dry_run = dry_run;
  TrackedType tracked = TrackedType::of(*request.kind, "status");
  FieldWriter writer{"kube-apiserver", "status", clock_.now_rfc3339()};
  ChangeFn change = [=](Value current) -> Result<Builder> {
    TRY_ASSIGN(Builder next, spent(current, pod_name, dry_run, writer.now));
    Document after = next.finish();
    Builder out(after.root());
    track_update(tracked, writer, current, after, out.root());
    return out;
  };
  auto written = co_await update(request, UpdatePart::kStatus, change);
  CO_TRY(written);
  co_return ok();
}

// The condition first: whoever sees the pod end can tell why.
Task<Status> Registry::mark_and_remove(DeleteRequest pod) {
  if (!pod.dry_run) {
    WriteRequest request;
    request.kind = pod.kind;
    request.ns = pod.ns, request.name = pod.name;
    const std::string now = clock_.now_rfc3339();
    ChangeFn change = [pod, now](Value current) -> Result<Builder> {
      TRY(check_preconditions(pod, current));
      Builder next(current);
      mark_target(next.root(), now);
      return next;
    };
    auto marked = co_await update(request, UpdatePart::kStatus, change);
    CO_TRY(marked);
    if (pod.resource_version) pod.resource_version = std::string(version_of(marked->object));
  }
  auto removed = co_await remove(pod);
  CO_TRY(removed);
  co_return ok();
}

Task<Status> Registry::evict(DeleteRequest request) {
  const bool version_given = request.resource_version.has_value();
  const int attempts = version_given ? 1 : limits::kEvictionAttempts;
  Document pod;
  for (int attempt = 1;; ++attempt) {
    pod = get(*request.kind, request.ns, request.name);
    if (!pod) co_return api_not_found({"", "pods"}, request.name);
    PodView view(pod);
    if (!needs_no_budget(view)) break;
    // A pending pod may become ready meanwhile; then its budget counts.
    DeleteRequest now = request;
    if (!version_given && !view.is_terminal() && !view.is_deleting()) now.resource_version = std::string(version_of(pod));
    Status removed = co_await mark_and_remove(now);
    if (removed.ok() || removed.error().code() != Code::kConflict || attempt >= attempts) co_return removed;
  }
  std::vector<Document> budgets = budgets_of(pod.root());
  if (budgets.size() > 1) {
    co_return api_plain("This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.");
  }
  bool unready = false;
  if (budgets.size() == 1) {
    unready = goes_unready(PodView(pod), budgets[0]);
    if (!unready) {
      Status granted = co_await spend(budgets[0], request.name, request.dry_run);
      CO_TRY(granted);
    }
  }
  DeleteRequest final = request;
  if (unready) final.resource_version = std::string(version_of(pod));  // it must not have become ready
  Status removed = co_await mark_and_remove(final);
  if (!removed.ok() && removed.error().code() == Code::kConflict && unready && !version_given) {
    co_return still_processed(name_of(budgets[0]));
  }
  co_return removed;
}

}  // namespace bramble

// Resize in place: what has been allocated is written to the cgroups of what runs. Every step may be repeated: what has been
// written is in records.json, and what is not comes again.
#include <algorithm>

#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/kubelet/pod_worker.h"
#include "core/loop/loop.h"

namespace bramble {

void PodWorker::adopt_allocation(Value stored) {
  if (stored.has("allocation")) allocation_ = Document::of(stored["allocation"]);
  else if (!stored) allocation_ = allocation_in_status(pod_.root());
  if (stored.has("actuated")) actuated_pod_resources_ = Document::of(stored["actuated"]);
  if (Value has = stored["cgroup"]) {
    PodCgroupLimits limits;
    limits.cpu_shares = static_cast<uint64_t>(has["cpuShares"].integer());
    if (has.has("cpuQuotaUs")) limits.cpu_quota_us = has["cpuQuotaUs"].integer();
    if (has.has("memoryBytes")) limits.memory_bytes = has["memoryBytes"].integer();
    facts_.cgroup = limits;
  }
  for (Value c : pod_["status"]["conditions"].items()) {
    bool pending = c["type"].str() == "PodResizePending";
    if (!pending && c["type"].str() != "PodResizeInProgress") continue;
    ResizeCondition condition{c["reason"].text(), c["message"].text(), c["observedGeneration"].integer(), parse_rfc3339(c["lastTransitionTime"].str()).value_or(parts_.clock.wall_us()),
                              parse_rfc3339(c["lastProbeTime"].str()).value_or(parts_.clock.wall_us())};
    (pending ? facts_.resize_pending : facts_.resize_in_progress) = condition;
  }
  look_at_allocation();
}

// After each change of the pod or of what it has been allocated.
void PodWorker::look_at_allocation() {
  allocated_ = with_allocation(pod_, allocation_.root());
  facts_.allocated = allocated_;
  if (allocated_.same(pod_)) facts_.resize_pending.reset();
}

Document PodWorker::held() const { return with_held(allocated_, facts_.records); }

bool PodWorker::wants_resize() const { return !over_with() && !of_manifest_ && !allocated_.same(pod_); }

void PodWorker::allow_resize() {
  allocation_ = allocation_of(pod_.root());
  look_at_allocation();
  int64_t now = parts_.clock.wall_us(), generation = PodView(pod_).metadata()["generation"].integer();
  facts_.resize_in_progress = ResizeCondition{"", "", generation, now, now};
  resize_retry_ = {};
  event("Normal", "ResizeStarted", resize_message("started", pod_.root(), generation, ""));
  save();
  poke();
}

void PodWorker::put_off_resize(const std::string& why, const std::string& message) {
  std::string reason = why == "Infeasible" ? why : "Deferred";
  int64_t now = parts_.clock.wall_us(), generation = PodView(pod_).metadata()["generation"].integer();
  const auto& before = facts_.resize_pending;
  bool other = !before || before->reason != reason || before->generation != generation;
  if (!other && before->message == message) return;
  facts_.resize_pending = ResizeCondition{reason, message, generation, before && before->reason == reason ? before->since_us : now, now};
  if (other) event("Warning", cat("Resize", reason), resize_message(why, pod_.root(), generation, message));
  publish();
}

// Of a pod that has its surroundings. What cannot be written now is tried again, later and later.
Task<void> PodWorker::actuate_resize() {
  restart_to_resize_.clear();
  if (!facts_.cgroup) facts_.cgroup = pod_limits(allocated_.root());  // set up by an older bramble
  if (!actuated_pod_resources_) actuated_pod_resources_ = resources_of(allocated_["spec"]);
  ResizePlan plan = plan_resize(allocated_.root(), actuated_pod_resources_.root(), facts_.records, *facts_.cgroup);
  restart_to_resize_.insert(plan.restart.begin(), plan.restart.end());
  if (!plan.in_progress && plan.steps.empty()) {
    if (auto over = std::exchange(facts_.resize_in_progress, std::nullopt))
      event("Normal", "ResizeCompleted", resize_message("completed", allocated_.root(), over->generation, ""));
    co_return;
  }
  int64_t now = parts_.clock.wall_us();
  if (plan.in_progress && !facts_.resize_in_progress) facts_.resize_in_progress = ResizeCondition{"", "", PodView(pod_).metadata()["generation"].integer(), now, now};
  if (plan.steps.empty() && plan.restart.empty()) actuated_pod_resources_ = resources_of(allocated_["spec"]), poke();
  if (plan.steps.empty() || put_off(resize_retry_)) co_return;
  struct Written {
    size_t done = 0;
    Status status = ok();
  };
  Document target = allocated_;  // it may change meanwhile
  auto work = [cgroups = &parts_.cgroups, pod = target, records = facts_.records, plan, has = *facts_.cgroup, path = parts_.cgroups.pod_path(qos_, uid_)] {
    Written out;
    auto path_of = [&path](const std::string& id) { return id.empty() ? path : cat(path, "/", id); };
    if (plan.lowers_memory) {
      std::map<std::string, int64_t, std::less<>> usage;
      if (auto bytes = cgroups->memory_usage_bytes(path)) usage[""] = *bytes;
      for (const auto& step : plan.steps)
        if (auto bytes = cgroups->memory_usage_bytes(path_of(step.container_id))) usage[step.container_id] = *bytes;
      if (std::string why = forbidden_decrease(pod.root(), records, plan, has, usage); !why.empty()) {
        out.status = Error(Code::kUnavailable, why);
        return out;
      }
    }
    for (const auto& step : plan.steps) {
      out.status = step.part == ResizeStep::kCpu ? cgroups->set_cpu(path_of(step.container_id), step.limits) : cgroups->set_memory(path_of(step.container_id), step.limits);
      if (!out.status.ok()) break;
      ++out.done;
    }
    return out;
  };
  Task<Written> working = offload(std::move(work));
  Written outcome = co_await working;
  for (size_t i = 0; i < outcome.done; ++i) note_actuated(plan.steps[i], target.root());
  if (outcome.status.ok() && plan.restart.empty()) actuated_pod_resources_ = resources_of(target["spec"]);
  save();
  if (!outcome.status.ok()) co_return fail_resize(outcome.status.error().message());
  resize_retry_ = {};
  poke();  // a look at what is there now tells whether it is over
}

// Written: from here on it counts as what the container, or the pod, has.
void PodWorker::note_actuated(const ResizeStep& step, Value target) {
  bool cpu = step.part == ResizeStep::kCpu;
  if (step.container_id.empty()) {
    if (cpu) facts_.cgroup->cpu_shares = step.limits.cpu_shares, facts_.cgroup->cpu_quota_us = step.limits.cpu_quota_us;
    else facts_.cgroup->memory_bytes = step.limits.memory_bytes;
    return;
  }
  ContainerRecord* r = find_record(step.container_id);
  if (!r) return;
  Value given = PodView(target).container(r->name)["resources"];
  Builder b(r->resources.root());
  for (const char* part : {"limits", "requests"}) {
    const char* name = cpu ? "cpu" : "memory";
    if (given[part].has(name)) b.root().object(part).set(name, given[part][name]);
  }
  r->resources = b.finish();
}

void PodWorker::fail_resize(const std::string& why) {
  int64_t now = parts_.clock.wall_us();
  if (!facts_.resize_in_progress) facts_.resize_in_progress = ResizeCondition{"", "", PodView(pod_).metadata()["generation"].integer(), now, now};
  ResizeCondition& c = *facts_.resize_in_progress;
  bool other = c.reason != "Error" || c.message != why;
  if (c.reason != "Error") c.since_us = now;
  if (other) c.seen_us = now;
  c.reason = "Error";
  c.message = why;
  if (other) event("Warning", "ResizeError", resize_message("error", allocated_.root(), c.generation, why));
  try_later(resize_retry_, limits::kSetupRetryFirstMs, limits::kSetupRetryMaxMs);
}

}  // namespace bramble

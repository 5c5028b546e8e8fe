#include "core/scheduler/scheduler.h"

#include <algorithm>

#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/json/builder.h"

namespace bramble {

namespace {

using resource_ids::kNodes;
using resource_ids::kPersistentVolumeClaims;
using resource_ids::kPods;

constexpr const char* kName = "default-scheduler";

ObjectKey key_of(const Document& pod) { return {std::string(namespace_of(pod)), std::string(name_of(pod))}; }

bool wants_node(const Document& pod) {
  PodView view(pod);
  return !view.is_assigned() && view.is_active() && view.scheduler_name() == kName;
}

// What of a node decides who fits. Heartbeats change nothing of it.
bool same_for_scheduling(const Document& a, const Document& b) {
  return equal(a["spec"], b["spec"]) && equal(a["metadata"]["labels"], b["metadata"]["labels"]) &&
         equal(a["status"]["allocatable"], b["status"]["allocatable"]);
}

// The condition that says why the pod has no node; empty when it says so already.
Document condition_patch(const Document& pod, const char* reason, const std::string& message, int64_t now_us) {
  Value there = PodView(pod).condition("PodScheduled");
  int64_t generation = pod["metadata"]["generation"].integer();
  bool same = there["status"].str() == "False" && there["reason"].str() == reason && there["message"].str() == message &&
              there["observedGeneration"].integer() == generation;
  if (same) return {};
  Builder b;
  b.root().object("metadata").set("uid", uid_of(pod));
  Mut c = b.root().object("status").array("conditions").append_object();
  c.set("type", "PodScheduled");
  c.set("status", "False");
  c.set("reason", reason);
  c.set("message", message);
  c.set_null("lastProbeTime");
  if (there["status"].str() != "False") c.set("lastTransitionTime", format_rfc3339(now_us));
  if (generation > 0) c.set("observedGeneration", generation);
  return b.finish();
}

Document binding_of(const Document& pod, const std::string& node) {
  Builder b;
  b.root().set("apiVersion", "v1");
  b.root().set("kind", "Binding");
  Mut metadata = b.root().object("metadata");
  metadata.set("name", name_of(pod));
  metadata.set("namespace", namespace_of(pod));
  metadata.set("uid", uid_of(pod));
  Mut target = b.root().object("target");
  target.set("kind", "Node");
  target.set("name", node);
  return b.finish();
}

}  // namespace

Identity scheduler_identity() {
  Identity id;
  id.user = "system:kube-scheduler";
  id.groups = {"system:authenticated"};
  return id;
}

Scheduler::Scheduler(std::unique_ptr<Client> client, const Clock& clock, Random& random, SchedulerOptions options,
                     const AlarmFactory& alarms, Quarantine* quarantine)
    : client_(std::move(client)),
      clock_(clock),
      random_(random),
      quarantine_(quarantine),
      recorder_(*client_, clock, kName, options.host, Recorder::Style::kEventsApi),
      alarm_(alarms([this] { turn(); })) {}

void Scheduler::start() {
  std::vector<ResourceId> resources{kNodes, kPods, kPersistentVolumeClaims};
  subscription_ = client_->subscribe(resources, [this](const Change& change) { on_change(change); });
  for (const ResourceId& resource : {kNodes, kPods}) {
    client_->snapshot().each(resource, "", [&](const Document& object) {
      on_change(Change{resource, {}, object});
      return true;
    });
  }
  wake();
}

void Scheduler::on_change(const Change& change) {
  const Document& object = change.after ? change.after : change.before;
  auto about = [&object] { return Quarantine::about(object); };
  Quarantine::Step step(quarantine_, "scheduler", Quarantine::key_of(change.resource.resource, object), about);
  if (!step.allowed()) return;
  if (change.resource == kPods) on_pod(change);
  else if (change.resource == kNodes) on_node(change);
  else on_claim();
  wake();
}

void Scheduler::on_pod(const Change& change) {
  const Document& pod = change.after ? change.after : change.before;
  int64_t now_us = clock_.monotonic_us();
  bool was_placed = change.before && PodView(change.before).is_assigned() && !PodView(change.before).is_terminal();
  if (change.after) state_.set_pod(change.after);
  else state_.remove_pod(uid_of(pod));

  ObjectKey key = key_of(pod);
  if (change.after && wants_node(change.after)) {
    if (!binding_.contains(key)) queue_.set(change.after, now_us);
  } else {
    queue_.remove(key);
  }
  // Its end, or its shrinking, leaves room for others.
  bool is_placed = change.after && PodView(change.after).is_assigned() && !PodView(change.after).is_terminal();
  bool resized = is_placed && was_placed && !equal(change.before["spec"]["containers"], change.after["spec"]["containers"]);
  if (!was_placed || (is_placed && !resized)) return;
  queue_.wake(now_us, [](const PodQueue::Waiting& w) {
    return w.objections.contains(Plugin::kNodeResourcesFit) || w.objections.contains(Plugin::kNodePorts);
  });
}

void Scheduler::on_node(const Change& change) {
  if (!change.after) {
    state_.remove_node(name_of(change.before));
    return;
  }
  bool relevant = !change.before || !same_for_scheduling(change.before, change.after);
  if (!relevant && equal(change.before["status"]["images"], change.after["status"]["images"])) return;
  state_.set_node(change.after);
  if (!relevant) return;
  const NodeInfo& info = state_.nodes().find(name_of(change.after))->second;
  queue_.wake(clock_.monotonic_us(),
              [&info](const PodQueue::Waiting& w) { return fits_empty_node(PodFacts(w.pod), info); });
}

void Scheduler::on_claim() {
  queue_.wake(clock_.monotonic_us(),
              [](const PodQueue::Waiting& w) { return w.objections.contains(Plugin::kVolumeBinding); });
}

void Scheduler::wake() {
  if (queue_.has_active() && binding_.size() < limits::kBindsInFlight) {
    alarm_->set_in_ms(0);
  } else if (std::optional<int64_t> due_us = queue_.next_due_us()) {
    alarm_->set_in_ms((std::max<int64_t>(0, *due_us - clock_.monotonic_us()) + 999) / 1000);
  } else {
    alarm_->clear();
  }
}

void Scheduler::turn() {
  for (size_t n = 0; n < limits::kPodsPerTurn && binding_.size() < limits::kBindsInFlight; n++) {
    std::optional<PodQueue::Waiting> waiting = queue_.take(clock_.monotonic_us());
    if (!waiting) break;
    Document pod = waiting->pod;
    auto about = [&pod] { return Quarantine::about(pod); };
    Quarantine::Step step(quarantine_, "scheduler", Quarantine::key_of("pods", pod), about);
    if (step.allowed()) schedule(std::move(*waiting));
  }
  wake();
}

void Scheduler::schedule(PodQueue::Waiting waiting) {
  PodFacts facts(waiting.pod);
  int64_t started_us = clock_.monotonic_us();
  Decision d = decide(facts, state_.nodes(), claims_objection(client_->snapshot(), facts.view()), random_);
  metrics_.decided(clock_.monotonic_us() - started_us);
  if (d.node.empty()) {
    metrics_.tried(SchedulerMetrics::Result::kUnschedulable, clock_.monotonic_us() - started_us);
    // Given back first: the write below may be seen by on_pod() before it returns.
    Document pod = waiting.pod;
    queue_.give_back_unschedulable(std::move(waiting), std::move(d.objections), clock_.monotonic_us());
    fail(pod, "Unschedulable", d.message);
    return;
  }
  state_.assume(waiting.pod, d.node);
  binding_.insert(key_of(waiting.pod));
  tasks_.start(bind(std::move(waiting), std::move(d.node)));
}

Task<void> Scheduler::bind(PodQueue::Waiting waiting, std::string node) {
  ObjectKey key = key_of(waiting.pod);
  WriteOptions options;
  options.subresource = "binding";
  Document body = binding_of(waiting.pod, node);
  Task<Result<Document>> call = client_->create(kPods, key.ns, body, options);
  Result<Document> answer = co_await call;
  binding_.erase(key);
  int64_t now_us = clock_.monotonic_us();
  metrics_.tried(answer.ok() ? SchedulerMetrics::Result::kScheduled : SchedulerMetrics::Result::kError, now_us - waiting.tried_us);
  if (answer.ok()) {
    metrics_.placed(waiting.attempts, now_us - waiting.since_us);
    recorder_.record({waiting.pod, "Normal", "Scheduled", cat("Successfully assigned ", key.text(), " to ", node), {}, "Binding"});
    wake();
    co_return;
  }
  state_.forget(uid_of(waiting.pod));
  Document now = client_->snapshot().get(kPods, key.ns, key.name);
  bool still_wanted = now && uid_of(now) == uid_of(waiting.pod) && wants_node(now);
  if (still_wanted) {
    std::string message = cat("running Bind plugin \"DefaultBinder\": ", answer.error().message());
    log_warning("scheduler: pod ", key.text(), ": ", message);
    waiting.pod = now;
    queue_.give_back_failed(std::move(waiting), clock_.monotonic_us());
    fail(now, "SchedulerError", message);
  } else if (now && wants_node(now)) {
    queue_.set(now, clock_.monotonic_us());  // another pod of that name meanwhile
  }
  wake();
}

void Scheduler::fail(const Document& pod, const char* reason, const std::string& message) {
  recorder_.record({pod, "Warning", "FailedScheduling", message, {}, "Scheduling"});
  Document patch = condition_patch(pod, reason, message, clock_.wall_us());
  if (patch) tasks_.start(tell_condition(key_of(pod), std::move(patch)));
}

Task<void> Scheduler::tell_condition(ObjectKey key, Document patch) {
  WriteOptions options;
  options.subresource = "status";
  Task<Result<Document>> call = client_->patch(kPods, key, PatchType::kStrategic, patch, options);
  Result<Document> answer = co_await call;
  if (!answer.ok() && answer.error().code() != Code::kNotFound) {
    log_warning("scheduler: pod ", key.text(), ": status: ", answer.error().message());
  }
}

}  // namespace bramble

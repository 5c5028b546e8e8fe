#include "core/kubelet/pod_probes.h"

#include <algorithm>

#include "core/base/limits.h"
#include "core/base/log.h"

namespace bramble {

namespace {

constexpr ProbeKind kKinds[] = {ProbeKind::kStartup, ProbeKind::kLiveness, ProbeKind::kReadiness};

bool has_probes(Value container) { return container.has("startupProbe") || container.has("livenessProbe") || container.has("readinessProbe"); }

// What the API remembers of this very container.
Value remembered(Value pod, const ContainerRecord& r) {
  Value status = PodView(pod).container_status(r.name);
  bool same = status["containerID"].str() == cat("bramble://", r.id) && status["state"].has("running");
  return same ? status : Value();
}

bool was_good(Value pod, const ContainerRecord& r, ProbeKind kind) {
  Value before = remembered(pod, r);
  return kind == ProbeKind::kReadiness ? before["ready"].boolean() : before["started"].boolean();
}

}  // namespace

const PodProbes::Probe* PodProbes::find(const std::string& id, ProbeKind kind) const {
  auto it = probes_.find({id, kind});
  return it == probes_.end() ? nullptr : it->second.get();
}

bool PodProbes::started(Value pod, const ContainerRecord& r) const {
  if (!PodView(pod).container(r.name).has("startupProbe")) return true;
  const Probe* probe = find(r.id, ProbeKind::kStartup);
  return probe ? probe->state.result() == ProbeState::kSuccess : was_good(pod, r, ProbeKind::kStartup);
}

std::map<std::string, ContainerHealth, std::less<>> PodProbes::health(const Document& pod, const std::vector<ContainerRecord>& records) const {
  std::map<std::string, ContainerHealth, std::less<>> out;
  for (const auto& r : records) {
    Value container = PodView(pod).container(r.name);
    if (r.phase != ContainerRecord::Phase::kRunning || !has_probes(container)) continue;
    ContainerHealth& h = out[r.id];
    auto failed = [&](ProbeKind kind) {
      const Probe* probe = find(r.id, kind);
      return probe && probe->state.result() == ProbeState::kFailure;
    };
    h.started = started(pod.root(), r);
    h.startup_failed = failed(ProbeKind::kStartup);
    h.liveness_failed = failed(ProbeKind::kLiveness);
    if (!container.has("readinessProbe")) continue;
    const Probe* readiness = find(r.id, ProbeKind::kReadiness);
    h.ready = readiness ? readiness->state.result() == ProbeState::kSuccess : was_good(pod.root(), r, ProbeKind::kReadiness);
  }
  return out;
}

void PodProbes::follow(const Document& pod, const std::vector<ContainerRecord>& records, const std::set<std::string, std::less<>>& starting, const std::vector<std::string>& pod_ips, bool ending) {
  std::set<std::string> running;
  for (const auto& r : records) {
    if (r.phase != ContainerRecord::Phase::kRunning || starting.contains(r.name)) continue;
    running.insert(r.id);
    Value container = PodView(pod).container(r.name);
    for (ProbeKind kind : kKinds) {
      if (!container.has(probe_field(kind)) || find(r.id, kind)) continue;
      if (ending && kind != ProbeKind::kReadiness) continue;
      begin(pod, r, kind, pod_ips.empty() ? std::string() : pod_ips[0]);
    }
  }
  std::erase_if(probes_, [&](const auto& entry) { return !running.contains(entry.first.first); });
  for (auto& [key, probe] : probes_) {
    if (ending && key.second != ProbeKind::kReadiness && !probe->state.on_hold()) {
      probe->state.settle();
      probe->task.cancel_all();
    }
    bool is_started = started(pod.root(), probe->record);
    if (is_started != std::exchange(probe->container_started, is_started)) probe->alarm->set_in_ms(0);
  }
}

void PodProbes::begin(const Document& pod, const ContainerRecord& r, ProbeKind kind, const std::string& pod_ip) {
  auto made = std::make_unique<Probe>();
  Probe* probe = made.get();
  Document container = Document::of(PodView(pod).container(r.name));
  probe->kind = kind;
  probe->record = r;
  probe->place = {std::string(uid_of(pod)), r.id, pod_ip, container};
  probe->of = {std::string(PodView(pod).ns()), std::string(PodView(pod).name()), std::string(uid_of(pod)), r.name};
  probe->spec = Document::of(container[probe_field(kind)]);
  probe->state = ProbeState(kind, was_good(pod.root(), r, kind));
  probe->container_started = started(pod.root(), r);
  int64_t delay_us = probe->spec["initialDelaySeconds"].integer() * 1000000;
  int64_t ran_us = std::max<int64_t>(0, parts_.clock.wall_us() - r.started_us);
  probe->first_us = parts_.clock.monotonic_us() + std::max<int64_t>(0, delay_us - ran_us);
  // After a restart of ours all are due at once: each gets its own place in its period.
  int64_t period_us = std::max<int64_t>(1, probe->spec["periodSeconds"].integer(10)) * 1000000;
  if (remembered(pod.root(), r)) probe->first_us += static_cast<int64_t>(parts_.random.below(static_cast<uint64_t>(period_us)));
  auto fire = [probe] { probe->woke.pulse(); };
  probe->alarm = parts_.options.alarms(fire);
  probes_[{r.id, kind}] = std::move(made);
  probe->task.start(run(probe));
}

Task<void> PodProbes::run(Probe* probe) {
  const int64_t period_us = std::max<int64_t>(1, probe->spec["periodSeconds"].integer(10)) * 1000000;
  int64_t due_us = probe->first_us;
  for (;;) {
    for (;;) {
      int64_t left_us = due_us - parts_.clock.monotonic_us();
      bool wanted = !probe->state.on_hold() && probe->container_started == (probe->kind != ProbeKind::kStartup);
      if (wanted && left_us <= 0) break;
      if (wanted) probe->alarm->set_in_ms(left_us / 1000 + 1);
      else probe->alarm->clear();
      co_await probe->woke.wait();
    }
    int64_t begun_us = parts_.clock.monotonic_us();
    co_await probe_once(probe);
    // A turn that was missed is made up for once.
    due_us = begun_us - due_us < period_us ? due_us + period_us : begun_us + period_us;
    due_us = std::max(due_us, parts_.clock.monotonic_us());
  }
}

Task<void> PodProbes::probe_once(Probe* probe) {
  ProbeAnswer answer;
  const int64_t begun_us = parts_.clock.monotonic_us();
  for (int i = 0; i < limits::kProbeTries; ++i) {
    ProbeSlots::Turn turn(parts_.probe_slots.get());
    while (probe->spec.root().has("exec") && !turn.take()) co_await parts_.probe_slots->freed.wait();
    Task<ProbeAnswer> checking = check_health(&parts_.runtime, parts_.options.alarms, probe->place, probe->spec);
    auto got = co_await checking;
    answer = std::move(got);
    if (answer.kind != ProbeAnswer::kError) break;
  }
  std::string title(probe_title(probe->kind));
  const char* result = answer.kind == ProbeAnswer::kError ? "unknown" : answer.kind == ProbeAnswer::kFailure ? "failed" : "successful";
  parts_.probe_counts->note(probe->of, title, result, parts_.clock.monotonic_us() - begun_us);
  if (answer.kind == ProbeAnswer::kError) {
    tell_("Unhealthy", cat(title, " probe errored and resulted in unknown state: ", answer.text), probe->record);
    co_return;
  }
  if (answer.kind == ProbeAnswer::kWarning) tell_("ProbeWarning", cat(title, " probe warning: ", answer.text), probe->record);
  if (answer.kind == ProbeAnswer::kFailure) tell_("Unhealthy", cat(title, " probe failed: ", answer.text), probe->record);
  bool good = answer.kind != ProbeAnswer::kFailure;
  int to_succeed = static_cast<int>(probe->spec["successThreshold"].integer(1)), to_fail = static_cast<int>(probe->spec["failureThreshold"].integer(3));
  if (probe->state.note(good, to_succeed, to_fail)) changed_();
}

}  // namespace bramble

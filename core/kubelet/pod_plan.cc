#include "core/kubelet/pod_plan.h"

#include <algorithm>

#include "core/base/limits.h"
#include "core/resources/pod_view.h"

namespace bramble {

int64_t RestartBackoff::wait_us(std::string_view container, int64_t ended_us, int64_t now_us) const {
  auto it = entries_.find(container);
  if (it == entries_.end() || ended_us - it->second.updated_us > 2 * limits::kCrashBackoffMaxUs) return 0;
  return std::max<int64_t>(0, ended_us + it->second.delay_us - now_us);
}

int64_t RestartBackoff::delay_us(std::string_view container) const {
  auto it = entries_.find(container);
  return it == entries_.end() ? 0 : it->second.delay_us;
}

void RestartBackoff::note_restart(std::string_view container, int64_t ended_us) {
  Entry& e = entries_[std::string(container)];
  bool forgotten = ended_us - e.updated_us > 2 * limits::kCrashBackoffMaxUs;
  e.delay_us = e.delay_us == 0 || forgotten ? limits::kCrashBackoffFirstUs : std::min(2 * e.delay_us, limits::kCrashBackoffMaxUs);
  e.updated_us = ended_us;
}

void RestartBackoff::forget(std::string_view container) {
  if (auto it = entries_.find(container); it != entries_.end()) entries_.erase(it);
}

std::string go_duration(int64_t us) {
  int64_t s = us / 1000000;
  if (s < 60) return cat(s, "s");
  if (s < 3600) return cat(s / 60, "m", s % 60, "s");
  return cat(s / 3600, "h", s / 60 % 60, "m", s % 60, "s");
}

namespace {

bool should_restart(const ContainerRecord& r, Value pod, Value container) {
  return r.replaced || r.restart || restarts_after(pod, container, r.exit_code);
}

// How often a container had started before this machine (or its /run) forgot: what the API remembers.
int attempt_after_status(const PodView& pod, std::string_view name) {
  Value status = pod.container_status(name);
  if (!status || status["containerID"].str().empty()) return 0;
  bool ran = !status["state"].has("waiting") || status["lastState"].has("terminated");
  if (!ran) return static_cast<int>(status["restartCount"].integer());
  return static_cast<int>(status["restartCount"].integer()) + 1;
}

struct Planner {
  PodView pod;
  const std::vector<ContainerRecord>& records;
  const RestartBackoff& backoff;
  int64_t now_us;
  const PodMoment& moment;
  PodPlan out;

  ContainerHealth health_of(const ContainerRecord& r) const {
    auto it = moment.health.find(r.id);
    return it == moment.health.end() ? ContainerHealth() : it->second;
  }

  // What counts of a container: nothing of it does when all begin anew.
  const ContainerRecord* current(std::string_view name) const {
    const ContainerRecord* r = latest_record(records, name);
    return r && r->reset ? nullptr : r;
  }

  bool is_reset() const {
    if (moment.resetting) return true;
    for (Value list : {pod.init_containers(), pod.containers()})
      for (Value c : list.items()) {
        const ContainerRecord* r = current(c["name"].str());
        if (r && r->phase == ContainerRecord::Phase::kExited && !r->replaced && !r->restart && !moment.starting.contains(r->name) && resets_after(c, r->exit_code)) return true;
      }
    return false;
  }

  // Starts what never ran, or ended and is to be restarted. False: it ended and stays so.
  bool keep_running(Value container, ContainerRecord::Kind kind) {
    std::string_view name = container["name"].str();
    if (moment.starting.contains(name)) return true;
    const ContainerRecord* r = latest_record(records, name);
    if (r && r->phase == ContainerRecord::Phase::kRunning) {
      look_at(*r, kind);
      return true;
    }
    if (!r) {
      out.start.push_back({std::string(name), kind, attempt_after_status(pod, name)});
      return true;
    }
    if (r->reset) {
      out.start.push_back({std::string(name), kind, r->attempt + 1});
      return true;
    }
    if (r->phase == ContainerRecord::Phase::kExited && !should_restart(*r, pod.root(), container)) return false;
    int64_t wait = r->replaced ? 0 : backoff.wait_us(name, r->ended_us, now_us);
    if (wait > 0) {
      out.waiting.push_back(std::string(name));
      out.again_us = std::min(out.again_us.value_or(now_us + wait), now_us + wait);
    } else {
      out.start.push_back({std::string(name), kind, r->attempt + 1});
    }
    return true;
  }

  // A container that runs ends when its definition is another (what upstream's hash of it is made of: its name and image), or
  // when it is not well.
  void look_at(const ContainerRecord& r, ContainerRecord::Kind kind) {
    if (moment.ending.contains(r.id)) return;
    Value container = pod.container(r.name);
    bool init = kind == ContainerRecord::Kind::kInit;
    bool changed = !r.spec_image.empty() && container["image"].str() != r.spec_image && (!init || PodView::is_sidecar(container));
    ContainerHealth health = health_of(r);
    PodPlan::End end;
    std::string_view what;
    if (changed) what = "definition changed";
    else if (health.liveness_failed) what = "failed liveness probe", end.why = PodPlan::End::kLiveness;
    else if (health.startup_failed) what = "failed startup probe", end.why = PodPlan::End::kStartup;
    else if (moment.resizing.contains(r.id)) what = "resize requires restart", end.why = PodPlan::End::kResize;
    else return;
    end.container = r.name;
    end.id = r.id;
    bool resize = end.why == PodPlan::End::kResize;
    end.again = changed || resize || init || restarts_after(pod.root(), container, 137);
    end.message = resize ? cat("Container ", r.name, " ", what) : init ? cat("Init container ", r.name, " ", what) : cat("Container ", r.name, " ", what, end.again ? ", will be restarted" : "");
    out.end.push_back(std::move(end));
  }

  // Init containers, in order. True when all are done.
  bool plan_init() {
    // After the pod's own containers have begun, init containers are not run again.
    bool begun = false;
    for (Value c : pod.containers().items()) begun = begun || current(c["name"].str());
    for (Value c : pod.init_containers().items()) {
      std::string_view name = c["name"].str();
      const ContainerRecord* r = current(name);
      if (PodView::is_sidecar(c)) {
        keep_running(c, ContainerRecord::Kind::kInit);
        bool up = r && r->phase == ContainerRecord::Phase::kRunning && !moment.starting.contains(name) && health_of(*r).started;
        if (!begun && !up) return false;
        continue;
      }
      if (begun) continue;
      if (r && r->phase == ContainerRecord::Phase::kExited && r->exit_code == 0) continue;
      if (!keep_running(c, ContainerRecord::Kind::kInit)) out.finished = true;
      return false;
    }
    return true;
  }

  // They run beside all else, once. (Kubernetes: "Ephemeral Containers".)
  void plan_ephemeral() {
    for (Value c : pod.ephemeral_containers().items()) {
      std::string_view name = c["name"].str();
      if (moment.starting.contains(name) || latest_record(records, name)) continue;
      Value status = pod.container_status(name);
      if (!status["containerID"].str().empty()) continue;  // it ran before this machine forgot
      out.start.push_back({std::string(name), ContainerRecord::Kind::kEphemeral, 0});
    }
  }
};

// Restart, or RestartAllContainers: either way the container runs again.
bool matches(Value rule, int exit_code) {
  bool listed = false;
  for (Value v : rule["exitCodes"]["values"].items()) listed = listed || v.integer() == exit_code;
  return rule.has("exitCodes") && listed == (rule["exitCodes"]["operator"].str() == "In");
}

}  // namespace

// The first rule that matches has the word.
bool resets_after(Value container, int exit_code) {
  for (Value rule : container["restartPolicyRules"].items())
    if (matches(rule, exit_code)) return rule["action"].str() == "RestartAllContainers";
  return false;
}

bool may_reset(Value pod) {
  for (const char* list : {"initContainers", "containers"})
    for (Value c : pod["spec"][list].items())
      for (Value rule : c["restartPolicyRules"].items())
        if (rule["action"].str() == "RestartAllContainers") return true;
  return false;
}

bool restarts_after(Value pod_value, Value container, int exit_code) {
  std::string_view policy = container["restartPolicy"].str();
  for (Value rule : container["restartPolicyRules"].items()) {
    if (!policy.empty() && matches(rule, exit_code)) return true;
  }
  if (policy.empty()) policy = PodView(pod_value).restart_policy();
  return policy == "Always" || (policy == "OnFailure" && exit_code != 0);
}

PodPlan plan_pod(Value pod_value, const std::vector<ContainerRecord>& records, const RestartBackoff& backoff, int64_t now_us, const PodMoment& moment) {
  Planner p{PodView(pod_value), records, backoff, now_us, moment, {}};
  if (p.is_reset()) {
    p.out.reset = true;
    return p.out;
  }
  bool work_done = p.pod.containers().size() > 0;
  for (Value c : p.pod.containers().items()) {
    const ContainerRecord* r = p.current(c["name"].str());
    bool over = r && r->phase == ContainerRecord::Phase::kExited && !moment.starting.contains(r->name) && !should_restart(*r, pod_value, c);
    work_done = work_done && over;
  }
  if (!work_done) {
    p.plan_ephemeral();
    p.out.initialized = p.plan_init();
    if (p.out.initialized)
      for (Value c : p.pod.containers().items()) p.keep_running(c, ContainerRecord::Kind::kMain);
  } else {
    p.out.initialized = p.out.finished = true;
  }
  if (p.out.finished) {
    p.out.start.clear();
    p.out.end.clear();
    p.out.waiting.clear();
    p.out.again_us.reset();
    for (const auto& r : records)
      if (r.phase != ContainerRecord::Phase::kExited) p.out.stop.push_back(r.name);
    p.out.finished = p.out.stop.empty();
  }
  return p.out;
}

}  // namespace bramble

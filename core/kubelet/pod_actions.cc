#include "core/kubelet/pod_actions.h"

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

bool should_restart(const ContainerRecord& r, std::string_view policy) {
  if (policy == "Always" || r.replaced) return true;
  return policy == "OnFailure" && r.exit_code != 0;
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
  PodActions out;

  // Starts what never ran, or ended and is to be restarted. False: it ended and stays so.
  bool keep_running(std::string_view name, ContainerRecord::Kind kind, std::string_view policy) {
    const ContainerRecord* r = latest_record(records, name);
    if (r && r->phase == ContainerRecord::Phase::kRunning) {
      compare(*r, kind);
      return true;
    }
    if (!r) {
      out.start.push_back({std::string(name), kind, attempt_after_status(pod, name)});
      return true;
    }
    if (r->phase == ContainerRecord::Phase::kExited && !should_restart(*r, policy)) return false;
    int64_t wait = r->replaced ? 0 : backoff.wait_us(name, r->ended_us, now_us);
    if (wait > 0) {
      out.waiting.push_back(std::string(name));
      out.again_us = std::min(out.again_us.value_or(now_us + wait), now_us + wait);
    } else {
      out.start.push_back({std::string(name), kind, r->attempt + 1});
    }
    return true;
  }

  // What upstream's hash of a container is made of: its name and image.
  void compare(const ContainerRecord& r, ContainerRecord::Kind kind) {
    Value container = pod.container(r.name);
    bool init = kind == ContainerRecord::Kind::kInit;
    if (r.spec_image.empty() || container["image"].str() == r.spec_image || (init && !PodView::is_sidecar(container))) return;
    out.replace.push_back({r.name, init ? cat("Init container ", r.name, " definition changed") : cat("Container ", r.name, " definition changed, will be restarted")});
  }

  // Init containers, in order. True when all are done.
  bool plan_init() {
    std::string_view policy = pod.restart_policy() == "Never" ? "Never" : "OnFailure";
    // After the pod's own containers have begun, init containers are not run again.
    bool begun = false;
    for (Value c : pod.containers().items()) begun = begun || latest_record(records, c["name"].str());
    for (Value c : pod.init_containers().items()) {
      std::string_view name = c["name"].str();
      const ContainerRecord* r = latest_record(records, name);
      if (PodView::is_sidecar(c)) {
        keep_running(name, ContainerRecord::Kind::kInit, "Always");
        if (!begun && (!r || r->phase != ContainerRecord::Phase::kRunning)) return false;
        continue;
      }
      if (begun) continue;
      if (r && r->phase == ContainerRecord::Phase::kExited && r->exit_code == 0) continue;
      if (!keep_running(name, ContainerRecord::Kind::kInit, policy)) out.finished = true;
      return false;
    }
    return true;
  }
};

}  // namespace

PodActions plan_pod(Value pod_value, const std::vector<ContainerRecord>& records, const RestartBackoff& backoff, int64_t now_us) {
  Planner p{PodView(pod_value), records, backoff, now_us, {}};
  bool work_done = p.pod.restart_policy() != "Always" && p.pod.containers().size() > 0;
  for (Value c : p.pod.containers().items()) {
    const ContainerRecord* r = latest_record(records, c["name"].str());
    work_done = work_done && r && r->phase == ContainerRecord::Phase::kExited && !should_restart(*r, p.pod.restart_policy());
  }
  if (!work_done) {
    p.out.initialized = p.plan_init();
    if (p.out.initialized)
      for (Value c : p.pod.containers().items()) p.keep_running(c["name"].str(), ContainerRecord::Kind::kMain, p.pod.restart_policy());
  } else {
    p.out.initialized = p.out.finished = true;
  }
  if (p.out.finished) {
    p.out.start.clear();
    p.out.waiting.clear();
    p.out.again_us.reset();
    for (const auto& r : records)
      if (r.phase != ContainerRecord::Phase::kExited) p.out.stop.push_back(r.name);
    p.out.finished = p.out.stop.empty();
  }
  return p.out;
}

}  // namespace bramble

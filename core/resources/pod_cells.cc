#include "core/resources/pod_cells.h"

#include "core/base/clock.h"
#include "core/base/strings.h"
#include "core/resources/cells.h"
#include "core/resources/pod_view.h"

namespace bramble {
namespace {

struct Summary {
  std::string reason;
  size_t ready = 0, total = 0;
  int64_t restarts = 0;
  int64_t last_restart_us = 0;
};

void note_restart(Value status, int64_t& restarts, int64_t& last_us) {
  restarts += status["restartCount"].integer();
  const auto at = parse_rfc3339(status["lastState"]["terminated"]["finishedAt"].str());
  if (at && *at > last_us) last_us = *at;
}

std::string terminated_text(Value terminated) {
  if (!terminated["reason"].str().empty()) return terminated["reason"].text();
  if (terminated["signal"].integer() != 0) return cat("Signal:", terminated["signal"].integer());
  return cat("ExitCode:", terminated["exitCode"].integer());
}

Value container_named(Value containers, std::string_view name) {
  for (Value c : containers.items())
    if (c["name"].str() == name) return c;
  return {};
}

// Whether an init container is not through yet; its state becomes the reason.
bool summarize_init(const PodView& pod, Summary& s, int64_t& sidecar_restarts, int64_t& sidecar_last_us) {
  const Value statuses = pod.status()["initContainerStatuses"];
  for (size_t i = 0; i < statuses.size(); ++i) {
    const Value c = statuses.item(i);
    const bool sidecar = PodView::is_sidecar(container_named(pod.init_containers(), c["name"].str()));
    note_restart(c, s.restarts, s.last_restart_us);
    if (sidecar) note_restart(c, sidecar_restarts, sidecar_last_us);
    const Value terminated = c["state"]["terminated"];
    if (terminated.is_object() && terminated["exitCode"].integer() == 0) continue;
    if (sidecar && c["started"].boolean()) {
      if (c["ready"].boolean()) ++s.ready;
      continue;
    }
    const std::string_view waiting = c["state"]["waiting"]["reason"].str();
    if (terminated.is_object())
      s.reason = cat("Init:", terminated_text(terminated));
    else if (!waiting.empty() && waiting != "PodInitializing")
      s.reason = cat("Init:", waiting);
    else
      s.reason = cat("Init:", i, "/", pod.init_containers().size());
    return true;
  }
  return false;
}

void summarize_containers(const PodView& pod, Summary& s) {
  const Value statuses = pod.status()["containerStatuses"];
  bool running = false;
  for (size_t i = statuses.size(); i-- > 0;) {
    const Value c = statuses.item(i);
    note_restart(c, s.restarts, s.last_restart_us);
    const Value state = c["state"];
    if (!state["waiting"]["reason"].str().empty()) {
      s.reason = state["waiting"]["reason"].text();
    } else if (state["terminated"].is_object()) {
      s.reason = terminated_text(state["terminated"]);
    } else if (c["ready"].boolean() && state["running"].is_object()) {
      running = true;
      ++s.ready;
    }
  }
  if (s.reason == "Completed" && running) s.reason = pod.is_ready() ? "Running" : "NotReady";
}

Summary summarize(Value object) {
  const PodView pod(object);
  Summary s;
  s.total = pod.containers().size();
  for (Value c : pod.init_containers().items())
    if (PodView::is_sidecar(c)) ++s.total;
  s.reason = pod.status()["phase"].text();
  const std::string_view why = pod.status()["reason"].str();
  if (!why.empty()) s.reason = std::string(why);
  if (pod.condition("PodScheduled")["reason"].str() == "SchedulingGated") s.reason = "SchedulingGated";
  int64_t sidecar_restarts = 0, sidecar_last_us = 0;
  const bool initializing = summarize_init(pod, s, sidecar_restarts, sidecar_last_us);
  if (!initializing || pod.condition("Initialized")["status"].str() == "True") {
    s.restarts = sidecar_restarts;
    s.last_restart_us = sidecar_last_us;
    summarize_containers(pod, s);
  }
  if (pod.is_deleting()) {
    if (why == "NodeLost")
      s.reason = "Unknown";
    else if (!pod.is_terminal())
      s.reason = "Terminating";
  }
  return s;
}

std::string_view or_none(std::string_view text) { return text.empty() ? std::string_view("<none>") : text; }

std::string restarts_text(const Summary& s, int64_t now_us) {
  if (s.restarts == 0 || s.last_restart_us == 0) return cat(s.restarts);
  return cat(s.restarts, " (", human_duration(now_us - s.last_restart_us), " ago)");
}

std::string_view first_ip(Value pod) {
  const Value ips = pod["status"]["podIPs"];
  return ips.size() > 0 ? ips.item(0)["ip"].str() : pod["status"]["podIP"].str();
}

std::string readiness_gates(const PodView& pod) {
  const Value gates = pod.spec()["readinessGates"];
  if (gates.size() == 0) return "<none>";
  size_t passed = 0;
  for (Value g : gates.items())
    if (pod.condition(g["conditionType"].str())["status"].str() == "True") ++passed;
  return cat(passed, "/", gates.size());
}

}  // namespace

std::vector<Column> pod_columns() {
  return {
      name_column(),
      {"Ready", kText,
       [](const TableRow& r) {
         const Summary& s = r.once(summarize);
         return cat(s.ready, "/", s.total);
       }},
      {"Status", kText, [](const TableRow& r) { return r.once(summarize).reason; }},
      {"Restarts", kText, [](const TableRow& r) { return restarts_text(r.once(summarize), r.now_us); }},
      age_column(),
      {"IP", kWide, [](Value o) { return or_none(first_ip(o)); }},
      {"Node", kWide, [](Value o) { return or_none(o["spec"]["nodeName"].str()); }},
      {"Nominated Node", kWide, [](Value o) { return or_none(o["status"]["nominatedNodeName"].str()); }},
      {"Readiness Gates", kWide, [](Value o) { return readiness_gates(PodView(o)); }},
  };
}

}  // namespace bramble

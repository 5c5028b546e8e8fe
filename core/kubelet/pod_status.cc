#include "core/kubelet/pod_status.h"

#include <algorithm>
#include <functional>

#include "core/base/clock.h"
#include "core/resources/conditions.h"
#include "core/resources/pod_view.h"

namespace bramble {

namespace {

struct StatusWriter {
  PodView pod;
  const PodStatusFacts& facts;
  // What counts: a container that is being started is not there until that has come to its end.
  std::vector<ContainerRecord> records;
  bool initialized = true;
  bool has_init = false;

  StatusWriter(Value pod_value, const PodStatusFacts& from) : pod(pod_value), facts(from) {
    for (const auto& r : facts.records) {
      bool coming = r.phase == ContainerRecord::Phase::kCreated || (r.phase == ContainerRecord::Phase::kRunning && facts.starting.contains(r.name));
      if (!coming) records.push_back(r);
    }
  }

  void add_terminated(Mut state, const ContainerRecord& r) {
    Mut t = state.object("terminated");
    t.set("exitCode", r.exit_code);
    if (r.signal) t.set("signal", r.signal);
    t.set("reason", r.reason.empty() ? (r.exit_code == 0 ? "Completed" : "Error") : r.reason);
    if (!r.message.empty()) t.set("message", r.message);
    t.set("startedAt", format_rfc3339(r.started_us));  // of one that never started: 1970, as upstream's
    if (r.finished_us) t.set("finishedAt", format_rfc3339(r.finished_us));
    else t.set_null("finishedAt");
    t.set("containerID", cat("bramble://", r.id));
  }

  void add_user(Mut status, const ContainerRecord* r) {
    if (!r || !r->user) return;
    Mut user = status.object("user").object("linux");
    user.set("gid", static_cast<int64_t>(r->user->gid));
    for (uint32_t g : r->user->additional_gids) user.array("supplementalGroups").append(static_cast<int64_t>(g));
    user.set("uid", static_cast<int64_t>(r->user->uid));
  }

  void add_waiting(Mut state, std::string_view name, bool is_init) {
    Mut w = state.object("waiting");
    auto it = facts.waiting.find(name);
    if (it != facts.waiting.end()) {
      w.set("reason", it->second.reason);
      if (!it->second.message.empty()) w.set("message", it->second.message);
      return;
    }
    bool for_init = has_init && (is_init || !initialized);
    w.set("reason", for_init ? "PodInitializing" : "ContainerCreating");
  }

  // All containers begin anew: this one has made way. (KEP 5532.)
  void tell_reset(Mut status, Mut state, Mut last, int restarts) {
    constexpr std::string_view kReason = "RestartingAllContainers", kMessage = "The container is removed because RestartAllContainers in place";
    Mut w = state.object("waiting");
    w.set("reason", kReason);
    w.set("message", kMessage);
    tell_was_reset(last);
    status.set("ready", false);
    status.set("started", false);
    status.set("restartCount", restarts);
  }
  void tell_was_reset(Mut last) {
    Mut t = last.object("terminated");
    t.set("exitCode", 137);
    t.set("reason", "RestartingAllContainers");
    t.set("message", "The container is removed because RestartAllContainers in place");
    t.set_null("startedAt");
    t.set_null("finishedAt");
  }

  void add_mounts(Mut status, Value container, const ContainerRecord* r) {
    Value mounts = container["volumeMounts"];
    if (mounts.size() == 0) return;
    Mut out = status.array("volumeMounts");
    for (Value m : mounts.items()) {
      Mut row = out.append_object();
      row.set("name", m["name"].str());
      row.set("mountPath", m["mountPath"].str());
      if (m["readOnly"].boolean()) {
        row.set("readOnly", true);
        std::string_view wanted = m["recursiveReadOnly"].str("Disabled");
        bool all = wanted == "Enabled" || (wanted == "IfPossible" && r && r->recursive_read_only);
        row.set("recursiveReadOnly", all ? "Enabled" : "Disabled");
      }
    }
  }

  // What has been allocated to the container, and of CPU and memory what it has while it runs. (KEP 1287.)
  void add_resources(Mut status, std::string_view name, const ContainerRecord& r) {
    Value allocated = (facts.allocated ? PodView(facts.allocated) : pod).container(name)["resources"];
    if (allocated["requests"].size()) status.set("allocatedResources", allocated["requests"]);
    Mut given = status.object("resources");
    for (const char* part : {"limits", "requests"}) {
      if (!allocated[part].size()) continue;
      given.set(part, allocated[part]);
      for (const char* resource : {"cpu", "memory"})
        if (r.phase == ContainerRecord::Phase::kRunning && r.resources[part].has(resource)) given[part].set(resource, r.resources[part][resource]);
    }
  }

  void add_container(Mut list, Value container, bool is_init, bool ephemeral = false) {
    std::string_view name = container["name"].str();
    const ContainerRecord* r = latest_record(records, name);
    const ContainerRecord* before = previous_record(records, name);
    Value old = pod.container_status(name);
    bool waits = facts.waiting.contains(name);
    Mut s = list.append_object();
    s.set("name", name);
    Mut state = s.object("state");
    Mut last = s.object("lastState");
    // One that makes room for its successor is told as ended together with the successor's start, so that no pod seems to end.
    bool makes_room = r && r->phase == ContainerRecord::Phase::kExited && (r->replaced || r->restart) && !waits && !facts.terminating;
    bool running = r && (r->phase == ContainerRecord::Phase::kRunning || makes_room);
    bool ready = running, started = running;
    if (auto health = r ? facts.health.find(r->id) : facts.health.end(); running && health != facts.health.end()) {
      started = health->second.started;
      ready = started && health->second.ready && !makes_room;
    }
    bool reset = r && !ephemeral && !waits && r->phase == ContainerRecord::Phase::kExited && (r->reset || (facts.resetting && !makes_room));
    if (reset) {
      tell_reset(s, state, last, r->attempt + 1);
      s.set("image", container["image"].str());
      s.set("imageID", "");
      return;
    }
    int restarts = r ? r->attempt : static_cast<int>(old["restartCount"].integer());
    if (running) {
      state.object("running").set("startedAt", format_rfc3339(r->started_us));
    } else if (r && r->phase == ContainerRecord::Phase::kExited && !waits) {
      add_terminated(state, *r);
      if (is_init && r->exit_code == 0 && !PodView::is_sidecar(container)) ready = true;
    } else if (!r && !waits && old["state"].has("terminated")) {
      state.set("terminated", old["state"]["terminated"]);  // of before this machine forgot
      if (is_init && old["ready"].boolean()) ready = true;
    } else if (!r && !waits && old["state"].has("running") && facts.terminating && facts.all_stopped) {
      Mut t = state.object("terminated");
      t.set("exitCode", 137);
      t.set("reason", "ContainerStatusUnknown");
      t.set("message", "The container could not be located when the pod was terminated");
      t.set_null("startedAt");
      t.set_null("finishedAt");
    } else {
      add_waiting(state, name, is_init);
      if (!r && old["state"].has("running")) {
        Mut t = last.object("terminated");
        t.set("exitCode", 137);
        t.set("reason", "ContainerStatusUnknown");
        t.set("message", "The container could not be located when the pod was deleted.  The container used to be Running");
        t.set_null("startedAt");
        t.set_null("finishedAt");
      }
    }
    if (r && r->phase == ContainerRecord::Phase::kExited && waits) add_terminated(last, *r);
    else if (before && before->reset && !ephemeral) tell_was_reset(last);
    else if (before && before->phase == ContainerRecord::Phase::kExited) add_terminated(last, *before);
    else if (!r && last.size() == 0 && old["lastState"].size()) s.set("lastState", old["lastState"]);
    s.set("ready", ready && !ephemeral);
    s.set("restartCount", restarts);
    s.set("image", r ? std::string_view(r->image) : container["image"].str());
    s.set("imageID", r ? std::string_view(r->image_id) : old["imageID"].str());
    if (r) s.set("containerID", cat("bramble://", r->id));
    else if (!old["containerID"].str().empty()) s.set("containerID", old["containerID"].str());
    if (!ephemeral) s.set("started", started);
    if (r && container["lifecycle"].has("stopSignal")) s.set("stopSignal", r->stop_signal);
    if (r) add_resources(s, name, *r);
    add_mounts(s, container, r);
    add_user(s, r);
  }
};

bool all_init_done(Value init_containers, Value init_statuses) {
  size_t i = 0;
  for (Value c : init_containers.items()) {
    Value s = init_statuses.item(i++);
    if (PodView::is_sidecar(c) ? !s["started"].boolean() : s["state"]["terminated"]["exitCode"].integer(-1) != 0) return false;
  }
  return true;
}

struct Counts {
  int waiting = 0, running = 0, stopped = 0, succeeded = 0, restarting = 0, total = 0;
};

constexpr std::string_view kResetting = "RestartingAllContainers";

// The phase, as upstream's getPhase has it.
std::string_view phase_of(const PodView& pod, const PodStatusFacts& facts, Value statuses, Value init_statuses) {
  if (!facts.failed_reason.empty()) return "Failed";
  int pending_init = 0, failed_init = 0, failed_for_good = 0;
  size_t i = 0;
  for (Value c : pod.init_containers().items()) {
    Value s = init_statuses.item(i++);
    if (PodView::is_sidecar(c)) {
      if (!s["started"].boolean() && !s["state"].has("terminated")) ++pending_init;
      continue;
    }
    Value end = s["state"]["terminated"];
    if (!end && !s["state"].has("running")) end = s["lastState"]["terminated"];
    if (!end || (!s["state"].has("terminated") && end["exitCode"].integer() == 0)) ++pending_init;
    else if (end["exitCode"].integer() != 0) {
      ++failed_init;
      bool again = s["state"]["waiting"]["reason"].str() == kResetting || restarts_after(pod.root(), c, static_cast<int>(end["exitCode"].integer()));
      failed_for_good += again ? 0 : 1;
    }
  }
  Counts n;
  i = 0;
  for (Value s : statuses.items()) {
    Value container = pod.containers().item(i++);
    ++n.total;
    Value state = s["state"];
    Value end = state["terminated"];
    if (!end) end = s["lastState"]["terminated"];
    if (state.has("running")) {
      ++n.running;
    } else if (end) {
      int code = static_cast<int>(end["exitCode"].integer());
      ++n.stopped;
      n.succeeded += code == 0 ? 1 : 0;
      n.restarting += state["waiting"]["reason"].str() == kResetting || restarts_after(pod.root(), container, code) ? 1 : 0;
    } else {
      ++n.waiting;
    }
  }
  if (failed_for_good > 0) return "Failed";
  if (facts.terminating && facts.all_stopped) {
    // Its end was asked for and has come: what is left says how.
    return n.total > 0 && n.succeeded == n.total ? "Succeeded" : "Failed";
  }
  bool begun = n.running > 0 || n.stopped > 0;
  if (!begun && (pending_init > 0 || failed_init > 0)) return "Pending";
  if (n.waiting > 0) return "Pending";
  if (n.running > 0) return "Running";
  if (n.stopped > 0) {
    if (n.restarting > 0) return "Running";
    return n.stopped == n.succeeded ? "Succeeded" : "Failed";
  }
  return "Pending";
}

void set_amounts(Mut holder, std::string_view key, const ResourceAmounts& amounts) {
  if (amounts.empty()) return;
  Mut out = holder.object(key);
  for (const auto& [name, amount] : amounts) out.set(name, amount.text());
}

// Of the pod as a whole: what has been allocated to its containers together, and what its cgroup has. (KEP 5419.)
void add_pod_resources(Mut status, const PodView& pod, const PodStatusFacts& facts) {
  PodView allocated = facts.allocated ? PodView(facts.allocated) : pod;
  ResourceAmounts requests = allocated.requests(), limits = allocated.limits();
  set_amounts(status, "allocatedResources", requests);
  Mut given = status.object("resources");
  if (pod.phase() == "Running" && facts.cgroup) {
    // As upstream reads them back: at or below the least that the kernel takes, what the pod asks for itself is told.
    constexpr int64_t kLeastRequest = 2, kLeastLimit = 10;
    const PodCgroupLimits& has = *facts.cgroup;
    ResourceAmounts all = requests;
    requests = resource_amounts(allocated.spec()["resources"]["requests"]);
    limits = resource_amounts(allocated.spec()["resources"]["limits"]);
    int64_t shares_milli = (static_cast<int64_t>(has.cpu_shares) * 1000 + 1023) / 1024;
    if (shares_milli > kLeastRequest || requests["cpu"].milli() > kLeastRequest) requests["cpu"] = Quantity::of_milli(shares_milli);
    if (all.contains("memory")) requests["memory"] = all["memory"];
    int64_t quota_milli = has.cpu_quota_us ? *has.cpu_quota_us * 1000 / has.cpu_period_us : 0;
    if (quota_milli > kLeastLimit || (quota_milli && limits["cpu"].milli() > kLeastLimit)) limits["cpu"] = Quantity::of_milli(quota_milli);
    if (has.memory_bytes) limits["memory"] = Quantity::of_bytes(*has.memory_bytes);
    for (ResourceAmounts* amounts : {&requests, &limits}) std::erase_if(*amounts, [](const auto& entry) { return entry.second.is_zero(); });
  }
  set_amounts(given, "limits", limits);
  set_amounts(given, "requests", requests);
}

void add_resize_condition(Mut conditions, std::string_view type, const std::optional<ResizeCondition>& c) {
  if (!c || find_condition(conditions, type)) return;
  Mut row = conditions.append_object();
  row.set("type", type);
  row.set("status", "True");
  if (c->generation) row.set("observedGeneration", c->generation);
  row.set("lastProbeTime", format_rfc3339(c->seen_us));
  row.set("lastTransitionTime", format_rfc3339(c->since_us));
  if (!c->reason.empty()) row.set("reason", c->reason);
  if (!c->message.empty()) row.set("message", c->message);
}

std::string names_where(Value containers, Value statuses, bool (*bad)(Value)) {
  std::string out;
  for (size_t i = 0; i < containers.size(); ++i)
    if (bad(statuses.item(i))) out += (out.empty() ? "" : " ") + containers.item(i)["name"].text();
  return out;
}

}  // namespace

Document pod_status(Value pod_value, const PodStatusFacts& facts, int64_t now_us) {
  StatusWriter w(pod_value, facts);
  const PodView& pod = w.pod;
  Builder b;
  Mut root = b.root();
  std::string now = format_rfc3339(now_us);
  w.has_init = pod.init_containers().size() > 0;
  if (w.has_init) {
    Mut list = root.array("initContainerStatuses");
    for (Value c : pod.init_containers().items()) w.add_container(list, c, true);
    w.initialized = all_init_done(pod.init_containers(), b.snapshot()["initContainerStatuses"]);
  }
  Mut list = root.array("containerStatuses");
  for (Value c : pod.containers().items()) w.add_container(list, c, false);
  if (pod.ephemeral_containers().size() > 0) {
    Mut ephemeral = root.array("ephemeralContainerStatuses");
    for (Value c : pod.ephemeral_containers().items()) w.add_container(ephemeral, c, false, true);
  }

  Document so_far = b.snapshot();
  Value statuses = so_far["containerStatuses"], init_statuses = so_far["initContainerStatuses"];
  std::string_view phase = phase_of(pod, facts, statuses, init_statuses);
  if (pod.is_terminal()) phase = pod.phase();  // an end is final
  bool done = phase == "Succeeded" || phase == "Failed";
  // Nobody is told of a pod's end while something of it runs: its place and its volumes are not free yet.
  bool still_runs = std::any_of(facts.records.begin(), facts.records.end(), [](const ContainerRecord& r) { return r.phase != ContainerRecord::Phase::kExited; });
  bool told_later = done && still_runs && !pod.is_terminal();
  root.set("phase", told_later ? pod.phase() : phase);
  if (!facts.failed_reason.empty() && !told_later) {
    root.set("reason", facts.failed_reason);
    root.set("message", facts.failed_message);
  } else {
    if (pod.status().has("reason")) root.set("reason", pod.status()["reason"]);
    if (pod.status().has("message")) root.set("message", pod.status()["message"]);
  }

  Mut conditions = root.array("conditions");
  auto resize_condition = [&](std::string_view type) {
    static const std::optional<ResizeCondition> kNone;
    return std::cref(done ? kNone : type == "PodResizePending" ? facts.resize_pending : facts.resize_in_progress);
  };
  for (Value c : pod.status()["conditions"].items()) {
    std::string_view type = c["type"].str();
    if (type == "PodResizePending" || type == "PodResizeInProgress") add_resize_condition(conditions, type, resize_condition(type));
    else conditions.append(c);
  }
  for (std::string_view type : {"PodResizePending", "PodResizeInProgress"}) add_resize_condition(conditions, type, resize_condition(type));
  int64_t generation = pod.metadata()["generation"].integer();
  auto put = [&](std::string_view type, bool good, std::string_view reason, std::string_view message) {
    set_condition(conditions, {type, good ? "True" : "False", good && reason != "PodCompleted" ? "" : reason, good ? "" : message}, now);
    if (generation) find_condition(conditions, type).set("observedGeneration", generation);
  };
  put("PodReadyToStartContainers", facts.sandbox_ready, "", "");
  if (!w.has_init || w.initialized) {
    put("Initialized", true, phase == "Succeeded" ? "PodCompleted" : "", "");
  } else {
    std::string names = names_where(pod.init_containers(), init_statuses, [](Value s) { return !s["ready"].boolean(); });
    put("Initialized", false, "ContainersNotInitialized", cat("containers with incomplete status: [", names, "]"));
  }
  std::string unready = names_where(pod.containers(), statuses, [](Value s) { return !s["ready"].boolean(); });
  std::string unready_reason = "ContainersNotReady", unready_message = cat("containers with unready status: [", unready, "]");
  bool containers_ready = unready.empty();
  if (phase == "Succeeded") unready_reason = "PodCompleted", unready_message.clear(), containers_ready = false;
  if (phase == "Failed") unready_reason = "PodFailed", unready_message.clear(), containers_ready = false;
  std::string gates;
  for (Value g : pod.spec()["readinessGates"].items()) {
    std::string_view type = g["conditionType"].str();
    Value c = pod.condition(type);
    if (!c) gates += cat(gates.empty() ? "" : ", ", "corresponding condition of pod readiness gate \"", type, "\" does not exist.");
    else if (c["status"].str() != "True") gates += cat(gates.empty() ? "" : ", ", "the status of pod readiness gate \"", type, "\" is not \"True\", but ", c["status"].str());
  }
  if (!containers_ready) put("Ready", false, unready_reason, unready_message);
  else put("Ready", gates.empty(), "ReadinessGatesNotReady", gates);
  put("ContainersReady", containers_ready, unready_reason, unready_message);
  if (facts.disruption) {
    set_condition(conditions, {"DisruptionTarget", "True", "TerminationByKubelet", facts.failed_message}, now);
    if (generation) find_condition(conditions, "DisruptionTarget").set("observedGeneration", generation);
  }
  if (may_reset(pod.root())) {
    bool under_way = facts.resetting && !done;
    set_condition(conditions, {"AllContainersRestarting", under_way ? "True" : "False", under_way ? "RestartAllContainersStarted" : phase == "Succeeded" ? "PodCompleted" : phase == "Failed" ? "PodFailed" : "",
                               under_way ? "container exited with restart policy rule" : ""}, now);
  }
  if (!pod.condition("PodScheduled")) put("PodScheduled", true, "", "");

  if (!facts.host_ips.empty()) {
    root.set("hostIP", facts.host_ips[0]);
    Mut ips = root.array("hostIPs");
    for (const auto& ip : facts.host_ips) ips.append_object().set("ip", ip);
  }
  // Addresses stay in the status of a pod that has ended.
  if (!facts.pod_ips.empty()) {
    root.set("podIP", facts.pod_ips[0]);
    Mut ips = root.array("podIPs");
    for (const auto& ip : facts.pod_ips) ips.append_object().set("ip", ip);
  } else if (done && pod.status().has("podIP")) {
    root.set("podIP", pod.status()["podIP"]);
    root.set("podIPs", pod.status()["podIPs"]);
  }
  if (pod.status().has("startTime")) root.set("startTime", pod.status()["startTime"]);
  else root.set("startTime", format_rfc3339(facts.start_us ? facts.start_us : now_us));
  root.set("qosClass", qos_name(pod.qos()));
  add_pod_resources(root, pod, facts);
  if (generation) root.set("observedGeneration", generation);
  for (const char* kept : {"nominatedNodeName", "resourceClaimStatuses", "resize", "extendedResourceClaimStatus"})
    if (pod.status().has(kept)) root.set(kept, pod.status()[kept]);
  return b.finish();
}

Document status_patch(Value shown, Value status) {
  Builder b;
  b.root().object("metadata").set("uid", meta(shown, "uid"));
  Mut out = b.root().object("status");
  Value was = shown["status"];
  for (auto [key, value] : was.members())
    if (!status.has(key)) out.set_null(key);
  for (auto [key, value] : status.members()) {
    if (equal(value, was[key])) continue;
    if (key == "conditions") {
      Mut list = out.array(key);
      for (Value c : value.items())
        if (!equal(c, find_condition(was[key], c["type"].str()))) {
          Mut row = list.append_copy(c);
          Value before = find_condition(was[key], c["type"].str());
          for (auto [field, old] : before.members())
            if (!c.has(field)) row.set_null(field);
        }
      for (Value c : was[key].items()) {
        if (find_condition(value, c["type"].str())) continue;
        Mut gone = list.append_object();
        gone.set("$patch", "delete");
        gone.set("type", c["type"].str());
      }
    } else if (value.is_array() && was[key].size() > 0 && (key == "podIPs" || key == "hostIPs")) {
      Mut list = out.array(key);
      list.append_object().set("$patch", "replace");
      for (Value v : value.items()) list.append(v);
    } else if (value.is_object()) {
      out.set(key, value);
      auto drop = [](auto& self, Mut to, Value now, Value before) -> void {
        for (auto [field, old] : before.members()) {
          if (!now.has(field)) to.set_null(field);
          else if (old.is_object() && now[field].is_object()) self(self, to[field], now[field], old);
        }
      };
      drop(drop, out[key], value, was[key]);
    } else {
      out.set(key, value);
    }
  }
  return b.finish();
}

}  // namespace bramble

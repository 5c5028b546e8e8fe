#include "core/kubelet/pod_worker.h"

#include <linux/magic.h>
#include <sys/vfs.h>

#include <algorithm>

#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/kubelet/log_lines.h"
#include "core/kubelet/node_files.h"
#include "core/kubelet/static_pods.h"
#include "core/loop/loop.h"

namespace bramble {

PodWorker::PodWorker(NodeParts& parts, Document pod, std::function<void()> retired)
    : parts_(parts),
      pod_(std::move(pod)),
      allocation_(allocation_of(pod_.root())),
      allocated_(pod_),
      uid_(uid_of(pod_)),
      qos_(qos_name(PodView(pod_).qos())),
      retired_(std::move(retired)),
      probes_(parts, [this] { poke(); }, [this](std::string reason, std::string message, const ContainerRecord& r) { event("Warning", reason, message, r.name); }) {
  facts_.host_ips = parts_.node_ips;
  facts_.start_us = parts_.clock.wall_us();
  auto fire = [this] {
    armed_us_ = 0;
    pending_ = true;
    woke_.pulse();
  };
  alarm_ = parts_.options.alarms(fire);
}

PodWorker::~PodWorker() = default;

Quarantine::About PodWorker::about(const Document& pod, bool gone) {
  Quarantine::About a = Quarantine::about(pod);
  a.mark += gone ? 1 : 0;
  return a;
}

void PodWorker::start() {
  tasks_.start(write_statuses());
  tasks_.start(life());
}

void PodWorker::update(Document pod) {
  pod_ = std::move(pod);
  look_at_allocation();
  poke();
}

// The Event says the reason only; that the pod was rejected is said in its status.
void PodWorker::refuse(std::string reason, std::string message) {
  constexpr std::string_view kRejected = "Pod was rejected: ";
  event("Warning", reason, message.starts_with(kRejected) ? message.substr(kRejected.size()) : message);
  facts_.failed_reason = std::move(reason);
  facts_.failed_message = std::move(message);
}

void PodWorker::evict(std::string reason, std::string message, int64_t grace_s, bool disruption, bool tell) {
  if (is_refused() || PodView(pod_).is_terminal()) return;
  if (tell) event("Warning", reason, message);
  facts_.failed_reason = std::move(reason);
  facts_.failed_message = std::move(message);
  facts_.disruption = disruption;
  end_grace_ms_ = grace_s * 1000;
  poke();
}

void PodWorker::gone() {
  gone_ = true;
  poke();
}

// Through the alarm, so that a wake-up never runs inside the call that asks for it.
void PodWorker::poke() { wake_in_ms(0); }

void PodWorker::wake_in_ms(int64_t ms) {
  int64_t at = parts_.clock.monotonic_us() + ms * 1000;
  if (armed_us_ && armed_us_ <= at) return;
  armed_us_ = at;
  alarm_->set_in_ms(ms);
}

void PodWorker::try_later(Retry& retry, int64_t first_ms, int64_t max_ms) {
  retry.delay_ms = std::min(max_ms, std::max(first_ms, 2 * retry.delay_ms));
  retry.until_us = parts_.clock.monotonic_us() + retry.delay_ms * 1000;
  wake_in_ms(retry.delay_ms);
}

bool PodWorker::put_off(const Retry& retry) {
  int64_t left_us = retry.until_us - parts_.clock.monotonic_us();
  if (left_us > 0) wake_in_ms(left_us / 1000 + 1);
  return left_us > 0;
}

Task<void> PodWorker::next_wake() {
  while (!pending_) co_await woke_.wait();
  pending_ = false;
}

Task<void> PodWorker::life() {
  auto now = [this] { return about(pod_, gone_); };
  Quarantine::Step step_of_life(parts_.options.quarantine, "kubelet", Quarantine::key_of("pods", pod_), now);
  co_await adopt();
  while (!finished_) {
    co_await step();
    if (finished_) break;
    co_await next_wake();
  }
  retired_();
}

Task<void> PodWorker::step() {
  look_at_pulls();
  look_at_post_starts();
  if (shim_lost_) co_await recover_from_lost_shim();
  if (shim_lost_) co_return publish();
  co_await finish_half_made();
  co_await settle_ended();
  probes_.follow(pod_, facts_.records, facts_.starting, facts_.pod_ips, ending());
  if (ending()) {
    co_await end_pod();
    co_return;
  }
  look_at_deadline();
  if (PodView(pod_).is_terminal() || !facts_.failed_reason.empty()) {
    stop_all(pod_grace_ms());
    co_await go_on_stopping();
    if (!any_lives()) co_await release();
    publish();
    co_return;
  }
  // One that never started is begun anew when it is gone.
  auto half_made = [this](const ContainerRecord& r) { return r.phase == ContainerRecord::Phase::kCreated && !facts_.starting.contains(r.name); };
  if (std::any_of(facts_.records.begin(), facts_.records.end(), half_made)) co_return publish();
  if (network_lost_) {
    if (!std::exchange(network_loss_told_, true)) event("Normal", "SandboxChanged", "Pod sandbox changed, it will be killed and re-created.");
    stop_all(pod_grace_ms());
    co_await go_on_stopping();
    if (any_lives()) co_return publish();
    network_lost_ = network_loss_told_ = facts_.sandbox_ready = false;
    co_return poke();
  }
  if (!facts_.sandbox_ready) {
    publish();
    int64_t now = parts_.clock.monotonic_us();
    if (now < next_setup_us_) {
      wake_in_ms((next_setup_us_ - now) / 1000 + 1);
      co_return;
    }
    if (waits_for_objects()) co_return;
    auto done = co_await set_up();
    if (!done.ok()) {
      publish();
      setup_retry_ms_ = std::min(limits::kSetupRetryMaxMs, std::max(limits::kSetupRetryFirstMs, setup_retry_ms_ * 2));
      next_setup_us_ = parts_.clock.monotonic_us() + setup_retry_ms_ * 1000;
      wake_in_ms(setup_retry_ms_);
      co_return;
    }
    setup_retry_ms_ = 0;
    if (ending()) {
      poke();
      co_return;
    }
  }
  co_await refresh_payloads();
  co_await actuate_resize();
  carry_out_plan();
  co_await go_on_stopping();
  publish();
}

// A pod may be given a time in which its work is to be done. (Kubernetes: Jobs, activeDeadlineSeconds.)
void PodWorker::look_at_deadline() {
  Value seconds = PodView(pod_).spec()["activeDeadlineSeconds"];
  if (!seconds || PodView(pod_).is_terminal() || !facts_.failed_reason.empty()) return;
  auto started_us = parse_rfc3339(PodView(pod_).status()["startTime"].str());
  int64_t left_us = started_us.value_or(facts_.start_us) + seconds.integer() * 1000000 - parts_.clock.wall_us();
  if (left_us > 0) return wake_in_ms(left_us / 1000 + 1);
  event("Normal", "DeadlineExceeded", "Pod was active on the node longer than the specified deadline");
  facts_.failed_reason = "DeadlineExceeded";
  facts_.failed_message = "Pod was active on the node longer than the specified deadline";
}

void PodWorker::carry_out_plan() {
  int64_t now = parts_.clock.monotonic_us();
  PodMoment moment;
  moment.starting = facts_.starting;
  for (const auto& [id, stopping] : stopping_) moment.ending.insert(id);
  moment.health = probes_.health(pod_, facts_.records);
  moment.resizing = restart_to_resize_;
  moment.resetting = facts_.resetting;
  PodPlan plan = plan_pod(pod_.root(), facts_.records, backoff_, now, moment);
  if (plan.reset) return reset_all();
  for (const auto& name : plan.waiting) {
    std::string who = cat(PodView(pod_).name(), "_", PodView(pod_).ns(), "(", uid_, ")");
    WaitingReason reason{"CrashLoopBackOff", cat("back-off ", go_duration(backoff_.delay_us(name)), " restarting failed container=", name, " pod=", who)};
    if (facts_.waiting[name] != reason) event("Warning", "BackOff", cat("Back-off restarting failed container ", name, " in pod ", who), name);
    facts_.waiting[name] = reason;
  }
  if (plan.again_us) wake_in_ms((*plan.again_us - now) / 1000 + 1);
  for (const auto& name : plan.stop)
    for (const auto& r : facts_.records)
      if (r.name == name && r.phase == ContainerRecord::Phase::kRunning) stop_container(r, pod_grace_ms(), "", true);
  for (const auto& end : plan.end) {
    ContainerRecord* r = find_record(end.id);
    if (!r) continue;
    r->replaced = end.why == PodPlan::End::kDefinition || end.why == PodPlan::End::kResize;
    r->restart = end.again && !r->replaced;
    stop_container(*r, grace_ms_of(end), end.message, false);
  }
  if (!plan.end.empty()) save();
  begin_starts(plan.start);
}

// What an earlier bramble left of this pod. It may have been killed in the middle of anything: what its records do not say to
// have come to an end is gone on with, and the shim is asked what runs.
Task<void> PodWorker::adopt() {
  std::string dir = parts_.runtime.pod_dir(uid_);
  auto stored = Document::parse(read_node_file(cat(dir, "/records.json")));
  bool set_up = false;
  if (stored.ok()) {
    for (Value v : (*stored)["containers"].items())
      if (auto r = ContainerRecord::from_json(v)) facts_.records.push_back(std::move(*r));
    for (Value ip : (*stored)["podIPs"].items()) facts_.pod_ips.push_back(ip.text());
    if (int64_t start = (*stored)["startUs"].integer()) facts_.start_us = start;
    released_ = (*stored)["released"].boolean();
    facts_.resetting = (*stored)["resetting"].boolean();
    set_up = (*stored)["setUp"].boolean(!facts_.records.empty());  // an older bramble does not say
    if (!(*stored)["qos"].str().empty()) qos_ = (*stored)["qos"].text();
  }
  adopt_allocation(stored.ok() ? stored->root() : Value());
  for (const auto& r : facts_.records)
    if (r.phase == ContainerRecord::Phase::kExited && !r.removed) unsettled_.try_emplace(r.id);
  co_await meet_shim();
  if (!synced_) co_return;
  facts_.sandbox_ready = set_up && !released_;
  volumes_ready_ = facts_.sandbox_ready;
  network_lost_ = facts_.sandbox_ready && network_lost();
  go_on_with_hooks();
  log_info("pod ", PodView(pod_).key(), ": adopted");
}

// Follows the pod's shim from here on, if it has one.
Task<void> PodWorker::meet_shim() {
  Retry retry;
  for (;;) {
    PodRuntime::Shim shim = parts_.runtime.find_shim(uid_);
    if (shim == PodRuntime::Shim::kNone) {
      auto lives = [](const ContainerRecord& r) { return r.phase != ContainerRecord::Phase::kExited; };
      shim_lost_ = std::any_of(facts_.records.begin(), facts_.records.end(), lives) || !parts_.runtime.container_ids(uid_).empty();
      co_return;
    }
    if (shim == PodRuntime::Shim::kThere) {
      shim_lost_ = false;
      shim_tasks_.start(watch_shim());
      while ((!synced_ || !telling_.empty()) && !shim_lost_) co_await next_wake();
      if (synced_) co_return;
    }
    try_later(retry, limits::kSetupRetryFirstMs, limits::kSetupRetryMaxMs);
    while (put_off(retry)) co_await next_wake();
  }
}

// postStart hooks in which an earlier bramble ended are run again: at least once is what is promised.
void PodWorker::go_on_with_hooks() {
  if (over_with()) return;
  for (const auto& r : facts_.records) {
    if (!r.post_start_due || r.phase != ContainerRecord::Phase::kRunning || !facts_.starting.insert(r.name).second) continue;
    std::string id = r.id, name = r.name;
    start_tasks_.start(go_on_with_post_start(id, name));
  }
}

// Containers in whose making an earlier bramble ended.
Task<void> PodWorker::finish_half_made() {
  std::vector<std::string> ids;
  for (const auto& r : facts_.records)
    if (r.phase == ContainerRecord::Phase::kCreated && !unsettled_.contains(r.id) && !facts_.starting.contains(r.name)) ids.push_back(r.id);
  if (ids.empty()) co_return;
  for (const auto& id : ids) co_await go_on_starting(id);
  while (!telling_.empty() && !shim_lost_) co_await next_wake();
  poke();  // it may have used up wake-ups that others asked for
}

// Maybe it runs, or only has to be started; else it is begun anew.
Task<void> PodWorker::go_on_starting(std::string id) {
  auto state = co_await parts_.runtime.settled(uid_, id);
  if (state.ok()) on_state(*state);
  ContainerRecord* r = find_record(id);
  if (!r || telling_.contains(id) || r->phase == ContainerRecord::Phase::kExited) co_return;
  bool wanted = !ending() && !PodView(pod_).is_terminal() && facts_.failed_reason.empty();
  if (state.ok() && wanted && r->phase == ContainerRecord::Phase::kCreated) {
    auto started = co_await parts_.runtime.start(uid_, id);
    r = find_record(id);
    if (!r || telling_.contains(id)) co_return;
    if (!started.ok()) log_warning("container ", id, ": ", started.error().message());
    if (started.ok() && r->phase == ContainerRecord::Phase::kCreated) r->phase = ContainerRecord::Phase::kRunning;
    if (started.ok() && !r->started_us) r->started_us = parts_.clock.wall_us();
  }
  if (r->phase != ContainerRecord::Phase::kRunning) {
    unsettled_.try_emplace(id);
    co_return;
  }
  std::string name = r->name;
  r->post_start_due = PodView(pod_).container(name)["lifecycle"].has("postStart");
  save();
  event("Normal", "Started", "Container started", name);
  if (!wanted || !r->post_start_due) co_return;
  facts_.starting.insert(name);
  start_tasks_.start(go_on_with_post_start(id, name));
}

bool PodWorker::network_lost() const {
  struct statfs fs;
  bool there = statfs(network_request().netns_path.c_str(), &fs) == 0 && fs.f_type == NSFS_MAGIC;
  return !PodView(pod_).host_network() && !there;
}

Task<void> PodWorker::watch_shim() {
  shim_watched_ = true;
  std::function<void(ContainerState)> state = [this](ContainerState s) { on_state(s); };
  std::function<void()> synced = [this] {
    synced_ = true;
    recovery_ = {};
    poke();
  };
  auto end = co_await parts_.runtime.watch(uid_, state, synced);
  shim_watched_ = false;
  if (!released_) {
    log_warning("pod ", PodView(pod_).key(), ": ", end.ok() ? std::string("shim ended") : end.error().message());
    shim_lost_ = true;
  }
  poke();
}

void PodWorker::on_state(const ContainerState& s) {
  ContainerRecord* r = find_record(s.id);
  if (!r || r->removed) {  // nobody will miss it
    unsettled_.try_emplace(s.id);
    return poke();
  }
  r->pid = s.pid;
  if (s.phase == ContainerState::kRunning && r->phase == ContainerRecord::Phase::kCreated) {
    r->phase = ContainerRecord::Phase::kRunning;
    if (!r->started_us) r->started_us = parts_.clock.wall_us();
  }
  if (s.phase == ContainerState::kExited && r->phase != ContainerRecord::Phase::kExited && telling_.insert(s.id).second) {
    std::string reason;
    end_tasks_.start(tell_end(s, reason));
  }
  parts_.followers->wake();
  poke();
}

// The shim died (somebody killed it): its containers have lost their streams and their parent. They are ended; a new shim
// and new containers take their place by the restart policy. One that cannot be ended is not taken for ended. If the shim is
// there, only the connection was lost.
Task<void> PodWorker::recover_from_lost_shim() {
  if (!facts_.starting.empty() || put_off(recovery_)) co_return;
  try_later(recovery_, limits::kSetupRetryFirstMs, limits::kSetupRetryMaxMs);
  shim_tasks_.cancel_all();
  PodRuntime::Shim shim = parts_.runtime.find_shim(uid_);
  if (shim == PodRuntime::Shim::kUnsure) co_return;
  shim_lost_ = false;
  if (shim == PodRuntime::Shim::kThere) {
    synced_ = false;
    shim_tasks_.start(watch_shim());
    co_return;
  }
  facts_.sandbox_ready = false;
  std::set<std::string> left;
  auto states = parts_.runtime.read_states(uid_);
  for (const auto& s : states) {
    auto removed = co_await parts_.runtime.remove(uid_, s.id);
    if (!removed.ok()) {
      log_warning("container ", s.id, ": ", removed.error().message());
      left.insert(s.id);
      continue;
    }
    const ContainerRecord* r = find_record(s.id);
    if (!r || r->phase == ContainerRecord::Phase::kExited || s.phase != ContainerState::kExited) continue;
    ContainerState ended = s;
    if (!ended.finished_us) ended.finished_us = parts_.clock.wall_us();
    std::string reason;
    co_await tell_end(ended, reason);
  }
  std::vector<std::string> lost;
  for (const auto& r : facts_.records)
    if (r.phase != ContainerRecord::Phase::kExited && !left.contains(r.id)) lost.push_back(r.id);
  shim_lost_ = !left.empty();
  if (!shim_lost_) recovery_ = {};
  for (const auto& id : lost) {
    ContainerState ended;
    ended.id = id;
    ended.exit_code = 137;
    ended.finished_us = parts_.clock.wall_us();
    std::string reason = "ContainerStatusUnknown";
    co_await tell_end(ended, reason);
  }
}

// A container has ended once it is known why, and what it left to say: a status may be written at any time.
Task<void> PodWorker::tell_end(ContainerState end, std::string reason) {
  Task<std::string> reading = end_message(end.id, end.exit_code);
  std::string message = co_await reading;
  telling_.erase(end.id);
  ContainerRecord* r = find_record(end.id);
  if (!r || r->phase == ContainerRecord::Phase::kExited) co_return;
  bool oom = parts_.cgroups.oom_killed(cat(parts_.cgroups.pod_path(qos_, uid_), "/", r->id));
  r->phase = ContainerRecord::Phase::kExited;
  r->exit_code = end.exit_code;
  r->signal = 0;  // upstream's runtimes report 128 + signal only
  r->finished_us = end.finished_us;
  r->ended_us = parts_.clock.monotonic_us();
  if (!r->started_us) r->started_us = r->created_us;
  r->reason = !reason.empty() ? reason : oom && r->exit_code == 137 ? "OOMKilled" : r->exit_code == 0 ? "Completed" : "Error";
  r->message = std::move(message);
  unsettled_.try_emplace(r->id);
  parts_.followers->wake();
  poke();
}

// Frees the runtime state and the root file system of each container that ended. The record says so when it is done; what
// fails is tried again.
Task<void> PodWorker::settle_ended() {
  for (;;) {
    auto due = unsettled_.begin();
    while (due != unsettled_.end() && put_off(due->second)) ++due;
    if (due == unsettled_.end()) co_return;
    std::string id = due->first;
    ContainerRecord* r = find_record(id);
    bool never_started = r && r->phase == ContainerRecord::Phase::kCreated;
    std::string message_path = r ? r->message_path : std::string();
    if (r && !never_started) {
      save();
      publish();
    }
    auto removed = co_await parts_.runtime.remove(uid_, id);
    if (removed.ok()) {
      auto discarded = co_await discard_files(id, message_path);
      removed = discarded;
    }
    if (!removed.ok()) {
      log_warning("container ", id, ": ", removed.error().message());
      try_later(unsettled_[id], limits::kSetupRetryFirstMs, limits::kSetupRetryMaxMs);
      continue;
    }
    unsettled_.erase(id);
    if (never_started) std::erase_if(facts_.records, [&](const ContainerRecord& x) { return x.id == id; });
    else if (r = find_record(id); r) r->removed = true;
    auto old_logs = prune();
    save();
    if (old_logs.empty()) continue;
    Task<int> removing = offload([old_logs] {
      for (const auto& log : old_logs) remove_log(log.path, log.link);
      return 0;
    });
    co_await removing;
  }
}

// What the container left in its file, or, when it asked for that and failed, the end of its log.
Task<std::string> PodWorker::end_message(std::string id, int exit_code) {
  const ContainerRecord* r = find_record(id);
  if (!r) co_return std::string();
  bool or_log = exit_code != 0 && PodView(pod_).container(r->name)["terminationMessagePolicy"].str() == "FallbackToLogsOnError";
  auto read = [message_path = r->message_path, log_path = r->log_path, or_log] {
    std::string text = read_node_file(message_path, limits::kTerminationMessageBytesMax);
    return text.empty() && or_log ? last_log_text(log_path, limits::kTerminationLogLinesMax, limits::kTerminationLogBytesMax) : text;
  };
  Task<std::string> reading = offload(std::move(read));
  std::string text = co_await reading;
  co_return text;
}

ContainerRecord* PodWorker::find_record(std::string_view id) {
  for (auto& r : facts_.records)
    if (r.id == id) return &r;
  return nullptr;
}

void PodWorker::save() {
  Builder b;
  Mut list = b.root().array("containers");
  for (const auto& r : facts_.records) {
    Document d = r.to_json();
    list.append(d.root());
  }
  Mut ips = b.root().array("podIPs");
  for (const auto& ip : facts_.pod_ips) ips.append(ip);
  b.root().set("startUs", facts_.start_us);
  b.root().set("qos", qos_);
  b.root().set("released", released_);
  b.root().set("setUp", facts_.sandbox_ready);
  if (facts_.resetting) b.root().set("resetting", true);
  b.root().set("allocation", allocation_.root());
  if (actuated_pod_resources_) b.root().set("actuated", actuated_pod_resources_.root());
  if (facts_.cgroup) {
    Mut has = b.root().object("cgroup");
    has.set("cpuShares", static_cast<int64_t>(facts_.cgroup->cpu_shares));
    if (facts_.cgroup->cpu_quota_us) has.set("cpuQuotaUs", *facts_.cgroup->cpu_quota_us);
    if (facts_.cgroup->memory_bytes) has.set("memoryBytes", *facts_.cgroup->memory_bytes);
  }
  std::string dir = parts_.runtime.pod_dir(uid_);
  Status saved = write_node_file(cat(dir, "/records.json"), b.dump(), 0600);
  if (saved.ok()) saved = write_node_file(cat(dir, "/pod.json"), *pod_.bytes(), 0600);
  if (!saved.ok()) log_warning("pod ", PodView(pod_).key(), ": ", saved.error().message());
}

PodWorker::LogFiles PodWorker::log_files(const ContainerRecord& r) const {
  return {r.log_path, log_link(parts_.options.container_log_dir, PodView(pod_).name(), PodView(pod_).ns(), r.name, r.id)};
}

// Of each container the latest record stays, and one that ended before it. Gives the logs of those that go.
std::vector<PodWorker::LogFiles> PodWorker::prune() {
  std::vector<ContainerRecord> kept;
  std::vector<LogFiles> old_logs;
  for (const auto& r : facts_.records) {
    size_t newer = 0;
    for (const auto& other : facts_.records) newer += other.name == r.name && other.attempt > r.attempt ? 1 : 0;
    if (newer <= limits::kDeadContainersMax || !r.removed) kept.push_back(r);
    else old_logs.push_back(log_files(r));
  }
  facts_.records = std::move(kept);
  return old_logs;
}

// Status.

void PodWorker::publish() {
  status_dirty_ = true;
  status_wanted_.pulse();
}

Task<void> PodWorker::write_statuses() {
  auto now = [this] { return about(pod_, gone_); };
  Quarantine::Step step_of_status(parts_.options.quarantine, "kubelet", Quarantine::key_of("pods", pod_), now);
  int64_t retry_ms = 0;
  for (;;) {
    while (!status_dirty_) co_await status_wanted_.wait();
    status_dirty_ = false;
    if (gone_) {
      status_flushed_.pulse();
      continue;
    }
    status_busy_ = true;
    facts_.health = probes_.health(pod_, facts_.records);
    Document status = pod_status(pod_.root(), facts_, parts_.clock.wall_us());
    Status written = ok();
    if (of_manifest_) {
      Builder own(pod_.root());
      own.root().set("status", status.root());
      pod_ = own.finish();
      look_at_allocation();
      Task<Status> showing = show_in_mirror();
      written = co_await showing;
    } else if (!equal(status.root(), pod_["status"])) {
      written = co_await write_status(pod_, status);
    }
    if (written.ok()) {
      retry_ms = 0;
    } else if (of_manifest_ || (written.error().code() != Code::kNotFound && written.error().code() != Code::kConflict)) {
      log_warning("pod ", PodView(pod_).key(), ": status: ", written.error().message());
      retry_ms = std::min(limits::kStatusRetryMaxMs, std::max(limits::kStatusRetryMs, 2 * retry_ms));
      co_await sleep_ms(retry_ms);
      status_dirty_ = !gone_;
    }
    status_busy_ = false;
    status_flushed_.pulse();
  }
}

// shown: the pod as the API has it.
Task<Status> PodWorker::write_status(Document shown, Document status) {
  ObjectKey key{std::string(PodView(pod_).ns()), std::string(PodView(pod_).name())};
  WriteOptions options;
  options.subresource = "status";
  Document patch = status_patch(shown.root(), status.root());
  auto written = co_await parts_.client.patch(resource_ids::kPods, key, PatchType::kStrategic, patch, options);
  if (!written.ok()) co_return written.error();
  if (uid_of(*written) == uid_) pod_ = *written, look_at_allocation();
  co_return ok();
}

// The mirror pod of a static one: made when it is not there, made again when somebody deleted it or it shows an earlier manifest.
Task<Status> PodWorker::show_in_mirror() {
  ObjectKey key{std::string(PodView(pod_).ns()), std::string(PodView(pod_).name())};
  Document there = parts_.client.snapshot().get(resource_ids::kPods, key.ns, key.name);
  if (there && !PodView(there).is_mirror()) co_return Error(Code::kAlreadyExists, "the API has a pod of this name that is no mirror of it");
  bool same = there && there["metadata"]["annotations"][kConfigMirror].str() == uid_ && !PodView(there).is_deleting();
  if (there && !same) {
    DeleteOptions options;
    options.grace_period_s = 0;
    options.uid = std::string(uid_of(there));
    auto removed = co_await parts_.client.remove(resource_ids::kPods, key, options);
    if (!removed.ok() && removed.error().code() != Code::kNotFound) co_return removed.error();
  }
  if (!same) {
    Document node = parts_.client.snapshot().get(resource_ids::kNodes, "", parts_.options.node_name);
    if (!node) co_return Error(Code::kUnavailable, "the node is not registered yet");
    Document mirror = mirror_of(pod_, node);
    auto made = co_await parts_.client.create(resource_ids::kPods, key.ns, mirror);
    if (!made.ok()) co_return made.error().prefixed("mirror pod");
    there = *made;
  }
  Document status = Document::of(pod_["status"]);
  if (equal(status.root(), there["status"])) co_return ok();
  auto written = co_await write_status(there, status);
  co_return written;
}

Task<bool> PodWorker::remove_mirror() {
  ObjectKey key{std::string(PodView(pod_).ns()), std::string(PodView(pod_).name())};
  Document there = parts_.client.snapshot().get(resource_ids::kPods, key.ns, key.name);
  if (there["metadata"]["annotations"][kConfigMirror].str() != uid_) co_return true;
  DeleteOptions options;
  options.grace_period_s = 0;
  options.uid = std::string(uid_of(there));
  auto removed = co_await parts_.client.remove(resource_ids::kPods, key, options);
  if (removed.ok() || removed.error().code() == Code::kNotFound || removed.error().code() == Code::kConflict) co_return true;
  log_warning("mirror pod ", key.text(), ": ", removed.error().message());
  co_return false;
}

Task<void> PodWorker::flush_status() {
  while (status_dirty_ || status_busy_) co_await status_flushed_.wait();
}

void PodWorker::event(std::string type, std::string reason, std::string message, std::string container) {
  EventNote note;
  note.about = pod_;
  note.type = std::move(type);
  note.reason = std::move(reason);
  note.message = std::move(message);
  if (!container.empty()) note.field_path = cat("spec.", container_list(container), "{", container, "}");
  parts_.recorder.record(note);
}

std::string_view PodWorker::container_list(std::string_view name) const {
  for (Value c : PodView(pod_).init_containers().items())
    if (c["name"].str() == name) return "initContainers";
  for (Value c : PodView(pod_).ephemeral_containers().items())
    if (c["name"].str() == name) return "ephemeralContainers";
  return "containers";
}

}  // namespace bramble

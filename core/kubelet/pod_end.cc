// Stopping containers and removing what a pod had on this node.
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <limits>

#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/kubelet/container_spec.h"
#include "core/kubelet/log_lines.h"
#include "core/kubelet/node_files.h"
#include "core/kubelet/pod_worker.h"
#include "core/kubelet/volumes.h"
#include "core/loop/loop.h"

namespace bramble {

HookPlace PodWorker::hook_place(const ContainerRecord& r) const {
  return {uid_, r.id, facts_.pod_ips.empty() ? std::string() : facts_.pod_ips[0], Document::of(PodView(pod_).container(r.name))};
}

Task<void> PodWorker::run_pre_stop(std::string id, Document hook) {
  const ContainerRecord* r = find_record(id);
  if (!r) co_return;
  std::string name = r->name;
  HookPlace place = hook_place(*r);
  auto done = co_await run_hook(&parts_.runtime, place, hook);
  if (!done.ok()) {
    log_info("pod ", PodView(pod_).key(), ": preStop of ", name, ": ", done.error().message());
    event("Warning", "FailedPreStopHook", "PreStopHook failed", name);
  }
  if (auto it = stopping_.find(id); it != stopping_.end()) it->second.hook_over = true;
  poke();
}

bool PodWorker::any_lives() const {
  auto runs = [](const ContainerRecord& r) { return r.phase == ContainerRecord::Phase::kRunning; };
  return !facts_.starting.empty() || std::any_of(facts_.records.begin(), facts_.records.end(), runs);
}

int64_t PodWorker::pod_grace_ms() const {
  PodView pod(pod_);
  if (gone_ && !of_manifest_) return limits::kGraceMsMin;
  const int64_t own_ms = (pod.is_deleting() ? pod.deletion_grace_seconds() : pod.grace_seconds()) * 1000;
  return std::max(limits::kGraceMsMin, std::min(own_ms, end_grace_ms_.value_or(own_ms)));
}

// A probe may give the container another time to end than the pod.
int64_t PodWorker::grace_ms_of(const PodPlan::End& end) const {
  Value container = PodView(pod_).container(end.container);
  Value own;
  if (end.why == PodPlan::End::kLiveness) own = container["livenessProbe"]["terminationGracePeriodSeconds"];
  if (end.why == PodPlan::End::kStartup) own = container["startupProbe"]["terminationGracePeriodSeconds"];
  return own && !ending() ? std::max(limits::kGraceMsMin, own.integer() * 1000) : pod_grace_ms();
}

// Asks for a container's end: preStop, the stop signal, after the grace period SIGKILL. Asked again with less time it has less.
void PodWorker::stop_container(const ContainerRecord& r, int64_t grace_ms, std::string why, bool in_order) {
  int64_t deadline = parts_.clock.monotonic_us() + grace_ms * 1000;
  auto [it, first] = stopping_.try_emplace(r.id);
  Stopping& s = it->second;
  if (first) s.why = std::move(why);
  s.in_order = s.in_order || in_order;
  if (first || deadline < s.deadline_us) s.deadline_us = deadline;
}

void PodWorker::stop_all(int64_t grace_ms) {
  for (const auto& r : facts_.records)
    if (r.phase == ContainerRecord::Phase::kRunning && !facts_.starting.contains(r.name)) stop_container(r, grace_ms, "", true);
}

// All containers of the pod end, and when they have, begin anew. (KEP 5532: RestartAllContainers.)
void PodWorker::reset_all() {
  if (!std::exchange(facts_.resetting, true)) save();
  bool any = !facts_.starting.empty();
  for (const auto& r : facts_.records) {
    if (r.kind == ContainerRecord::Kind::kEphemeral || r.phase == ContainerRecord::Phase::kExited) continue;
    any = true;
    if (r.phase != ContainerRecord::Phase::kRunning || facts_.starting.contains(r.name)) continue;
    stop_container(r, limits::kGraceMsMin, "killing", false);
    stopping_[r.id].no_hook = true;
  }
  if (any || !unsettled_.empty()) return;
  for (auto& r : facts_.records)
    if (r.kind != ContainerRecord::Kind::kEphemeral) r.reset = true;
  facts_.resetting = false;
  for (Value list : {PodView(pod_).init_containers(), PodView(pod_).containers()})
    for (Value c : list.items()) facts_.waiting.erase(c["name"].text());
  save();
  poke();
}

// Sidecars end after the pod's own containers, the last one first. (Kubernetes: "Sidecar Containers", termination.)
bool PodWorker::has_turn(const ContainerRecord& r) const {
  PodView pod(pod_);
  if (r.kind != ContainerRecord::Kind::kInit || !PodView::is_sidecar(pod.container(r.name))) return true;
  auto lives = [this](Value container) {
    const ContainerRecord* latest = latest_record(facts_.records, container["name"].str());
    return latest && latest->phase != ContainerRecord::Phase::kExited;
  };
  for (Value c : pod.containers().items())
    if (lives(c)) return false;
  bool later = false;
  for (Value c : pod.init_containers().items()) {
    if (later && PodView::is_sidecar(c) && lives(c)) return false;
    later = later || c["name"].str() == r.name;
  }
  return true;
}

// The next step of each end whose time has come, and when to look again.
Task<void> PodWorker::go_on_stopping() {
  std::vector<std::string> ids;
  for (auto it = stopping_.begin(); it != stopping_.end();) {
    const ContainerRecord* r = find_record(it->first);
    bool over = !r || r->phase == ContainerRecord::Phase::kExited;
    if (!over) ids.push_back(it->first);
    it = over ? stopping_.erase(it) : std::next(it);
  }
  for (const auto& id : ids) {
    co_await go_on_stopping_one(id);
    auto it = stopping_.find(id);
    if (it == stopping_.end()) continue;
    int64_t left_us = it->second.next_us - parts_.clock.monotonic_us();
    wake_in_ms(std::max<int64_t>(0, left_us) / 1000 + 1);
  }
}

Task<void> PodWorker::go_on_stopping_one(std::string id) {
  const ContainerRecord* r = find_record(id);
  if (!r || r->phase == ContainerRecord::Phase::kExited) co_return;
  Stopping& s = stopping_[id];
  std::string name = r->name, stop_signal = r->stop_signal;
  if (!s.begun) {
    s.begun = true;
    event("Normal", "Killing", s.why.empty() ? cat("Stopping container ", name) : s.why, name);
    Value hook = PodView(pod_).container(name)["lifecycle"]["preStop"];
    if (s.no_hook) hook = Value();
    s.hook_over = !hook;
    if (hook) {
      s.hook = std::make_unique<TaskGroup>();
      Document copy = Document::of(hook);
      s.hook->start(run_pre_stop(id, copy));
    }
  }
  int64_t now = parts_.clock.monotonic_us();
  s.next_us = s.deadline_us;
  if (!s.hook_over && now < s.deadline_us) co_return;
  s.hook.reset();
  s.hook_over = true;
  if (!s.signalled_us && s.in_order && now < s.deadline_us && !has_turn(*r)) co_return;
  int number = SIGKILL;
  // After preStop there is always some time between the two signals, whatever is left of the grace period.
  int64_t kill_us = std::max(s.deadline_us, s.signalled_us + limits::kGraceMsMin * 1000);
  bool first = !s.signalled_us;
  if (first && s.retry_us > now) {
    s.next_us = std::min(s.deadline_us, s.retry_us);
    co_return;
  }
  if (first) {
    s.signalled_us = now;
    s.next_us = std::max(s.deadline_us, now + limits::kGraceMsMin * 1000);
    number = signal_number(stop_signal);
  } else if (now < kill_us) {
    s.next_us = kill_us;
    co_return;
  } else if (s.retry_us > now) {
    s.next_us = s.retry_us;
    co_return;
  } else {
    s.retry_ms = std::min(limits::kSetupRetryMaxMs, std::max(limits::kKillRetryMs, 2 * s.retry_ms));
    s.next_us = s.retry_us = now + s.retry_ms * 1000;
  }
  auto sent = co_await parts_.runtime.kill(uid_, id, number);
  if (sent.ok()) co_return;
  auto it = stopping_.find(id);
  log_debug("container ", id, ": signal ", number, ": ", sent.error().message());
  now = parts_.clock.monotonic_us();
  if (it == stopping_.end() || !first || now >= it->second.deadline_us) co_return;
  Stopping& again = it->second;
  again.signalled_us = 0;  // it did not get through
  again.retry_ms = std::min(limits::kSetupRetryMaxMs, std::max(limits::kKillRetryMs, 2 * again.retry_ms));
  again.retry_us = now + again.retry_ms * 1000;
  again.next_us = std::min(again.deadline_us, again.retry_us);
}

// The root file system of a container that is no more, and the file in which it left its last words.
Task<Status> PodWorker::discard_files(std::string id, std::string message_path) {
  ImageStore* images = &parts_.images;
  std::string disk = parts_.container_disk(uid_, id);
  auto work = [images, disk, message_path]() -> Status {
    TRY(images->unmount_rootfs(cat(disk, "/work"), cat(disk, "/rootfs")));
    TRY(remove_volumes(disk));
    if (!message_path.empty() && unlink(message_path.c_str()) != 0 && errno != ENOENT) return Error::from_errno(errno, message_path);
    return ok();
  };
  Task<Status> working = offload(std::move(work));
  auto done = co_await working;
  co_return done;
}

Task<void> PodWorker::end_pod() {
  facts_.terminating = true;
  stop_all(pod_grace_ms());
  co_await go_on_stopping();
  if (any_lives()) co_return publish();
  facts_.all_stopped = true;
  co_await release();
  if (!released_) co_return;
  publish();
  co_await flush_status();
  if (!gone_ && end_is_put_off()) co_return;
  bool deleted = co_await delete_from_api();
  if (!deleted) co_return try_end_again(limits::kStatusRetryMs, limits::kStatusRetryMaxMs);
  // The last of it: logs, and what names the pod on this node.
  auto ended = co_await parts_.runtime.remove_pod(uid_);
  if (!ended.ok()) {
    log_warning("pod ", PodView(pod_).key(), ": ", ended.error().message());
    co_return try_end_again(limits::kSetupRetryFirstMs, limits::kSetupRetryMaxMs);
  }
  std::vector<LogFiles> logs;
  for (const auto& r : facts_.records) logs.push_back(log_files(r));
  Task<int> removing = offload([logs, folder = parts_.log_folder(pod_.root())] {
    for (const auto& log : logs) remove_log(log.path, log.link);
    std::error_code ec;
    std::filesystem::remove_all(folder, ec);
    return 0;
  });
  co_await removing;
  finished_ = true;
}

void PodWorker::try_end_again(int64_t first_ms, int64_t max_ms) {
  end_retry_ms_ = std::min(max_ms, std::max(first_ms, 2 * end_retry_ms_));
  next_end_us_ = parts_.clock.monotonic_us() + end_retry_ms_ * 1000;
  wake_in_ms(end_retry_ms_);
}

// Whoever wakes the pod, what failed at its end is not tried before its time.
bool PodWorker::end_is_put_off() {
  int64_t left_us = next_end_us_ - parts_.clock.monotonic_us();
  if (left_us > 0) wake_in_ms(left_us / 1000 + 1);
  return left_us > 0;
}

// Gives back everything but the records and the logs. Sets released_ when it is all done; else tries again later.
Task<void> PodWorker::release() {
  if (released_) co_return;
  co_await settle_ended();
  if (!unsettled_.empty() || end_is_put_off()) co_return;
  PodNetworkRequest request = network_request();
  PodNetwork* network = &parts_.network;
  Cgroups* cgroups = &parts_.cgroups;
  bool host_network = PodView(pod_).host_network();
  std::string uid = uid_, qos = qos_, root = parts_.pod_root(uid_), disk = cat(parts_.options.data_dir, "/pods/", uid_), mark = parts_.mark_path(uid_);
  auto work = [network, cgroups, request, host_network, uid, qos, root, disk, mark]() -> Status {
    if (!host_network) {
      TRY(network->del(request));
      TRY(remove_netns(request.netns_path));
    }
    TRY(cgroups->remove_pod(qos, uid));
    TRY(remove_volumes(root));
    TRY(remove_volumes(disk));
    if (unlink(mark.c_str()) != 0 && errno != ENOENT) return Error::from_errno(errno, mark);
    return ok();
  };
  Task<Status> working = offload(std::move(work));
  auto done = co_await working;
  if (!done.ok()) {
    log_warning("pod ", PodView(pod_).key(), ": clean up: ", done.error().message());
    co_return try_end_again(limits::kSetupRetryFirstMs, limits::kSetupRetryMaxMs);
  }
  facts_.sandbox_ready = false;
  released_ = true;
  auto ended = co_await parts_.runtime.remove_pod(uid_);  // the shim goes; the directory with it
  if (!ended.ok()) {
    released_ = false;
    log_warning("pod ", PodView(pod_).key(), ": clean up: ", ended.error().message());
    co_return try_end_again(limits::kSetupRetryFirstMs, limits::kSetupRetryMaxMs);
  }
  end_retry_ms_ = 0;
  if (parts_.pod_released) parts_.pod_released();
  if (!ending()) {  // an ended pod stays known until the API lets it go
    Status made = make_node_dirs(parts_.runtime.pod_dir(uid_));
    if (made.ok()) save();
  }
}

Task<bool> PodWorker::delete_from_api() {
  if (of_manifest_) {
    // What is left of it in the API is the kubelet's to remove: a changed manifest does not wait for a server that is away.
    Task<bool> removing = remove_mirror();
    co_await removing;
    co_return true;
  }
  if (gone_ || !PodView(pod_).is_deleting()) co_return gone_;
  DeleteOptions options;
  options.grace_period_s = 0;
  options.uid = uid_;
  ObjectKey key{std::string(PodView(pod_).ns()), std::string(PodView(pod_).name())};
  auto removed = co_await parts_.client.remove(resource_ids::kPods, key, options);
  if (removed.ok() || removed.error().code() == Code::kNotFound) co_return true;
  // Another pod has the name by now, or somebody else was faster at writing this one.
  Document there = parts_.client.snapshot().get(resource_ids::kPods, key.ns, key.name);
  if (removed.error().code() == Code::kConflict && (!there || uid_of(there) != uid_)) co_return true;
  log_warning("pod ", key.text(), ": delete: ", removed.error().message());
  co_return false;
}

}  // namespace bramble

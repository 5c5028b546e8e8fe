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
  bool init = r->kind == ContainerRecord::Kind::kInit;
  HookPlace place = hook_place(*r);
  auto done = co_await run_hook(&parts_.runtime, place, hook);
  if (!done.ok()) {
    log_info("pod ", PodView(pod_).key(), ": preStop of ", name, ": ", done.error().message());
    event("Warning", "FailedPreStopHook", "PreStopHook failed", name, init);
  }
  if (auto it = stopping_.find(id); it != stopping_.end()) it->second.hook_over = true;
  poke();
}

// The next step of one container's end, if its time has come, and when to look again.
Task<void> PodWorker::go_on_stopping(std::string id, std::string why) {
  const ContainerRecord* r = find_record(id);
  if (!r) co_return;
  Stopping& s = stopping_[id];
  std::string name = r->name, stop_signal = r->stop_signal;
  if (!s.begun) {
    s.begun = true;
    event("Normal", "Killing", why.empty() ? cat("Stopping container ", name) : why, name, r->kind == ContainerRecord::Kind::kInit);
    Value hook = PodView(pod_).container(name)["lifecycle"]["preStop"];
    s.hook_over = !hook;
    if (hook) {
      s.hook = std::make_unique<TaskGroup>();
      Document copy = Document::of(hook);
      s.hook->start(run_pre_stop(id, copy));
    }
  }
  int64_t now = parts_.clock.monotonic_us();
  if (!s.hook_over && now < stop_deadline_us_) {
    s.next_us = stop_deadline_us_;
    co_return;
  }
  s.hook.reset();
  s.hook_over = true;
  int number = SIGKILL;
  // After preStop there is always some time between the two signals, whatever is left of the grace period.
  int64_t kill_us = std::max(stop_deadline_us_, s.signalled_us + limits::kGraceMsMin * 1000);
  bool first = !s.signalled_us;
  if (first && s.first_retry_ms && now < s.next_us) co_return;
  if (first) {
    s.signalled_us = now;
    s.next_us = std::max(stop_deadline_us_, now + limits::kGraceMsMin * 1000);
    number = signal_number(stop_signal);
  } else if (now < kill_us) {
    s.next_us = kill_us;
    co_return;
  } else if (s.kill_retry_ms && now < s.next_us) {
    co_return;
  } else {
    s.kill_retry_ms = std::min(limits::kSetupRetryMaxMs, std::max(limits::kKillRetryMs, 2 * s.kill_retry_ms));
    s.next_us = now + s.kill_retry_ms * 1000;
  }
  auto sent = co_await parts_.runtime.kill(uid_, id, number);
  if (sent.ok()) co_return;
  log_debug("container ", id, ": ", sent.error().message());
  auto it = stopping_.find(id);
  now = parts_.clock.monotonic_us();
  if (it == stopping_.end() || !first || now >= stop_deadline_us_) co_return;
  Stopping& again = it->second;
  again.signalled_us = 0;  // it did not get through
  again.first_retry_ms = std::min(limits::kSetupRetryMaxMs, std::max(limits::kKillRetryMs, 2 * again.first_retry_ms));
  again.next_us = std::min(stop_deadline_us_, now + again.first_retry_ms * 1000);
}

// Ends these containers: preStop, the stop signal, after the grace period SIGKILL. Returns when they have ended. The pod's
// own containers first, beside each other, then sidecars.
Task<void> PodWorker::stop_containers(std::vector<std::string> names, int64_t grace_ms, std::string why) {
  int64_t deadline = parts_.clock.monotonic_us() + grace_ms * 1000;
  if (!stop_deadline_us_ || deadline < stop_deadline_us_) stop_deadline_us_ = deadline;
  for (;;) {
    std::vector<std::pair<std::string, bool>> running;  // id, sidecar
    bool main_running = false;
    for (const auto& r : facts_.records) {
      if (r.phase != ContainerRecord::Phase::kRunning || std::find(names.begin(), names.end(), r.name) == names.end()) continue;
      bool sidecar = r.kind == ContainerRecord::Kind::kInit && PodView::is_sidecar(PodView(pod_).container(r.name));
      running.emplace_back(r.id, sidecar);
      main_running = main_running || !sidecar;
    }
    if (running.empty()) break;
    // A force deletion while we wait shortens the wait.
    int64_t now = parts_.clock.monotonic_us();
    if (ending()) {
      int64_t wanted_ms = gone_ ? 0 : PodView(pod_).deletion_grace_seconds() * 1000;
      stop_deadline_us_ = std::min(stop_deadline_us_, now + std::max(limits::kGraceMsMin, wanted_ms) * 1000);
    }
    int64_t next_us = std::numeric_limits<int64_t>::max();
    for (const auto& [id, sidecar] : running) {
      if (sidecar && main_running && now < stop_deadline_us_) {
        next_us = std::min(next_us, stop_deadline_us_);
        continue;
      }
      co_await go_on_stopping(id, why);
      next_us = std::min(next_us, stopping_[id].next_us);
    }
    if (shim_lost_) co_await recover_from_lost_shim();
    bool all = true;
    for (const auto& [id, sidecar] : running) {
      const ContainerRecord* r = find_record(id);
      all = all && r && r->phase != ContainerRecord::Phase::kExited;
    }
    if (!all) continue;  // the next ones may go
    wake_in_ms((next_us - parts_.clock.monotonic_us()) / 1000 + 1);
    co_await next_wake();
  }
  stop_deadline_us_ = 0;
  stopping_.clear();
  co_await settle_ended();
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
  std::vector<std::string> names;
  for (const auto& r : facts_.records)
    if (r.phase == ContainerRecord::Phase::kRunning) names.push_back(r.name);
  int64_t grace_ms = gone_ ? limits::kGraceMsMin : std::max(limits::kGraceMsMin, PodView(pod_).deletion_grace_seconds() * 1000);
  if (!names.empty()) co_await stop_containers(names, grace_ms, "");
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
  if (!ending()) {  // an ended pod stays known until the API lets it go
    Status made = make_node_dirs(parts_.runtime.pod_dir(uid_));
    if (made.ok()) save();
  }
}

Task<bool> PodWorker::delete_from_api() {
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

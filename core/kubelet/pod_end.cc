// Stopping containers and removing what a pod had on this node.
#include <signal.h>

#include <algorithm>
#include <filesystem>

#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/kubelet/container_spec.h"
#include "core/kubelet/log_lines.h"
#include "core/kubelet/node_files.h"
#include "core/kubelet/pod_worker.h"
#include "core/kubelet/volumes.h"
#include "core/loop/loop.h"

namespace bramble {

namespace {

Task<void> hook_session(PodRuntime* runtime, std::string uid, std::string id, OciProcess process, Event* done) {
  auto session = co_await runtime->exec(uid, id, process, false);
  while (session.ok()) {
    auto output = co_await (*session)->next();
    if (!output || output->kind == ExecSession::Output::kExit) break;
  }
  done->set();
}

Task<void> set_after(int64_t ms, Event* done) {
  co_await sleep_ms(ms);
  done->set();
}

}  // namespace

// A lifecycle hook: exec and sleep; waits for its end, at most timeout_ms.
Task<void> PodWorker::run_hook(std::string id, Document hook, int64_t timeout_ms) {
  Event done;
  TaskGroup tasks;
  if (hook.root().has("sleep")) {
    timeout_ms = std::min(timeout_ms, hook["sleep"]["seconds"].integer() * 1000);
  } else if (hook.root().has("exec")) {
    auto process = container_process(parts_.runtime.container_dir(uid_, id));
    if (!process.ok()) co_return;
    process->args.clear();
    for (Value v : hook["exec"]["command"].items()) process->args.push_back(v.text());
    process->terminal = false;
    tasks.start(hook_session(&parts_.runtime, uid_, id, *process, &done));
  } else {
    co_return;
  }
  tasks.start(set_after(timeout_ms, &done));
  co_await done.wait();
  co_await sleep_ms(0);  // off the stack of the task that ended
}

// Ends these containers: preStop, the stop signal, after the grace period SIGKILL. Returns when they have ended. The pod's
// own containers first, then sidecars.
Task<void> PodWorker::stop_containers(std::vector<std::string> names, int64_t grace_ms, std::string why) {
  int64_t deadline = parts_.clock.monotonic_us() + grace_ms * 1000;
  if (!stop_deadline_us_ || deadline < stop_deadline_us_) stop_deadline_us_ = deadline;
  for (;;) {
    std::vector<std::pair<std::string, bool>> running;  // id, sidecar
    bool main_running = false;
    for (const auto& r : facts_.records) {
      if (r.phase == ContainerRecord::Phase::kExited || std::find(names.begin(), names.end(), r.name) == names.end()) continue;
      bool sidecar = r.kind == ContainerRecord::Kind::kInit && PodView::is_sidecar(PodView(pod_).container(r.name));
      running.emplace_back(r.id, sidecar);
      main_running = main_running || !sidecar;
    }
    if (running.empty()) break;
    // A force deletion while we wait shortens the wait.
    if (gone_) stop_deadline_us_ = std::min(stop_deadline_us_, parts_.clock.monotonic_us() + limits::kGraceMsMin * 1000);
    else if (ending()) stop_deadline_us_ = std::min(stop_deadline_us_, parts_.clock.monotonic_us() + std::max(limits::kGraceMsMin, PodView(pod_).deletion_grace_seconds() * 1000) * 1000);
    int64_t left_ms = (stop_deadline_us_ - parts_.clock.monotonic_us()) / 1000;
    bool late = left_ms <= 0;
    for (const auto& [id, sidecar] : running) {
      if (sidecar && main_running && !late) continue;
      std::string mark = late ? cat(id, " kill") : id;
      if (!stop_sent_.insert(mark).second) continue;
      ContainerRecord* r = find_record(id);
      if (!r) continue;
      std::string name = r->name, stop_signal = r->stop_signal;
      bool init = r->kind == ContainerRecord::Kind::kInit;
      if (!late) {
        event("Normal", "Killing", why.empty() ? cat("Stopping container ", name) : why, name, init);
        if (Value hook = PodView(pod_).container(name)["lifecycle"]["preStop"]) {
          Document copy = Document::of(hook);
          co_await run_hook(id, copy, left_ms);
        }
      }
      int number = late ? SIGKILL : signal_number(stop_signal);
      auto sent = co_await parts_.runtime.kill(uid_, id, number);
      if (!sent.ok()) log_debug("container ", id, ": ", sent.error().message());
    }
    if (shim_lost_) co_await recover_from_lost_shim();
    bool still = false;
    for (const auto& [id, sidecar] : running) {
      const ContainerRecord* r = find_record(id);
      still = still || (r && r->phase != ContainerRecord::Phase::kExited);
    }
    if (!still) continue;
    if (!late) wake_in_ms(left_ms + 1);
    else wake_in_ms(limits::kStatusRetryMs);
    co_await next_wake();
  }
  stop_deadline_us_ = 0;
  stop_sent_.clear();
  co_await settle_ended();
}

Task<void> PodWorker::end_pod() {
  facts_.terminating = true;
  std::vector<std::string> names;
  for (const auto& r : facts_.records)
    if (r.phase != ContainerRecord::Phase::kExited) names.push_back(r.name);
  int64_t grace_ms = gone_ ? limits::kGraceMsMin : std::max(limits::kGraceMsMin, PodView(pod_).deletion_grace_seconds() * 1000);
  if (!names.empty()) co_await stop_containers(names, grace_ms, "");
  facts_.all_stopped = true;
  co_await release();
  if (!released_) co_return;
  publish();
  co_await flush_status();
  bool deleted = co_await delete_from_api();
  if (!deleted) {
    wake_in_ms(limits::kStatusRetryMs);
    co_return;
  }
  // The last of it: logs, and what names the pod on this node.
  auto ended = co_await parts_.runtime.remove_pod(uid_);
  if (!ended.ok()) log_warning("pod ", PodView(pod_).key(), ": ", ended.error().message());
  for (const auto& r : facts_.records) remove_log(r.log_path, parts_.options.container_log_dir, r.id);
  std::error_code ec;
  std::filesystem::remove_all(parts_.log_folder(pod_.root()), ec);
  finished_ = true;
}

// Gives back everything but the records and the logs. Sets released_ when it is all done; else tries again later.
Task<void> PodWorker::release() {
  if (released_) co_return;
  co_await settle_ended();
  PodNetworkRequest request = network_request();
  PodNetwork* network = &parts_.network;
  Cgroups* cgroups = &parts_.cgroups;
  bool host_network = PodView(pod_).host_network();
  std::string uid = uid_, qos = qos_, root = parts_.pod_root(uid_), disk = cat(parts_.options.data_dir, "/pods/", uid_);
  auto work = [network, cgroups, request, host_network, uid, qos, root, disk]() -> Status {
    if (!host_network) {
      TRY(network->del(request));
      TRY(remove_netns(request.netns_path));
    }
    TRY(cgroups->remove_pod(qos, uid));
    TRY(remove_volumes(root));
    return remove_volumes(disk);
  };
  Task<Status> working = offload(std::move(work));
  auto done = co_await working;
  if (!done.ok()) {
    log_warning("pod ", PodView(pod_).key(), ": clean up: ", done.error().message());
    wake_in_ms(limits::kSetupRetryFirstMs);
    co_return;
  }
  facts_.sandbox_ready = false;
  released_ = true;
  auto ended = co_await parts_.runtime.remove_pod(uid_);  // the shim goes; the directory with it
  if (!ended.ok()) log_debug("pod ", PodView(pod_).key(), ": ", ended.error().message());
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
  if (removed.ok() || removed.error().code() == Code::kNotFound || removed.error().code() == Code::kConflict) co_return true;
  log_warning("pod ", key.text(), ": delete: ", removed.error().message());
  co_return false;
}

}  // namespace bramble

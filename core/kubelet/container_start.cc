// From an image on this node to a running container.
#include <signal.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "core/base/files.h"
#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/kubelet/container_security.h"
#include "core/kubelet/container_spec.h"
#include "core/kubelet/log_lines.h"
#include "core/kubelet/node_files.h"
#include "core/kubelet/pod_worker.h"
#include "core/kubelet/volumes.h"
#include "core/loop/loop.h"
#include "core/runtime/passwd.h"
#include "core/runtime/seccomp.h"

namespace bramble {

void PodWorker::fail_container(const std::string& name, std::string reason, const Error& error) {
  WaitingReason waiting{std::move(reason), error.message()};
  event("Warning", "Failed", cat("Error: ", error.message()), name);
  facts_.waiting[name] = waiting;
}

bool PodWorker::create_is_put_off(const std::string& name, const std::string& missing) {
  auto it = create_retries_.find(name);
  return it != create_retries_.end() && it->second.missing == missing && put_off(it->second);
}

void PodWorker::fail_create(const std::string& name, std::string reason, const Error& error, const std::string& id, const std::string& missing) {
  fail_container(name, std::move(reason), error);
  CreateRetry& retry = create_retries_[name];
  retry.id = id;
  retry.missing = missing;
  try_later(retry, limits::kImageRetryFirstMs, limits::kSetupRetryMaxMs);
}

// Each start has its own task, so that a slow one (a pull, a hook) holds up nothing of what runs already. A container that never
// ran waits for the starts before it, as upstream's kubelet starts them in order: people hold up an application by the postStart
// hook of the container before it.
void PodWorker::begin_starts(const std::vector<PodPlan::Start>& starts) {
  launching_ = true;
  for (const auto& start : starts) {
    bool first = start.kind != ContainerRecord::Kind::kEphemeral && !latest_record(facts_.records, start.container);
    if (first && !facts_.starting.empty()) continue;
    facts_.starting.insert(start.container);
    start_tasks_.start(start_beside(start));
  }
  launching_ = false;
}

Task<void> PodWorker::start_beside(PodPlan::Start start) {
  co_await start_container(start);
  facts_.starting.erase(start.container);
  if (!launching_) poke();  // else it was put off, and has asked for its time
}

Task<void> PodWorker::go_on_with_post_start(std::string id, std::string name) {
  co_await run_post_start(id, name);
  facts_.starting.erase(name);
  facts_.waiting.erase(name);
  poke();
}

Task<void> PodWorker::start_container(PodPlan::Start start) {
  Document container = Document::of(PodView(allocated_).container(start.container));
  std::string name = start.container;
  EnvFiles files = co_await read_env_files(container);
  auto env = container_environment(parts_.client.snapshot(), downward(), container.root(), files);
  std::string missing = env.ok() ? std::string() : env.error().message();
  if (create_is_put_off(name, missing)) co_return;
  bool waits = co_await image_volumes_missing(container);
  if (waits) co_return;
  auto usable = co_await ensure_image(container, name);
  if (!usable) co_return;
  env = container_environment(parts_.client.snapshot(), downward(), container.root(), files);  // a pull may have taken a while
  if (!env.ok()) missing = env.error().message();
  auto image = parts_.images.find(container["image"].str());
  if (!image) co_return poke();
  ContainerRecord record;
  if (auto retry = create_retries_.find(name); retry != create_retries_.end()) record.id = retry->second.id;
  if (record.id.empty()) record.id = parts_.random.hex_token(32);
  if (!env.ok()) co_return fail_create(name, "CreateContainerConfigError", env.error(), record.id, missing);
  std::string target = container["targetContainerName"].text();
  const ContainerRecord* beside = target.empty() ? nullptr : latest_record(facts_.records, target);
  if (!target.empty() && (!beside || beside->phase != ContainerRecord::Phase::kRunning))
    co_return fail_create(name, "CreateContainerConfigError", Error(Code::kNotFound, cat("unable to find target container ", go_quote(target))), record.id, missing);
  record.name = name;
  record.kind = start.kind;
  record.attempt = start.attempt;
  record.image = image->names.empty() ? container["image"].text() : image->names[0];
  auto normal = normalize_image_name(container["image"].str());
  if (normal.ok()) record.image = *normal;
  record.spec_image = container["image"].text();
  record.image_id = image_id_of(*image, container["image"].str());
  record.stop_signal = container["lifecycle"]["stopSignal"].text(image->config.stop_signal);
  record.created_us = parts_.clock.wall_us();
  record.log_path = cat(parts_.log_folder(pod_.root()), "/", name, "/", start.attempt, ".log");
  record.message_path = cat(parts_.pod_root(uid_), "/containers/", name, "/", record.id.substr(0, 8));
  // A restart counts against the back-off, whether or not it comes to life.
  const ContainerRecord* before = latest_record(facts_.records, name);
  if (before && before->replaced) backoff_.forget(name);
  else if (before) backoff_.note_restart(name, before->ended_us);
  std::string id = record.id;
  auto done = co_await create_and_start(record, container, *image, std::move(*env));
  if (!done.ok()) co_return;
  if (container["lifecycle"].has("postStart")) co_await run_post_start(id, name);
  facts_.waiting.erase(name);
}

// A container is not told as running before its postStart has come to its end. When it fails the container is ended, as
// upstream does; when the pod is to end, or the container has, nobody waits for it.
Task<void> PodWorker::run_post_start(std::string id, std::string name) {
  const ContainerRecord* r = find_record(id);
  if (!r || over_with()) co_return;
  HookPlace place = hook_place(*r);
  Document handler = Document::of(place.container["lifecycle"]["postStart"]);
  auto run = [](PodRuntime* runtime, HookPlace where, Document what, PostStart* out, PodWorker* worker) -> Task<void> {
    auto done = co_await run_hook(runtime, where, what);
    out->end = done;
    worker->poke();
  };
  PostStart& post_start = post_starts_[id];
  post_start.hook.start(run(&parts_.runtime, place, handler, &post_start, this));
  poke();
  co_await post_start.over.wait();
  std::optional<Status> end = std::exchange(post_start.end, std::nullopt);
  if (end && !end->ok()) {
    log_info("pod ", PodView(pod_).key(), ": postStart of ", name, ": ", end->error().message());
    event("Warning", "FailedPostStartHook", "PostStartHook failed", name);
    r = find_record(id);
    if (r && r->phase == ContainerRecord::Phase::kRunning) stop_container(*r, pod_grace_ms(), "FailedPostStartHook", false);
    post_start.over.reset();
    poke();
    r = find_record(id);
    if (r && r->phase == ContainerRecord::Phase::kRunning) co_await post_start.over.wait();
  }
  post_starts_.erase(id);
  if (ContainerRecord* done = find_record(id); done && std::exchange(done->post_start_due, false)) save();
}

// Hooks that have ended, and those that nobody waits for any more.
void PodWorker::look_at_post_starts() {
  std::vector<std::string> over;
  for (auto& [id, post_start] : post_starts_) {
    const ContainerRecord* r = find_record(id);
    bool lives = r && r->phase != ContainerRecord::Phase::kExited;
    if (post_start.end || over_with() || shim_lost_ || !lives) over.push_back(id);
  }
  for (const auto& id : over)
    if (auto it = post_starts_.find(id); it != post_starts_.end()) it->second.over.set();
}

// Whether an image that the container mounts cannot be had; noted as for its own image.
Task<bool> PodWorker::image_volumes_missing(Document container) {
  for (Value m : container["volumeMounts"].items()) {
    for (Value v : pod_["spec"]["volumes"].items()) {
      if (v["name"].str() != m["name"].str() || !v.has("image")) continue;
      Builder b;
      b.root().set("image", v["image"]["reference"]);
      b.root().set("imagePullPolicy", v["image"]["pullPolicy"]);
      Document wanted = b.finish();
      bool usable = co_await ensure_image(wanted, container["name"].text());
      if (!usable) co_return true;
    }
  }
  co_return false;
}

// The files that the container's variables come from.
Task<EnvFiles> PodWorker::read_env_files(Document container) {
  std::vector<std::pair<std::string, std::string>> wanted;
  for (Value e : container["env"].items())
    if (Value f = e["valueFrom"]["fileKeyRef"]) wanted.emplace_back(f["volumeName"].text(), f["path"].text());
  EnvFiles out;
  if (wanted.empty()) co_return out;
  auto read = [wanted, pod = pod_, root = parts_.pod_root(uid_)] {
    EnvFiles found;
    for (const auto& key : wanted)
      for (Value v : pod["spec"]["volumes"].items())
        if (v["name"].str() == key.first && v.has("emptyDir"))
          if (std::string text = read_below_root(volume_path(root, v), key.second); !text.empty()) found[key] = std::move(text);
    return found;
  };
  Task<EnvFiles> reading = offload(std::move(read));
  out = co_await reading;
  co_return out;
}

// Each container has its own copy, so that nothing of it is left when the container is.
static Status mount_image_volumes(ImageStore& images, const MountWork& mounting) {
  for (Value v : mounting.pod["spec"]["volumes"].items()) {
    auto path = mounting.image_paths.find(v["name"].text());
    if (path == mounting.image_paths.end()) continue;
    auto image = images.find(v["image"]["reference"].str());
    if (!image) return Error(Code::kNotFound, cat("failed to resolve image ", go_quote(v["image"]["reference"].str()), ": not found"));
    TRY(make_node_dirs(path->second));
    TRY(images.mount_rootfs(image->id, cat(folder_of(path->second), "/work"), path->second));
  }
  return ok();
}

Task<Status> PodWorker::create_and_start(ContainerRecord record, Document container, ImageInfo image, Environment env) {
  const std::string id = record.id, name = record.name;
  ContainerPlan plan;
  Document pod = allocated_;  // keeps what plan borrows
  plan.pod = pod.root();
  plan.container = container.root();
  plan.image = &image.config;
  plan.env = std::move(env);
  std::string disk = parts_.container_disk(uid_, id), root = parts_.pod_root(uid_);
  plan.rootfs = cat(disk, "/rootfs");
  plan.cgroups_path = cat(parts_.cgroups.pod_path(qos_, uid_), "/", id);
  plan.pod_run_dir = parts_.runtime.pod_dir(uid_);
  if (pod["spec"]["shareProcessNamespace"].boolean()) {
    // One after another: whether there is a first process, and making one, are several steps.
    while (sharing_) co_await shared_.wait();
    sharing_ = true;
    auto shared = co_await parts_.runtime.share_processes(uid_);
    sharing_ = false;
    shared_.pulse();
    if (!shared.ok()) {
      std::string none;
      fail_create(name, "CreateContainerError", shared.error(), id, none);
      co_return shared;
    }
    plan.pid_namespace = cat(plan.pod_run_dir, "/ns/pid");
  }
  // A container for debugging sees the processes of the one that it is for.
  const ContainerRecord* target = latest_record(facts_.records, container["targetContainerName"].str());
  if (plan.pid_namespace.empty() && target && target->phase == ContainerRecord::Phase::kRunning)
    plan.pid_namespace = cat("/proc/", target->pid, "/ns/pid");
  plan.hosts_path = cat(root, "/etc-hosts");
  plan.hostname_path = cat(plan.pod_run_dir, "/hostname");
  if (auto hostname = kernel_name(); hostname.ok()) plan.hostname = *hostname;
  plan.resolv_path = cat(plan.pod_run_dir, "/resolv.conf");
  plan.message_path = record.message_path;
  plan.cgroup_v2 = parts_.cgroups.v2();
  plan.may_lower_oom_score = parts_.may_lower_oom_score;
  plan.host = parts_.host;
  plan.apparmor_default = parts_.apparmor_default;
  plan.hugetlb = parts_.cgroups.has_controller("hugetlb");
  std::string seccomp_file;
  if (auto choice = seccomp_choice(plan.pod, plan.container); choice && choice->type == "Localhost" && !plan.container["securityContext"]["privileged"].boolean())
    seccomp_file = cat(parts_.options.root_dir, "/seccomp/", choice->localhost);
  plan.swap = parts_.options.settings.swap;
  plan.counts_swap = parts_.counts_swap;
  plan.node_swap_bytes = parts_.swap_bytes;
  if (auto it = parts_.capacity.find("memory"); it != parts_.capacity.end()) plan.node_memory_bytes = it->second.value();

  auto resolved = with_claims();
  MountWork mounting{root, resolved.ok() ? *resolved : pod_, container, plan.env, {}, false};
  bool asks_recursive = false;
  for (Value m : container["volumeMounts"].items()) {
    asks_recursive = asks_recursive || m.has("recursiveReadOnly");
    for (Value v : pod["spec"]["volumes"].items())
      if (v["name"].str() == m["name"].str() && v.has("image")) mounting.image_paths[v["name"].text()] = cat(disk, "/images/", v["name"].str(), "/rootfs");
  }
  if (asks_recursive) {
    RuntimeFeatures features = co_await parts_.runtime.features();
    mounting.recursive_read_only = features.recursive_read_only;
  }
  struct Prepared {
    Status status = ok();
    bool asked_wrong = false;  // the container's fault
    std::vector<OciMount> mounts;
    std::string passwd, group;
    Document seccomp_profile;
  };
  ImageStore* images = &parts_.images;
  std::string image_id = image.id, rootfs = plan.rootfs, message_path = record.message_path;
  LogFiles log = log_files(record);
  auto work = [images, image_id, disk, rootfs, message_path, mounting, log, seccomp_file]() -> Prepared {
    Prepared p;
    Status link = make_log_link(log.path, log.link);
    if (!link.ok()) log_debug(link.error().message());
    p.status = mount_image_volumes(*images, mounting);
    auto mounts = p.status.ok() ? container_mounts(mounting) : Result<std::vector<OciMount>>(p.status.error());
    p.status = mounts.ok() ? ok() : Status(mounts.error());
    p.asked_wrong = !p.status.ok() && p.status.error().code() == Code::kInvalidArgument;
    if (p.status.ok()) p.mounts = std::move(*mounts);
    if (p.status.ok() && !seccomp_file.empty()) {
      auto profile = read_seccomp_profile(seccomp_file);
      p.status = profile.ok() ? ok() : Status(profile.error());
      if (profile.ok()) p.seccomp_profile = std::move(*profile);
    }
    if (p.status.ok()) p.status = make_node_dirs(std::filesystem::path(message_path).parent_path().string());
    if (p.status.ok()) p.status = write_node_file(message_path, "", 0666);
    if (p.status.ok() && ::chmod(message_path.c_str(), 0666) != 0) p.status = Error::from_errno(errno, message_path);
    if (p.status.ok()) p.status = make_node_dirs(disk);
    if (p.status.ok()) p.status = make_node_dirs(rootfs);
    if (p.status.ok()) p.status = images->mount_rootfs(image_id, cat(disk, "/work"), rootfs);
    if (p.status.ok()) {
      p.passwd = read_below_root(rootfs, "/etc/passwd");
      p.group = read_below_root(rootfs, "/etc/group");
    }
    return p;
  };
  Task<Prepared> preparing = offload(std::move(work), lane_of_volumes(mounting.pod));
  Prepared prepared = co_await preparing;
  auto spec = prepared.status.ok() ? Result<ContainerSpec>(ContainerSpec{}) : Result<ContainerSpec>(prepared.status.error());
  if (prepared.status.ok()) {
    plan.volume_mounts = std::move(prepared.mounts);
    plan.passwd = std::move(prepared.passwd);
    plan.group = std::move(prepared.group);
    plan.seccomp_profile = std::move(prepared.seccomp_profile);
    spec = container_spec(plan);
  }
  if (!spec.ok()) {
    bool config = prepared.asked_wrong || (prepared.status.ok() && spec.error().code() == Code::kInvalidArgument);
    auto discarded = co_await discard_files(id, message_path);
    if (!discarded.ok()) log_debug(discarded.error().message());
    std::string none;
    fail_create(name, config ? "CreateContainerConfigError" : "CreateContainerError", spec.error(), id, none);
    co_return spec.error();
  }
  create_retries_.erase(name);
  record.user = spec->process.user;
  record.recursive_read_only = mounting.recursive_read_only;
  record.resources = resources_of(container.root());
  facts_.records.push_back(record);
  save();
  ContainerStreams streams{container["tty"].boolean(), container["stdin"].boolean(), container["stdinOnce"].boolean()};
  Document config = oci_config(*spec);
  auto pid = co_await parts_.runtime.create(uid_, id, config, record.log_path, streams);
  Status started = pid.ok() ? ok() : Status(pid.error());
  if (pid.ok()) {
    event("Normal", "Created", "Container created", name);
    if (ContainerRecord* r = find_record(id)) r->pid = *pid;
    started = co_await parts_.runtime.start(uid_, id);
  }
  ContainerRecord* r = find_record(id);
  if (!r) co_return Error(Code::kCancelled, "the container is gone");
  if (!started.ok()) {
    Error error(started.error().code(), cat("OCI runtime create failed: ", started.error().message()));
    fail_container(name, "RunContainerError", error);
    r->phase = ContainerRecord::Phase::kExited;
    r->exit_code = 128;
    r->reason = "StartError";
    r->message = error.message();
    r->finished_us = parts_.clock.wall_us();
    r->ended_us = parts_.clock.monotonic_us();
    unsettled_.try_emplace(id);
    save();
    poke();
    co_return error;
  }
  if (r->phase == ContainerRecord::Phase::kCreated) r->phase = ContainerRecord::Phase::kRunning;
  if (!r->started_us) r->started_us = parts_.clock.wall_us();
  r->post_start_due = container["lifecycle"].has("postStart");
  save();
  event("Normal", "Started", "Container started", name);
  co_return ok();
}

}  // namespace bramble

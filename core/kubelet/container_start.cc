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
  bool init = false;
  for (Value c : PodView(pod_).init_containers().items()) init = init || c["name"].str() == name;
  event("Warning", "Failed", cat("Error: ", error.message()), name, init);
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

// Notes why the image cannot be used. This version pulls from no registry, so each pull fails: of an absent image, and with the
// policy Always of a present one too. Always is a promise that the registry was asked (it may have a newer image, or refuse
// this pod); upstream's kubelet keeps it when the registry is out of reach, and an air-gapped node says IfNotPresent or Never.
bool PodWorker::image_missing(Value container, const std::string& name) {
  std::string image = container["image"].text();
  bool init = false;
  for (Value c : PodView(pod_).init_containers().items()) init = init || c["name"].str() == name;
  auto normal = normalize_image_name(image);
  if (!normal.ok()) {
    std::string text = cat("Failed to apply default image tag \"", image, "\": couldn't parse image name \"", image, "\": invalid reference format");
    event("Warning", "InspectFailed", text, name, init);
    facts_.waiting[name] = {"InvalidImageName", text};
    return true;
  }
  bool present = parts_.images.find(image).has_value();
  if (present && container["imagePullPolicy"].str() != "Always") {
    image_retries_.erase(name);
    event("Normal", "Pulled", cat("Container image \"", image, "\" already present on machine and can be accessed by the pod"), name, init);
    return false;
  }
  if (container["imagePullPolicy"].str() == "Never") {
    std::string text = cat("Container image \"", image, "\" is not present with pull policy of Never");
    event("Warning", "ErrImageNeverPull", text, name, init);
    facts_.waiting[name] = {"ErrImageNeverPull", text};
    wake_in_ms(limits::kImageRetryFirstMs);
    return true;
  }
  std::string why = present ? cat("image \"", *normal, "\" is on this node, but imagePullPolicy Always asks its registry first and this version does not pull from registries; use imagePullPolicy IfNotPresent")
                            : cat("image \"", *normal, "\" is not on this node and this version does not pull from registries; import it with: bramble images import <archive>");
  Retry& retry = image_retries_[name];
  if (put_off(retry)) {
    std::string text = cat("Back-off pulling image \"", image, "\"");
    WaitingReason waiting{"ImagePullBackOff", cat(text, ": ErrImagePull: ", why)};
    if (facts_.waiting[name] != waiting) {
      event("Normal", "BackOff", text, name, init);
      event("Warning", "Failed", "Error: ImagePullBackOff", name, init);
    }
    facts_.waiting[name] = waiting;
    return true;
  }
  event("Normal", "Pulling", cat("Pulling image \"", image, "\""), name, init);
  event("Warning", "Failed", cat("Failed to pull image \"", image, "\": ", why), name, init);
  event("Warning", "Failed", "Error: ErrImagePull", name, init);
  facts_.waiting[name] = {"ErrImagePull", why};
  try_later(retry, limits::kImageRetryFirstMs, limits::kImageRetryMaxMs);
  poke();  // shows ErrImagePull first, then ImagePullBackOff until the next try
  return true;
}

Task<void> PodWorker::start_container(PodActions::Start start) {
  Document container = Document::of(PodView(pod_).container(start.container));
  std::string name = start.container;
  EnvFiles files = co_await read_env_files(container);
  auto env = container_environment(parts_.client.snapshot(), downward(), container.root(), files);
  std::string missing = env.ok() ? std::string() : env.error().message();
  if (create_is_put_off(name, missing)) co_return;
  if (image_missing(container.root(), name)) co_return;
  auto image = parts_.images.find(container["image"].str());
  if (!image) co_return poke();
  bool waits = co_await image_volumes_missing(container);
  if (waits) co_return;
  ContainerRecord record;
  if (auto retry = create_retries_.find(name); retry != create_retries_.end()) record.id = retry->second.id;
  if (record.id.empty()) record.id = parts_.random.hex_token(32);
  if (!env.ok()) co_return fail_create(name, "CreateContainerConfigError", env.error(), record.id, missing);
  record.name = name;
  record.kind = start.kind;
  record.attempt = start.attempt;
  record.image = image->names.empty() ? container["image"].text() : image->names[0];
  auto normal = normalize_image_name(container["image"].str());
  if (normal.ok()) record.image = *normal;
  record.spec_image = container["image"].text();
  record.image_id = image->digests.empty() ? image->id : image->digests[0];
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
  facts_.waiting.erase(name);
  if (container["lifecycle"].has("postStart")) co_await run_post_start(id, name);
}

// The pod waits for a container's postStart, unless it is to end or the container has ended. When it fails the container is
// ended, as upstream does.
Task<void> PodWorker::run_post_start(std::string id, std::string name) {
  const ContainerRecord* r = find_record(id);
  if (!r) co_return;
  std::optional<Status> end;
  auto run = [](PodRuntime* runtime, HookPlace place, Document handler, std::optional<Status>* out, PodWorker* worker) -> Task<void> {
    auto done = co_await run_hook(runtime, place, handler);
    out->emplace(done);
    worker->poke();
  };
  HookPlace place = hook_place(*r);
  Document handler = Document::of(place.container["lifecycle"]["postStart"]);
  bool init = r->kind == ContainerRecord::Kind::kInit;
  {
    TaskGroup hook;
    hook.start(run(&parts_.runtime, place, handler, &end, this));
    for (;;) {
      r = find_record(id);
      if (end || ending() || !r || r->phase == ContainerRecord::Phase::kExited) break;
      co_await next_wake();
    }
  }
  poke();  // it has used up wake-ups that others asked for
  if (!end || end->ok()) co_return;
  log_info("pod ", PodView(pod_).key(), ": postStart of ", name, ": ", end->error().message());
  event("Warning", "FailedPostStartHook", "PostStartHook failed", name, init);
  std::vector<std::string> names = {name};
  std::string why = "FailedPostStartHook";
  co_await stop_containers(names, PodView(pod_).grace_seconds() * 1000, why);
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
      if (image_missing(wanted.root(), container["name"].text())) co_return true;
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
  bool init = record.kind == ContainerRecord::Kind::kInit;
  ContainerPlan plan;
  plan.pod = pod_.root();
  Document pod = pod_;  // keeps what plan borrows
  plan.container = container.root();
  plan.image = &image.config;
  plan.env = std::move(env);
  std::string disk = parts_.container_disk(uid_, id), root = parts_.pod_root(uid_);
  plan.rootfs = cat(disk, "/rootfs");
  plan.cgroups_path = cat(parts_.cgroups.pod_path(qos_, uid_), "/", id);
  plan.pod_run_dir = parts_.runtime.pod_dir(uid_);
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
  Task<Prepared> preparing = offload(std::move(work));
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
  facts_.records.push_back(record);
  save();
  ContainerStreams streams{container["tty"].boolean(), container["stdin"].boolean(), container["stdinOnce"].boolean()};
  Document config = oci_config(*spec);
  auto pid = co_await parts_.runtime.create(uid_, id, config, record.log_path, streams);
  Status started = pid.ok() ? ok() : Status(pid.error());
  if (pid.ok()) {
    event("Normal", "Created", "Container created", name, init);
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
  save();
  event("Normal", "Started", "Container started", name, init);
  co_return ok();
}

}  // namespace bramble

// Making a pod's surroundings: volumes, cgroup, namespaces, shim, network. Every step may be repeated.
#include <limits.h>
#include <unistd.h>

#include <algorithm>

#include "core/base/limits.h"
#include "core/base/limits_client.h"
#include "core/base/log.h"
#include "core/client/pod_references.h"
#include "core/kubelet/claims.h"
#include "core/kubelet/container_spec.h"
#include "core/kubelet/node_files.h"
#include "core/kubelet/node_report.h"
#include "core/kubelet/pod_files.h"
#include "core/kubelet/pod_worker.h"
#include "core/kubelet/volumes.h"
#include "core/loop/loop.h"

namespace bramble {

namespace {

// What was last written, so that a wake-up that changes nothing touches no disk.
size_t payload_hash(const std::map<std::string, Payload>& payloads) {
  std::hash<std::string> hash;
  size_t out = 1;
  auto mix = [&out](size_t v) { out = out * 1099511628211u + v; };
  for (const auto& [volume, payload] : payloads) {
    mix(hash(volume));
    for (const auto& [path, file] : payload) {
      mix(hash(path));
      mix(hash(file.bytes));
      mix(file.mode);
    }
  }
  return out;
}

const ResourceId kRuntimeClasses{"node.k8s.io", "v1", "runtimeclasses"};

std::string node_hostname() {
  char name[HOST_NAME_MAX + 1] = {};
  return gethostname(name, HOST_NAME_MAX) == 0 ? name : "";
}

Document token_request(const Document& pod, const std::string& audience, int64_t expiration_s) {
  Builder b;
  Mut root = b.root();
  root.set("apiVersion", "authentication.k8s.io/v1");
  root.set("kind", "TokenRequest");
  Mut metadata = root.object("metadata");
  metadata.set("name", PodView(pod).service_account());
  metadata.set("namespace", PodView(pod).ns());
  Mut spec = root.object("spec");
  Mut audiences = spec.array("audiences");
  if (!audience.empty()) audiences.append(audience);
  spec.set("expirationSeconds", expiration_s);
  Mut bound = spec.object("boundObjectRef");
  bound.set("kind", "Pod");
  bound.set("apiVersion", "v1");
  bound.set("name", PodView(pod).name());
  bound.set("uid", uid_of(pod));
  return b.finish();
}

// As upstream's token manager names a token in its messages.
std::string token_key_text(const Document& pod, const std::string& audience, int64_t expiration_s) {
  return cat(go_quote(PodView(pod).service_account()), "/", go_quote(PodView(pod).ns()), "/[]string{", audience.empty() ? std::string() : go_quote(audience), "}/", expiration_s,
             "/v1.BoundObjectReference{Kind:\"Pod\", APIVersion:\"v1\", Name:", go_quote(PodView(pod).name()), ", UID:", go_quote(uid_of(pod)), "}");
}

}  // namespace

DownwardContext PodWorker::downward() const { return {allocated_.root(), facts_.pod_ips, parts_.node_ips, parts_.options.node_name, parts_.allocatable}; }

PodNetworkRequest PodWorker::network_request() const {
  PodView pod(pod_);
  PodNetworkRequest r;
  r.container_id = uid_;
  r.netns_path = cat(parts_.runtime.pod_dir(uid_), "/ns/net");
  r.pod_namespace = pod.ns();
  r.pod_name = pod.name();
  r.pod_uid = uid_;
  auto add = [&r](Value c) {
    for (Value p : c["ports"].items())
      if (int64_t host_port = p["hostPort"].integer())
        r.host_ports.push_back({lower(p["protocol"].str("TCP")), static_cast<uint16_t>(host_port), static_cast<uint16_t>(p["containerPort"].integer()), p["hostIP"].text()});
  };
  for (Value c : pod.containers().items()) add(c);
  for (Value c : pod.init_containers().items())
    if (c["restartPolicy"].str() == "Always") add(c);
  return r;
}

void PodWorker::note_setup_failure(std::string reason, const Error& error) { event("Warning", std::move(reason), error.message()); }

// Tokens that the projected volumes ask for, renewed when a fifth of their life is left, or after a day. One that cannot be
// renewed is used as long as it lasts. (Kubernetes: "ServiceAccount token volume projection".)
Task<Status> PodWorker::fetch_tokens() {
  Document pod = pod_;
  Status out = ok();
  for (Value volume : pod["spec"]["volumes"].items()) {
    for (Value source : volume["projected"]["sources"].items()) {
      Value t = source["serviceAccountToken"];
      if (!t) continue;
      std::pair<std::string, int64_t> key{t["audience"].text(), t["expirationSeconds"].integer(3600)};
      int64_t now = parts_.clock.wall_us();
      auto have = tokens_.find(key);
      if (have != tokens_.end() && have->second.refresh_us > now) {
        wake_in_ms((have->second.refresh_us - now) / 1000 + 1);
        continue;
      }
      Document request = token_request(pod, key.first, key.second);
      WriteOptions options;
      options.subresource = "token";
      std::string ns(PodView(pod).ns());
      auto answer = co_await parts_.client.create(resource_ids::kServiceAccounts, ns, request, options);
      now = parts_.clock.wall_us();
      have = tokens_.find(key);
      if (answer.ok()) {
        int64_t life_us = key.second * 1000000, refresh_us = std::min<int64_t>(life_us / 5 * 4, 24LL * 3600 * 1000000);
        tokens_[key] = {(*answer)["status"]["token"].text(), now + refresh_us, now + life_us};
        wake_in_ms(refresh_us / 1000 + 1);
        continue;
      }
      if (have == tokens_.end()) co_return answer.error().prefixed("failed to fetch token");
      have->second.refresh_us = now + limits::kTokenRetryMs * 1000;
      wake_in_ms(limits::kTokenRetryMs + 1);
      if (have->second.expires_us <= now) out = answer.error().prefixed(cat("token ", token_key_text(pod, key.first, key.second), " expired and refresh failed"));
      else log_warning("pod ", PodView(pod).key(), ": token: ", answer.error().message());
    }
  }
  co_return out;
}

Task<Result<std::map<std::string, Payload>>> PodWorker::make_payloads() {
  auto fetched = co_await fetch_tokens();
  std::map<std::string, Payload> out;
  int64_t now = parts_.clock.wall_us();
  TokenOf token_of = [this, &fetched, now](std::string audience, int64_t expiration_s) -> Result<std::string> {
    auto it = tokens_.find({audience, expiration_s});
    if (it != tokens_.end() && (fetched.ok() || it->second.expires_us > now)) return it->second.text;
    return fetched.ok() ? Error(Code::kInternal, "no token") : fetched.error();
  };
  for (Value volume : pod_["spec"]["volumes"].items()) {
    if (!has_payload(volume)) continue;
    auto payload = volume_payload(parts_.client.snapshot(), downward(), volume, token_of);
    if (!payload.ok()) co_return payload.error().prefixed(cat("MountVolume.SetUp failed for volume \"", volume["name"].str(), "\" "));
    out[volume["name"].text()] = std::move(*payload);
  }
  co_return out;
}

// At most so much as the pod may use may its volumes in memory hold.
int64_t PodWorker::memory_for_volumes() const {
  int64_t bytes = 0;
  auto allocatable = parts_.allocatable.find("memory");
  if (allocatable != parts_.allocatable.end()) bytes = allocatable->second.value();
  auto limits = PodView(allocated_).limits();
  auto limit = limits.find("memory");
  if (limit != limits.end() && limit->second.value() > 0 && (bytes == 0 || limit->second.value() < bytes)) bytes = limit->second.value();
  return bytes;
}

Result<Document> PodWorker::with_claims() const { return resolve_claims(parts_.client.snapshot(), pod_, volumes_ready_); }

// all: every volume of the pod is made; else only these are written.
Task<Status> PodWorker::write_volumes(std::map<std::string, Payload> payloads, bool all) {
  size_t hash = payload_hash(payloads);
  auto pod = all ? with_claims() : Result<Document>(pod_);
  if (!pod.ok()) co_return pod.error();
  VolumeWork work{parts_.pod_root(uid_), *pod, std::move(payloads), format_rfc3339_micro(parts_.clock.wall_us()), memory_for_volumes(), !all};
  OffloadLane lane = all ? lane_of_volumes(*pod) : OffloadLane::kShort;
  Task<Status> making = offload([work = std::move(work)] { return set_up_volumes(work); }, lane);
  auto made = co_await making;
  if (made.ok()) payload_hash_ = hash;
  if (made.ok() && all) {
    Document resolved = *pod;
    made = co_await mount_exports(resolved);
  }
  co_return made;
}

Task<Status> PodWorker::set_up_volumes_of_pod() {
  auto payloads = co_await make_payloads();
  if (!payloads.ok()) co_return payloads.error();
  auto made = co_await write_volumes(std::move(*payloads), true);
  co_return made;
}

// Files of ConfigMaps, Secrets, tokens and the downward API follow what they show.
Task<void> PodWorker::refresh_payloads() {
  bool any = false;
  for (Value volume : pod_["spec"]["volumes"].items()) any = any || has_payload(volume);
  if (!any) co_return;
  auto payloads = co_await make_payloads();
  Status done = payloads.ok() ? ok() : Status(payloads.error());
  if (payloads.ok() && payload_hash(*payloads) != payload_hash_) {
    auto written = co_await write_volumes(std::move(*payloads), false);
    done = written;
  }
  if (done.ok()) {
    payload_retry_ms_ = 0;
    co_return;
  }
  note_setup_failure("FailedMount", done.error());
  payload_retry_ms_ = std::min(limits::kSetupRetryMaxMs, std::max(limits::kSetupRetryFirstMs, payload_retry_ms_ * 2));
  wake_in_ms(payload_retry_ms_);
}

// The files that its containers see as /etc/hosts, /etc/hostname and /etc/resolv.conf.
Task<Status> PodWorker::write_pod_files() {
  struct Written {
    Status status = ok();
    std::vector<std::string> warnings;
  };
  struct Work {
    Document pod;
    std::vector<std::string> pod_ips;
    std::string dir, root, dns, domain, node_resolv_conf, hostname;
    Status write(const ResolvConf& resolv) const {
      std::string node_hosts = PodView(pod).host_network() ? read_node_file("/etc/hosts") : std::string();
      TRY(write_node_file(cat(root, "/etc-hosts"), hosts_text(pod.root(), pod_ips, domain, node_hosts), 0644));
      TRY(write_node_file(cat(dir, "/hostname"), cat(hostname, "\n"), 0644));
      return write_node_file(cat(dir, "/resolv.conf"), resolv.text, 0644);
    }
    Written operator()() const {
      ResolvConf resolv = resolv_conf(pod.root(), dns, domain, read_node_file(node_resolv_conf));
      Status status = write(resolv);
      return {status, std::move(resolv.warnings)};
    }
  };
  const KubeletOptions& o = parts_.options;
  auto hostname = kernel_name();
  if (!hostname.ok()) co_return hostname.error();
  Work work{pod_, facts_.pod_ips, parts_.runtime.pod_dir(uid_), parts_.pod_root(uid_), o.cluster_dns, o.cluster_domain, o.resolv_conf, *hostname};
  Task<Written> writing = offload(std::move(work));
  Written written = co_await writing;
  for (const auto& warning : written.warnings) event("Warning", "DNSConfigForming", warning);
  co_return written.status;
}

// The handler that the pod's RuntimeClass names; "" for none.
Result<std::string> PodWorker::runtime_handler() const {
  std::string name = pod_["spec"]["runtimeClassName"].text();
  if (name.empty()) return name;
  Document runtime_class = parts_.client.snapshot().get(kRuntimeClasses, "", name);
  if (!runtime_class) return Error(Code::kNotFound, cat("failed to look up RuntimeClass: runtimeclasses.node.k8s.io ", go_quote(name), " not found"));
  return runtime_class["handler"].text();
}

Result<std::string> PodWorker::kernel_name() const { return pod_kernel_name(pod_.root(), parts_.options.cluster_domain, node_hostname()); }

// Secrets and ConfigMaps that the pod names and that the server has not told of yet: for a while that is no failure.
bool PodWorker::waits_for_objects() {
  PodReferences named;
  add_references(pod_, &named);
  const Snapshot& snapshot = parts_.client.snapshot();
  auto unknown = [&snapshot](const ResourceId& resource, const std::set<ObjectKey>& keys) {
    return std::any_of(keys.begin(), keys.end(), [&](const ObjectKey& key) { return !snapshot.get(resource, key.ns, key.name) && snapshot.may_be_lost(resource, key.ns, key.name); });
  };
  if (!unknown(resource_ids::kSecrets, named.secrets) && !unknown(resource_ids::kConfigMaps, named.config_maps)) {
    unknown_since_us_ = 0;
    return false;
  }
  int64_t now = parts_.clock.monotonic_us();
  if (unknown_since_us_ == 0) unknown_since_us_ = now;
  int64_t left_us = unknown_since_us_ + limits::kObjectsUnknownUs - now;
  if (left_us <= 0) return false;
  wake_in_ms(left_us / 1000 + 1);
  return true;
}

Task<Status> PodWorker::set_up() {
  PodView pod(pod_);
  if (pod_["spec"]["hostUsers"].is_bool() && !pod_["spec"]["hostUsers"].boolean()) {
    Error error(Code::kInvalidArgument, "can't set `spec.hostUsers: false`, runtime does not support user namespaces");
    note_setup_failure("FailedCreatePodSandBox", error.prefixed("Failed to create pod sandbox"));
    co_return error;
  }
  Status made = make_node_dirs(parts_.runtime.pod_dir(uid_));
  std::string mark = parts_.store_mark();
  if (made.ok() && !mark.empty()) {
    auto work = [path = parts_.mark_path(uid_), mark] { return write_node_file(path, mark, 0600); };
    Task<Status> marking = offload(std::move(work));
    made = co_await marking;
  }
  if (!made.ok()) {
    note_setup_failure("FailedCreatePodSandBox", made.error().prefixed("Failed to create pod sandbox"));
    co_return made;
  }
  save();  // from here on the node knows of it, and that this has not come to its end
  Status network_ready = parts_.network.ready();
  if (!network_ready.ok() && !pod.host_network()) {
    Error error = network_not_ready(network_ready.error()).prefixed("network is not ready");
    note_setup_failure("NetworkNotReady", error);
    co_return error;
  }
  if (!volumes_ready_) {
    auto volumes = co_await set_up_volumes_of_pod();
    if (!volumes.ok()) {
      note_setup_failure("FailedMount", volumes.error());
      co_return volumes;
    }
    volumes_ready_ = true;
  }
  PodCgroupLimits limits = pod_limits(allocated_.root());
  Status cgroup = parts_.cgroups.make_pod(qos_, uid_, limits);
  if (!cgroup.ok()) {
    note_setup_failure("FailedCreatePodContainer", cgroup.error().prefixed("unable to ensure pod container exists"));
    co_return cgroup;
  }
  facts_.cgroup = limits;
  actuated_pod_resources_ = resources_of(allocated_["spec"]);
  auto hostname = kernel_name();
  Status ready = hostname.ok() ? ok() : Status(hostname.error());
  if (ready.ok()) {
    std::string name = *hostname;
    auto handler = runtime_handler();
    auto runtime = handler.ok() ? parts_.runtime.runtime_of_handler(*handler) : handler;
    if (runtime.ok()) {
      std::string path = *runtime;
      ready = co_await parts_.runtime.ensure_pod(uid_, name, path);
    } else {
      ready = runtime.error();
    }
  }
  if (!ready.ok()) {
    note_setup_failure("FailedCreatePodSandBox", ready.error().prefixed("Failed to create pod sandbox"));
    co_return ready;
  }
  if (!PodView(pod_).host_network()) {
    PodNetworkRequest request = network_request();
    PodNetwork* network = &parts_.network;
    Task<Result<PodNetworkResult>> adding = offload([network, request]() -> Result<PodNetworkResult> {
      TRY(make_netns(request.netns_path));
      return network->add(request);
    });
    auto added = co_await adding;
    if (!added.ok()) {
      note_setup_failure("FailedCreatePodSandBox", added.error().prefixed("Failed to create pod sandbox: failed to set up network"));
      co_return added.error();
    }
    facts_.pod_ips = added->addresses;
  } else {
    facts_.pod_ips = parts_.node_ips;
  }
  auto files = co_await write_pod_files();
  if (!files.ok()) {
    note_setup_failure("FailedCreatePodSandBox", files.error().prefixed("Failed to create pod sandbox"));
    co_return files;
  }
  if (!shim_watched_) {
    synced_ = false;
    shim_tasks_.start(watch_shim());
  }
  facts_.sandbox_ready = true;
  save();
  co_return ok();
}

}  // namespace bramble

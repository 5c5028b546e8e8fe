#include "core/kubelet/node_report.h"

#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/kubelet/node_files.h"
#include "core/loop/loop.h"
#include "core/resources/conditions.h"

namespace bramble {

namespace {

std::string go_architecture(std::string_view machine) {
  if (machine == "x86_64") return "amd64";
  if (machine == "aarch64") return "arm64";
  if (machine.starts_with("arm")) return "arm";
  return std::string(machine);
}

std::string trimmed_file(const char* path) { return std::string(trim(read_node_file(path))); }

void set_amounts(Mut map, const ResourceAmounts& amounts) {
  for (const auto& [name, amount] : amounts) map.set(name, amount.text());
}

void heartbeat(Mut conditions, const Condition& c, const std::string& now) {
  set_condition(conditions, c, now);
  find_condition(conditions, c.type).set("lastHeartbeatTime", now);
}

// Equal but for the times of heartbeats.
bool same_but_heartbeats(Value a, Value b) {
  Builder x(a), y(b);
  for (Builder* s : {&x, &y})
    for (Mut c : s->root().array("conditions").items()) c.remove("lastHeartbeatTime");
  return equal(x.root(), y.root());
}

}  // namespace

// By the names of resources: "hugepages-2Mi".
static std::map<std::string, int64_t> read_hugepages() {
  std::map<std::string, int64_t> out;
  std::error_code ec;
  for (std::filesystem::directory_iterator it("/sys/kernel/mm/hugepages", ec), end; !ec && it != end; it.increment(ec)) {
    std::string name = it->path().filename().string();  // "hugepages-2048kB"
    if (!name.starts_with("hugepages-") || !name.ends_with("kB")) continue;
    auto kib = parse_int64(std::string_view(name).substr(10, name.size() - 12));
    auto size = kib ? Quantity::parse(cat(*kib, "Ki")) : Result<Quantity>(Error(Code::kInvalidArgument, name));
    if (!size.ok()) continue;
    int64_t pages = parse_int64(trim(read_node_file(cat(it->path().string(), "/nr_hugepages")))).value_or(0);
    out[cat("hugepages-", size->text())] = pages * *kib * 1024;
  }
  return out;
}

MachineFacts read_machine(const std::string& root_dir) {
  MachineFacts m;
  m.machine_id = trimmed_file("/etc/machine-id");
  m.system_uuid = trimmed_file("/sys/class/dmi/id/product_uuid");
  if (m.system_uuid.empty()) m.system_uuid = m.machine_id;
  m.boot_id = trimmed_file("/proc/sys/kernel/random/boot_id");
  m.hugepage_bytes = read_hugepages();
  utsname u{};
  uname(&u);
  m.kernel_version = u.release;
  m.architecture = go_architecture(u.machine);
#if defined(__arm__)
  m.architecture = "arm";  // a 32-bit bramble under a 64-bit kernel runs 32-bit images
#endif
  std::string os = read_node_file("/etc/os-release");
  m.os_image = "Linux";
  for (auto line : split(os, '\n'))
    if (line.starts_with("PRETTY_NAME=")) {
      std::string_view v = line.substr(12);
      if (v.size() >= 2 && v.front() == '"') v = v.substr(1, v.size() - 2);
      m.os_image = std::string(v);
    }
  struct sysinfo info{};
  sysinfo(&info);
  m.memory_bytes = static_cast<int64_t>(info.totalram) * info.mem_unit;
  m.swap_bytes = static_cast<int64_t>(info.totalswap) * info.mem_unit;
  m.cpus = static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));
  struct statvfs disk{};
  std::string at = root_dir;
  while (statvfs(at.c_str(), &disk) != 0 && at.size() > 1) at = at.rfind('/') == 0 ? "/" : at.substr(0, at.rfind('/'));
  m.disk_bytes = static_cast<int64_t>(disk.f_blocks) * static_cast<int64_t>(disk.f_frsize);
  return m;
}

ResourceAmounts node_capacity(const MachineFacts& m, int max_pods) {
  ResourceAmounts c;
  auto parsed = [](std::string text) { return *Quantity::parse(text); };
  c.insert_or_assign("cpu", Quantity::of(m.cpus));
  c.insert_or_assign("memory", parsed(cat(m.memory_bytes / 1024, "Ki")));
  c.insert_or_assign("ephemeral-storage", parsed(cat(m.disk_bytes / 1024, "Ki")));
  c.insert_or_assign("pods", Quantity::of(max_pods));
  for (const auto& [name, bytes] : m.hugepage_bytes) c.insert_or_assign(name, bytes ? parsed(cat(bytes / 1024, "Ki")) : Quantity::of(0));
  return c;
}

ResourceAmounts node_allocatable(const MachineFacts& m, const ResourceAmounts& capacity) {
  ResourceAmounts out = capacity;
  int64_t bytes = m.memory_bytes;
  for (const auto& [name, huge] : m.hugepage_bytes) bytes -= huge;
  if (bytes != m.memory_bytes) out.insert_or_assign("memory", *Quantity::parse(cat(std::max<int64_t>(bytes, 0) / 1024, "Ki")));
  return out;
}

Document node_object(const KubeletOptions& options, const MachineFacts& m) {
  Builder b;
  Mut root = b.root();
  root.set("apiVersion", "v1");
  root.set("kind", "Node");
  Mut metadata = root.object("metadata");
  metadata.set("name", options.node_name);
  Mut labels = metadata.object("labels");
  labels.set("kubernetes.io/hostname", options.node_name);
  labels.set("kubernetes.io/arch", m.architecture);
  labels.set("kubernetes.io/os", "linux");
  labels.set("beta.kubernetes.io/arch", m.architecture);
  labels.set("beta.kubernetes.io/os", "linux");
  for (const auto& label : options.labels)
    if (auto parts = cut(label, "=")) labels.set(parts->first, parts->second);
  if (!options.taints.empty()) {
    Mut taints = root.object("spec").array("taints");
    for (const auto& text : options.taints) {
      auto effect = text.rfind(':');
      if (effect == std::string::npos) continue;
      auto parts = cut(std::string_view(text).substr(0, effect), "=");
      Mut t = taints.append_object();
      t.set("key", parts ? parts->first : std::string_view(text).substr(0, effect));
      if (parts && !parts->second.empty()) t.set("value", parts->second);
      t.set("effect", text.substr(effect + 1));
    }
  }
  return b.finish();
}

Document node_status(const KubeletOptions& options, const MachineFacts& m, const ResourceAmounts& capacity, const ResourceAmounts& allocatable, Value node,
                     const std::vector<ImageInfo>& images, const NodeHealth& health, int64_t now_us, const std::optional<RuntimeFeatures>& features) {
  Builder b;
  if (node["status"].is_object()) b.set_root(node["status"]);
  Mut s = b.root();
  std::string now = format_rfc3339(now_us);
  s.remove("capacity");
  s.remove("allocatable");
  set_amounts(s.object("capacity"), capacity);
  set_amounts(s.object("allocatable"), allocatable);
  Mut conditions = s.array("conditions");
  auto pressure = [&](std::string_view type, bool on, std::string_view yes, std::string_view no, std::string_view yes_text, std::string_view no_text) {
    heartbeat(conditions, {type, on ? "True" : "False", on ? yes : no, on ? yes_text : no_text}, now);
  };
  pressure("MemoryPressure", health.memory_pressure, "KubeletHasInsufficientMemory", "KubeletHasSufficientMemory", "kubelet has insufficient memory available", "kubelet has sufficient memory available");
  pressure("DiskPressure", health.disk_pressure, "KubeletHasDiskPressure", "KubeletHasNoDiskPressure", "kubelet has disk pressure", "kubelet has no disk pressure");
  pressure("PIDPressure", health.pid_pressure, "KubeletHasInsufficientPID", "KubeletHasSufficientPID", "kubelet has insufficient PID available", "kubelet has sufficient PID available");
  bool ready = health.not_ready.empty();
  heartbeat(conditions, {"Ready", ready ? "True" : "False", ready ? "KubeletReady" : "KubeletNotReady", ready ? "kubelet is posting ready status" : std::string_view(health.not_ready)}, now);
  s.remove("addresses");
  Mut addresses = s.array("addresses");
  auto address = [&](const char* type, const std::string& text) {
    Mut a = addresses.append_object();
    a.set("type", type);
    a.set("address", text);
  };
  address("InternalIP", options.node_ip);
  for (const std::string& external : options.external_ips) address("ExternalIP", external);
  address("Hostname", options.node_name);
  s.object("daemonEndpoints").object("kubeletEndpoint").set("Port", static_cast<int64_t>(options.kubelet_port));
  Mut info = s.object("nodeInfo");
  info.set("machineID", m.machine_id);
  info.set("systemUUID", m.system_uuid);
  info.set("bootID", m.boot_id);
  info.set("kernelVersion", m.kernel_version);
  info.set("osImage", m.os_image);
  info.set("containerRuntimeVersion", options.runtime_version);
  info.set("kubeletVersion", options.kubelet_version);
  info.set("kubeProxyVersion", "");
  info.set("operatingSystem", "linux");
  info.set("architecture", m.architecture);
  if (m.swap_bytes) info.object("swap").set("capacity", m.swap_bytes);
  else info.remove("swap");
  s.object("features").set("supplementalGroupsPolicy", true);
  if (features) {  // until the runtime has told, what was told before stays
    s.remove("runtimeHandlers");
    for (const std::string& name : {std::string(), features->name}) {
      Mut handler = s.array("runtimeHandlers").append_object();
      handler.set("name", name);
      handler.object("features").set("recursiveReadOnlyMounts", features->recursive_read_only);
      handler.object("features").set("userNamespaces", false);
    }
  }
  std::vector<const ImageInfo*> order;
  for (const auto& i : images) order.push_back(&i);
  std::sort(order.begin(), order.end(), [](const ImageInfo* x, const ImageInfo* y) { return x->size_bytes != y->size_bytes ? x->size_bytes > y->size_bytes : x->id < y->id; });
  if (order.size() > limits::kNodeImagesMax) order.resize(limits::kNodeImagesMax);
  s.remove("images");
  Mut list = s.array("images");
  for (const ImageInfo* i : order) {
    Mut out = list.append_object();
    Mut names = out.array("names");
    for (const auto& n : i->digests) names.append(n);
    for (const auto& n : i->names) names.append(n);
    out.set("sizeBytes", i->size_bytes);
  }
  return b.finish();
}

Error network_not_ready(const Error& why) {
  return Error(why.code(), cat("container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:", why.message()));
}

NodeReport::NodeReport(NodeParts& parts, MachineFacts machine, std::function<void()> beat) : parts_(parts), machine_(std::move(machine)), beat_(std::move(beat)) {
  auto fire = [this] { woke_.pulse(); };
  alarm_ = parts_.options.alarms(fire);
  tasks_.start(report_statuses());
  tasks_.start(renew_lease());
}

void NodeReport::poke() { report_in_ms(0); }

void NodeReport::node_changed(const Document& node) {
  if (!last_status_ || same_but_heartbeats(node["status"], last_status_.root())) return;
  // Two who write against each other do so once a second, not as fast as they can.
  int64_t since_ms = (parts_.clock.monotonic_us() - last_us_) / 1000;
  report_in_ms(std::max<int64_t>(0, limits::kNodeRetryMs - since_ms));
}

// Through the alarm, so that a report never runs inside the call that asks for it. Asked for while one is being written, it
// follows that one.
void NodeReport::report_in_ms(int64_t ms) {
  int64_t at = parts_.clock.monotonic_us() + ms * 1000;
  if (due_us_ && due_us_ <= at) return;
  due_us_ = at;
  alarm_->set_in_ms(ms);
}

Task<void> NodeReport::report_statuses() {
  for (;;) {
    due_us_ = 0;
    bool good = co_await report_once();
    int64_t wait_ms = good ? limits::kNodeStatusMs : limits::kNodeRetryMs;
    if (due_us_) wait_ms = std::min(wait_ms, std::max<int64_t>(0, (due_us_ - parts_.clock.monotonic_us()) / 1000));
    alarm_->set_in_ms(wait_ms);
    co_await woke_.wait();
  }
}

Task<bool> NodeReport::report_once() {
  const std::string name = parts_.options.node_name;
  Document node = parts_.client.snapshot().get(resource_ids::kNodes, "", name);
  if (!node) {
    Document object = node_object(parts_.options, machine_);
    WriteOptions plain;  // a default argument would be a temporary inside the co_await
    auto made = co_await parts_.client.create(resource_ids::kNodes, "", object, plain);
    if (!made.ok() && made.error().code() != Code::kAlreadyExists) {
      log_warning("node ", name, ": register: ", made.error().message());
      co_return false;
    }
    if (made.ok()) log_info("node ", name, ": registered");
    node = made.ok() ? *made : parts_.client.snapshot().get(resource_ids::kNodes, "", name);
    if (!node) co_return false;
  }
  ImageStore* images = &parts_.images;
  Task<std::vector<ImageInfo>> listing = offload([images] { return images->list(); });
  auto list = co_await listing;
  NodeHealth health;
  Status network = parts_.network.ready();
  if (!network.ok()) health.not_ready = network_not_ready(network.error()).message();
  if (!not_ready_.empty()) health.not_ready = health.not_ready.empty() ? not_ready_ : cat("[", health.not_ready, ", ", not_ready_, "]");
  auto has = [this](std::string_view type) { return std::find(pressures_.begin(), pressures_.end(), type) != pressures_.end(); };
  health.memory_pressure = has("MemoryPressure");
  health.disk_pressure = has("DiskPressure");
  health.pid_pressure = has("PIDPressure");
  int64_t now = parts_.clock.wall_us();
  Document status = node_status(parts_.options, machine_, parts_.capacity, parts_.allocatable, node.root(), list, health, now, parts_.runtime.known_features());
  bool heartbeat_due = parts_.clock.monotonic_us() - last_us_ >= limits::kNodeStatusMs * 1000 - 1000000 || last_us_ == 0;
  last_status_ = status;
  if (!heartbeat_due && same_but_heartbeats(status.root(), node["status"])) co_return true;
  Builder b;
  b.root().object("metadata").set("uid", uid_of(node));
  b.root().set("status", status.root());
  WriteOptions options;
  options.subresource = "status";
  ObjectKey key{"", name};
  Document patch = b.finish();
  auto written = co_await parts_.client.patch(resource_ids::kNodes, key, PatchType::kMerge, patch, options);
  if (!written.ok()) {
    log_warning("node ", name, ": status: ", written.error().message());
    co_return false;
  }
  last_us_ = parts_.clock.monotonic_us();
  note_conditions(node.root(), status.root());
  co_return true;
}

// An Event when a condition changes, as upstream's kubelet records it: about the node by its name, not by its object's uid.
void NodeReport::note_conditions(Value node, Value status) {
  struct Noted {
    const char *type, *begins, *ends;
  };
  constexpr Noted kNoted[] = {{"MemoryPressure", "NodeHasInsufficientMemory", "NodeHasSufficientMemory"},
                              {"DiskPressure", "NodeHasDiskPressure", "NodeHasNoDiskPressure"},
                              {"PIDPressure", "NodeHasInsufficientPID", "NodeHasSufficientPID"},
                              {"Ready", "NodeReady", "NodeNotReady"}};
  const std::string& name = parts_.options.node_name;
  Builder about;
  about.root().set("kind", "Node");
  about.root().object("metadata").set("name", name);
  about.root().object("metadata").set("uid", name);
  EventNote note;
  note.about = about.finish();
  note.type = "Normal";
  for (const Noted& c : kNoted) {
    std::string_view before = find_condition(node["status"]["conditions"], c.type)["status"].str(), after = find_condition(status["conditions"], c.type)["status"].str();
    if (before.empty() || before == after) continue;
    note.reason = after == "True" ? c.begins : c.ends;
    note.message = cat("Node ", name, " status is now: ", note.reason);
    parts_.recorder.record(note);
  }
}

Task<void> NodeReport::renew_lease() {
  const std::string ns = "kube-node-lease";
  for (;;) {
    const std::string name = parts_.options.node_name;
    Document node = parts_.client.snapshot().get(resource_ids::kNodes, "", name);
    Document lease = parts_.client.snapshot().get(resource_ids::kLeases, ns, name);
    Builder b;
    if (lease) b.set_root(lease.root());
    if (!lease) {
      b.root().set("apiVersion", "coordination.k8s.io/v1");
      b.root().set("kind", "Lease");
      b.root().object("metadata").set("name", name);
      b.root().object("metadata").set("namespace", ns);
    }
    if (node && b.root()["metadata"]["ownerReferences"].size() == 0) {
      Mut owner = b.root().object("metadata").array("ownerReferences").append_object();
      owner.set("apiVersion", "v1");
      owner.set("kind", "Node");
      owner.set("name", name);
      owner.set("uid", uid_of(node));
    }
    Mut spec = b.root().object("spec");
    spec.set("holderIdentity", name);
    spec.set("leaseDurationSeconds", limits::kLeaseSeconds);
    spec.set("renewTime", format_rfc3339_micro(parts_.clock.wall_us()));
    Document wanted = b.finish();
    ObjectKey key{ns, name};
    bool good = false;
    WriteOptions plain;
    if (lease) {
      auto written = co_await parts_.client.update(resource_ids::kLeases, key, wanted, plain);
      good = written.ok();
    } else {
      auto made = co_await parts_.client.create(resource_ids::kLeases, ns, wanted, plain);
      good = made.ok();
      if (!good) log_debug("lease ", name, ": ", made.error().message());
    }
    if (good) beat_();
    co_await sleep_ms(good ? limits::kLeaseRenewMs : limits::kNodeRetryMs);
  }
}

}  // namespace bramble

#include "core/kubelet/kubelet.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <tuple>

#include "core/base/files.h"
#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/kubelet/container_spec.h"
#include "core/kubelet/security_admission.h"
#include "core/kubelet/node_files.h"
#include "core/kubelet/volumes.h"
#include "core/loop/loop.h"
#include "core/runtime/apparmor.h"

namespace bramble {

using namespace resource_ids;

Result<std::unique_ptr<Kubelet>> Kubelet::open(KubeletOptions options, Client& client, ImageStore& images, PodNetwork& network, Clock& clock, Random& random) {
  if (!options.alarms) options.alarms = loop_alarms();
  Cgroups::Options cgroup_options;
  cgroup_options.root = options.cgroup_root;
  cgroup_options.shims = options.shim_cgroup;
  TRY_ASSIGN(Cgroups found, Cgroups::open(cgroup_options));
  auto cgroups = std::make_unique<Cgroups>(std::move(found));
  TRY(cgroups->check_memory());
  MachineFacts machine = read_machine(options.root_dir);
  if (options.settings.fail_swap_on && machine.swap_bytes > 0)
    return Error(Code::kUnavailable, "running with swap on is not supported, please disable swap or set --fail-swap-on flag to false");
  TRY_ASSIGN(std::vector<EvictionThreshold> thresholds, options.settings.thresholds(machine.memory_bytes));
  TRY(cgroups->prepare(cpu_shares_of_milli(machine.cpus * 1000)));
  for (const auto& dir : {options.root_dir, cat(options.root_dir, "/pods"), options.data_dir, cat(options.data_dir, "/pods"), cat(options.data_dir, "/pod-marks"), options.manifest_dir(), options.log_dir}) TRY(make_node_dirs(dir));
  TRY_ASSIGN(auto runtime, PodRuntime::open({options.run_dir, options.data_dir, options.runtime, limits::kRuntimeCommandMs, options.open_files}, *cgroups));
  std::unique_ptr<Kubelet> kubelet(new Kubelet(std::move(cgroups), std::move(runtime), std::move(options), client, images, network, clock, random, std::move(machine), std::move(thresholds)));
  return kubelet;
}

Kubelet::Kubelet(std::unique_ptr<Cgroups> cgroups, std::unique_ptr<PodRuntime> runtime, KubeletOptions options, Client& client, ImageStore& images, PodNetwork& network, Clock& clock,
                 Random& random, MachineFacts machine, std::vector<EvictionThreshold> thresholds)
    : cgroups_(std::move(cgroups)),
      runtime_(std::move(runtime)),
      recorder_(client, clock, "kubelet", options.node_name),
      machine_(std::move(machine)),
      parts_{std::move(options), client, images, network, clock, random, *cgroups_, *runtime_, recorder_, node_capacity(machine_, 0), {}, {}, may_lower_oom_score(), read_host_security(), {}},
      thresholds_(std::move(thresholds)) {
  parts_.capacity = node_capacity(machine_, parts_.options.max_pods);
  parts_.allocatable = less_reserved(node_allocatable(machine_, parts_.capacity), parts_.capacity, parts_.options.settings.reserves, thresholds_);
  parts_.counts_swap = cgroups_->counts_swap();
  parts_.swap_bytes = machine_.swap_bytes;
  if (!parts_.options.node_ip.empty()) parts_.node_ips.push_back(parts_.options.node_ip);
  auto retire_now = [this] {
    for (const auto& uid : std::exchange(retired_, {})) workers_.erase(uid);
    parts_.followers->wake();
    follow_manifests();
    look_at_resizes();
  };
  retire_alarm_ = parts_.options.alarms(retire_now);
  auto manifests_changed = [this] { follow_manifests(); };
  static_pods_ = std::make_unique<StaticPods>(parts_.options.manifest_dir(), parts_.options.node_name, clock, parts_.options.alarms, manifests_changed);
  auto each_worker = [this](const std::function<void(const PodWorker&)>& fn) {
    for (const auto& [uid, worker] : workers_) fn(*worker);
  };
  pages_ = std::make_unique<NodePages>(parts_, machine_, each_worker);
  node_cgroups_ = std::make_unique<NodeCgroups>(parts_);
}

Kubelet::~Kubelet() { parts_.followers->close(); }

void Kubelet::start() {
  // Somebody sets the clock, as on a board that wakes in 1970: tokens of pods may be over, long before their alarm counts so far.
  clock_set_ = std::make_unique<WallAlarm>([this] {
    for (auto& [uid, worker] : workers_) worker->poke();
  });
  constexpr int64_t kNever_s = 253402300800;  // the year 10000
  clock_set_->set_at_s(kNever_s);
  if (!parts_.may_lower_oom_score) log_warning("kubelet: no CAP_SYS_RESOURCE here, so containers get no negative oom_score_adj");
  auto beat = [this] {
    if (began_ && evictions_) evictions_->heartbeat();
  };
  report_ = std::make_unique<NodeReport>(parts_, machine_, beat);
  image_garbage_ = std::make_unique<ImageGarbage>(parts_, parts_.options.image_gc, [this] { return images_in_use(); });
  start_evictions();
  start_shutdown();
  node_cgroups_->enforce();
  if (parts_.options.watch_kernel_log) oom_watch_ = OomWatch::start("/dev/kmsg", [this](const OomReader::Victim& victim) { tell_oom(victim); });
  std::function<void(const Change&)> changed = [this](const Change& change) { on_change(change); };
  subscription_ = parts_.client.subscribe({kPods, kNodes, kConfigMaps, kSecrets, kPersistentVolumeClaims}, changed);
  tasks_.start(begin());
}

void Kubelet::start_evictions() {
  Evictions::Policy policy{thresholds_, parts_.options.settings.eviction_transition_us, parts_.options.settings.eviction_max_grace_s};
  Evictions::Hooks hooks;
  hooks.each_worker = [this](const std::function<void(PodWorker&)>& fn) {
    for (auto& [uid, worker] : workers_) fn(*worker);
  };
  hooks.pods = [this] { return pages_->pods(); };
  hooks.changed = [this] { report_->show_pressures(evictions_->pressures()); };
  hooks.remove_unused_images = [this] { return image_garbage_->remove_unused(); };
  evictions_ = std::make_unique<Evictions>(parts_, policy, pages_->usage(), hooks);
  pages_->show_evictions(&evictions_->evicted_by_signal());
  parts_.pod_released = [this] {
    evictions_->pod_released();
    shutdown_->pod_released();
  };
}

void Kubelet::start_shutdown() {
  NodeShutdown::Hooks hooks;
  hooks.each_worker = [this](const std::function<void(PodWorker&)>& fn) {
    for (auto& [uid, worker] : workers_) fn(*worker);
  };
  hooks.not_ready = [this](std::string why) { report_->show_not_ready(std::move(why)); };
  shutdown_ = std::make_unique<NodeShutdown>(parts_, parts_.options.settings.shutdown, hooks);
}

void Kubelet::tell_oom(const OomReader::Victim& victim) {
  Builder about;
  about.root().set("kind", "Node");
  about.root().object("metadata").set("name", parts_.options.node_name);
  about.root().object("metadata").set("uid", parts_.options.node_name);
  EventNote note;
  note.about = about.finish();
  note.type = "Warning";
  note.reason = "SystemOOM";
  note.message = oom_message(victim);
  log_warning("kubelet: ", note.message);
  parts_.recorder.record(note);
}

// The uids of this node's pods.
std::set<std::string> Kubelet::in_cluster() const {
  std::set<std::string> uids;
  auto note = [this, &uids](const Document& pod) {
    if (PodView(pod).node_name() == parts_.options.node_name) uids.insert(std::string(uid_of(pod)));
    return true;
  };
  parts_.client.snapshot().each(kPods, "", note);
  return uids;
}

// First what nobody owns is cleared away, then pods are taken on: so that nothing of a pod that has just come is cleared. What is
// left of pods that the API may have lost stays; a later start clears it, when the API still does not have them.
Task<void> Kubelet::begin() {
  co_await static_pods_->start();
  if (!parts_.client.snapshot().may_be_lost(kPods, "", "")) {
    std::set<std::string> known = in_cluster();
    for (const auto& uid : runtime_->pod_uids()) known.insert(uid);
    for (const auto& [uid, pod] : static_pods_->pods()) known.insert(uid);
    Task<Status> clearing = clear_unknown(known);
    auto cleared = co_await clearing;
    if (!cleared.ok()) log_warning("kubelet: clean up: ", cleared.error().message());
  }
  co_await load_apparmor_profile();
  began_ = true;
  auto adopt = [this](const Document& pod) {
    if (PodView(pod).node_name() == parts_.options.node_name && !PodView(pod).is_mirror()) take_on(pod, false, false);
    return true;
  };
  parts_.client.snapshot().each(kPods, "", adopt);
  adopt_unknown();
  follow_manifests();
  adopt_orphans();
  share_cpu();
  evictions_->start();
  shutdown_->start();
  look_at_resizes();
  co_await runtime_->features();
  report_->poke();
}

void Kubelet::look_again() {
  if (!began_) return;
  adopt_orphans();
  share_cpu();
}

// The server is away: what runs on this node is taken care of as it was last known. What of it has ended since ends once the API
// says so.
void Kubelet::adopt_unknown() {
  if (!parts_.options.pods_known || parts_.options.pods_known()) return;
  std::string mark = parts_.store_mark();
  for (const auto& uid : runtime_->pod_uids()) {
    if (workers_.contains(uid) || static_pods_->pods().contains(uid) || mark.empty() || read_node_file(parts_.mark_path(uid)) != mark) continue;
    auto pod = Document::parse(read_node_file(cat(runtime_->pod_dir(uid), "/pod.json")));
    if (!pod.ok() || uid_of(*pod) != uid || PodView(*pod).is_mirror() || (*pod)["metadata"]["annotations"].has(kConfigSource)) continue;
    take_on(*pod, false, false);
  }
}

void Kubelet::now_known(const ResourceId& resource) {
  if (resource == kPods) {
    look_again();
    follow_manifests();
    return;
  }
  for (auto& [uid, worker] : workers_) worker->poke();
}

void Kubelet::on_change(const Change& change) {
  if (!change.before && !change.after) return now_known(change.resource);
  if (change.resource == kPods) {
    if (began_) on_pod(change);  // else it is read from the snapshot then
    return;
  }
  if (change.resource == kNodes) {
    if (name_of(change.after ? change.after : change.before) != parts_.options.node_name) return;
    if (change.after) report_->node_changed(change.after), look_at_resizes();
    else report_->poke();  // somebody removed our Node: register again
    return;
  }
  // ConfigMaps, Secrets, claims: pods of the namespace may show them, or wait for them.
  std::string_view ns = namespace_of(change.after ? change.after : change.before);
  for (auto& [uid, worker] : workers_)
    if (PodView(worker->pod()).ns() == ns) worker->poke();
}

void Kubelet::on_pod(const Change& change) {
  const Document& pod = change.after ? change.after : change.before;
  if (PodView(pod).is_mirror()) {
    if (PodView(pod).node_name() != parts_.options.node_name) return;
    PodWorker* shown = worker_of({std::string(PodView(pod).ns()), std::string(PodView(pod).name())});
    if (shown && shown->is_of_manifest()) shown->mirror_changed();
    else if (change.after) follow_manifests();
    return;
  }
  auto it = workers_.find(std::string(uid_of(pod)));
  if (change.before && change.after && uid_of(change.before) != uid_of(change.after))
    if (auto old = workers_.find(std::string(uid_of(change.before))); old != workers_.end()) old->second->gone();
  if (it != workers_.end()) {
    if (change.after) it->second->update(change.after);
    else it->second->gone();
    look_at_resizes();  // its own, or others' for which there is room now
    return;
  }
  if (PodView(pod).node_name() != parts_.options.node_name) return;
  std::error_code ec;
  // Of a pod that is gone and has no worker something may be left, if it was set aside.
  bool left = !change.after && std::filesystem::exists(runtime_->pod_dir(std::string(uid_of(pod))), ec);
  if (!change.after && !left) return;
  take_on(pod, !change.after, false);
  share_cpu();
}

// Gives the pod a worker, unless it is set aside: then what runs of it goes on, untouched.
void Kubelet::take_on(const Document& pod, bool gone, bool of_manifest) {
  std::string uid(uid_of(pod));
  if (workers_.contains(uid)) return;
  auto about = [&pod, gone] { return PodWorker::about(pod, gone); };
  Quarantine::Step step(parts_.options.quarantine, "kubelet", Quarantine::key_of("pods", pod), about);
  if (!step.allowed()) return;
  auto retired = [this, uid] { retire(uid); };
  auto worker = std::make_unique<PodWorker>(parts_, pod, retired);
  if (of_manifest) worker->is_of_manifest(true);
  if (gone) worker->gone();
  else admit(pod, *worker);
  PodWorker& entered = *(workers_[uid] = std::move(worker));
  entered.start();
}

// The parser is a program of the package that has AppArmor's tools; without it containers that ask for nothing run without a profile.
Task<void> Kubelet::load_apparmor_profile() {
  if (!parts_.host.apparmor) co_return;
  std::string file = cat(parts_.options.data_dir, "/apparmor-", kDefaultAppArmorProfile);
  auto write = [file] { return write_node_file(file, default_apparmor_profile(), 0644); };
  Task<Status> writing = offload(std::move(write));
  auto written = co_await writing;
  ProcessSpec spec;
  spec.argv = {"apparmor_parser", "--skip-cache", "--replace", file};
  spec.timeout_ms = limits::kRuntimeCommandMs;
  auto loaded = co_await run_process(std::move(spec));
  std::string why = !written.ok() ? written.error().message() : !loaded.ok() ? loaded.error().message() : loaded->exit_code != 0 ? std::string(trim(loaded->err)) : std::string();
  if (why.empty()) parts_.apparmor_default = kDefaultAppArmorProfile;
  else log_warning("kubelet: AppArmor's profile for containers is not loaded (install the package apparmor): ", why);
}

// Refuses a pod that this node cannot run as it asks, or not beside the others. What an earlier process took on stays.
void Kubelet::admit(const Document& pod, PodWorker& worker) {
  PodView view(pod);
  if (view.is_terminal() || view.is_deleting() || view.status().has("startTime")) return;
  if (shutdown_->now()) return worker.refuse("NodeShutdown", "Pod was rejected: Pod was rejected as the node is shutting down.");
  if (auto why = refusal_under_pressure(view, evictions_->pressures())) return worker.refuse("Evicted", cat("Pod was rejected: ", *why));
  if (auto refusal = refuse_by_security(pod.root(), parts_.host)) return worker.refuse(refusal->reason, refusal->message);
  if (auto refusal = weigh(pod, nullptr, worker.is_of_manifest())) worker.refuse(refusal->reason, refusal->message);
}

// Against the node's other pods, with what has been allocated to them.
std::optional<PodRefusal> Kubelet::weigh(const Document& pod, const PodWorker* but_for, bool of_manifest) const {
  std::vector<Document> others;
  for (const auto& [uid, other] : workers_)
    if (other.get() != but_for && !PodView(other->pod()).is_terminal() && !other->is_refused()) others.push_back(other->held());
  Document node = parts_.client.snapshot().get(kNodes, "", parts_.options.node_name);
  AdmissionNode here{node.root(), parts_.allocatable, parts_.options.max_pods};
  return refuse_pod(pod.root(), here, others, of_manifest);
}

// Pods that ask for other resources than they have: those first that ask for no more, then by priority, then Guaranteed ones, then
// whoever waits longest. One that does not fit is looked at again when something changes on the node.
void Kubelet::look_at_resizes() {
  if (!began_) return;
  struct Asking {
    PodWorker* worker;
    bool more, guaranteed;
    int64_t priority, since_us;
  };
  std::vector<Asking> asking;
  for (auto& [uid, worker] : workers_) {
    if (!worker->wants_resize()) continue;
    PodView pod(worker->pod());
    asking.push_back({worker.get(), increases_requests(worker->allocated().root(), worker->pod().root()), pod.qos() == QosClass::kGuaranteed, pod.spec()["priority"].integer(),
                      worker->resize_pending_since_us()});
  }
  auto key = [](const Asking& a) { return std::make_tuple(a.more, -a.priority, !a.guaranteed, a.since_us); };
  std::stable_sort(asking.begin(), asking.end(), [&key](const Asking& a, const Asking& b) { return key(a) < key(b); });
  for (const Asking& a : asking) {
    auto about = [&a] { return PodWorker::about(a.worker->pod(), false); };
    Quarantine::Step step(parts_.options.quarantine, "kubelet", Quarantine::key_of("pods", a.worker->pod()), about);
    if (!step.allowed()) continue;
    auto may_swap = [this](Value pod, Value container) {
      ContainerPlan plan;
      plan.pod = pod;
      plan.container = container;
      plan.cgroup_v2 = cgroups_->v2();
      plan.swap = parts_.options.settings.swap;
      plan.node_memory_bytes = parts_.capacity["memory"].value();
      plan.node_swap_bytes = parts_.swap_bytes;
      return parts_.counts_swap && swap_limit(plan) > 0;
    };
    if (resizes_swap(a.worker->pod().root(), a.worker->allocated().root(), may_swap)) {
      a.worker->put_off_resize("Infeasible", "In-place resize of containers with swap is not supported.");
      continue;
    }
    auto refusal = weigh(a.worker->pod(), a.worker, a.worker->is_of_manifest());
    if (!refusal) a.worker->allow_resize();
    else a.worker->put_off_resize(refusal->reason, refusal->message.starts_with(kPodRejected) ? refusal->message.substr(kPodRejected.size()) : refusal->message);
  }
  if (!asking.empty()) share_cpu();
}

// Static pods are what the manifests say: new ones begin, those that are gone or changed end. One of the same name waits until
// the one before it has ended. Mirror pods that show nothing go.
void Kubelet::follow_manifests() {
  if (!began_) return;
  const auto& wanted = static_pods_->pods();
  std::set<std::string> shown;
  for (auto& [uid, worker] : workers_) {
    if (!worker->is_of_manifest()) continue;
    if (!wanted.contains(uid)) worker->gone();
    shown.insert(PodView(worker->pod()).key());
  }
  for (const auto& [uid, pod] : wanted) {
    std::string key = PodView(pod).key();
    if (workers_.contains(uid) || shown.contains(key)) continue;
    shown.insert(key);
    // What the API shows of this very pod is what was known of it; one that the machine's shutdown ended begins anew.
    Document mirror = parts_.client.snapshot().get(kPods, PodView(pod).ns(), PodView(pod).name());
    Builder b(pod.root());
    if (mirror["metadata"]["annotations"][kConfigMirror].str() == uid && mirror["status"].size() > 0 && mirror["status"]["reason"].str() != kShutdownReason) b.root().set("status", mirror["status"]);
    take_on(b.finish(), false, true);
  }
  std::vector<Document> orphans;
  auto orphan = [this, &shown, &orphans](const Document& pod) {
    PodView view(pod);
    if (view.node_name() == parts_.options.node_name && view.is_mirror() && !shown.contains(view.key())) orphans.push_back(pod);
    return true;
  };
  parts_.client.snapshot().each(kPods, "", orphan);
  for (const auto& pod : orphans)
    if (removing_mirrors_.insert(std::string(uid_of(pod))).second) tasks_.start(remove_mirror(pod));
  share_cpu();
}

Task<void> Kubelet::remove_mirror(Document pod) {
  DeleteOptions options;
  options.grace_period_s = 0;
  options.uid = std::string(uid_of(pod));
  ObjectKey key{std::string(PodView(pod).ns()), std::string(PodView(pod).name())};
  for (int64_t retry_ms = limits::kStatusRetryMs;; retry_ms = std::min(2 * retry_ms, limits::kStatusRetryMaxMs)) {
    auto removed = co_await parts_.client.remove(kPods, key, options);
    if (removed.ok() || removed.error().code() == Code::kNotFound || removed.error().code() == Code::kConflict) break;
    log_warning("mirror pod ", key.text(), ": ", removed.error().message());
    co_await sleep_ms(retry_ms);
  }
  removing_mirrors_.erase(std::string(uid_of(pod)));
}

// What runs on this node for pods that the API does not know: ended and removed.
void Kubelet::adopt_orphans() {
  const std::set<std::string> there = in_cluster();
  // Taken on while nobody could say whether they are still wanted.
  for (const auto& [uid, worker] : workers_) {
    PodView view(worker->pod());
    if (worker->is_of_manifest() || there.contains(uid) || parts_.client.snapshot().may_be_lost(kPods, view.ns(), view.name())) continue;
    worker->gone();
  }
  for (const auto& uid : runtime_->pod_uids()) {
    if (workers_.contains(uid) || there.contains(uid) || static_pods_->pods().contains(uid)) continue;
    auto pod = Document::parse(read_node_file(cat(runtime_->pod_dir(uid), "/pod.json")));
    Builder b;
    b.root().object("metadata").set("uid", uid);
    b.root().object("metadata").set("name", uid);
    b.root().object("metadata").set("namespace", "");
    b.root().object("spec").array("containers");
    const bool known = pod.ok() && uid_of(*pod) == uid;
    Document document = known ? *pod : b.finish();
    PodView view(document);
    std::string mark = read_node_file(parts_.mark_path(uid));
    if (!mark.empty() && mark != parts_.store_mark()) {
      log_warning("pod ", view.key(), ": of another cluster's store; what runs of it is left alone");
      continue;
    }
    if (parts_.client.snapshot().may_be_lost(kPods, view.ns(), known ? view.name() : std::string_view())) {
      log_warning("pod ", view.key(), ": not in the cluster, which may have lost it; what runs of it is left alone");
      continue;
    }
    log_info("pod ", view.key(), ": not in the cluster any more");
    take_on(document, true, false);
  }
}

// The containers whose layers may be in use: those that the pod's records name, or the runtime has a folder of. Nothing when the
// records cannot be read.
static std::optional<std::set<std::string>> known_containers(const PodRuntime& runtime, const std::string& uid) {
  std::set<std::string> ids;
  for (const auto& id : runtime.container_ids(uid)) ids.insert(id);
  auto text = read_file(cat(runtime.pod_dir(uid), "/records.json"));
  if (!text.ok() && text.error().code() == Code::kNotFound) return ids;
  auto stored = text.ok() ? Document::parse(*text) : Result<Document>(text.error());
  if (!stored.ok()) return std::nullopt;
  for (Value v : (*stored)["containers"].items()) {
    auto r = ContainerRecord::from_json(v);
    if (r && r->removed) ids.erase(r->id);
    else if (r) ids.insert(r->id);
  }
  return ids;
}

static std::vector<std::string> folders_except(const std::string& root, const std::set<std::string>& known) {
  std::vector<std::string> out;
  std::error_code ec;
  for (std::filesystem::directory_iterator it(root, ec), end; !ec && it != end; it.increment(ec))
    if (!known.contains(it->path().filename().string())) out.push_back(it->path().string());
  return out;
}

static void remove_each(const std::vector<std::string>& folders) {
  for (const auto& path : folders) {
    Status removed = remove_volumes(path);
    if (!removed.ok()) log_warning(removed.error().message());
  }
}

// Folders, cgroups and addresses of pods, and layers of containers, from before a reboot or a crash between two steps. Only of
// pods that this store had: the folders and the cgroup's parent have the names that every kubelet uses, and others may have pods
// on this machine.
Task<Status> Kubelet::clear_unknown(std::set<std::string> known) {
  Cgroups* cgroups = cgroups_.get();
  PodNetwork* network = &parts_.network;
  PodRuntime* runtime = runtime_.get();
  std::string marks = cat(parts_.options.data_dir, "/pod-marks"), mark = parts_.store_mark();
  std::string layers = cat(parts_.options.data_dir, "/pods/");
  std::vector<std::string> roots = {cat(parts_.options.root_dir, "/pods/"), layers};
  auto work = [cgroups, network, runtime, marks, mark, layers, roots, known]() -> Status {
    std::set<std::string> ours, failed;
    std::error_code ec;
    for (std::filesystem::directory_iterator it(marks, ec), end; !ec && it != end; it.increment(ec)) {
      std::string uid = it->path().filename().string();
      if (!mark.empty() && !known.contains(uid) && read_node_file(it->path().string()) == mark) ours.insert(uid);
    }
    auto note = [&failed](const std::string& uid, const Status& removed) {
      if (removed.ok()) return;
      log_warning(removed.error().message());
      failed.insert(uid);
    };
    for (const auto& [qos, uid] : cgroups->pods())
      if (ours.contains(uid)) note(uid, cgroups->remove_pod(qos, uid));
    for (const auto& uid : ours) {
      for (const auto& root : roots) note(uid, remove_volumes(root + uid));
      if (!failed.contains(uid)) unlink(cat(marks, "/", uid).c_str());
    }
    for (const auto& uid : known)
      if (auto containers = known_containers(*runtime, uid)) remove_each(folders_except(layers + uid, *containers));
    return network->collect(std::vector<std::string>(known.begin(), known.end()));
  };
  Task<Status> working = offload(std::move(work));
  auto done = co_await working;
  co_return done;
}

void Kubelet::retire(std::string uid) {
  parts_.probe_counts->forget_pod(uid);
  retired_.push_back(std::move(uid));
  retire_alarm_->set_in_ms(0);  // a worker is not destroyed inside its own step
}

// Burstable pods together weigh as much as they ask for.
void Kubelet::share_cpu() {
  int64_t milli = 0;
  for (const auto& [uid, worker] : workers_) {
    auto about = [&worker] { return PodWorker::about(worker->pod(), false); };
    Quarantine::Step step(parts_.options.quarantine, "kubelet", Quarantine::key_of("pods", worker->pod()), about);
    PodView pod(worker->allocated());
    if (pod.is_terminal() || pod.qos() != QosClass::kBurstable) continue;
    auto requests = pod.requests();
    if (auto it = requests.find("cpu"); it != requests.end()) milli += it->second.milli();
  }
  Status set = cgroups_->set_burstable_shares(cpu_shares_of_milli(milli));
  if (!set.ok()) log_warning(set.error().message());
}

void Kubelet::images_changed() {
  image_pulled();
  for (auto& [uid, worker] : workers_) worker->images_changed();
}

void Kubelet::image_pulled() {
  if (report_) report_->poke();
  if (image_garbage_) image_garbage_->look_soon();
  if (evictions_) evictions_->heartbeat();
}

std::set<std::string> Kubelet::images_in_use() const {
  std::set<std::string> out;
  auto use = [this, &out](std::string_view name) {
    if (auto image = parts_.images.find(name)) out.insert(image->id);
  };
  // A record names what the user asked for, and the image by its registry's digest or its own.
  auto use_record = [&use](const ContainerRecord& r) { use(r.image_id), use(r.image); };
  // Those that are about to start.
  auto use_spec = [&use](const Document& pod) {
    if (PodView(pod).is_terminal()) return;
    for (std::string_view list : {"initContainers", "containers", "ephemeralContainers"})
      for (Value c : pod["spec"][list].items()) use(c["image"].str());
    for (Value v : pod["spec"]["volumes"].items()) use(v["image"]["reference"].str());
  };
  for (const auto& [uid, worker] : workers_) {
    for (const ContainerRecord& r : worker->records()) use_record(r);
    use_spec(worker->pod());
  }
  // Those that were set aside have no worker, but what runs of them goes on.
  auto each = [this, &use_spec](const Document& pod) {
    if (PodView(pod).node_name() == parts_.options.node_name && !workers_.contains(std::string(uid_of(pod)))) use_spec(pod);
    return true;
  };
  parts_.client.snapshot().each(kPods, "", each);
  for (const auto& uid : runtime_->pod_uids()) {
    if (workers_.contains(uid)) continue;
    auto stored = Document::parse(read_node_file(cat(runtime_->pod_dir(uid), "/records.json")));
    if (!stored.ok()) continue;
    for (Value v : (*stored)["containers"].items())
      if (auto r = ContainerRecord::from_json(v)) use_record(*r);
  }
  return out;
}

void Kubelet::network_changed() {
  if (report_) report_->poke();
  for (auto& [uid, worker] : workers_) worker->network_changed();
}

PodWorker* Kubelet::worker_of(const ObjectKey& key) const {
  PodWorker* found = nullptr;
  for (const auto& [uid, worker] : workers_) {
    PodView pod(worker->pod());
    if (pod.ns() == key.ns && pod.name() == key.name && (!found || !pod.is_deleting())) found = worker.get();
  }
  return found;
}

}  // namespace bramble

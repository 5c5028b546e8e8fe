#include "core/kubelet/eviction.h"

#include <algorithm>

#include "core/base/files.h"
#include "core/base/log.h"
#include "core/json/builder.h"
#include "core/kubelet/pod_worker.h"
#include "core/kubelet/storage_limits.h"

namespace bramble {

namespace {

void add_disk(SignalStates& out, Signal bytes, Signal inodes, const FileSystemUsage& disk) {
  out[bytes] = {disk.available_bytes, disk.capacity_bytes};
  if (disk.inodes > 0) out[inodes] = {disk.inodes_free, disk.inodes};  // some file systems have no such number
}

uint64_t less(uint64_t a, uint64_t b) { return a > b ? a - b : 0; }

bool counts_inodes(Signal signal) { return resource_of(signal) == "inodes"; }

uint64_t of_folder(Signal signal, const FolderReading& f) {
  if (!f.scan || (f.file_system && f.file_system->in_memory)) return 0;
  return counts_inodes(signal) ? f.scan->inodes : f.scan->bytes;
}

uint64_t used_by(Signal signal, const PodReading& pod, bool own_image_disk) {
  if (resource_of(signal) == "memory") return pod.usage.working_set_bytes.value_or(0);
  if (signal == Signal::kPids) return pod.usage.processes.value_or(0);
  const CountedFiles counted = counted_files(signal, own_image_disk);
  uint64_t sum = 0;
  for (const ContainerReading& c : pod.containers) sum += (counted.layers ? of_folder(signal, c.layer) : 0) + (counted.logs ? of_folder(signal, c.logs) : 0);
  for (const VolumeReading& v : pod.volumes)
    if (v.in_pod && counted.volumes) sum += of_folder(signal, v.folder);
  return sum;
}

uint64_t requested_of(Signal signal, const ResourceAmounts& amounts) {
  auto it = amounts.find(resource_of(signal));
  return it == amounts.end() ? 0 : static_cast<uint64_t>(std::max<int64_t>(it->second.value(), 0));
}

// Upstream blames containers for memory and for bytes on disk.
std::vector<ContainerUse> containers_of(Signal signal, const PodView& pod, const PodReading& reading) {
  std::vector<ContainerUse> out;
  const bool memory = resource_of(signal) == "memory";
  if (!memory && resource_of(signal) != "ephemeral-storage") return out;
  for (const ContainerReading& c : reading.containers) {
    Value container = pod.container(c.name);
    bool ephemeral = false;
    for (Value e : pod.ephemeral_containers().items()) ephemeral = ephemeral || e["name"].str() == c.name;
    if (ephemeral || (memory ? !c.usage.working_set_bytes : !c.layer.scan || !c.logs.scan)) continue;
    const ResourceAmounts requests = resource_amounts(container["resources"]["requests"]);
    auto it = requests.find(resource_of(signal));
    out.push_back({c.name, memory ? *c.usage.working_set_bytes : c.layer.scan->bytes + c.logs.scan->bytes, it == requests.end() ? Quantity::of(0) : it->second});
  }
  return out;
}

// What the kernel could give without swapping (proc(5), MemAvailable).
std::optional<uint64_t> memory_estimate() {
  const std::string text = read_file_start("/proc/meminfo");
  for (std::string_view line : split(text, '\n')) {
    if (!line.starts_with("MemAvailable:") || !line.ends_with(" kB")) continue;
    auto kib = parse_int64(trim(line.substr(13, line.size() - 16)));
    if (kib && *kib >= 0) return static_cast<uint64_t>(*kib) * 1024;
  }
  return std::nullopt;
}

void count_files(std::vector<PodReading>& pods) {
  RealClock clock;
  const int64_t deadline_us = clock.monotonic_us() + limits::kEvictionFolderScanMs * 1000;
  auto count = [&](FolderReading& f) {
    f.file_system = file_system_usage(f.path);
    if (f.file_system && !f.file_system->in_memory) f.scan = scan_disk(f.path, deadline_us);
  };
  for (PodReading& pod : pods) {
    for (ContainerReading& c : pod.containers) {
      count(c.layer);
      count(c.logs);
    }
    for (VolumeReading& v : pod.volumes)
      if (v.in_pod) count(v.folder);
  }
}

}  // namespace

SignalReading read_signals(const Cgroups& cgroups, const std::string& pods_group, const std::string& node_disk, const std::string& image_disk) {
  SignalReading out;
  const MachineUsage machine = read_machine_usage(0);
  const CgroupUsage root = read_cgroup_usage(cgroups, "/", Detail::kBasic);
  if (machine.memory.total_bytes && root.working_set_bytes) {
    const uint64_t total = *machine.memory.total_bytes;
    // The cgroups do not count what the kernel itself uses, which is much of a small board: its own estimate bounds theirs.
    out.states[Signal::kMemory] = {std::min(less(total, *root.working_set_bytes), memory_estimate().value_or(total)), total};
    out.reclaimable_bytes = less(root.memory_bytes.value_or(0), *root.working_set_bytes);
    const CgroupUsage pods = read_cgroup_usage(cgroups, pods_group, Detail::kBasic);
    const uint64_t limit = std::min(pods.memory_limit_bytes.value_or(total), total);
    if (pods.working_set_bytes) out.states[Signal::kAllocatableMemory] = {less(limit, *pods.working_set_bytes), limit};
  }
  const auto node = file_system_usage(node_disk), image = file_system_usage(image_disk);
  if (node) add_disk(out.states, Signal::kNodeDisk, Signal::kNodeInodes, *node);
  if (image) add_disk(out.states, Signal::kImageDisk, Signal::kImageInodes, *image);
  out.own_image_disk = node && image && node->device != image->device;
  if (machine.threads && machine.threads_max) out.states[Signal::kPids] = {less(*machine.threads_max, *machine.threads), *machine.threads_max};
  return out;
}

Evictions::Evictions(NodeParts& parts, Policy policy, NodeUsage& usage, Hooks hooks)
    : parts_(parts), policy_(std::move(policy)), usage_(usage), hooks_(std::move(hooks)), state_(policy_.thresholds, policy_.transition_us) {
  alarm_ = parts_.options.alarms([this] {
    armed_us_ = 0;
    asked_ = true;
    woke_.pulse();
  });
}

Evictions::~Evictions() = default;

void Evictions::start() {
  // The kernel may tell many times a second.
  auto tight = [this] { poke_in_ms(std::max<int64_t>(0, limits::kEvictionSettleMs - (parts_.clock.monotonic_us() - looked_us_) / 1000)); };
  bool memory = false;
  for (const EvictionThreshold& t : policy_.thresholds) memory = memory || t.signal == Signal::kMemory;
  if (memory) memory_watch_ = std::make_unique<MemoryWatch>(parts_.cgroups, tight);
  poke_in_ms(0);
  tasks_.start(run());
}

void Evictions::poke_in_ms(int64_t ms) {
  const int64_t at = parts_.clock.monotonic_us() + ms * 1000;
  if (armed_us_ && armed_us_ <= at) return;
  armed_us_ = at;
  alarm_->set_in_ms(ms);
}

void Evictions::heartbeat() {
  bool reason = !pressures_.empty();
  hooks_.each_worker([&reason](PodWorker& worker) { reason = reason || !worker.records().empty(); });
  if (reason) poke_in_ms(0);
}

void Evictions::pod_released() {
  if (!leaving_.empty()) poke_in_ms(0);
}

Task<void> Evictions::run() {
  for (;;) {
    while (!asked_) co_await woke_.wait();
    asked_ = false;
    co_await look();
    looked_us_ = parts_.clock.monotonic_us();
  }
}

Task<SignalStates> Evictions::read() {
  // A copy: nobody waits for this look when the kubelet ends.
  auto work = [cgroups = parts_.cgroups, group = cat("/", parts_.options.cgroup_root), node = parts_.options.root_dir, images = parts_.options.data_dir] { return read_signals(cgroups, group, node, images); };
  Task<SignalReading> reading = offload(std::move(work));
  SignalReading now = co_await reading;
  own_image_disk_ = now.own_image_disk;
  if (auto memory = now.states.find(Signal::kMemory); memory_watch_ && memory != now.states.end()) {
    const uint64_t capacity = memory->second.capacity;
    memory_watch_->mark(less(capacity, state_.memory_below(capacity)) + now.reclaimable_bytes);
  }
  co_return now.states;
}

// Whether one that was evicted holds something yet; not for ever.
bool Evictions::waits_for_cleanup() {
  std::set<std::string> holding;
  hooks_.each_worker([&](PodWorker& worker) {
    if (leaving_.contains(worker.uid()) && !worker.is_released()) holding.insert(worker.uid());
  });
  if (parts_.clock.monotonic_us() >= cleanup_until_us_) holding.clear();
  leaving_ = std::move(holding);
  return !leaving_.empty();
}

Task<void> Evictions::look() {
  Task<SignalStates> reading = read();
  SignalStates states = co_await reading;
  EvictionState::Verdict verdict = state_.look(states, parts_.clock.monotonic_us());
  if (verdict.pressures != pressures_) {
    pressures_ = verdict.pressures;
    hooks_.changed();
  }
  if (waits_for_cleanup()) {
    poke_in_ms((cleanup_until_us_ - parts_.clock.monotonic_us()) / 1000 + 1);
    co_return;
  }
  Task<bool> enforcing = enforce_limits();
  const bool enforced = co_await enforcing;
  if (enforced || !verdict.act) co_return;
  const EvictionThreshold threshold = *verdict.act;
  const SignalState state = states[threshold.signal];
  tell_node("EvictionThresholdMet", cat("Attempting to reclaim ", resource_of(threshold.signal)));
  Task<bool> reclaiming = reclaim(threshold);
  const bool enough = co_await reclaiming;
  if (!enough) co_await evict_one(threshold, state);
}

// Pods that hold more than they may. Whether any went.
Task<bool> Evictions::enforce_limits() {
  const int64_t now_us = parts_.clock.monotonic_us();
  if (now_us < scan_due_us_) co_return false;
  std::set<std::string> limited;
  hooks_.each_worker([&limited](PodWorker& worker) {
    if (!worker.is_refused() && !worker.records().empty() && has_storage_limit(PodView(worker.pod()))) limited.insert(worker.uid());
  });
  if (limited.empty()) co_return false;
  scan_due_us_ = now_us + limits::kEvictionScanPeriodUs;
  std::vector<PodReading> pods = hooks_.pods();
  std::erase_if(pods, [&limited](const PodReading& pod) { return !limited.contains(pod.uid); });
  auto work = [pods = std::move(pods)] {
    std::vector<PodReading> counted = pods;
    count_files(counted);
    return counted;
  };
  Task<std::vector<PodReading>> counting = offload(std::move(work), OffloadLane::kLong);
  const std::vector<PodReading> counted = co_await counting;
  bool any = false;
  hooks_.each_worker([&](PodWorker& worker) {
    for (const PodReading& pod : counted) {
      if (pod.uid != worker.uid()) continue;
      auto excess = storage_excess(PodView(worker.pod()), pod, own_image_disk_);
      if (excess) any = evict(worker, excess->signal, excess->message, limits::kEvictionGraceSeconds, false) || any;
    }
  });
  co_return any;
}

// Gives up what nobody uses. Whether that was enough.
Task<bool> Evictions::reclaim(EvictionThreshold threshold) {
  if (!images_help(threshold.signal, own_image_disk_)) co_return false;
  Task<void> removing = hooks_.remove_unused_images();
  co_await removing;
  Task<SignalStates> reading = read();
  SignalStates states = co_await reading;
  co_return !any_threshold_met(policy_.thresholds, states);
}

Task<void> Evictions::evict_one(EvictionThreshold threshold, SignalState state) {
  NodeUsage::Wanted wanted;
  wanted.disks = pressure_of(threshold.signal) == "DiskPressure";
  Task<NodeReadingRef> reading = usage_.read(wanted);
  NodeReadingRef now = co_await reading;
  std::map<std::string, const PodReading*> measured;
  for (const PodReading& pod : now->pods) measured[pod.uid] = &pod;
  std::vector<EvictionCandidate> candidates;
  hooks_.each_worker([&](PodWorker& worker) {
    PodView pod(worker.pod());
    if (pod.is_terminal() || worker.records().empty() || worker.is_refused()) return;
    EvictionCandidate c;
    c.uid = worker.uid();
    c.priority = pod.priority();
    auto it = measured.find(c.uid);
    c.measured = it != measured.end();
    if (c.measured) c.used = used_by(threshold.signal, *it->second, own_image_disk_);
    c.requested = requested_of(threshold.signal, pod.requests());
    candidates.push_back(std::move(c));
  });
  bool gone = false;
  for (size_t place : rank_for_eviction(threshold.signal, candidates)) {
    const std::string& uid = candidates[place].uid;
    hooks_.each_worker([&](PodWorker& worker) {
      if (worker.uid() != uid || gone) return;
      PodView pod(worker.pod());
      auto it = measured.find(uid);
      const std::vector<ContainerUse> containers = it == measured.end() ? std::vector<ContainerUse>() : containers_of(threshold.signal, pod, *it->second);
      gone = evict(worker, std::string(signal_name(threshold.signal)), eviction_message(threshold, state, containers), eviction_grace_s(threshold, pod, policy_.max_grace_s), true);
    });
    if (gone) co_return;
  }
  log_warning("kubelet: eviction manager: unable to evict any pods from the node");
}

bool Evictions::evict(PodWorker& worker, const std::string& signal, const std::string& message, int64_t grace_s, bool disruption) {
  PodView pod(worker.pod());
  if (is_critical(pod)) {
    log_warning("pod ", pod.key(), ": eviction manager: cannot evict a critical pod");
    return false;
  }
  log_warning("pod ", pod.key(), ": evicted: ", message);
  ++counts_[signal];
  leaving_.insert(worker.uid());
  cleanup_until_us_ = parts_.clock.monotonic_us() + limits::kEvictionCleanupMs * 1000;
  worker.evict("Evicted", message, grace_s, disruption);
  return true;
}

void Evictions::tell_node(std::string reason, std::string message) {
  log_warning("kubelet: eviction manager: ", message);
  Builder about;
  about.root().set("kind", "Node");
  about.root().object("metadata").set("name", parts_.options.node_name);
  about.root().object("metadata").set("uid", parts_.options.node_name);
  EventNote note;
  note.about = about.finish();
  note.type = "Warning";
  note.reason = std::move(reason);
  note.message = std::move(message);
  parts_.recorder.record(note);
}

}  // namespace bramble

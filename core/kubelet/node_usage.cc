#include "core/kubelet/node_usage.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>

#include "core/base/files.h"
#include "core/base/limits.h"
#include "core/loop/loop.h"

namespace bramble {

namespace {

// Of this process, as the kernel counts it.
void read_own(NodeReading& r) {
  rusage own{};
  getrusage(RUSAGE_SELF, &own);
  auto ns = [](const timeval& t) { return (static_cast<uint64_t>(t.tv_sec) * 1000000 + static_cast<uint64_t>(t.tv_usec)) * 1000; };
  r.own_cpu_ns = ns(own.ru_utime) + ns(own.ru_stime);
  std::string text = read_file_start("/proc/self/statm");
  auto pages = split(text, ' ');
  if (pages.size() > 1) r.own_rss_bytes = parse_uint64(pages[1]).value_or(0) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

void each_folder(NodeReading& r, const std::function<void(FolderReading&)>& fn) {
  for (PodReading& pod : r.pods) {
    for (ContainerReading& c : pod.containers) {
      fn(c.layer);
      fn(c.logs);
    }
    for (VolumeReading& v : pod.volumes) fn(v.folder);
  }
}

}  // namespace

void read_counts(NodeReading& r, const Cgroups& cgroups, const std::string& cgroup_root) {
  const Detail detail = r.all_counters ? Detail::kAll : Detail::kBasic;
  r.machine = read_machine_usage(r.wall_us);
  r.root = read_cgroup_usage(cgroups, "/", detail);
  r.root.memory_limit_bytes = r.machine.memory.total_bytes;
  const MemoryInfo& m = r.machine.memory;
  if (m.swap_total_bytes && m.swap_free_bytes && *m.swap_free_bytes <= *m.swap_total_bytes) {
    r.root.swap_bytes = *m.swap_total_bytes - *m.swap_free_bytes;
    r.root.swap_limit_bytes = m.swap_total_bytes;
  }
  r.pods_group = read_cgroup_usage(cgroups, cat("/", cgroup_root), detail);
  if (!r.pods_group.memory_limit_bytes) r.pods_group.memory_limit_bytes = m.total_bytes;
  for (PodReading& pod : r.pods) {
    pod.usage = read_cgroup_usage(cgroups, pod.cgroup, detail);
    for (ContainerReading& c : pod.containers) c.usage = read_cgroup_usage(cgroups, c.cgroup, detail);
    if (r.all_counters && !pod.host_network && pod.pid > 0) pod.links = read_links_of(pod.pid);
  }
  read_own(r);
}

// What has been counted lately is kept; of the rest those that have waited longest have their turn.
void NodeUsage::scan_folders(Work& work) {
  const int64_t now_us = work.reading.monotonic_us, deadline_us = now_us + limits::kDiskScanMs * 1000;
  std::vector<std::pair<int64_t, FolderReading*>> due;
  Scans kept;
  each_folder(work.reading, [&](FolderReading& f) {
    if (f.path.empty()) return;
    f.file_system = file_system_usage(f.path);
    if (!f.file_system || f.file_system->in_memory) return;  // a file system of its own knows
    auto it = work.scans.find(f.path);
    if (it != work.scans.end()) kept.insert(*it);
    if (it == work.scans.end() || now_us - it->second.at_us >= limits::kDiskScanReuseUs) due.emplace_back(it == work.scans.end() ? 0 : it->second.at_us, &f);
  });
  std::sort(due.begin(), due.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  RealClock clock;
  for (const auto& [at_us, f] : due) {
    if (clock.monotonic_us() > deadline_us) break;
    if (auto scan = scan_disk(f->path, deadline_us)) kept[f->path] = {*scan, clock.monotonic_us()};
  }
  each_folder(work.reading, [&](FolderReading& f) {
    if (auto it = kept.find(f.path); it != kept.end()) f.scan = it->second.scan;
  });
  work.scans = std::move(kept);
}

NodeUsage::Work NodeUsage::carry_out(Work work, const Cgroups* cgroups, ImageStore* images, const std::string& cgroup_root, const Clock* clock) {
  NodeReading& r = work.reading;
  r.wall_us = clock->wall_us();
  r.monotonic_us = clock->monotonic_us();
  read_counts(r, *cgroups, cgroup_root);
  if (!r.disks) return work;
  r.node_disk.file_system = file_system_usage(r.node_disk.path);
  r.image_disk.file_system = file_system_usage(r.image_disk.path);
  for (const ImageInfo& image : images->list()) r.image_bytes += static_cast<uint64_t>(std::max<int64_t>(image.size_bytes, 0));
  scan_folders(work);
  return work;
}

Task<void> NodeUsage::run(Wanted wanted) {
  Work work;
  work.reading.all_counters = wanted.all_counters;
  work.reading.disks = wanted.disks;
  work.reading.pods = pods_();
  work.reading.node_disk.path = parts_.options.root_dir;
  work.reading.image_disk.path = parts_.options.data_dir;
  work.scans = scans_;
  const Cgroups* cgroups = &parts_.cgroups;
  ImageStore* images = &parts_.images;
  const Clock* clock = &parts_.clock;
  auto job = [work = std::move(work), cgroups, images, clock, root = parts_.options.cgroup_root] { return carry_out(work, cgroups, images, root, clock); };
  Task<Work> reading = offload(std::move(job));
  Work done = co_await reading;
  if (wanted.disks) scans_ = std::move(done.scans);
  last_ = std::make_shared<NodeReading>(std::move(done.reading));
  busy_ = false;
  over_.pulse();
}

// A reading that holds what is wanted and is not older than the question, or hardly.
Task<NodeReadingRef> NodeUsage::look(Wanted wanted, int64_t age_min_us) {
  const int64_t asked_us = parts_.clock.monotonic_us();
  const int64_t oldest_us = asked_us - std::min(limits::kUsageReuseUs, age_min_us);
  for (;;) {
    bool fits = last_ && last_->monotonic_us >= oldest_us && last_->monotonic_us > 0 && (last_->all_counters || !wanted.all_counters) && (last_->disks || !wanted.disks);
    if (fits) break;
    if (!busy_) {
      busy_ = true;
      tasks_.start(run(wanted));
    }
    if (busy_) co_await over_.wait();
  }
  co_return last_;
}

void NodeUsage::add_rates(NodeReading& r, int64_t age_min_us) {
  const int64_t now_us = r.monotonic_us;
  auto began = [&r, now_us](int64_t started_us) -> std::optional<int64_t> {
    const int64_t age_us = r.wall_us - started_us;
    if (started_us <= 0 || age_us <= 0 || age_us > now_us) return std::nullopt;
    return now_us - age_us;
  };
  auto rate = [&](const std::string& key, const CgroupUsage& usage, std::optional<int64_t> began_us) -> std::optional<CpuRate> {
    if (!usage.cpu_ns) return std::nullopt;
    return rates_.note(key, {now_us, *usage.cpu_ns}, began_us, age_min_us);
  };
  r.rate = rate("node", r.root, std::nullopt);
  r.pods_rate = rate("pods", r.pods_group, std::nullopt);
  for (PodReading& pod : r.pods) {
    pod.rate = rate(cat("pod ", pod.uid), pod.usage, began(pod.started_us));
    for (ContainerReading& c : pod.containers) c.rate = rate(c.id, c.usage, began(c.started_us));
  }
  rates_.forget_before(now_us);
}

Task<NodeReadingRef> NodeUsage::read(Wanted wanted) {
  Task<NodeReadingRef> looking = look(wanted, limits::kUsageReuseUs);
  NodeReadingRef plain = co_await looking;
  if (!wanted.rates) co_return plain;
  auto rated = std::make_shared<NodeReading>(*plain);
  add_rates(*rated, limits::kUsageWindowMinUs);
  if (!rated->rate) {
    co_await sleep_ms(limits::kUsageSecondLookMs);
    const int64_t half_us = limits::kUsageSecondLookMs * 1000 / 2;
    Wanted again = wanted;
    again.disks = false;
    Task<NodeReadingRef> second = look(again, half_us);
    NodeReadingRef later = co_await second;
    auto both = std::make_shared<NodeReading>(*later);
    add_rates(*both, half_us);
    if (!wanted.disks) co_return both;
    // The disks of the first look, the counts of the second.
    both->disks = true;
    both->node_disk = rated->node_disk;
    both->image_disk = rated->image_disk;
    both->image_bytes = rated->image_bytes;
    std::map<std::string, FolderReading> folders;
    each_folder(*rated, [&folders](FolderReading& f) { folders[f.path] = f; });
    each_folder(*both, [&folders](FolderReading& f) {
      if (auto it = folders.find(f.path); it != folders.end()) f = it->second;
    });
    co_return both;
  }
  co_return rated;
}

}  // namespace bramble

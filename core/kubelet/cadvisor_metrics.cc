#include <limits.h>
#include <unistd.h>

#include <algorithm>

#include "core/kubelet/usage_metrics.h"

namespace bramble {

namespace {

// "/dev/sda1" of "8:1"; the numbers where the kernel has no name.
std::string device_name(const std::string& numbers) {
  char to[PATH_MAX];
  ssize_t n = readlink(cat("/sys/dev/block/", numbers).c_str(), to, sizeof to);
  if (n <= 0) return numbers;
  std::string_view target(to, static_cast<size_t>(n));
  return cat("/dev/", target.substr(target.rfind('/') + 1));
}

std::string device_of(const FolderReading& f) {
  if (!f.file_system) return {};
  const uint64_t d = f.file_system->device;
  return device_name(cat((d >> 8) & 0xfff, ":", (d & 0xff) | ((d >> 12) & 0xfff00)));
}

// One row of cAdvisor's: a cgroup, and of which container it is.
struct Row {
  std::string id, container, image, name, ns, pod;
};

class CadvisorPage {
 public:
  CadvisorPage(MetricText& out, int64_t at_us) : out_(out), at_us_(at_us) {}

  void usage(const Row& row, const CgroupUsage& u) {
    const std::string plain = labels(row, {});
    counter("container_cpu_usage_seconds_total", "Cumulative cpu time consumed in seconds.");
    seconds(labels(row, {{"cpu", "total"}}), u.cpu_ns);
    counter("container_cpu_user_seconds_total", "Cumulative user cpu time consumed in seconds.");
    seconds(plain, u.cpu_user_ns);
    counter("container_cpu_system_seconds_total", "Cumulative system cpu time consumed in seconds.");
    seconds(plain, u.cpu_system_ns);
    if (u.cpu_quota_us) {
      counter("container_cpu_cfs_periods_total", "Number of elapsed enforcement period intervals.");
      number(plain, u.cpu_periods);
      counter("container_cpu_cfs_throttled_periods_total", "Number of throttled period intervals.");
      number(plain, u.cpu_throttled_periods);
      counter("container_cpu_cfs_throttled_seconds_total", "Total time duration the container has been throttled.");
      seconds(plain, u.cpu_throttled_ns);
    }
    gauge("container_memory_usage_bytes", "Current memory usage in bytes, including all memory regardless of when it was accessed");
    number(plain, u.memory_bytes);
    gauge("container_memory_working_set_bytes", "Current working set in bytes.");
    number(plain, u.working_set_bytes);
    gauge("container_memory_rss", "Size of RSS in bytes.");
    number(plain, u.rss_bytes);
    gauge("container_memory_cache", "Number of bytes of page cache memory.");
    number(plain, u.cache_bytes);
    gauge("container_memory_mapped_file", "Size of memory mapped files in bytes.");
    number(plain, u.mapped_file_bytes);
    gauge("container_memory_swap", "Container swap usage in bytes.");
    number(plain, u.swap_bytes);
    gauge("container_memory_max_usage_bytes", "Maximum memory usage recorded in bytes");
    number(plain, u.memory_max_bytes);
    counter("container_memory_failcnt", "Number of memory usage hits limits");
    number(plain, u.memory_failures);
    counter("container_memory_failures_total", "Cumulative count of memory allocation failures.");
    number(labels(row, {{"failure_type", "pgfault"}, {"scope", "hierarchy"}}), u.page_faults);
    number(labels(row, {{"failure_type", "pgmajfault"}, {"scope", "hierarchy"}}), u.major_page_faults);
    gauge("container_processes", "Number of processes running inside the container.");
    number(plain, u.processes);
    gauge("container_threads_max", "Maximum number of threads allowed inside the container, infinity if value is zero");
    if (u.processes) number(plain, u.processes_max.value_or(0));
    spec(plain, u);
    pressure(plain, u);
    for (const auto& [numbers, io] : u.io) {
      const std::string with_device = labels(row, {{"device", device_name(numbers)}});
      counter("container_fs_reads_bytes_total", "Cumulative count of bytes read");
      number(with_device, io.read_bytes);
      counter("container_fs_writes_bytes_total", "Cumulative count of bytes written");
      number(with_device, io.write_bytes);
      counter("container_fs_reads_total", "Cumulative count of reads completed");
      number(with_device, io.reads);
      counter("container_fs_writes_total", "Cumulative count of writes completed");
      number(with_device, io.writes);
    }
    gauge("container_last_seen", "Last time a container was seen by the exporter");
    number(plain, static_cast<uint64_t>(at_us_ / 1000000));
  }

  void started(const Row& row, int64_t started_us) {
    if (started_us <= 0) return;
    gauge("container_start_time_seconds", "Start time of the container since unix epoch in seconds.");
    number(labels(row, {}), static_cast<uint64_t>(started_us / 1000000));
  }

  void links(const Row& row, const std::vector<LinkCount>& all) {
    for (const LinkCount& l : all) {
      const std::string with_link = labels(row, {{"interface", l.name}});
      auto pair = [&](std::string_view way, std::string_view verb, uint64_t bytes, uint64_t packets, uint64_t errors, uint64_t dropped) {
        counter(cat("container_network_", way, "_bytes_total"), cat("Cumulative count of bytes ", verb));
        number(with_link, bytes);
        counter(cat("container_network_", way, "_packets_total"), cat("Cumulative count of packets ", verb));
        number(with_link, packets);
        counter(cat("container_network_", way, "_errors_total"), cat("Cumulative count of errors encountered while ", way == "receive" ? "receiving" : "transmitting"));
        number(with_link, errors);
        counter(cat("container_network_", way, "_packets_dropped_total"), cat("Cumulative count of packets dropped while ", way == "receive" ? "receiving" : "transmitting"));
        number(with_link, dropped);
      };
      pair("receive", "received", l.rx_bytes, l.rx_packets, l.rx_errors, l.rx_dropped);
      pair("transmit", "transmitted", l.tx_bytes, l.tx_packets, l.tx_errors, l.tx_dropped);
    }
  }

  void disk(const Row& row, const FolderReading& f, Count used_bytes) {
    if (!f.file_system) return;
    const std::string with_device = labels(row, {{"device", device_of(f)}});
    gauge("container_fs_limit_bytes", "Number of bytes that can be consumed by the container on this filesystem.");
    number(with_device, f.file_system->capacity_bytes);
    gauge("container_fs_usage_bytes", "Number of bytes that are consumed by the container on this filesystem.");
    number(with_device, used_bytes);
    gauge("container_fs_inodes_total", "Number of Inodes");
    number(with_device, f.file_system->inodes);
    gauge("container_fs_inodes_free", "Number of available Inodes");
    number(with_device, f.file_system->inodes_free);
  }

 private:
  static std::string labels(const Row& row, std::initializer_list<Label> more) {
    std::vector<Label> all = {{"container", row.container}, {"id", row.id}, {"image", row.image}, {"name", row.name}, {"namespace", row.ns}, {"pod", row.pod}};
    all.insert(all.end(), more.begin(), more.end());
    std::sort(all.begin(), all.end());
    return label_text(std::span<const Label>(all));
  }
  void counter(std::string_view name, std::string_view help) { out_.family(name, "counter", "", help); }
  void gauge(std::string_view name, std::string_view help) { out_.family(name, "gauge", "", help); }
  void number(const std::string& with, Count n) {
    if (n) out_.value_at(with, static_cast<double>(*n), at_us_);
  }
  void seconds(const std::string& with, Count ns) {
    if (ns) out_.value_at(with, static_cast<double>(*ns) / 1e9, at_us_);
  }
  void spec(const std::string& plain, const CgroupUsage& u) {
    gauge("container_spec_cpu_period", "CPU period of the container.");
    number(plain, u.cpu_period_us);
    gauge("container_spec_cpu_quota", "CPU quota of the container.");
    if (u.cpu_quota_us && *u.cpu_quota_us > 0) number(plain, static_cast<uint64_t>(*u.cpu_quota_us));
    gauge("container_spec_cpu_shares", "CPU share of the container.");
    number(plain, u.cpu_shares);
    gauge("container_spec_memory_limit_bytes", "Memory limit for the container.");
    number(plain, u.memory_limit_bytes.value_or(0));
    gauge("container_spec_memory_swap_limit_bytes", "Memory swap limit for the container.");
    number(plain, u.swap_limit_bytes.value_or(0));
  }
  void pressure(const std::string& plain, const CgroupUsage& u) {
    auto one = [&](std::string_view what, const std::optional<Pressure>& p) {
      if (!p) return;
      counter(cat("container_pressure_", what, "_waiting_seconds_total"), cat("Total time duration tasks in the container have waited due to ", what, " congestion."));
      if (p->some_us) out_.value_at(plain, static_cast<double>(*p->some_us) / 1e6, at_us_);
      counter(cat("container_pressure_", what, "_stalled_seconds_total"), cat("Total time duration no tasks in the container could make progress due to ", what, " congestion."));
      if (p->full_us) out_.value_at(plain, static_cast<double>(*p->full_us) / 1e6, at_us_);
    };
    one("cpu", u.cpu_pressure);
    one("memory", u.memory_pressure);
    one("io", u.io_pressure);
  }

  MetricText& out_;
  int64_t at_us_;
};

}  // namespace

void print_cadvisor_metrics(MetricText& out, const NodeReading& r, const MachineNames& machine, const std::string& cgroup_root) {
  out.single("container_scrape_error", "gauge", "", "1 if there was an error while getting container metrics, 0 otherwise", r.root.cpu_ns ? 0 : 1);
  out.family("cadvisor_version_info", "gauge", "", "A metric with a constant '1' value labeled by kernel version, OS version, docker version, cadvisor version & cadvisor revision.");
  out.value(label_text({{"cadvisorRevision", ""}, {"cadvisorVersion", machine.version}, {"dockerVersion", ""}, {"kernelVersion", machine.kernel_version}, {"osVersion", machine.os_image}}), 1);
  const std::string names = label_text({{"boot_id", machine.boot_id}, {"machine_id", machine.machine_id}, {"system_uuid", machine.system_uuid}});
  out.family("machine_cpu_cores", "gauge", "", "Number of logical CPU cores.");
  out.value(names, machine.cpus);
  out.family("machine_memory_bytes", "gauge", "", "Amount of memory installed on the machine.");
  out.value(names, static_cast<double>(r.machine.memory.total_bytes.value_or(0)));
  out.family("machine_swap_bytes", "gauge", "", "Amount of swap memory available on the machine.");
  out.value(names, static_cast<double>(r.machine.memory.swap_total_bytes.value_or(0)));

  CadvisorPage page(out, r.wall_us);
  Row root;
  root.id = "/";
  CgroupUsage whole = r.root;
  whole.cpu_pressure = r.machine.cpu_pressure;
  whole.memory_pressure = r.machine.memory_pressure;
  whole.io_pressure = r.machine.io_pressure;
  page.usage(root, whole);
  page.started(root, r.machine.boot_us);
  page.links(root, r.machine.links);
  if (r.node_disk.file_system) page.disk(root, r.node_disk, r.node_disk.file_system->used_bytes);
  Row pods;
  pods.id = cat("/", cgroup_root);
  page.usage(pods, r.pods_group);
  for (const PodReading& pod : r.pods) {
    Row group;
    group.id = pod.cgroup;
    group.ns = pod.ns;
    group.pod = pod.name;
    page.usage(group, pod.usage);
    page.started(group, pod.started_us);
    page.links(group, pod.links);
    for (const ContainerReading& c : pod.containers) {
      Row row = group;
      row.id = c.cgroup;
      row.container = c.name;
      row.image = c.image;
      row.name = c.id;
      page.usage(row, c.usage);
      page.started(row, c.started_us);
      page.disk(row, c.layer, c.layer.scan ? Count(c.layer.scan->bytes) : std::nullopt);
    }
  }
}

}  // namespace bramble

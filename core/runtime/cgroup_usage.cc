#include "core/runtime/cgroup_usage.h"

#include <stdlib.h>

#include "core/base/files.h"
#include "core/base/limits.h"
#include "core/base/strings.h"

namespace bramble {

namespace {

// Version 1 writes "no limit" as the largest multiple of a page; upstream takes all from 2^62 on for none.
constexpr uint64_t kNoLimit1 = 1ULL << 62;

Count number(std::string_view text) { return parse_uint64(trim(text)); }

Count limit(std::string_view text) {
  Count n = number(text);  // "max" is no number
  return n && *n < kNoLimit1 ? n : std::nullopt;
}

// Files of lines "key value"; of a key that stands twice the first counts.
class FlatKeyed {
 public:
  explicit FlatKeyed(std::string text) : text_(std::move(text)) {}
  Count get(std::string_view key) const {
    std::string_view rest = text_;
    while (!rest.empty()) {
      std::string_view line = rest.substr(0, rest.find('\n'));
      rest.remove_prefix(std::min(line.size() + 1, rest.size()));
      if (line.size() > key.size() && line[key.size()] == ' ' && line.starts_with(key)) return number(line.substr(key.size() + 1));
    }
    return std::nullopt;
  }
  bool empty() const { return text_.empty(); }

 private:
  std::string text_;
};

Count times(Count n, uint64_t factor) {
  uint64_t out;
  if (!n || __builtin_mul_overflow(*n, factor, &out)) return std::nullopt;
  return out;
}

// A counter read a moment after another may be ahead of it.
Count less(Count whole, Count part) {
  if (!whole) return std::nullopt;
  uint64_t p = part.value_or(0);
  return p < *whole ? *whole - p : 0;
}

Count sum(Count a, Count b) { return a && b ? Count(*a + *b) : std::nullopt; }

DeviceIo* device_of(CgroupUsage& out, std::string_view name) {
  auto it = out.io.find(std::string(name));
  if (it != out.io.end()) return &it->second;
  if (out.io.size() >= limits::kUsageDevicesMax) return nullptr;
  return &out.io[std::string(name)];
}

// "8:0 Read 1234" a line, "Total 5" at the end.
void read_blkio(std::string_view text, CgroupUsage& out, uint64_t DeviceIo::*read, uint64_t DeviceIo::*write) {
  for (std::string_view line : split(text, '\n')) {
    auto words = split(line, ' ');
    if (words.size() != 3 || words[0].find(':') == std::string_view::npos) continue;
    Count n = number(words[2]);
    if (!n || (words[1] != "Read" && words[1] != "Write")) continue;
    if (DeviceIo* device = device_of(out, words[0])) device->*(words[1] == "Read" ? read : write) = *n;
  }
}

// "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0" a line.
void read_io_stat(std::string_view text, CgroupUsage& out) {
  for (std::string_view line : split(text, '\n')) {
    auto words = split(line, ' ');
    if (words[0].find(':') == std::string_view::npos) continue;
    for (std::string_view word : words) {  // a device that was never used has none
      auto pair = cut(word, "=");
      Count n = pair ? number(pair->second) : std::nullopt;
      if (!n) continue;
      DeviceIo* device = device_of(out, words[0]);
      if (!device) return;
      if (pair->first == "rbytes") device->read_bytes = *n;
      if (pair->first == "wbytes") device->write_bytes = *n;
      if (pair->first == "rios") device->reads = *n;
      if (pair->first == "wios") device->writes = *n;
    }
  }
}

double average(std::string_view text) {
  double v = strtod(std::string(text).c_str(), nullptr);
  return v >= 0 && v <= 100 ? v : 0;  // not a number fails both
}

}  // namespace

std::optional<Pressure> parse_pressure(std::string_view text) {
  Pressure out;
  bool any = false;
  for (std::string_view line : split(text, '\n')) {
    const bool some = line.starts_with("some ");
    if (!some && !line.starts_with("full ")) continue;
    for (std::string_view word : split(line.substr(5), ' ')) {
      auto pair = cut(word, "=");
      if (!pair) continue;
      if (pair->first == "avg10") (some ? out.some_avg10 : out.full_avg10) = average(pair->second);
      if (pair->first == "avg60") (some ? out.some_avg60 : out.full_avg60) = average(pair->second);
      if (pair->first == "avg300") (some ? out.some_avg300 : out.full_avg300) = average(pair->second);
      if (pair->first != "total") continue;
      (some ? out.some_us : out.full_us) = number(pair->second);
      any = any || number(pair->second);
    }
  }
  return any ? std::optional<Pressure>(out) : std::nullopt;
}

CgroupUsage cgroup_usage_v1(const CgroupFile& file, Detail detail) {
  CgroupUsage out;
  out.cpu_ns = number(file("cpuacct", "cpuacct.usage"));
  const FlatKeyed memory(file("memory", "memory.stat"));
  out.memory_bytes = number(file("memory", "memory.usage_in_bytes"));
  out.memory_limit_bytes = limit(file("memory", "memory.limit_in_bytes"));
  out.working_set_bytes = less(out.memory_bytes, memory.get("total_inactive_file"));
  out.rss_bytes = memory.get("total_rss");
  out.cache_bytes = memory.get("total_cache");
  out.mapped_file_bytes = memory.get("total_mapped_file");
  out.page_faults = memory.get("total_pgfault");
  out.major_page_faults = memory.get("total_pgmajfault");
  out.swap_bytes = memory.get("total_swap");  // there is none where the kernel does not count swap
  if (out.swap_bytes) {
    Count both = limit(file("memory", "memory.memsw.limit_in_bytes"));
    if (both && out.memory_limit_bytes) out.swap_limit_bytes = less(both, out.memory_limit_bytes);
  }
  out.processes = number(file("pids", "pids.current"));
  if (detail == Detail::kBasic) return out;
  const FlatKeyed times_of(file("cpuacct", "cpuacct.stat"));
  constexpr uint64_t kTick = 1000000000 / 100;  // USER_HZ is 100 on every architecture of ours
  out.cpu_user_ns = times(times_of.get("user"), kTick);
  out.cpu_system_ns = times(times_of.get("system"), kTick);
  const FlatKeyed cpu(file("cpu", "cpu.stat"));
  out.cpu_periods = cpu.get("nr_periods");
  out.cpu_throttled_periods = cpu.get("nr_throttled");
  out.cpu_throttled_ns = cpu.get("throttled_time");
  out.cpu_shares = number(file("cpu", "cpu.shares"));
  out.cpu_period_us = number(file("cpu", "cpu.cfs_period_us"));
  out.cpu_quota_us = parse_int64(trim(file("cpu", "cpu.cfs_quota_us")));
  if (out.cpu_quota_us && *out.cpu_quota_us <= 0) out.cpu_quota_us.reset();  // -1: none
  out.memory_max_bytes = number(file("memory", "memory.max_usage_in_bytes"));
  out.memory_failures = number(file("memory", "memory.failcnt"));
  out.processes_max = limit(file("pids", "pids.max"));
  read_blkio(file("blkio", "blkio.throttle.io_service_bytes_recursive"), out, &DeviceIo::read_bytes, &DeviceIo::write_bytes);
  read_blkio(file("blkio", "blkio.throttle.io_serviced_recursive"), out, &DeviceIo::reads, &DeviceIo::writes);
  return out;
}

CgroupUsage cgroup_usage_v2(const CgroupFile& file, Detail detail) {
  CgroupUsage out;
  const FlatKeyed cpu(file("", "cpu.stat"));
  out.cpu_ns = times(cpu.get("usage_usec"), 1000);
  out.cpu_user_ns = times(cpu.get("user_usec"), 1000);
  out.cpu_system_ns = times(cpu.get("system_usec"), 1000);
  const FlatKeyed memory(file("", "memory.stat"));
  out.rss_bytes = memory.get("anon");
  out.cache_bytes = memory.get("file");
  out.mapped_file_bytes = memory.get("file_mapped");
  out.page_faults = memory.get("pgfault");
  out.major_page_faults = memory.get("pgmajfault");
  out.memory_bytes = number(file("", "memory.current"));
  if (!out.memory_bytes) out.memory_bytes = sum(out.rss_bytes, out.cache_bytes);  // the root has no file for it
  out.memory_limit_bytes = limit(file("", "memory.max"));
  out.working_set_bytes = less(out.memory_bytes, memory.get("inactive_file"));
  out.swap_bytes = number(file("", "memory.swap.current"));
  out.swap_limit_bytes = limit(file("", "memory.swap.max"));
  out.processes = number(file("", "pids.current"));
  if (detail == Detail::kBasic) return out;
  out.cpu_periods = cpu.get("nr_periods");
  out.cpu_throttled_periods = cpu.get("nr_throttled");
  out.cpu_throttled_ns = times(cpu.get("throttled_usec"), 1000);
  if (Count weight = number(file("", "cpu.weight")); weight && *weight >= 1 && *weight <= 10000) {
    out.cpu_shares = 2 + ((*weight - 1) * 262142) / 9999;
  }
  const std::string max = file("", "cpu.max");
  if (auto pair = cut(trim(max), " ")) {
    out.cpu_quota_us = parse_int64(pair->first);
    out.cpu_period_us = number(pair->second);
  }
  out.memory_max_bytes = number(file("", "memory.peak"));
  out.memory_failures = FlatKeyed(file("", "memory.events")).get("max");
  out.processes_max = limit(file("", "pids.max"));
  read_io_stat(file("", "io.stat"), out);
  out.cpu_pressure = parse_pressure(file("", "cpu.pressure"));
  out.memory_pressure = parse_pressure(file("", "memory.pressure"));
  out.io_pressure = parse_pressure(file("", "io.pressure"));
  return out;
}

CgroupUsage read_cgroup_usage(const Cgroups& cgroups, std::string_view path, Detail detail) {
  auto file = [&cgroups, path](std::string_view controller, std::string_view name) {
    std::string folder = cgroups.folder(std::string(controller), path);
    return folder.empty() ? std::string() : read_file_start(cat(folder, "/", name), limits::kUsageFileBytesMax);
  };
  return cgroups.v2() ? cgroup_usage_v2(file, detail) : cgroup_usage_v1(file, detail);
}

}  // namespace bramble

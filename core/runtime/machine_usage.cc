#include "core/runtime/machine_usage.h"

#include <time.h>

#include <algorithm>

#include "core/base/files.h"
#include "core/base/limits.h"
#include "core/base/strings.h"

namespace bramble {

namespace {

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> out;
  for (std::string_view word : split(line, ' '))
    if (!trim(word).empty()) out.push_back(trim(word));
  return out;
}

bool is_left_out(std::string_view link) {
  return link.empty() || link == "lo" || link.starts_with("veth") || link.starts_with("docker") || link.starts_with("nerdctl");
}

std::string proc(const char* path) { return read_file_start(path, limits::kUsageFileBytesMax); }

}  // namespace

std::vector<LinkCount> parse_net_dev(std::string_view text) {
  std::vector<LinkCount> out;
  for (std::string_view line : split(text, '\n')) {
    auto halves = cut(line, ":");
    if (!halves || halves->first.find('|') != std::string_view::npos) continue;
    LinkCount link;
    link.name = std::string(trim(halves->first));
    auto words = words_of(halves->second);
    if (is_left_out(link.name) || words.size() < 12 || out.size() >= limits::kUsageInterfacesMax) continue;
    uint64_t* const fields[] = {&link.rx_bytes, &link.rx_packets, &link.rx_errors, &link.rx_dropped, nullptr, nullptr,
                                nullptr,        nullptr,          &link.tx_bytes,  &link.tx_packets, &link.tx_errors, &link.tx_dropped};
    bool good = true;
    for (size_t i = 0; i < 12; ++i) {
      Count n = parse_uint64(words[i]);
      good = good && n;
      if (fields[i] && n) *fields[i] = *n;
    }
    if (good) out.push_back(std::move(link));
  }
  return out;
}

MemoryInfo parse_meminfo(std::string_view text) {
  MemoryInfo out;
  for (std::string_view line : split(text, '\n')) {
    auto words = words_of(line);
    if (words.size() != 3 || words[2] != "kB") continue;
    Count n = parse_uint64(words[1]);
    if (!n || *n > UINT64_MAX / 1024) continue;
    if (words[0] == "MemTotal:") out.total_bytes = *n * 1024;
    if (words[0] == "MemFree:") out.free_bytes = *n * 1024;
    if (words[0] == "SwapTotal:") out.swap_total_bytes = *n * 1024;
    if (words[0] == "SwapFree:") out.swap_free_bytes = *n * 1024;
  }
  return out;
}

Count parse_thread_count(std::string_view loadavg) {
  auto words = words_of(loadavg);
  if (words.size() < 4) return std::nullopt;
  auto pair = cut(words[3], "/");
  return pair ? parse_uint64(pair->second) : std::nullopt;
}

MachineUsage read_machine_usage(int64_t wall_us) {
  MachineUsage out;
  timespec up{};
  clock_gettime(CLOCK_BOOTTIME, &up);
  out.boot_us = wall_us - static_cast<int64_t>(up.tv_sec) * 1000000 - up.tv_nsec / 1000;
  out.memory = parse_meminfo(proc("/proc/meminfo"));
  out.threads = parse_thread_count(proc("/proc/loadavg"));
  Count pids = parse_uint64(trim(proc("/proc/sys/kernel/pid_max"))), threads = parse_uint64(trim(proc("/proc/sys/kernel/threads-max")));
  if (pids) out.threads_max = std::min(*pids, threads.value_or(*pids));
  out.links = parse_net_dev(proc("/proc/net/dev"));
  out.cpu_pressure = parse_pressure(proc("/proc/pressure/cpu"));
  out.memory_pressure = parse_pressure(proc("/proc/pressure/memory"));
  out.io_pressure = parse_pressure(proc("/proc/pressure/io"));
  return out;
}

std::vector<LinkCount> read_links_of(int pid) { return parse_net_dev(proc(cat("/proc/", pid, "/net/dev").c_str())); }

}  // namespace bramble

// What the machine as a whole says of itself under /proc, and the counters of network links. Parsers are pure, any thread;
// what is malformed is left out.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/runtime/cgroup_usage.h"

namespace bramble {

struct LinkCount {
  std::string name;
  uint64_t rx_bytes = 0, rx_packets = 0, rx_errors = 0, rx_dropped = 0;
  uint64_t tx_bytes = 0, tx_packets = 0, tx_errors = 0, tx_dropped = 0;
};
// /proc/net/dev, without what upstream leaves out as well: lo, and the host's ends of pods' links.
std::vector<LinkCount> parse_net_dev(std::string_view text);

struct MemoryInfo {
  Count total_bytes, free_bytes, swap_total_bytes, swap_free_bytes;
};
MemoryInfo parse_meminfo(std::string_view text);

// "0.42 0.30 0.20 2/190 3940": how many threads there are. Upstream calls them processes.
Count parse_thread_count(std::string_view loadavg);

struct MachineUsage {
  int64_t boot_us = 0;  // wall time
  MemoryInfo memory;
  Count threads, threads_max;
  std::vector<LinkCount> links;
  std::optional<Pressure> cpu_pressure, memory_pressure, io_pressure;
};
// Blocking, briefly. wall_us: the time now.
MachineUsage read_machine_usage(int64_t wall_us);
// Of the network namespace of a process; nothing when it is gone.
std::vector<LinkCount> read_links_of(int pid);

}  // namespace bramble

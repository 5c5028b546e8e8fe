// CgroupUsage: what the kernel counts of one cgroup, from the files of cgroup version 1 (one folder per controller) or 2 (one
// folder). Pure functions over "give me that file", so that recorded files test them; whatever a file holds that is no number
// leaves its field absent. Any thread; reading blocks, but briefly: these files are made by the kernel.
// Meanings are those of upstream's cAdvisor: the working set is the usage less inactive_file of the whole subtree, rss is
// anonymous memory of it. (Kernel: admin-guide/cgroup-v1/{memory,cpuacct,blkio}, admin-guide/cgroup-v2, accounting/psi.)
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "core/runtime/cgroups.h"

namespace bramble {

using Count = std::optional<uint64_t>;

// Stall information: time in which some, or all, of the tasks waited for the resource.
struct Pressure {
  Count some_us, full_us;
  double some_avg10 = 0, some_avg60 = 0, some_avg300 = 0, full_avg10 = 0, full_avg60 = 0, full_avg300 = 0;
};

struct DeviceIo {
  uint64_t read_bytes = 0, write_bytes = 0, reads = 0, writes = 0;
};

struct CgroupUsage {
  Count cpu_ns, cpu_user_ns, cpu_system_ns;
  Count memory_bytes, memory_limit_bytes, memory_max_bytes, working_set_bytes, rss_bytes, cache_bytes, mapped_file_bytes;
  Count page_faults, major_page_faults, memory_failures;
  Count swap_bytes, swap_limit_bytes;  // a limit is absent where there is none
  Count processes;
  // With Detail::kAll only.
  Count cpu_periods, cpu_throttled_periods, cpu_throttled_ns, cpu_shares, cpu_period_us, processes_max;
  std::optional<int64_t> cpu_quota_us;
  std::map<std::string, DeviceIo> io;  // by "major:minor"
  std::optional<Pressure> cpu_pressure, memory_pressure, io_pressure;
};

// kBasic: CPU, memory, swap, number of processes: what is asked for every few seconds.
enum class Detail { kBasic, kAll };

// The text of a file; "" when there is none. Version 2 has one folder: the controller is "".
using CgroupFile = std::function<std::string(std::string_view controller, std::string_view file)>;
CgroupUsage cgroup_usage_v1(const CgroupFile& file, Detail detail);
CgroupUsage cgroup_usage_v2(const CgroupFile& file, Detail detail);

// Of a cgroup as Cgroups names it ("/kubepods/burstable/pod<uid>"; "/" for the whole machine). Absent fields all over when
// there is no such cgroup.
CgroupUsage read_cgroup_usage(const Cgroups& cgroups, std::string_view path, Detail detail);

std::optional<Pressure> parse_pressure(std::string_view text);

}  // namespace bramble

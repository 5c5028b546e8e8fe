#include "core/app/process_metrics.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "core/base/strings.h"
#include "core/base/unique_fd.h"

namespace bramble {

namespace {

// The fields of /proc/self/stat after the command's name, which may hold anything; the first is the third of proc(5).
std::vector<std::string> stat_fields() {
  UniqueFd fd(open("/proc/self/stat", O_RDONLY | O_CLOEXEC));
  char text[2048];
  ssize_t n = fd.get() < 0 ? 0 : read(fd.get(), text, sizeof text);
  if (n <= 0) return {};
  std::string_view all(text, static_cast<size_t>(n));
  size_t end = all.rfind(") ");
  if (end == std::string_view::npos) return {};
  std::vector<std::string> out;
  for (std::string_view field : split(trim(all.substr(end + 2)), ' ')) out.emplace_back(field);
  return out;
}

double number(const std::vector<std::string>& fields, size_t proc_index) {
  return proc_index - 3 < fields.size() ? static_cast<double>(parse_uint64(fields[proc_index - 3]).value_or(0)) : 0;
}

size_t open_files() {
  DIR* dir = opendir("/proc/self/fd");
  if (dir == nullptr) return 0;
  size_t n = 0;
  while (const dirent* entry = readdir(dir)) n += entry->d_name[0] != '.';
  closedir(dir);
  return n - 1;  // the one that this reads
}

double boot_time_s() {
  timespec wall, since_boot;
  clock_gettime(CLOCK_REALTIME, &wall);
  clock_gettime(CLOCK_BOOTTIME, &since_boot);
  return static_cast<double>(wall.tv_sec - since_boot.tv_sec) + static_cast<double>(wall.tv_nsec - since_boot.tv_nsec) / 1e9;
}

}  // namespace

void print_process_metrics(MetricText& out) {
  std::vector<std::string> stat = stat_fields();
  const double ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  out.single("process_cpu_seconds_total", "counter", "", "Total user and system CPU time spent in seconds.", (number(stat, 14) + number(stat, 15)) / ticks);
  out.single("process_start_time_seconds", "gauge", "", "Start time of the process since unix epoch in seconds.", boot_time_s() + number(stat, 22) / ticks);
  out.single("process_virtual_memory_bytes", "gauge", "", "Virtual memory size in bytes.", number(stat, 23));
  out.single("process_resident_memory_bytes", "gauge", "", "Resident memory size in bytes.",
             number(stat, 24) * static_cast<double>(sysconf(_SC_PAGESIZE)));
  out.single("process_open_fds", "gauge", "", "Number of open file descriptors.", static_cast<double>(open_files()));
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) == 0)
    out.single("process_max_fds", "gauge", "", "Maximum number of open file descriptors.", static_cast<double>(files.rlim_cur));
}

}  // namespace bramble

#include "core/base/log.h"

#include <time.h>
#include <unistd.h>

#include <cstdio>

namespace bramble {

static LogLevel g_level = LogLevel::kInfo;

void set_log_level(LogLevel level) { g_level = level; }
bool log_enabled(LogLevel level) { return level >= g_level; }

void log_line(LogLevel level, std::string_view text) {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  tm parts{};
  gmtime_r(&now.tv_sec, &parts);
  char stamp[64];
  int n = std::snprintf(stamp, sizeof stamp, "%c %04d-%02d-%02dT%02d:%02d:%02d.%03ldZ ", "DIWE"[static_cast<int>(level)],
                        parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                        now.tv_nsec / 1000000);
  std::string line(stamp, static_cast<size_t>(n));
  line.append(text);
  line.push_back('\n');
  ssize_t written = write(2, line.data(), line.size());
  (void)written;  // nowhere left to report to
}

}  // namespace bramble

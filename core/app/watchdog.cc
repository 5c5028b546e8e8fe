#include "core/app/watchdog.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "core/app/host_facts.h"
#include "core/base/strings.h"

namespace bramble {

int64_t watchdog_interval_us() {
  const char* interval = std::getenv("WATCHDOG_USEC");
  const char* pid = std::getenv("WATCHDOG_PID");
  if (!interval || (pid && parse_int64(pid) != getpid())) return 0;
  return std::max<int64_t>(parse_int64(interval).value_or(0), 0);
}

Watchdog::Watchdog(int64_t interval_us) : wait_ms_(std::max<int64_t>(interval_us / 2000, 1)), timer_([this] { feed(); }) {
  if (interval_us > 0) feed();
}

void Watchdog::feed() {
  notify_service_manager("WATCHDOG=1");
  timer_.arm_ms(wait_ms_);
}

}  // namespace bramble

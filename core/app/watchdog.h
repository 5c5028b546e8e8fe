// Watchdog: tells the service manager that the loop turns (sd_watchdog_enabled(3)), so that a process that hangs is ended and
// started again. Only where the manager asks for it, by WATCHDOG_USEC (WatchdogSec= of the unit) and WATCHDOG_PID. Owner's loop
// thread.
#pragma once

#include <cstdint>

#include "core/loop/loop.h"

namespace bramble {

// What the environment asks for, 0: nothing.
int64_t watchdog_interval_us();

class Watchdog {
 public:
  // Half of the time that the manager waits lies between two signs of life.
  explicit Watchdog(int64_t interval_us);

 private:
  void feed();
  int64_t wait_ms_;
  Timer timer_;
};

}  // namespace bramble

#include "core/loop/wall_alarm.h"

#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace bramble {

WallAlarm::WallAlarm(std::function<void()> fire)
    : fd_(timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC)), fire_(std::move(fire)), watch_(fd_.get(), FdWatch::kReadable, [this](int) {
        uint64_t times = 0;
        ssize_t n = read(fd_.get(), &times, sizeof times);
        if (n < 0 && errno != ECANCELED) return;
        if (n < 0) arm();  // a clock that was set leaves the timer without its time
        auto call = fire_;  // may destroy this
        call();
      }) {}

void WallAlarm::set_at_s(int64_t wall_s) {
  wall_s_ = wall_s;
  arm();
}

void WallAlarm::arm() {
  itimerspec at{};
  at.it_value.tv_sec = std::max<int64_t>(wall_s_, 1);  // 0 would disarm
  int rc = timerfd_settime(fd_.get(), TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &at, nullptr);
  CHECK(rc == 0 || errno == ECANCELED, "timerfd_settime: errno ", errno);
}

}  // namespace bramble

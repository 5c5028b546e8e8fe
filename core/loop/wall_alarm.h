// WallAlarm: calls back at a time of the wall clock, and whenever somebody sets that clock, so that who waits for a date looks
// again at once: a board without a clock of its own starts in 1970 and jumps. Nothing is polled (timerfd_create(2),
// TFD_TIMER_CANCEL_ON_SET). Belongs to the loop of its thread.
#pragma once

#include <functional>
#include <memory>

#include "core/base/unique_fd.h"
#include "core/loop/loop.h"

namespace bramble {

class WallAlarm {
 public:
  // fire may set the alarm again, or destroy it.
  explicit WallAlarm(std::function<void()> fire);
  WallAlarm(const WallAlarm&) = delete;
  void set_at_s(int64_t wall_s);  // replaces an earlier time; a time that is over fires at the loop's next turn

 private:
  void arm();
  UniqueFd fd_;
  int64_t wall_s_ = 0;
  std::function<void()> fire_;
  FdWatch watch_;
};

}  // namespace bramble

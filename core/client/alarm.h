// Alarm: one time at which to be called, that may be moved. Parts that wait for a time take an AlarmFactory, so that tests
// and the simulation decide when time passes; the real one is a timer of the loop. Owner's loop thread.
#pragma once

#include <functional>
#include <memory>

namespace bramble {

class Alarm {
 public:
  virtual ~Alarm() = default;  // disarms
  virtual void set_in_ms(int64_t ms) = 0;  // replaces an earlier time; 0: at the loop's next turn, never inside this call
  virtual void clear() = 0;
};

using AlarmFactory = std::function<std::unique_ptr<Alarm>(std::function<void()> fire)>;

// Alarms on the loop of this thread.
AlarmFactory loop_alarms();

}  // namespace bramble

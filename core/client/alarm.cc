#include "core/client/alarm.h"

#include "core/loop/loop.h"

namespace bramble {

namespace {

class LoopAlarm final : public Alarm {
 public:
  explicit LoopAlarm(std::function<void()> fire) : timer_(std::move(fire)) {}
  void set_in_ms(int64_t ms) override { timer_.arm_ms(ms); }
  void clear() override { timer_.disarm(); }

 private:
  Timer timer_;
};

std::unique_ptr<Alarm> make_loop_alarm(std::function<void()> fire) { return std::make_unique<LoopAlarm>(std::move(fire)); }

}  // namespace

AlarmFactory loop_alarms() { return make_loop_alarm; }

}  // namespace bramble

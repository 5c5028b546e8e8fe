// FakeTime: a clock and the alarms on it. Nothing happens but by fire_one() and skip(): the simulation decides when.
#pragma once

#include <map>
#include <optional>

#include "core/base/clock.h"
#include "core/client/alarm.h"

namespace bramble {

class FakeTime {
 public:
  FakeClock clock;

  AlarmFactory alarms() {
    return [this](std::function<void()> fire) -> std::unique_ptr<Alarm> { return std::make_unique<FakeAlarm>(this, std::move(fire)); };
  }
  // Fires the alarm that is due for the longest time; false when none is due.
  bool fire_one() {
    if (due_.empty() || due_.begin()->first.first > clock.monotonic_us()) return false;
    FakeAlarm* alarm = due_.begin()->second;
    alarm->clear();
    alarm->fire();
    return true;
  }
  // To the next alarm, but at most so far; false when nothing is armed within that.
  bool skip(int64_t at_most_us) {
    if (due_.empty()) return false;
    int64_t wait_us = due_.begin()->first.first - clock.monotonic_us();
    if (wait_us > at_most_us) return false;
    if (wait_us > 0) clock.advance_us(wait_us);
    return true;
  }

 private:
  class FakeAlarm final : public Alarm {
   public:
    FakeAlarm(FakeTime* time, std::function<void()> on_fire) : fire(std::move(on_fire)), time_(time) {}
    ~FakeAlarm() override { clear(); }
    void set_in_ms(int64_t ms) override {
      clear();
      key_ = {time_->clock.monotonic_us() + ms * 1000, ++time_->armed_};
      time_->due_[*key_] = this;
    }
    void clear() override {
      if (key_) time_->due_.erase(*key_);
      key_.reset();
    }
    std::function<void()> fire;

   private:
    FakeTime* time_;
    std::optional<std::pair<int64_t, uint64_t>> key_;
  };
  std::map<std::pair<int64_t, uint64_t>, FakeAlarm*> due_;
  uint64_t armed_ = 0;
};

}  // namespace bramble

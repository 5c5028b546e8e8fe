// Race: runs tasks until the first of them ends; then its owner drops them all. The owner waits on first(), which is set from
// the loop and never from inside a task, so that the owner may destroy the Race at once. Last member or local of its owner.
#pragma once

#include "core/loop/loop.h"
#include "core/loop/task.h"

namespace bramble {

class Race {
 public:
  void add(Task<void> task) { tasks_.start(run(std::move(task), over_)); }
  // Ends when this event is set.
  void until(Event* event) { add(wait(event)); }
  // Ends when so long has passed.
  void within_ms(int64_t ms) { add(sleep_ms(ms)); }
  Event& first() { return *over_; }

 private:
  static Task<void> run(Task<void> task, std::shared_ptr<Event> over) {
    co_await task;
    Loop::current().post([over] { over->set(); });
  }
  static Task<void> wait(Event* event) { co_await event->wait(); }

  std::shared_ptr<Event> over_ = std::make_shared<Event>();
  TaskGroup tasks_;
};

}  // namespace bramble

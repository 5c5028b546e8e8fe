// run_task(loop, task): runs the loop until the task has ended, and gives its value.
#pragma once

#include "core/loop/loop.h"

namespace bramble {

template <class T>
Task<void> store_result(Task<T> task, std::optional<T>* out, Loop* loop) {
  T value = co_await task;
  out->emplace(std::move(value));
  loop->stop();
}

template <class T>
T run_task(Loop& loop, Task<T> task) {
  std::optional<T> out;
  TaskGroup group;
  group.start(store_result(std::move(task), &out, &loop));
  while (!out) loop.run();
  return std::move(*out);
}

inline Task<bool> and_true(Task<void> task) {
  co_await task;
  co_return true;
}
inline void run_task(Loop& loop, Task<void> task) { run_task(loop, and_true(std::move(task))); }

// Runs the loop until fn, called after every turn of posted work, answers true.
inline void run_until(Loop& loop, std::function<bool()> fn) {
  bool done = false;
  std::function<void()> look = [&] {
    done = fn();
    if (done)
      loop.stop();
    else
      loop.post(look);
  };
  loop.post(look);
  while (!done) loop.run();  // a stop() left over from before ends a run early
}

}  // namespace bramble

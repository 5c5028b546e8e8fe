// For tests: runs one task on a loop of this thread to its end and gives its value.
#pragma once

#include <optional>
#include <utility>

#include "core/loop/loop.h"

namespace bramble {

template <class T>
Task<void> run_into(Task<T> task, std::optional<T>* out, Loop* loop) {
  auto value = co_await task;
  *out = std::move(value);
  loop->stop();
}

template <class T>
T run_on(Loop& loop, Task<T> task) {
  std::optional<T> out;
  TaskGroup group;
  group.start(run_into<T>(std::move(task), &out, &loop));
  while (!out) loop.run();  // a stop() of an earlier task that never had to run may still stand
  return std::move(*out);
}

}  // namespace bramble

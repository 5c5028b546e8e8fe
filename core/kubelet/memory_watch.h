// MemoryWatch: calls back when the kernel tells that memory grows short, so that nobody has to look. In cgroup version 1 when
// the whole machine's usage crosses a mark (cgroup-v1/memory: "Memory thresholds"); where the kernel counts stalls, when tasks
// have waited for memory (accounting/psi: triggers). Hints only: look afterwards. Belongs to the loop of its thread.
#pragma once

#include <functional>
#include <memory>

#include "core/base/unique_fd.h"
#include "core/loop/loop.h"
#include "core/runtime/cgroups.h"

namespace bramble {

class MemoryWatch {
 public:
  // cgroups outlives it.
  MemoryWatch(const Cgroups& cgroups, std::function<void()> tight);
  MemoryWatch(const MemoryWatch&) = delete;
  // The usage at which to call; moved when it differs by much from the last. Nothing where the kernel has no such marks.
  void mark(uint64_t usage_bytes);
  bool told_of_stalls() const { return stalls_watch_ != nullptr; }
  bool told_of_marks() const { return mark_watch_ != nullptr; }

 private:
  void watch_stalls();
  const Cgroups& cgroups_;
  std::function<void()> tight_;
  uint64_t marked_bytes_ = 0;
  UniqueFd stalls_, stalls_poll_, mark_, usage_;
  std::unique_ptr<FdWatch> stalls_watch_, mark_watch_;
};

}  // namespace bramble

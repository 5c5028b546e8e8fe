#include "core/loop/loop_steps.h"

#include <time.h>

#include <algorithm>

#include "core/base/limits.h"

namespace bramble {
namespace {

thread_local LoopSteps t_steps;
thread_local bool t_inside = false;

int64_t monotonic_us() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<int64_t>(t.tv_sec) * 1000000 + t.tv_nsec / 1000;
}

}  // namespace

const LoopSteps& loop_steps() { return t_steps; }

namespace loop_detail {

Step::Step() : begun_us_(t_inside ? -1 : monotonic_us()) { t_inside = true; }

Step::~Step() {
  if (begun_us_ < 0) return;
  t_inside = false;
  int64_t took_us = monotonic_us() - begun_us_;
  t_steps.steps++;
  if (took_us > limits::kLoopStepUs) t_steps.overruns++;
  t_steps.longest_us = std::max(t_steps.longest_us, took_us);
}

}  // namespace loop_detail
}  // namespace bramble

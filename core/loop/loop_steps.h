// LoopSteps: how often the loop of this thread ran something, and how often that took longer than limits::kLoopStepUs, so that
// all others waited. By wall time: a machine that is busy elsewhere shows too.
#pragma once

#include <cstdint>

namespace bramble {

struct LoopSteps {
  uint64_t steps = 0, overruns = 0;
  int64_t longest_us = 0;
};

const LoopSteps& loop_steps();  // of the calling thread's loop

namespace loop_detail {
// Around each callback from libuv; one within another is part of it.
class Step {
 public:
  Step();
  ~Step();
  Step(const Step&) = delete;

 private:
  int64_t begun_us_;
};
}  // namespace loop_detail

}  // namespace bramble

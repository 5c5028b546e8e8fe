// Refusals: how long those whom a priority level refuses are told to stay away (Retry-After): doubled while many are refused, a
// second less when few are, as upstream has it (k8s.io/apiserver, pkg/util/flowcontrol/dropped_requests_tracker.go). Seconds
// come from the caller; they never go back. Owner's loop thread.
#pragma once

#include <cstdint>
#include <deque>

namespace bramble {

class Refusals {
 public:
  static constexpr int64_t kRetryAfterSMax = 32;
  // One more is refused in this second. The seconds that it is told.
  int64_t refuse(int64_t now_s);

 private:
  struct Second {
    int64_t at_s;
    int64_t refused;
  };
  void adapt(int64_t now_s);

  std::deque<Second> seconds_;  // that refused somebody; the last is the present one; none older than the longest retry
  int64_t retry_after_s_ = 1;
  int64_t doubled_at_s_ = INT64_MIN / 2;
};

}  // namespace bramble

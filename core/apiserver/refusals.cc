#include "core/apiserver/refusals.h"

#include <algorithm>

namespace bramble {

int64_t Refusals::refuse(int64_t now_s) {
  if (!seconds_.empty() && seconds_.back().at_s == now_s) {
    seconds_.back().refused++;
    return retry_after_s_;
  }
  adapt(now_s);
  // Upstream drops old seconds by the one that has just ended.
  while (!seconds_.empty() && seconds_.back().at_s - seconds_.front().at_s > kRetryAfterSMax) seconds_.pop_front();
  seconds_.push_back({now_s, 1});
  return retry_after_s_;
}

// At the first refusal of a second, by those of the last retry_after_s_ seconds before it.
void Refusals::adapt(int64_t now_s) {
  int64_t refused = 0;
  for (const Second& second : seconds_) {
    if (now_s - second.at_s <= retry_after_s_) refused += second.refused;
  }
  if (now_s - doubled_at_s_ >= retry_after_s_ && refused >= 3 * retry_after_s_) {
    retry_after_s_ = std::min(2 * retry_after_s_, kRetryAfterSMax);
    doubled_at_s_ = now_s;
  } else if (refused < retry_after_s_ && retry_after_s_ > 1) {
    retry_after_s_--;
  }
}

}  // namespace bramble

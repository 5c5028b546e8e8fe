// The time as of which certificates and tokens are issued. A board without a clock of its own starts in 1970 and jumps later:
// what it issued by then must be valid at once and stay so. Hence never before a floor, which core/app takes from the release's
// date and from what this disk has seen (DESIGN section 6). Pure.
#pragma once

#include <algorithm>

#include "core/base/clock.h"

namespace bramble {

inline int64_t issuing_time_s(const Clock& clock, int64_t floor_s) { return std::max(clock.wall_us() / 1000000, floor_s); }

}  // namespace bramble

// CpuRates: how much CPU something uses now, from counters that are read when somebody asks, and only then. A rate needs two
// points. Of each counter two earlier readings are kept, kUsageWindowMinUs or more apart; a rate is told over the time since the
// younger of them that is old enough. So whoever asks every 15 seconds gets windows of 15 seconds, whoever asks all the time gets
// windows of 10 to 20. A counter that is known to have begun at zero has that as its first point. Where the points
// are older than kUsageWindowMaxUs there is no rate: the asker looks again after kUsageSecondLookMs.
// (metrics-server keeps two points as well, and takes a fresh container's start for its first.) Values; one owner.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace bramble {

struct CpuRate {
  uint64_t nano_cores = 0;
  int64_t window_us = 0;
};

class CpuRates {
 public:
  struct Point {
    int64_t at_us = 0;  // monotonic
    uint64_t cpu_ns = 0;
  };
  // began_us: when the counter was zero. age_min_us: how old a first point must be.
  std::optional<CpuRate> note(const std::string& key, Point now, std::optional<int64_t> began_us, int64_t age_min_us);
  // Forgets counters that were not noted at or after that time.
  void forget_before(int64_t at_us);
  size_t size() const { return kept_.size(); }

 private:
  struct Kept {
    std::optional<Point> older, newer;
    int64_t noted_us = 0;
  };
  std::map<std::string, Kept> kept_;
};

}  // namespace bramble

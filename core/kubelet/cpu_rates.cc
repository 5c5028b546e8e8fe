#include "core/kubelet/cpu_rates.h"

#include "core/base/limits.h"

namespace bramble {

std::optional<CpuRate> CpuRates::note(const std::string& key, Point now, std::optional<int64_t> began_us, int64_t age_min_us) {
  Kept& kept = kept_[key];
  kept.noted_us = now.at_us;
  if (kept.newer && now.cpu_ns < kept.newer->cpu_ns) kept.older = kept.newer = std::nullopt;  // it began anew
  if (kept.newer && now.at_us < kept.newer->at_us) kept.older = kept.newer = std::nullopt;
  std::optional<Point> first;
  for (const auto& point : {kept.newer, kept.older})
    if (!first && point && now.at_us - point->at_us >= age_min_us) first = point;
  if (!first && began_us && *began_us < now.at_us) first = Point{*began_us, 0};
  if (!kept.newer || now.at_us - kept.newer->at_us >= limits::kUsageWindowMinUs) {
    kept.older = kept.newer;
    kept.newer = now;
  }
  if (!first) return std::nullopt;
  const int64_t window_us = now.at_us - first->at_us;
  if (window_us <= 0 || window_us > limits::kUsageWindowMaxUs) return std::nullopt;
  const double nano_cores = static_cast<double>(now.cpu_ns - first->cpu_ns) * 1e6 / static_cast<double>(window_us);
  return CpuRate{static_cast<uint64_t>(nano_cores), window_us};
}

void CpuRates::forget_before(int64_t at_us) {
  std::erase_if(kept_, [at_us](const auto& entry) { return entry.second.noted_us < at_us; });
}

}  // namespace bramble

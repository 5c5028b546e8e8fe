#include "core/kubelet/probe_counts.h"

namespace bramble {

namespace {
constexpr double kProbeSeconds[] = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};
}  // namespace

void ProbeCounts::note(const ProbedContainer& of, const std::string& type, const std::string& result, int64_t took_us) {
  ++counts_[of][{type, result}];
  seconds_[of].try_emplace(type, kProbeSeconds).first->second.observe(static_cast<double>(took_us) / 1e6);
}

void ProbeCounts::forget_pod(const std::string& uid) {
  std::erase_if(counts_, [&uid](const auto& e) { return e.first.pod_uid == uid; });
  std::erase_if(seconds_, [&uid](const auto& e) { return e.first.pod_uid == uid; });
}

void ProbeCounts::print(MetricText& out) const {
  out.family("prober_probe_total", "counter", "BETA", "Cumulative number of a liveness, readiness or startup probe for a container by result.");
  for (const auto& [of, counts] : counts_) {
    for (const auto& [key, count] : counts) {
      out.value(label_text({{"container", of.container}, {"namespace", of.ns}, {"pod", of.pod}, {"pod_uid", of.pod_uid}, {"probe_type", key.first}, {"result", key.second}}), static_cast<double>(count));
    }
  }
  out.family("prober_probe_duration_seconds", "histogram", "ALPHA", "Duration in seconds for a probe response.");
  for (const auto& [of, by_type] : seconds_) {
    for (const auto& [type, histogram] : by_type) {
      out.histogram(label_text({{"container", of.container}, {"namespace", of.ns}, {"pod", of.pod}, {"probe_type", type}}), histogram);
    }
  }
}

}  // namespace bramble

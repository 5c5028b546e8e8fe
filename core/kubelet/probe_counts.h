// ProbeCounts: results of probes since the start, by container, for /metrics/probes. Whoever runs probes notes them. Loop thread.
#pragma once

#include <map>
#include <string>

#include "core/base/metrics.h"

namespace bramble {

struct ProbedContainer {
  std::string ns, pod, pod_uid, container;
  auto operator<=>(const ProbedContainer&) const = default;
};

class ProbeCounts {
 public:
  // type: "Liveness" "Readiness" "Startup". result: "successful" "failed" "unknown".
  void note(const ProbedContainer& of, const std::string& type, const std::string& result, int64_t took_us);
  void forget_pod(const std::string& uid);
  void print(MetricText& out) const;

 private:
  std::map<ProbedContainer, std::map<std::pair<std::string, std::string>, uint64_t>> counts_;
  std::map<ProbedContainer, std::map<std::string, Histogram>> seconds_;
};

}  // namespace bramble

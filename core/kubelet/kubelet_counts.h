// KubeletCounts: what the kubelet counts of its own work, seen in the statuses that it writes: pods that began to run and how
// long that took, containers that started. Printed for /metrics. Loop thread; begins anew with the process.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "core/base/metrics.h"
#include "core/kubelet/node_parts.h"

namespace bramble {

class KubeletCounts {
 public:
  explicit KubeletCounts(NodeParts& parts);
  void print(MetricText& out) const;

 private:
  void on_change(const Change& change);

  NodeParts& parts_;
  std::map<std::string, int64_t> waiting_us_;  // since when, by uid: pods that do not run yet
  Histogram start_seconds_;
  uint64_t started_pods_ = 0, started_containers_ = 0, started_init_containers_ = 0;
  std::unique_ptr<Subscription> subscription_;
};

}  // namespace bramble

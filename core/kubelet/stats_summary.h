// The answer of /stats/summary: stats.k8s.io/v1alpha1 Summary, as JSON. Pure.
#pragma once

#include <string>

#include "core/kubelet/node_usage.h"

namespace bramble {

struct SummaryOptions {
  std::string node_name;
  bool cpu_and_memory_only = false;
};
std::string stats_summary(const NodeReading& reading, const SummaryOptions& options);

}  // namespace bramble

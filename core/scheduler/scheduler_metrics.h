// SchedulerMetrics: what the scheduler counts, under upstream's names (pkg/scheduler/metrics). Owned by the Scheduler, its thread.
// Nothing survives a restart.
#pragma once

#include <array>
#include <map>

#include "core/base/metrics.h"
#include "core/scheduler/pod_queue.h"

namespace bramble {

class SchedulerMetrics {
 public:
  enum class Result { kScheduled, kUnschedulable, kError };
  SchedulerMetrics();
  void decided(int64_t us);               // which node, or none
  void tried(Result result, int64_t us);  // decision and binding together
  void placed(int attempts, int64_t us);  // a pod has its node, so long after it came into the queue
  void print(MetricText& out, const PodQueue::Sizes& waiting) const;

 private:
  struct Tries {
    Tries();
    uint64_t count = 0;
    Histogram seconds;
  };
  std::array<Tries, 3> tries_;
  Histogram decision_seconds_, attempts_;
  std::map<int, Histogram> placed_seconds_;  // by attempts; 15 stands for more as well
};

}  // namespace bramble

#include "core/scheduler/scheduler_metrics.h"

#include <gtest/gtest.h>

namespace bramble {
namespace {

TEST(SchedulerMetrics, are_printed_under_upstreams_names) {
  SchedulerMetrics metrics;
  metrics.decided(1500);
  metrics.tried(SchedulerMetrics::Result::kUnschedulable, 1500);
  metrics.tried(SchedulerMetrics::Result::kScheduled, 3000);
  metrics.placed(2, 50000);
  metrics.placed(15, 50000);
  metrics.placed(40, 50000);
  MetricText page;
  metrics.print(page, {1, 2, 3, 4});
  const std::string text = page.take();
  for (const char* line : {
           "scheduler_pending_pods{queue=\"active\"} 1\n",
           "scheduler_pending_pods{queue=\"backoff\"} 2\n",
           "scheduler_pending_pods{queue=\"unschedulable\"} 3\n",
           "scheduler_pending_pods{queue=\"gated\"} 4\n",
           "scheduler_schedule_attempts_total{profile=\"default-scheduler\",result=\"scheduled\"} 1\n",
           "scheduler_schedule_attempts_total{profile=\"default-scheduler\",result=\"unschedulable\"} 1\n",
           "scheduler_scheduling_attempt_duration_seconds_bucket{profile=\"default-scheduler\",result=\"scheduled\",le=\"0.002\"} 0\n",
           "scheduler_scheduling_attempt_duration_seconds_bucket{profile=\"default-scheduler\",result=\"scheduled\",le=\"0.004\"} 1\n",
           "scheduler_pod_scheduling_sli_duration_seconds_count{attempts=\"2\"} 1\n",
           "scheduler_pod_scheduling_sli_duration_seconds_count{attempts=\"15+\"} 2\n",
           "scheduler_pod_scheduling_attempts_sum 57\n",
       }) {
    EXPECT_NE(text.find(line), std::string::npos) << line;
  }
}

}  // namespace
}  // namespace bramble

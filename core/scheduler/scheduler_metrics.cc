#include "core/scheduler/scheduler_metrics.h"

#include <algorithm>

#include "core/base/strings.h"

namespace bramble {

namespace {

constexpr double kTrySeconds[] = {0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.024, 2.048, 4.096, 8.192, 16.384};
constexpr double kPlacedSeconds[] = {0.01, 0.02, 0.04,  0.08,  0.16,  0.32,  0.64,   1.28,   2.56,   5.12,
                                     10.24, 20.48, 40.96, 81.92, 163.84, 327.68, 655.36, 1310.72, 2621.44, 5242.88};
constexpr double kAttempts[] = {1, 2, 4, 8, 16};
constexpr int kAttemptsTold = 15;  // then "15+"
constexpr std::string_view kResults[] = {"scheduled", "unschedulable", "error"};
constexpr std::string_view kProfile = "default-scheduler";

double seconds(int64_t us) { return static_cast<double>(us) / 1e6; }

}  // namespace

SchedulerMetrics::Tries::Tries() : seconds(kTrySeconds) {}
SchedulerMetrics::SchedulerMetrics() : decision_seconds_(kTrySeconds), attempts_(kAttempts) {}

void SchedulerMetrics::decided(int64_t us) { decision_seconds_.observe(seconds(us)); }

void SchedulerMetrics::tried(Result result, int64_t us) {
  Tries& tries = tries_[static_cast<size_t>(result)];
  tries.count++;
  tries.seconds.observe(seconds(us));
}

void SchedulerMetrics::placed(int attempts, int64_t us) {
  attempts_.observe(attempts);
  placed_seconds_.try_emplace(std::min(attempts, kAttemptsTold), kPlacedSeconds).first->second.observe(seconds(us));
}

void SchedulerMetrics::print(MetricText& out, const PodQueue::Sizes& waiting) const {
  out.family("scheduler_pending_pods", "gauge", "STABLE",
             "Number of pending pods, by the queue type. 'active' means number of pods in activeQ; 'backoff' means number of pods in backoffQ; "
             "'unschedulable' means number of pods in unschedulablePods that the scheduler attempted to schedule and failed; 'gated' is the number "
             "of unschedulable pods that the scheduler never attempted to schedule because they are gated.");
  auto pending = [&out](std::string_view queue, size_t pods) { out.value(label_text({{"queue", queue}}), static_cast<double>(pods)); };
  pending("active", waiting.active);
  pending("backoff", waiting.backoff);
  pending("gated", waiting.gated);
  pending("unschedulable", waiting.unschedulable);
  for (size_t i = 0; i < tries_.size(); i++) {
    const std::string labels = label_text({{"profile", kProfile}, {"result", kResults[i]}});
    if (tries_[i].count == 0) continue;
    out.family("scheduler_schedule_attempts_total", "counter", "STABLE",
               "Number of attempts to schedule pods, by the result. 'unschedulable' means a pod could not be scheduled, while 'error' means an "
               "internal scheduler problem.");
    out.value(labels, static_cast<double>(tries_[i].count));
    out.family("scheduler_scheduling_attempt_duration_seconds", "histogram", "STABLE",
               "Scheduling attempt latency in seconds (scheduling algorithm + binding)");
    out.histogram(labels, tries_[i].seconds);
  }
  out.family("scheduler_scheduling_algorithm_duration_seconds", "histogram", "BETA", "Scheduling algorithm latency in seconds");
  out.histogram("", decision_seconds_);
  out.family("scheduler_pod_scheduling_attempts", "histogram", "STABLE", "Number of attempts to successfully schedule a pod.");
  out.histogram("", attempts_);
  out.family("scheduler_pod_scheduling_sli_duration_seconds", "histogram", "BETA",
             "E2e latency for a pod being scheduled, from the time the pod enters the scheduling queue and might involve multiple scheduling "
             "attempts.");
  for (const auto& [attempts, histogram] : placed_seconds_) {
    std::string told = attempts == kAttemptsTold ? "15+" : cat(attempts);
    out.histogram(label_text({{"attempts", told}}), histogram);
  }
}

}  // namespace bramble

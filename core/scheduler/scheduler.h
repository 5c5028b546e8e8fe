// Scheduler: gives each pod of the default scheduler a node. Watches pods, nodes, volume claims; writes bindings, the
// PodScheduled condition, Events. Owner's loop thread. Nothing survives a crash: at start it reads what there is.
//
// A decision is one step without waiting, so no change can be missed between looking and giving back. A pod whose binding is
// under way counts on its node (assumed) until the watch shows it there or the binding fails.
// Not here: preemption, pod affinity, topology spread, volume binding, device claims. A pod that requires affinity or a spread
// is left without a node, and told so (filter_unserved.cc).
#pragma once

#include <memory>

#include "core/base/clock.h"
#include "core/base/random.h"
#include "core/client/alarm.h"
#include "core/client/recorder.h"
#include "core/quarantine/quarantine.h"
#include "core/scheduler/pod_queue.h"
#include "core/scheduler/scheduler_metrics.h"

namespace bramble {

struct SchedulerOptions {
  std::string host;  // names the reporting instance of its Events
};

Identity scheduler_identity();

class Scheduler {
 public:
  // client has scheduler_identity(). clock, random and quarantine must outlive the scheduler; quarantine may be null.
  Scheduler(std::unique_ptr<Client> client, const Clock& clock, Random& random, SchedulerOptions options,
            const AlarmFactory& alarms = loop_alarms(), Quarantine* quarantine = nullptr);

  void start();
  bool idle() const { return !queue_.has_active() && binding_.empty(); }
  void print_metrics(MetricText& out) const { metrics_.print(out, queue_.sizes()); }

 private:
  void on_change(const Change& change);
  void on_pod(const Change& change);
  void on_node(const Change& change);
  void on_claim();
  void wake();
  void turn();
  void schedule(PodQueue::Waiting waiting);
  Task<void> bind(PodQueue::Waiting waiting, std::string node);
  Task<void> tell_condition(ObjectKey key, Document patch);
  void fail(const Document& pod, const char* reason, const std::string& message);

  std::unique_ptr<Client> client_;
  const Clock& clock_;
  Random& random_;
  Quarantine* quarantine_;
  Recorder recorder_;
  ClusterState state_;
  PodQueue queue_;
  SchedulerMetrics metrics_;
  std::set<ObjectKey> binding_;  // bindings under way
  std::unique_ptr<Alarm> alarm_;
  std::unique_ptr<Subscription> subscription_;
  TaskGroup tasks_;
};

}  // namespace bramble

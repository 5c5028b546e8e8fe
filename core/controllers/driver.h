// Driver: runs one controller: the only queue, retry, back-off and rate limit of the control plane. Woken by watches and by
// the times that plans asked for, never by polling. Owner's loop thread. Nothing survives a crash: at start every object
// there is gives its keys again.
#pragma once

#include <memory>
#include <set>

#include "core/base/clock.h"
#include "core/client/alarm.h"
#include "core/client/recorder.h"
#include "core/controllers/controller.h"
#include "core/controllers/work_queue.h"
#include "core/quarantine/quarantine.h"

namespace bramble {

// Carries out a plan's writes through a client, batch by batch, and records its Events. The calls of a batch run in `calls`,
// which lives as long as the caller's own tasks.
Task<Outcome> carry_out(Client* client, Recorder* recorder, TaskGroup* calls, Plan plan);

class Driver {
 public:
  // clock and quarantine must outlive the driver; quarantine may be null.
  Driver(Controller controller, std::unique_ptr<Client> client, const Clock& clock, const AlarmFactory& alarms, Quarantine* quarantine);

  void start();
  // Every object there is gives its keys again: what an absence means has changed (Snapshot::may_be_lost).
  void look_again();
  bool idle() const { return in_flight_ == 0 && !queue_.has_ready(); }
  const Controller& controller() const { return controller_; }
  // Its queue, under upstream's workqueue_* names.
  void print_metrics(MetricText& out) const;

 private:
  void on_change(const Change& change);
  void turn();
  void wake();  // the next turn as soon as there is work and room for it
  Moment moment() const { return {clock_.wall_us(), clock_.monotonic_us()}; }
  Task<void> process(ObjectKey key);
  Document object_of(const ObjectKey& key) const;
  void left_alone(const ObjectKey& key);
  void worked(int64_t since_us);
  void finished(const ObjectKey& key, const Outcome& outcome, std::optional<int64_t> requeue_after_ms);

  Controller controller_;
  std::unique_ptr<Client> client_;
  const Clock& clock_;
  Quarantine* quarantine_;
  std::string room_;  // "controllers/replicaset"
  Recorder recorder_;
  WorkQueue queue_;
  size_t in_flight_ = 0;
  std::multiset<int64_t> working_since_us_;
  Histogram work_seconds_{workqueue_seconds()};
  std::unique_ptr<Alarm> alarm_;
  std::unique_ptr<Subscription> subscription_;
  TaskGroup tasks_;
};

}  // namespace bramble

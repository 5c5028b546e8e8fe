// Fairness: API Priority and Fairness. Requests are told apart by FlowSchemas; each priority level has a share of the server's
// seats, and lends what it may. A request has its seat until its answer is on the wire; what finds none waits in one of the few
// queues of its flow (shuffle sharding), shortest first, so that one noisy client fills its own queues and not those of others;
// beyond, or after limits::kFlowWaitMs, it is refused. Exempt: what the objects exempt (system:masters, health checks), and
// long-running requests; a watch has a seat while it sends what exists.
//
// Where upstream redistributes lent seats every ten seconds, here all that levels may lend is one pool, of which each level
// (the lender too) takes what it needs beyond what it keeps, up to its limit; a freed seat goes first to levels below their
// nominal share. InFlight is the hard floor below. Owner's loop thread; seats are let go of on any thread.
// Specification: Kubernetes "API Priority and Fairness".
#pragma once

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <vector>

#include "core/apiserver/flow_rules.h"
#include "core/base/clock.h"
#include "core/base/metrics.h"
#include "core/loop/loop.h"
#include "core/registry/registry.h"

namespace bramble {

class Fairness {
  struct Level;

 public:
  // seats: of all levels together. Reads the objects from the cache and follows them.
  Fairness(Registry& registry, size_t seats);
  ~Fairness();

  class Seat;
  struct Waiting;
  struct Arrival {
    enum class What { kGo, kWait, kRefused } what = What::kGo;
    std::string_view schema_uid, level_uid;  // for the answer's headers, good until the next arrival; empty: not classified
    std::shared_ptr<Seat> seat;         // null: needs none
    std::shared_ptr<Waiting> waiting;   // for wait()
    std::shared_ptr<Level> level;       // null: not classified
  };
  Arrival arrive(const RequestInfo& info, const Identity& user, Event& gone);
  // The seat, once it is this one's turn; null: refused.
  Task<std::shared_ptr<Seat>> wait(std::shared_ptr<Waiting> waiting);
  // It got no seat, at once or by waiting: in how many seconds it may try again.
  int64_t retry_after_s(const Arrival& refused);

  void print_metrics(MetricText& out) const;

 private:
  struct Shared;
  struct Counts {
    Counts();
    uint64_t dispatched = 0, queue_full = 0, concurrency_limit = 0, timed_out = 0, cancelled = 0;
    int64_t in_queue = 0;
    Histogram wait_seconds;
  };
  struct Entry {
    FlowSchemaRules rules;
    std::shared_ptr<Level> level;
    Counts* counts;
  };
  void reload();
  std::shared_ptr<Level> level_for(const PriorityLevel& wanted);
  void share_out();
  const Entry& classify(const RequestInfo& info, const Identity& user) const;
  size_t width_of(const Level& level, const RequestInfo& info) const;
  bool has_room(const Level& level, size_t width) const;
  std::shared_ptr<Seat> take(const std::shared_ptr<Level>& level, size_t width);
  void dispatch();
  bool dispatch_one(const std::shared_ptr<Level>& level, bool borrow);
  void end_waiting(Waiting& waiting);
  Counts& counts_of(const FlowSchemaRules& schema);

  Registry& registry_;
  const size_t seats_;
  std::vector<Entry> schemas_;  // in the order of matching
  std::map<std::string, std::shared_ptr<Level>, std::less<>> levels_;
  LabelTable<Counts> counts_;
  bool changed_ = true;  // the objects, since they were read
  std::shared_ptr<Shared> shared_;
  std::unique_ptr<WatchCache::Observation> schema_changes_, level_changes_;
};

}  // namespace bramble

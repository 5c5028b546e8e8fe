// PodQueue: pods that wait for a node. Active ones by priority, then by time; those whose last try failed in back-off
// (1 s doubling to 10 s); those that nothing fits until something changes. A pure structure: the caller says the time
// (monotonic microseconds) and what changed. One thread.
#pragma once

#include <map>
#include <optional>
#include <set>

#include "core/scheduler/decision.h"

namespace bramble {

class PodQueue {
 public:
  struct Waiting {
    Document pod;
    int attempts = 0;
    std::set<Plugin> objections;  // of the last try
    int64_t since_us = 0;         // added
    int64_t tried_us = 0;         // last try
  };

  // A pod that wants a node, new or changed. Its scheduling gates keep it out of the active ones until they are gone.
  void set(const Document& pod, int64_t now_us);
  void remove(const ObjectKey& key);
  bool has(const ObjectKey& key) const { return waiting_.contains(key); }

  // The next pod to try; it leaves the queue until give_back() or set().
  std::optional<Waiting> take(int64_t now_us);
  // A try that found no node: waits for a change that matters.
  void give_back_unschedulable(Waiting pod, std::set<Plugin> objections, int64_t now_us);
  // A try that failed for another reason: again after its back-off.
  void give_back_failed(Waiting pod, int64_t now_us);

  // Something changed; of the unschedulable ones those for which worth_trying says so go on.
  template <class F>
  void wake(int64_t now_us, const F& worth_trying) {
    std::vector<ObjectKey> woken;
    for (const ObjectKey& key : unschedulable_) {
      if (worth_trying(waiting_.find(key)->second)) woken.push_back(key);
    }
    for (const ObjectKey& key : woken) go_on(key, now_us);
  }

  bool has_active() const { return !active_.empty(); }
  std::optional<int64_t> next_due_us() const;  // end of a back-off, or of the longest wait without a change
  size_t size() const { return waiting_.size(); }
  struct Sizes {
    size_t active = 0, backoff = 0, unschedulable = 0, gated = 0;
  };
  Sizes sizes() const;

 private:
  struct Order {  // in active_
    int64_t priority, since_us;
    ObjectKey key;
    bool operator<(const Order& o) const;
  };
  void activate(const ObjectKey& key);
  void take_out(const ObjectKey& key);  // of every list, not of waiting_
  void go_on(const ObjectKey& key, int64_t now_us);
  void release_due(int64_t now_us);
  Order order_of(const ObjectKey& key, const Waiting& w) const;

  std::map<ObjectKey, Waiting> waiting_;
  std::set<Order> active_;
  std::set<std::pair<int64_t, ObjectKey>> backoff_;  // by end
  std::set<ObjectKey> unschedulable_;
};

// How long after its last try a pod that was tried so often waits.
int64_t schedule_backoff_us(int attempts);

}  // namespace bramble

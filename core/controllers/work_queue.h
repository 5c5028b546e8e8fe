// WorkQueue: the keys of one controller that wait to be reconciled, with client-go's semantics: a key is never handed out
// twice at a time; added while it is being worked on, it comes again afterwards; failures are retried with a delay that
// doubles from kRetryFirstUs to kRetryMaxUs per key, and by a token bucket over all keys. A pure structure: the caller says
// what time it is (monotonic microseconds) and arms its own alarm for next_due_us(). One thread.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>

#include "core/base/limits.h"
#include "core/base/metrics.h"
#include "core/client/client.h"

namespace bramble {

// The bounds of upstream's workqueue_* histograms.
std::span<const double> workqueue_seconds();

class WorkQueue {
 public:
  void add(const ObjectKey& key, int64_t now_us = 0);
  void add_at(const ObjectKey& key, int64_t due_us);                // the earliest of several times counts
  void add_failed(const ObjectKey& key, int64_t now_us);            // after the back-off of this key
  void forget(const ObjectKey& key) { failures_.erase(key); }       // it succeeded: the back-off begins anew
  std::optional<ObjectKey> take(int64_t now_us);                    // nothing ready: nullopt
  void done(const ObjectKey& key);                                  // what take() gave is finished
  bool has_ready() const { return !ready_.empty(); }
  std::optional<int64_t> next_due_us() const;                       // of what waits for a time
  int failures(const ObjectKey& key) const;
  size_t size() const { return ready_.size() + due_of_.size(); }

  struct Counts {
    Counts();
    uint64_t adds = 0, retries = 0;
    Histogram waited_seconds;  // from add() to take()
  };
  const Counts& counts() const { return counts_; }
  size_t depth() const { return ready_.size(); }

 private:
  void release_due(int64_t now_us);

  std::deque<ObjectKey> ready_;
  std::map<ObjectKey, int64_t> dirty_;  // wants work since: in ready_, or in processing_ and to come again
  std::set<ObjectKey> processing_;
  std::set<std::pair<int64_t, ObjectKey>> due_;
  std::map<ObjectKey, int64_t> due_of_;
  std::map<ObjectKey, int> failures_;
  double tokens_ = limits::kRetryBurst;
  int64_t tokens_at_us_ = 0;
  Counts counts_;
};

}  // namespace bramble

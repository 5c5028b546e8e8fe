#include "core/controllers/work_queue.h"

#include <algorithm>

#include "core/base/limits.h"

namespace bramble {

namespace {

// Upstream's: from ten nanoseconds on, each ten times the one before.
struct WorkqueueSeconds {
  double bounds[12];
  constexpr WorkqueueSeconds() : bounds() {
    double bound = 10e-9;
    for (double& b : bounds) b = bound, bound *= 10;
  }
};
constexpr WorkqueueSeconds kWorkqueueSeconds;

}  // namespace

std::span<const double> workqueue_seconds() { return kWorkqueueSeconds.bounds; }

WorkQueue::Counts::Counts() : waited_seconds(workqueue_seconds()) {}

void WorkQueue::add(const ObjectKey& key, int64_t now_us) {
  if (!dirty_.emplace(key, now_us).second) return;
  counts_.adds++;
  if (!processing_.contains(key)) ready_.push_back(key);
}

void WorkQueue::add_at(const ObjectKey& key, int64_t due_us) {
  auto [it, fresh] = due_of_.emplace(key, due_us);
  if (!fresh) {
    if (it->second <= due_us) return;
    due_.erase({it->second, key});
    it->second = due_us;
  }
  due_.insert({due_us, key});
}

void WorkQueue::add_failed(const ObjectKey& key, int64_t now_us) {
  int earlier = failures_[key]++;
  counts_.retries++;
  int64_t delay_us = limits::kRetryMaxUs;
  if (earlier < 30) delay_us = std::min(limits::kRetryMaxUs, limits::kRetryFirstUs << earlier);

  double elapsed_s = static_cast<double>(std::max<int64_t>(0, now_us - tokens_at_us_)) / 1e6;
  tokens_ = std::min(limits::kRetryBurst, tokens_ + elapsed_s * limits::kRetriesPerSecond);
  tokens_at_us_ = now_us;
  tokens_ -= 1;  // below zero: a debt that is paid by waiting
  if (tokens_ < 0) {
    delay_us = std::max(delay_us, static_cast<int64_t>(-tokens_ / limits::kRetriesPerSecond * 1e6));
  }
  add_at(key, now_us + delay_us);
}

void WorkQueue::release_due(int64_t now_us) {
  while (!due_.empty() && due_.begin()->first <= now_us) {
    ObjectKey key = due_.begin()->second;
    due_.erase(due_.begin());
    due_of_.erase(key);
    add(key, now_us);
  }
}

std::optional<ObjectKey> WorkQueue::take(int64_t now_us) {
  release_due(now_us);
  if (ready_.empty()) return std::nullopt;
  ObjectKey key = std::move(ready_.front());
  ready_.pop_front();
  auto since = dirty_.find(key);
  if (since->second > 0) counts_.waited_seconds.observe(static_cast<double>(now_us - since->second) / 1e6);
  dirty_.erase(since);
  processing_.insert(key);
  return key;
}

void WorkQueue::done(const ObjectKey& key) {
  processing_.erase(key);
  if (dirty_.contains(key)) ready_.push_back(key);
}

std::optional<int64_t> WorkQueue::next_due_us() const {
  if (due_.empty()) return std::nullopt;
  return due_.begin()->first;
}

int WorkQueue::failures(const ObjectKey& key) const {
  auto it = failures_.find(key);
  return it == failures_.end() ? 0 : it->second;
}

}  // namespace bramble

#include "core/scheduler/pod_queue.h"

#include <algorithm>
#include <tuple>

#include "core/base/limits.h"

namespace bramble {

namespace {

ObjectKey key_of(const Document& pod) { return {std::string(namespace_of(pod)), std::string(name_of(pod))}; }

bool is_gated(const Document& pod) { return PodView(pod).scheduling_gates().size() > 0; }

// What of a pod, changed, may make it fit after all.
bool relevant_change(const Document& a, const Document& b) {
  for (const char* part : {"tolerations", "nodeSelector", "affinity", "containers", "schedulingGates", "resources"}) {
    if (!equal(a["spec"][part], b["spec"][part])) return true;
  }
  return !equal(a["metadata"]["labels"], b["metadata"]["labels"]);
}

}  // namespace

int64_t schedule_backoff_us(int attempts) {
  if (attempts <= 0) return 0;
  int64_t backoff_us = limits::kScheduleBackoffFirstUs;
  for (int i = 1; i < attempts && backoff_us < limits::kScheduleBackoffMaxUs; i++) backoff_us *= 2;
  return std::min(backoff_us, limits::kScheduleBackoffMaxUs);
}

bool PodQueue::Order::operator<(const Order& o) const {
  return std::tie(o.priority, since_us, key) < std::tie(priority, o.since_us, o.key);
}

PodQueue::Order PodQueue::order_of(const ObjectKey& key, const Waiting& w) const {
  return {PodView(w.pod).priority(), w.since_us, key};
}

void PodQueue::activate(const ObjectKey& key) { active_.insert(order_of(key, waiting_.find(key)->second)); }

void PodQueue::take_out(const ObjectKey& key) {
  auto it = waiting_.find(key);
  if (it == waiting_.end()) return;
  active_.erase(order_of(key, it->second));
  unschedulable_.erase(key);
  std::erase_if(backoff_, [&](const auto& entry) { return entry.second == key; });
}

void PodQueue::set(const Document& pod, int64_t now_us) {
  ObjectKey key = key_of(pod);
  auto it = waiting_.find(key);
  if (it != waiting_.end() && uid_of(it->second.pod) != uid_of(pod)) {
    remove(key);
    it = waiting_.end();
  }
  if (it == waiting_.end()) {
    Waiting w;
    w.pod = pod;
    w.since_us = now_us;
    waiting_.emplace(key, std::move(w));
    if (!is_gated(pod)) activate(key);
    return;
  }
  bool was_gated = is_gated(it->second.pod);
  bool relevant = relevant_change(it->second.pod, pod);
  bool was_active = active_.erase(order_of(key, it->second)) > 0;
  it->second.pod = pod;
  if (is_gated(pod)) return;
  if (was_gated || was_active) activate(key);
  else if (relevant && unschedulable_.contains(key)) go_on(key, now_us);
}

void PodQueue::remove(const ObjectKey& key) {
  take_out(key);
  waiting_.erase(key);
}

void PodQueue::go_on(const ObjectKey& key, int64_t now_us) {
  unschedulable_.erase(key);
  const Waiting& w = waiting_.find(key)->second;
  int64_t due_us = w.tried_us + schedule_backoff_us(w.attempts);
  if (due_us <= now_us) activate(key);
  else backoff_.insert({due_us, key});
}

void PodQueue::release_due(int64_t now_us) {
  while (!backoff_.empty() && backoff_.begin()->first <= now_us) {
    ObjectKey key = backoff_.begin()->second;
    backoff_.erase(backoff_.begin());
    activate(key);
  }
  wake(now_us, [now_us](const Waiting& w) { return w.tried_us + limits::kUnschedulableMaxUs <= now_us; });
}

std::optional<PodQueue::Waiting> PodQueue::take(int64_t now_us) {
  release_due(now_us);
  if (active_.empty()) return std::nullopt;
  ObjectKey key = active_.begin()->key;
  active_.erase(active_.begin());
  auto it = waiting_.find(key);
  Waiting w = std::move(it->second);
  waiting_.erase(it);
  w.attempts++;
  w.tried_us = now_us;
  return w;
}

void PodQueue::give_back_unschedulable(Waiting pod, std::set<Plugin> objections, int64_t now_us) {
  ObjectKey key = key_of(pod.pod);
  pod.objections = std::move(objections);
  pod.tried_us = now_us;
  waiting_.insert_or_assign(key, std::move(pod));
  unschedulable_.insert(key);
}

void PodQueue::give_back_failed(Waiting pod, int64_t now_us) {
  ObjectKey key = key_of(pod.pod);
  pod.objections.clear();
  pod.tried_us = now_us;
  int64_t due_us = now_us + schedule_backoff_us(pod.attempts);
  waiting_.insert_or_assign(key, std::move(pod));
  backoff_.insert({due_us, key});
}

PodQueue::Sizes PodQueue::sizes() const {
  Sizes s{active_.size(), backoff_.size(), unschedulable_.size(), 0};
  s.gated = waiting_.size() - s.active - s.backoff - s.unschedulable;  // on no list
  return s;
}

std::optional<int64_t> PodQueue::next_due_us() const {
  std::optional<int64_t> due;
  auto consider = [&](int64_t us) { due = std::min(due.value_or(us), us); };
  if (!backoff_.empty()) consider(backoff_.begin()->first);
  for (const ObjectKey& key : unschedulable_) consider(waiting_.find(key)->second.tried_us + limits::kUnschedulableMaxUs);
  return due;
}

}  // namespace bramble

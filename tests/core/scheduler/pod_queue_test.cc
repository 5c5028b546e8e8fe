#include "core/scheduler/pod_queue.h"

#include <gtest/gtest.h>

namespace bramble {
namespace {

constexpr int64_t kSecond = 1000000;

Document pod(const std::string& name, int priority = 0, const std::string& more_spec = "") {
  return *Document::parse(cat(R"({"metadata":{"name":")", name, R"(","namespace":"d","uid":"u-)", name, R"("},"spec":{"priority":)", priority, more_spec, "}}"));
}
std::string taken(PodQueue& q, int64_t now_us) {
  auto w = q.take(now_us);
  return w ? std::string(name_of(w->pod)) : "-";
}

TEST(PodQueue, hands_out_by_priority_then_by_age) {
  PodQueue q;
  q.set(pod("old"), 1);
  q.set(pod("new"), 2);
  q.set(pod("urgent", 10), 3);
  EXPECT_EQ(taken(q, 4), "urgent");
  EXPECT_EQ(taken(q, 4), "old");
  EXPECT_EQ(taken(q, 4), "new");
  EXPECT_EQ(taken(q, 4), "-");
}

TEST(PodQueue, an_unschedulable_pod_waits_for_a_change_and_its_backoff) {
  PodQueue q;
  q.set(pod("p"), 0);
  auto w = *q.take(0);
  q.give_back_unschedulable(w, {Plugin::kNodeResourcesFit}, 0);
  EXPECT_EQ(taken(q, 20 * kSecond), "-");
  q.wake(kSecond / 2, [](const PodQueue::Waiting&) { return false; });
  EXPECT_EQ(taken(q, 20 * kSecond), "-");
  q.wake(kSecond / 2, [](const PodQueue::Waiting& x) { return x.objections.contains(Plugin::kNodeResourcesFit); });
  EXPECT_EQ(q.next_due_us().value_or(0), kSecond);
  EXPECT_EQ(taken(q, kSecond - 1), "-");
  EXPECT_EQ(taken(q, kSecond), "p");
}

TEST(PodQueue, is_tried_again_after_five_minutes_without_any_change) {
  PodQueue q;
  q.set(pod("p"), 0);
  auto w = *q.take(0);
  q.give_back_unschedulable(w, {Plugin::kNodeName}, 0);
  EXPECT_EQ(taken(q, 299 * kSecond), "-");
  EXPECT_EQ(taken(q, 300 * kSecond), "p");
}

TEST(PodQueue, backoff_doubles_from_one_to_ten_seconds) {
  EXPECT_EQ(schedule_backoff_us(1), 1 * kSecond);
  EXPECT_EQ(schedule_backoff_us(2), 2 * kSecond);
  EXPECT_EQ(schedule_backoff_us(4), 8 * kSecond);
  EXPECT_EQ(schedule_backoff_us(5), 10 * kSecond);
  EXPECT_EQ(schedule_backoff_us(50), 10 * kSecond);
}

TEST(PodQueue, gated_pods_wait_until_the_gates_are_gone) {
  PodQueue q;
  q.set(pod("p", 0, R"(,"schedulingGates":[{"name":"g"}])"), 0);
  EXPECT_EQ(taken(q, 400 * kSecond), "-");
  q.set(pod("p"), 1);
  EXPECT_EQ(taken(q, 1), "p");
}

TEST(PodQueue, a_change_of_what_the_pod_wants_wakes_it_a_status_does_not) {
  PodQueue q;
  q.set(pod("p"), 0);
  auto w = *q.take(0);
  q.give_back_unschedulable(w, {Plugin::kTaintToleration}, 0);
  q.set(pod("p"), 20 * kSecond);
  EXPECT_EQ(taken(q, 20 * kSecond), "-");
  q.set(pod("p", 0, R"(,"tolerations":[{"operator":"Exists"}])"), 20 * kSecond);
  EXPECT_EQ(taken(q, 20 * kSecond), "p");
}

TEST(PodQueue, removed_pods_are_gone_from_every_list) {
  PodQueue q;
  q.set(pod("a"), 0);
  q.set(pod("b"), 1);
  auto w = *q.take(2);
  q.give_back_failed(w, 2);
  q.remove({"d", "a"});
  q.remove({"d", "b"});
  EXPECT_EQ(taken(q, 100 * kSecond), "-");
  EXPECT_EQ(q.size(), 0u);
}

}  // namespace
}  // namespace bramble

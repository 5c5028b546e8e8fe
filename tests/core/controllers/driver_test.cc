#include "core/controllers/driver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/core/client/scripted_client.h"
#include "tests/core/quarantine/dying.h"
#include "tests/sim/fake_time.h"

namespace bramble {
namespace {

constexpr int64_t kMs = 1000;

TEST(WorkQueue, hands_a_key_out_once_and_again_when_it_was_added_meanwhile) {
  WorkQueue q;
  q.add({"", "a"});
  q.add({"", "a"});
  EXPECT_EQ(q.take(0)->name, "a");
  EXPECT_FALSE(q.take(0));
  q.add({"", "a"});
  EXPECT_FALSE(q.take(0)) << "still being worked on";
  q.done({"", "a"});
  EXPECT_EQ(q.take(0)->name, "a");
}

TEST(WorkQueue, failures_wait_from_5_ms_to_1000_s) {
  WorkQueue q;
  const ObjectKey key{"", "a"};
  int64_t now = 0;
  std::vector<int64_t> delays;
  for (int i = 0; i < 20; i++) {
    q.add_failed(key, now);
    delays.push_back(*q.next_due_us() - now);
    now = *q.next_due_us();
    ASSERT_TRUE(q.take(now));
    q.done(key);
  }
  EXPECT_EQ(delays[0], 5 * kMs);
  EXPECT_EQ(delays[1], 10 * kMs);
  EXPECT_EQ(delays[10], 5 * kMs << 10);
  EXPECT_EQ(delays[19], 1000 * 1000 * kMs);
  q.forget(key);
  q.add_failed(key, now);
  EXPECT_EQ(*q.next_due_us() - now, 5 * kMs);
}

TEST(WorkQueue, all_failures_together_pass_a_token_bucket) {
  WorkQueue q;
  for (int i = 0; i < 110; i++) q.add_failed({"", cat("k", i)}, 0);
  int soon = 0;
  while (q.take(5 * kMs)) soon++;
  EXPECT_EQ(soon, 100);
  EXPECT_EQ(q.next_due_us().value_or(0), 100 * kMs);
}

TEST(WorkQueue, the_earliest_of_several_times_counts) {
  WorkQueue q;
  q.add_at({"", "a"}, 50);
  q.add_at({"", "a"}, 20);
  q.add_at({"", "a"}, 90);
  EXPECT_FALSE(q.take(19));
  EXPECT_TRUE(q.take(20));
  q.done({"", "a"});
  EXPECT_FALSE(q.take(100));
}

// A controller of ConfigMaps whose plan the test decides.
struct Bench {
  FakeTime time;
  ScriptedClient* client = nullptr;
  std::vector<std::string> reconciled;
  Plan plan;
  std::vector<Outcome> outcomes;
  std::unique_ptr<Driver> driver;

  std::function<void()> on_reconcile, on_finish;

  explicit Bench(Quarantine* quarantine = nullptr) {
    Controller c;
    c.name = "test";
    c.account = "test-controller";
    c.event_source = "test";
    c.watches = {resource_ids::kConfigMaps};
    c.keys = [](const Snapshot&, const Change& change, const KeySink& sink) {
      const Document& d = change.after ? change.after : change.before;
      sink({"default", std::string(name_of(d))});
    };
    c.reconcile = [this](const Snapshot&, const ObjectKey& key, const Moment&) {
      reconciled.push_back(key.name);
      if (on_reconcile) on_reconcile();
      return plan;
    };
    c.finish = [this](const Snapshot&, const ObjectKey&, const Moment&, const Outcome& outcome) {
      if (on_finish) on_finish();
      outcomes.push_back(outcome);
      return Plan();
    };
    auto own = std::make_unique<ScriptedClient>();
    client = own.get();
    driver = std::make_unique<Driver>(std::move(c), std::move(own), time.clock, time.alarms(), quarantine);
  }
  static Document map(const std::string& name) { return *Document::parse(cat(R"({"metadata":{"name":")", name, R"(","namespace":"default"}})")); }
  void change(const std::string& name) { client->tell({resource_ids::kConfigMaps, {}, map(name)}); }
  static Write create(const std::string& name, bool with_previous = false) {
    Write w;
    w.resource = resource_ids::kPods;
    w.key.ns = "default";
    w.body = map(name);
    w.with_previous = with_previous;
    return w;
  }
  void fire() {
    while (time.fire_one()) {}
  }
  std::vector<std::string> texts() const {
    std::vector<std::string> out;
    for (const auto& c : client->calls) out.push_back(c->text);
    return out;
  }
};

using testing::ElementsAre;

TEST(Driver, begins_with_what_there_is_and_never_inside_a_notification) {
  Bench b;
  b.client->state.put(resource_ids::kConfigMaps, Bench::map("there"));
  b.driver->start();
  b.change("new");
  EXPECT_TRUE(b.reconciled.empty());
  b.fire();
  EXPECT_THAT(b.reconciled, ElementsAre("there", "new"));
}

TEST(Driver, looks_again_at_all_there_is_when_told) {
  Bench b;
  b.client->state.put(resource_ids::kConfigMaps, Bench::map("there"));
  b.driver->start();
  b.fire();
  b.driver->look_again();
  b.fire();
  EXPECT_THAT(b.reconciled, ElementsAre("there", "there"));
}

TEST(Driver, a_batch_is_answered_before_the_next_begins) {
  Bench b;
  b.plan.writes = {Bench::create("one"), Bench::create("two"), Bench::create("three", true)};
  b.driver->start();
  b.change("k");
  b.fire();
  EXPECT_THAT(b.texts(), ElementsAre("create pods default one"));
  b.client->answer(0);
  EXPECT_THAT(b.texts(), ElementsAre("create pods default one", "create pods default two", "create pods default three"));
  b.client->answer(2);
  EXPECT_TRUE(b.outcomes.empty());
  b.client->answer(1);
  ASSERT_EQ(b.outcomes.size(), 1u);
  EXPECT_EQ(b.outcomes[0].succeeded, 3u);
  EXPECT_TRUE(b.driver->idle());
}

TEST(Driver, a_failure_ends_the_plan_and_the_key_comes_again) {
  Bench b;
  Write first = Bench::create("one");
  first.on_failure = EventNote{Bench::map("k"), "Warning", "FailedCreate", "Error creating: {error}", {}, {}};
  b.plan.writes = {first, Bench::create("two")};
  b.driver->start();
  b.change("k");
  b.fire();
  b.client->fail(0, Code::kPermissionDenied, "quota");
  ASSERT_EQ(b.client->calls.size(), 2u);
  EXPECT_EQ(b.client->calls[1]->body["message"].str(), "Error creating: quota");
  ASSERT_TRUE(b.outcomes.at(0).error.has_value());
  EXPECT_THAT(b.reconciled, ElementsAre("k"));
  b.time.clock.advance_us(5 * kMs);
  b.fire();
  EXPECT_THAT(b.reconciled, ElementsAre("k", "k"));
}

TEST(Driver, tolerated_failures_are_no_failures) {
  Bench b;
  Write w = Bench::create("one");
  w.tolerate = {Code::kAlreadyExists};
  b.plan.writes = {w};
  b.driver->start();
  b.change("k");
  b.fire();
  b.client->fail(0, Code::kAlreadyExists, "there");
  EXPECT_FALSE(b.outcomes.at(0).error.has_value());
}

TEST(Driver, a_key_is_not_touched_while_its_plan_is_in_flight) {
  Bench b;
  b.plan.writes = {Bench::create("one")};
  b.driver->start();
  b.change("k");
  b.fire();
  b.change("k");
  b.fire();
  EXPECT_THAT(b.reconciled, ElementsAre("k"));
  b.client->answer(0);
  b.fire();
  EXPECT_THAT(b.reconciled, ElementsAre("k", "k"));
}

TEST(Driver, comes_back_when_a_plan_asked_for_it) {
  Bench b;
  b.plan.requeue_after_ms = 1500;
  b.driver->start();
  b.change("k");
  b.fire();
  b.time.clock.advance_us(1499 * kMs);
  b.fire();
  EXPECT_EQ(b.reconciled.size(), 1u);
  b.time.clock.advance_us(1 * kMs);
  b.fire();
  EXPECT_EQ(b.reconciled.size(), 2u);
}

TEST(Driver, a_quarantined_key_is_left_alone_until_its_object_changes) {
  DyingProcesses died;
  died.die_at("controllers/test", "default/k", {});
  auto quarantine = died.open();
  Bench b(quarantine.get());
  b.client->state.put(resource_ids::kConfigMaps, Bench::map("k"));
  b.driver->start();
  b.change("k");
  b.fire();
  EXPECT_TRUE(b.reconciled.empty());
  EXPECT_TRUE(b.driver->idle());
  b.change("other");
  b.fire();
  EXPECT_THAT(b.reconciled, ElementsAre("other"));
  Document changed = *Document::parse(std::string_view(R"({"metadata":{"name":"k","namespace":"default"},"data":{"a":"b"}})"));
  b.client->state.put(resource_ids::kConfigMaps, changed);
  b.change("k");
  b.fire();
  EXPECT_THAT(b.reconciled, ElementsAre("other", "k"));
}

// Where in its work on a key a controller dies: that key is blamed, though others were worked on beside it.
TEST(Driver, an_abort_is_blamed_on_the_key_that_was_worked_on) {
  struct Row {
    const char* name;
    std::function<void(Bench&)> die;
    const char* blamed;
  };
  const Row rows[] = {
      {"reconcile", [](Bench& b) {
         b.plan.writes = {Bench::create("one")};
         b.driver->start();
         b.change("innocent");
         b.fire();
         b.on_reconcile = abort;
         b.change("bad");
         b.fire();
       }, "controllers/test: default/bad"},
      {"after its writes were answered", [](Bench& b) {
         b.plan.writes = {Bench::create("one")};
         b.driver->start();
         b.change("bad");
         b.change("innocent");
         b.fire();
         b.on_finish = abort;
         b.client->answer(0);
       }, "controllers/test: default/bad"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    DyingProcesses processes;
    for (int i = 0; i < 2; i++) {
      auto work = [&row](Quarantine* q) {
        Bench b(q);
        row.die(b);
      };
      EXPECT_EQ(processes.run(work), SIGABRT);
    }
    auto q = processes.open();
    EXPECT_THAT(processes.set_aside(), ElementsAre(row.blamed));
  }
}

TEST(Driver, gives_up_without_noise_when_the_namespace_ends) {
  Bench b;
  EventNote failed{Bench::map("k"), "Warning", "FailedCreate", "{error}", {}, {}};
  b.plan.writes = {Bench::create("one"), Bench::create("two")};
  b.plan.writes[0].on_failure = failed;
  b.plan.events_after_success = {failed};
  b.driver->start();
  b.change("k");
  b.fire();
  b.client->calls[0]->answer = Error::with_status(Code::kPermissionDenied, "forbidden", R"({"details":{"causes":[{"reason":"NamespaceTerminating"}]}})");
  b.client->calls[0]->answered.set();
  EXPECT_THAT(b.texts(), ElementsAre("create pods default one")) << "neither the second write nor an Event";
  ASSERT_EQ(b.outcomes.size(), 1u);
  EXPECT_FALSE(b.outcomes[0].error);
  EXPECT_TRUE(b.outcomes[0].given_up);
  b.time.clock.advance_us(3600 * 1000 * kMs);
  b.fire();
  EXPECT_EQ(b.reconciled.size(), 1u) << "not tried again";
  b.change("k");
  b.fire();
  b.client->fail(1, Code::kPermissionDenied, "forbidden for another reason");
  EXPECT_TRUE(b.outcomes[1].error);
}

TEST(Driver, may_be_dropped_with_calls_under_way) {
  Bench b;
  b.plan.writes = {Bench::create("one"), Bench::create("two", true)};
  b.driver->start();
  b.change("k");
  b.fire();
  std::vector<std::shared_ptr<ScriptedClient::Call>> calls = b.client->calls;
  b.driver.reset();
  calls[0]->answer = Document();
  calls[0]->answered.set();
}

}  // namespace
}  // namespace bramble

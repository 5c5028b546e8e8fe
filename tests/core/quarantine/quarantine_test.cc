#include "core/quarantine/quarantine.h"

#include <gmock/gmock.h>
#include <sys/mman.h>

#include <fstream>
#include <thread>

#include "core/base/check.h"
#include "core/base/limits.h"
#include "core/base/working_on.h"
#include "tests/core/quarantine/dying.h"

namespace bramble {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Step = Quarantine::Step;

Quarantine::About marked(uint64_t mark) { return {mark, {}}; }

class QuarantineTest : public testing::Test, public DyingProcesses {
 protected:
  // What a room asks: may this content be worked on now?
  bool allowed(Quarantine* q, const std::string& key, uint64_t mark) {
    Step step(q, "scheduler", key, [mark] { return marked(mark); });
    return step.allowed();
  }
};

TEST_F(QuarantineTest, two_aborts_set_an_object_aside_until_it_changes) {
  die_at("scheduler", "pods default/a", marked(5), 1);
  EXPECT_THAT(set_aside(), IsEmpty()) << "once may be bad luck";
  die_at("scheduler", "pods default/a", marked(5), 1);
  auto q = open();
  EXPECT_THAT(set_aside(), ElementsAre("scheduler: pods default/a"));
  EXPECT_FALSE(allowed(q.get(), "pods default/a", 5));
  EXPECT_FALSE(allowed(q.get(), "pods default/a", 5));
  EXPECT_TRUE(allowed(q.get(), "pods default/b", 5));
  Step other_room(q.get(), "kubelet", "pods default/a", [] { return marked(5); });
  EXPECT_TRUE(other_room.allowed());
  EXPECT_TRUE(allowed(q.get(), "pods default/a", 6)) << "it has changed";
  EXPECT_THAT(set_aside(), IsEmpty());
}

TEST_F(QuarantineTest, a_changed_object_has_one_more_try_only) {
  die_at("scheduler", "pods default/a", marked(5));
  EXPECT_FALSE(allowed(open().get(), "pods default/a", 5));
  die_at("scheduler", "pods default/a", marked(6), 1);
  auto q = open();
  EXPECT_FALSE(allowed(q.get(), "pods default/a", 6));
}

// Not the sanitizers' find: the kernel's.
__attribute__((no_sanitize("address", "undefined"))) void write_to_nowhere() {
  volatile int* volatile nowhere = nullptr;
  *nowhere = 1;
}

TEST_F(QuarantineTest, the_innermost_step_of_the_thread_that_dies_is_blamed) {
  auto die = [](Quarantine* q) {
    Step innocent_before(q, "kubelet", "pods default/x", [] { return marked(1); });
    Step outer(q, "controllers/replicaset", "default/web", [] { return marked(1); });
    {
      Step ended(q, "apiserver", "create pods default/web-1", [] { return marked(1); });
    }
    Step inner(q, "apiserver", "create pods default/web-2", [] { return marked(1); });
    std::thread worker([number = WorkingOn::now()] {
      WorkingOn here(number);
      write_to_nowhere();
    });
    WorkingOn elsewhere(0);
    worker.join();
  };
  EXPECT_EQ(run(die), SIGSEGV);
  EXPECT_EQ(run(die), SIGSEGV);
  auto q = open();
  ASSERT_EQ(q->set_aside().size(), 1u);
  EXPECT_EQ(Quarantine::text_of(q->set_aside()[0]),
            "apiserver: create pods default/web-2 ended bramble 2 times (SIGSEGV); it is left alone until it changes");
}

TEST_F(QuarantineTest, what_a_step_looks_at_is_noted_before_it_is_looked_at) {
  die_at("scheduler", "pods default/a", marked(5), 1);
  EXPECT_EQ(run([](Quarantine* q) {
              Step step(q, "scheduler", "pods default/a", []() -> Quarantine::About { abort(); });
            }),
            SIGABRT);
  EXPECT_THAT(set_aside(), IsEmpty());
  auto q = open();
  EXPECT_THAT(set_aside(), ElementsAre("scheduler: pods default/a"));
}

volatile bool g_end = false;
int endless(volatile char* below) {
  volatile char here[512];
  here[0] = below ? below[0] : 0;
  return g_end ? 0 : endless(here) + here[0];
}

TEST_F(QuarantineTest, every_sort_of_death_by_our_own_hand_counts) {
  struct Case {
    const char* name;
    int signal;
    void (*die)();
  };
  const Case cases[] = {
      {"CHECK", SIGABRT, [] { CHECK(1 + 1 == 3, "no"); }},
      {"trap", 0, [] { __builtin_trap(); }},
      {"recursion", SIGSEGV, [] { _exit(endless(nullptr)); }},
      {"a signal from outside, as a watchdog sends", SIGABRT, [] { kill(getpid(), SIGABRT); }},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    for (int i = 0; i < 2; i++) {
      int signal = run([&](Quarantine* q) {
        Step step(q, "dns", c.name, [] { return marked(1); });
        c.die();
      });
      EXPECT_TRUE(signal != 0 && (c.signal == 0 || signal == c.signal)) << signal;
    }
    auto q = open();
    EXPECT_THAT(set_aside(), testing::Contains(cat("dns: ", c.name)));
  }
}

TEST_F(QuarantineTest, a_death_from_outside_or_between_steps_blames_nobody) {
  for (int i = 0; i < 3; i++) {
    run([](Quarantine* q) {
      Step step(q, "dns", "a", [] { return marked(1); });
      kill(getpid(), SIGKILL);
    });
    run([](Quarantine* q) {
      {
        Step step(q, "dns", "a", [] { return marked(1); });
      }
      abort();
    });
    run([](Quarantine* q) {
      Step step(q, "dns", "a", [] { return marked(1); });
      _exit(0);
    });
  }
  auto q = open();
  EXPECT_THAT(set_aside(), IsEmpty());
}

TEST_F(QuarantineTest, tells_once_of_each_object_that_is_skipped_also_of_earlier_ones) {
  Document object = *Document::parse(std::string_view(R"({"kind":"Pod","metadata":{"name":"a"}})"));
  die_at("scheduler", "pods default/a", Quarantine::about(object));
  auto q = open();
  auto skip = [&] {
    Step step(q.get(), "scheduler", "pods default/a", [&] { return Quarantine::about(object); });
    EXPECT_FALSE(step.allowed());
  };
  skip();
  std::vector<std::string> told;
  q->on_skip([&](const Quarantine::Entry& e, const Document& d) { told.push_back(cat(e.key, " ", e.aborts, " ", name_of(d))); });
  skip();
  EXPECT_THAT(told, ElementsAre("pods default/a 2 a"));
}

TEST_F(QuarantineTest, status_and_revision_are_no_change_of_an_object) {
  auto mark = [](const char* json) { return Quarantine::about(*Document::parse(std::string_view(json))).mark; };
  uint64_t before = mark(R"({"metadata":{"name":"a","resourceVersion":"5","managedFields":[1]},"spec":{"x":1},"status":{"y":1}})");
  EXPECT_EQ(mark(R"({"metadata":{"name":"a","resourceVersion":"6"},"spec":{"x":1},"status":{"y":2}})"), before);
  EXPECT_NE(mark(R"({"metadata":{"name":"a","annotations":{"k":"v"}},"spec":{"x":1}})"), before);
  EXPECT_NE(mark(R"({"metadata":{"name":"a"},"spec":{"x":2}})"), before);
}

TEST_F(QuarantineTest, an_admin_clears_the_file_of_a_running_server) {
  die_at("scheduler", "pods default/a", marked(5));
  auto q = open();
  EXPECT_FALSE(allowed(q.get(), "pods default/a", 5));
  EXPECT_EQ(*Quarantine::clear(path), 1u);
  EXPECT_TRUE(allowed(q.get(), "pods default/a", 5));
  EXPECT_EQ(*Quarantine::clear(path), 0u);
  EXPECT_EQ(*Quarantine::clear(path + ".none"), 0u);
  EXPECT_THAT(*Quarantine::read(path + ".none"), IsEmpty());
}

TEST_F(QuarantineTest, a_second_process_is_refused) {
  auto q = open();
  auto second = Quarantine::open(path);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code(), Code::kAlreadyExists);
  q.reset();
  EXPECT_TRUE(Quarantine::open(path).ok());
}

TEST_F(QuarantineTest, a_file_of_another_form_is_begun_anew) {
  for (size_t size : {1u, 4096u, 1000000u}) {
    std::ofstream(path, std::ios::trunc) << std::string(size, 'x');
    EXPECT_THAT(set_aside(), IsEmpty());
    auto q = open();
    ASSERT_TRUE(q);
    EXPECT_THAT(q->set_aside(), IsEmpty());
    EXPECT_TRUE(allowed(q.get(), "pods default/a", 5));
  }
}

TEST_F(QuarantineTest, long_names_are_told_apart) {
  std::string a = cat("pods ", std::string(250, 'n'), "/a"), b = cat("pods ", std::string(250, 'n'), "/b");
  die_at("scheduler", a, marked(5));
  auto q = open();
  EXPECT_FALSE(allowed(q.get(), a, 5));
  EXPECT_TRUE(allowed(q.get(), b, 5));
}

TEST_F(QuarantineTest, more_steps_than_places_go_on_without_notes) {
  auto q = open();
  std::vector<std::unique_ptr<Step>> steps;
  for (size_t i = 0; i < limits::kStepsNotedMax + 5; ++i) {
    steps.push_back(std::make_unique<Step>(q.get(), "kubelet", cat("pod", i), [] { return marked(1); }));
    EXPECT_TRUE(steps.back()->allowed());
  }
  while (!steps.empty()) steps.pop_back();
  EXPECT_EQ(WorkingOn::now(), 0u);
}

TEST_F(QuarantineTest, the_oldest_single_abort_makes_room) {
  die_at("scheduler", "pods default/kept", marked(1));
  for (size_t i = 0; i < limits::kQuarantineRecordsMax + 3; i++) die_at("scheduler", cat("pods default/", i), marked(1), 1);
  auto q = open();
  EXPECT_THAT(set_aside(), ElementsAre("scheduler: pods default/kept"));
}

TEST_F(QuarantineTest, without_a_quarantine_everything_is_allowed) {
  Step step(nullptr, "scheduler", "a", [] { return marked(1); });
  EXPECT_TRUE(step.allowed());
}

}  // namespace
}  // namespace bramble

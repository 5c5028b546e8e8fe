#include "core/quarantine/poison_notes.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "core/base/limits.h"

namespace bramble {
namespace {

class PoisonNotesTest : public testing::Test {
 protected:
  std::string path;
  void SetUp() override {
    char name[] = "/tmp/poison-XXXXXX";
    int fd = mkstemp(name);
    ASSERT_GE(fd, 0);
    close(fd);
    path = name;
  }
  void TearDown() override { unlink(path.c_str()); }

  // A process that dies in the middle of a step on this object.
  void die_in_step(std::string_view key, uint64_t revision) {
    pid_t pid = fork();
    if (pid == 0) {
      auto notes = PoisonNotes::open(path);
      if (!notes.ok()) _exit(1);
      PoisonNotes::Step outer(**notes, "controllers/deployment", key, revision);
      if (!outer.allowed()) _exit(2);
      _exit(0);  // without destructors, as an abort is
    }
    int status = 0;
    waitpid(pid, &status, 0);
    exit_code = WEXITSTATUS(status);
  }
  int exit_code = -1;
  std::unique_ptr<PoisonNotes> reopen() {
    auto notes = PoisonNotes::open(path);
    EXPECT_TRUE(notes.ok());
    return std::move(*notes);
  }
};

TEST_F(PoisonNotesTest, two_aborts_on_one_state_quarantine_it_until_it_changes) {
  die_in_step("a", 5);
  EXPECT_FALSE(reopen()->quarantined("controllers/deployment", "a", 5)) << "once may be bad luck";
  die_in_step("a", 5);
  EXPECT_EQ(exit_code, 0);
  auto notes = reopen();
  EXPECT_TRUE(notes->quarantined("controllers/deployment", "a", 5));
  EXPECT_FALSE(notes->quarantined("controllers/deployment", "b", 5));
  {
    PoisonNotes::Step step(*notes, "controllers/deployment", "a", 5);
    EXPECT_FALSE(step.allowed());
  }
  ASSERT_EQ(notes->all_quarantined().size(), 1u);
  EXPECT_EQ(notes->all_quarantined()[0].aborts, 2u);
  {
    PoisonNotes::Step step(*notes, "controllers/deployment", "a", 6);
    EXPECT_TRUE(step.allowed());
  }
  EXPECT_TRUE(notes->all_quarantined().empty());
}

TEST_F(PoisonNotesTest, a_step_that_ends_leaves_no_trace) {
  die_in_step("a", 5);
  {
    auto notes = reopen();
    PoisonNotes::Step step(*notes, "controllers/deployment", "a", 5);
    EXPECT_TRUE(step.allowed());
  }
  die_in_step("a", 5);
  EXPECT_TRUE(reopen()->all_quarantined().empty()) << "the count began anew";
}

TEST_F(PoisonNotesTest, an_admin_clears_an_entry) {
  die_in_step("a", 5);
  die_in_step("a", 5);
  auto notes = reopen();
  EXPECT_FALSE(notes->clear("controllers/deployment", "zz"));
  EXPECT_TRUE(notes->clear("controllers/deployment", "a"));
  EXPECT_TRUE(notes->all_quarantined().empty());
}

TEST_F(PoisonNotesTest, a_file_of_another_form_is_begun_anew) {
  std::ofstream(path) << std::string(100000, 'x');
  EXPECT_TRUE(reopen()->all_quarantined().empty());
}

TEST_F(PoisonNotesTest, more_steps_than_slots_go_on_without_notes) {
  auto notes = reopen();
  std::vector<std::unique_ptr<PoisonNotes::Step>> steps;
  for (size_t i = 0; i < limits::kPoisonSlots + 5; ++i) {
    steps.push_back(std::make_unique<PoisonNotes::Step>(*notes, "kubelet", cat("pod", i), 1));
    EXPECT_TRUE(steps.back()->allowed());
  }
}

TEST_F(PoisonNotesTest, notes_stand_until_settled_and_a_newer_object_is_free) {
  for (int i = 0; i < 2; ++i) {
    pid_t pid = fork();
    if (pid == 0) {
      auto notes = PoisonNotes::open(path);
      bool allowed = (*notes)->note("scheduler", "default/p", 100 + i, [] { return uint64_t{50}; });
      _exit(allowed ? 0 : 1);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    EXPECT_EQ(WEXITSTATUS(status), 0);
  }
  auto notes = reopen();
  EXPECT_FALSE(notes->note("scheduler", "default/p", 200, [] { return uint64_t{50}; }));
  EXPECT_TRUE(notes->note("scheduler", "default/q", 200, [] { return uint64_t{50}; }));
  EXPECT_TRUE(notes->note("scheduler", "default/p", 200, [] { return uint64_t{150}; })) << "it changed since";
  notes->settle();
  EXPECT_TRUE(reopen()->all_quarantined().empty());
}

TEST_F(PoisonNotesTest, without_a_file_everything_is_allowed) {
  auto notes = PoisonNotes::none();
  PoisonNotes::Step step(*notes, "scheduler", "a", 1);
  EXPECT_TRUE(step.allowed());
  EXPECT_TRUE(notes->all_quarantined().empty());
}

}  // namespace
}  // namespace bramble

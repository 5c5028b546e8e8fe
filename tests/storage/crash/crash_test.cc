// The crash campaign: a child process under concurrent load is killed, loses its power, runs out of disk, has its fsync fail, or
// finds its pages damaged; then the store is read again. Whatever was acknowledged is there, nothing that was never written
// is, and revisions never go back.
//
// Rounds of each kind: BRAMBLE_CRASH_ROUNDS; else 100 in the long run (BRAMBLE_LONG), a few otherwise. BRAMBLE_CRASH_SEED repeats
// a run's choices (not its timing).

#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>

#include <filesystem>
#include <fstream>

#include "core/base/clock.h"
#include "tests/storage/crash/loop_disk.h"
#include "tests/storage/crash/lying_vfs.h"
#include "tests/storage/crash/workload.h"

namespace bramble::crash {
namespace {

int rounds(int by_default) {
  const char* text = getenv("BRAMBLE_CRASH_ROUNDS");
  if (text) return atoi(text);
  return getenv("BRAMBLE_LONG") ? 100 : by_default;
}

class Crash : public testing::Test {
 protected:
  Crash() {
    char name[] = "/tmp/bramble-crash-XXXXXX";
    dir_ = mkdtemp(name);
    const char* seed = getenv("BRAMBLE_CRASH_SEED");
    seed_ = seed ? strtoull(seed, nullptr, 10) : RealRandom().next_u64() % 1000000000;
    random_ = SeededRandom(seed_);
    RecordProperty("seed", cat(seed_));
  }
  ~Crash() override {
    if (child_ > 0) {
      kill(child_, SIGKILL);
      waitpid(child_, nullptr, 0);
    }
    if (!HasFailure())
      std::filesystem::remove_all(dir_);
    else
      printf("seed %llu, files in %s\n", static_cast<unsigned long long>(seed_), dir_.c_str());
  }

  void start(Plan plan) {
    plan.seed = random_.next_u64();
    int fds[2];
    ASSERT_EQ(pipe2(fds, O_CLOEXEC), 0);
    fflush(stdout);
    child_ = fork();
    if (child_ == 0) {
      close(fds[0]);
      Child(plan, fds[1]).run();
    }
    close(fds[1]);
    reports_ = fds[0];
  }

  // Takes reports until `count` more of them came. False when the child is gone.
  bool listen(uint64_t count) {
    for (uint64_t n = 0; n < count; n++) {
      Record r;
      if (read(reports_, &r, sizeof r) != sizeof r) return false;
      model_.take(r, certain_);
    }
    return true;
  }
  // Cuts the power. What the child reported until now is certain. What it says afterwards is not: the fsync that is under way at
  // this moment may answer 0 for data that the kernel then drops (a thread that does nothing but append and fdatasync sees it
  // in one cut of three), while after a real cut nobody hears an answer.
  void cut_power(LoopDisk& disk) {
    pollfd p{reports_, POLLIN, 0};
    while (poll(&p, 1, 0) == 1 && listen(1)) {
    }
    ASSERT_TRUE(disk.cut_power());
    certain_ = false;
  }
  // After the child's end: what it still reported, and its exit status.
  int reap() {
    while (listen(1)) {
    }
    close(reports_);
    int status = 0;
    waitpid(child_, &status, 0);
    child_ = -1;
    certain_ = true;
    return status;
  }

  void expect_whole(const std::string& dir) {
    std::string wrong;
    int missing = model_.check(dir, &wrong, random_.below(2) == 0, Model::Allowed::kNothing);
    EXPECT_EQ(wrong, "");
    EXPECT_EQ(missing, 0);
  }

  std::string dir_;
  uint64_t seed_ = 0;
  SeededRandom random_{0};
  Model model_;
  pid_t child_ = -1;
  int reports_ = -1;
  bool certain_ = true;
};

TEST_F(Crash, killed_process_loses_nothing_acknowledged) {
  for (int i = 0; i < rounds(8) && !HasFailure(); i++) {
    start({dir_});
    listen(1 + random_.below(600));
    kill(child_, SIGKILL);
    reap();
    expect_whole(dir_);
  }
  EXPECT_GT(model_.acknowledged, 0u);
}

TEST_F(Crash, power_cut_loses_nothing_acknowledged) {
  if (geteuid() != 0) GTEST_SKIP() << "mounts a file system: needs root";
  LoopDisk disk(dir_, 64);
  ASSERT_TRUE(disk.ok()) << "cannot mount an ext4 file system from a file";
  for (int i = 0; i < rounds(8) && !HasFailure(); i++) {
    start({disk.path()});
    listen(1 + random_.below(600));
    cut_power(disk);
    kill(child_, SIGKILL);
    reap();
    ASSERT_TRUE(disk.remount());
    expect_whole(disk.path());
  }
  EXPECT_GT(model_.acknowledged, 0u);
}

TEST_F(Crash, disk_that_goes_away_ends_the_process_and_loses_nothing_acknowledged) {
  if (geteuid() != 0) GTEST_SKIP() << "mounts a file system: needs root";
  LoopDisk disk(dir_, 64);
  ASSERT_TRUE(disk.ok()) << "cannot mount an ext4 file system from a file";
  for (int i = 0; i < rounds(4) && !HasFailure(); i++) {
    start({disk.path()});
    listen(1 + random_.below(300));
    cut_power(disk);
    // Ends by itself when an fsync or a read fails; with EROFS it stays, read-only, and refuses writes until it is killed.
    for (int n = 0; n < 2000 && listen(1); n++) {
    }
    kill(child_, SIGKILL);
    int status = reap();
    bool ended = WIFEXITED(status) && (WEXITSTATUS(status) == 74 || WEXITSTATUS(status) == 3);
    EXPECT_TRUE(ended || (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)) << status;
    ASSERT_TRUE(disk.remount());
    expect_whole(disk.path());
  }
}

TEST_F(Crash, full_disk_fails_only_its_writes_and_ends_when_there_is_room) {
  if (geteuid() != 0) GTEST_SKIP() << "mounts a file system: needs root";
  LoopDisk disk(dir_, 24);
  ASSERT_TRUE(disk.ok()) << "cannot mount an ext4 file system from a file";
  for (int i = 0; i < rounds(5) && !HasFailure(); i++) {
    Plan plan{disk.path()};
    plan.fill_disk = true;
    int recoveries = model_.recoveries;
    start(plan);
    for (int n = 0; n < 20000 && model_.recoveries == recoveries && listen(1); n++) {  // a disk that never fills fails below
    }
    listen(1 + random_.below(200));
    kill(child_, SIGKILL);
    int status = reap();
    EXPECT_EQ(model_.recoveries, recoveries + 1) << "the disk did not fill, or the store did not recover";
    EXPECT_TRUE(WIFSIGNALED(status)) << "the store ended on a full disk: " << status;
    unlink((disk.path() + "/ballast").c_str());
    expect_whole(disk.path());
  }
  EXPECT_EQ(model_.recoveries, model_.rooms_made);
  EXPECT_GT(model_.recoveries, 0);
}

// A directory in which nothing can be written refuses to start with one line, and starts when that has changed.
TEST_F(Crash, read_only_or_full_directory_is_one_line_that_says_what_to_do) {
  if (geteuid() != 0) GTEST_SKIP() << "mounts a file system: needs root";
  LoopDisk disk(dir_, 8);
  ASSERT_TRUE(disk.ok()) << "cannot mount an ext4 file system from a file";
  auto start_error = [&]() -> std::string {
    Loop loop;
    RealClock clock;
    auto opened = SqliteStore::open({disk.path() + "/store", "", nullptr}, loop, clock, random_);
    if (!opened.ok()) return opened.error().message();
    Status loaded = (*opened)->load([](StoredValue) {});
    return loaded.ok() ? "" : loaded.error().message();
  };
  ASSERT_TRUE(disk.make_read_only());
  EXPECT_TRUE(start_error().find("ead-only") != std::string::npos) << start_error();
  ASSERT_TRUE(disk.remount());
  ASSERT_EQ(start_error(), "");
  ASSERT_TRUE(disk.make_read_only());
  EXPECT_TRUE(start_error().find("read-only; remount it") != std::string::npos) << start_error();
  ASSERT_TRUE(disk.remount());
  ASSERT_EQ(start_error(), "");
  ASSERT_NE(system(cat("dd if=/dev/zero of=", disk.path(), "/ballast bs=4096 2>/dev/null").c_str()), 0);
  EXPECT_TRUE(start_error().find("no space left") != std::string::npos) << start_error();
  unlink((disk.path() + "/ballast").c_str());
  EXPECT_EQ(start_error(), "");
}

TEST_F(Crash, failed_fsync_ends_the_process_before_anything_is_acknowledged) {
  for (int i = 0; i < rounds(8) && !HasFailure(); i++) {
    Plan plan{dir_};
    plan.vfs = use_lying_vfs(1 + static_cast<int>(random_.below(120)));
    start(plan);
    int status = reap();
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 74) << status;
    expect_whole(dir_);
  }
  EXPECT_GT(model_.acknowledged, 0u);
}

// Overwrites a stretch of a page of the database, or of its log.
void damage(const std::string& file, SeededRandom& random) {
  std::fstream f(file, std::ios::in | std::ios::out | std::ios::binary);
  f.seekg(0, std::ios::end);
  uint64_t pages = static_cast<uint64_t>(f.tellg()) / 4096;
  if (pages == 0) return;
  uint64_t page = random.below(pages), size = random.below(3) == 0 ? 4096 : 1 + random.below(200);
  std::string junk(size, '\0');
  if (random.below(3) != 0) random.fill(junk.data(), junk.size());
  f.seekp(static_cast<std::streamoff>(page * 4096 + random.below(4096 - size + 1)));
  f << junk;
}

TEST_F(Crash, damaged_page_costs_no_row_that_can_be_read_or_is_in_the_backup) {
  for (int i = 0; i < rounds(10) && !HasFailure(); i++) {
    start({dir_});
    listen(200 + random_.below(400));
    kill(child_, SIGKILL);
    reap();
    bool with_backup = random_.below(2) == 0;
    std::string wrong;
    // Closed cleanly: all is in state.db. Damage of the round before may be met only now (in the list of free pages).
    EXPECT_EQ(model_.check(dir_, &wrong, true, Model::Allowed::kMissing), 0);
    ASSERT_EQ(wrong, "");
    std::filesystem::remove_all(dir_ + "/copies");
    std::filesystem::create_directories(dir_ + "/copies");
    if (with_backup) std::filesystem::copy_file(dir_ + "/store/state.db", dir_ + "/copies/state-r00000000000000000001-x.db");
    damage(dir_ + "/store/state.db", random_);
    int missing = model_.check(dir_, &wrong, random_.below(2) == 0, Model::Allowed::kMissing);
    EXPECT_EQ(wrong, "");
    EXPECT_LE(missing, with_backup ? 0 : 40) << "more than one page's rows are gone";
  }
}

// A frame whose head is destroyed does not tell which page it was of: those rows may come back as they were before.
TEST_F(Crash, damaged_log_is_noticed_and_costs_one_page_at_most) {
  for (int i = 0; i < rounds(6) && !HasFailure(); i++) {
    std::filesystem::remove_all(dir_ + "/copies");
    start({dir_});
    listen(100 + random_.below(400));
    kill(child_, SIGKILL);
    reap();
    damage(dir_ + "/store/state.db-wal", random_);
    std::string wrong;
    int missing = model_.check(dir_, &wrong, true, Model::Allowed::kOlder);
    EXPECT_EQ(wrong, "");
    EXPECT_LE(missing, 40) << "more than one page's rows are gone";
  }
}

}  // namespace
}  // namespace bramble::crash

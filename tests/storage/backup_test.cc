#include "storage/backup/backup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "core/base/limits.h"
#include "tests/storage/loop_run.h"

namespace bramble {
namespace {

class Backup : public testing::Test {
 protected:
  Backup() {
    char name[] = "/tmp/bramble-backup-XXXXXX";
    dir_ = mkdtemp(name);
    open();
  }
  ~Backup() override {
    store_.reset();
    std::filesystem::remove_all(dir_);
  }
  void open() {
    auto opened = SqliteStore::open({data(), "", nullptr, limits::kDiskRetryMs, sign_}, loop_, clock_, random_);
    ASSERT_TRUE(opened.ok()) << opened.error().message();
    store_ = std::move(*opened);
    loaded_.clear();
    auto loaded = store_->load([this](StoredValue v) { loaded_[v.key] = *v.value; });
    ASSERT_TRUE(loaded.ok()) << loaded.error().message();
  }
  void close() { EXPECT_TRUE(run_on(loop_, store_->close()).ok()); }
  void put(std::string key, std::string value) {
    auto r = run_on(loop_, store_->put(key, store_->latest(key), Durability::kDurable, [value](uint64_t) { return make_buffer(value); }));
    ASSERT_TRUE(r.ok()) << r.error().message();
  }
  std::string backup(int keep = 3) {
    auto r = run_on(loop_, make_backup(*store_, backups(), keep, clock_));
    EXPECT_TRUE(r.ok()) << (r.ok() ? "" : r.error().message());
    return r.ok() ? *r : "";
  }
  std::string data() const { return dir_ + "/data"; }
  std::string backups() const { return dir_ + "/data/backups"; }

  Loop loop_;
  FakeClock clock_;
  SeededRandom random_{7};
  std::string dir_, sign_;
  std::unique_ptr<SqliteStore> store_;
  std::map<std::string, std::string> loaded_;
};

TEST_F(Backup, restores_what_was_there_with_a_new_epoch_and_greater_revisions) {
  put("/a", "1");
  put("/b", std::string(100000, 'b'));
  std::string file = backup();
  put("/a", "2");
  put("/c", "3");
  uint64_t newest = store_->revision();
  std::string epoch = store_->health().epoch;
  store_.reset();
  auto restored = restore_backup(file, data(), random_, clock_);
  ASSERT_TRUE(restored.ok()) << restored.error().message();
  open();
  EXPECT_EQ(loaded_, (std::map<std::string, std::string>{{"/a", "1"}, {"/b", std::string(100000, 'b')}}));
  EXPECT_GT(store_->revision(), newest + limits::kRevisionJumpRepair / 2);
  EXPECT_NE(store_->health().epoch, epoch);
  EXPECT_TRUE(store_->health().epoch_changed);
  EXPECT_TRUE(std::filesystem::exists(restored->set_aside));
}

// A board without a clock starts in 1970 and jumps: the time of day does not end it.
TEST_F(Backup, epoch_counts_as_changed_until_it_is_confirmed_whatever_the_clock_says) {
  put("/a", "1");
  std::string file = backup();
  store_.reset();
  ASSERT_TRUE(restore_backup(file, data(), random_, clock_).ok());
  open();
  std::string epoch = store_->health().epoch;
  for (int restart = 0; restart < 3; restart++) {
    EXPECT_TRUE(store_->health().epoch_changed);
    clock_.advance_us(24 * limits::kEpochGuardUs);
    if (restart == 1) close();
    store_.reset();
    open();
  }
  ASSERT_TRUE(run_on(loop_, store_->confirm_epoch()).ok());
  EXPECT_FALSE(store_->health().epoch_changed);
  for (bool cleanly : {false, true}) {
    put("/a", cleanly ? "2" : "3");
    if (cleanly) close();
    store_.reset();
    open();
    EXPECT_FALSE(store_->health().epoch_changed);
    EXPECT_EQ(store_->health().epoch, epoch);
  }
}

// A stick may hold a folder that everybody can read; Secrets are in the copy.
TEST_F(Backup, nobody_else_may_read_it_also_in_a_folder_that_is_open_to_all) {
  put("/registry/secrets/a/b", "password");
  std::filesystem::create_directories(backups());
  std::filesystem::permissions(backups(), std::filesystem::perms(0755));
  mode_t before = umask(022);
  std::string file = backup();
  umask(before);
  EXPECT_EQ(std::filesystem::status(file).permissions(), std::filesystem::perms(0600));
  EXPECT_EQ(std::filesystem::status(backups()).permissions(), std::filesystem::perms(0755)) << "the folder is somebody else's";
}

TEST_F(Backup, keeps_the_newest_ones) {
  std::vector<std::string> made;
  for (int i = 0; i < 5; i++) {
    put("/a", cat(i));
    made.push_back(backup(3));
  }
  auto kept = list_backups(backups());
  ASSERT_EQ(kept.size(), 3u);
  for (size_t i = 0; i < 3; i++) EXPECT_EQ(kept[i].path, made[i + 2]);
  EXPECT_EQ(newest_backup(backups()), made.back());
}

TEST(BackupTimes, first_one_comes_when_the_newest_is_old_enough_as_far_as_the_clock_can_be_believed) {
  constexpr int64_t kHour = 3600 * 1000000LL, kNow = 1000000 * kHour, kEvery = 12 * kHour, kSoon = limits::kBackupSettleUs;
  struct Case {
    const char* name;
    std::vector<BackupFile> present;
    int64_t wait_us;
  };
  const Case cases[] = {
      {"none yet", {}, kSoon},
      {"made an hour ago", {{"a", 1, 1, kNow - kHour}}, 11 * kHour},
      {"the newest counts", {{"a", 1, 1, kNow - 20 * kHour}, {"b", 2, 1, kNow - 2 * kHour}}, 10 * kHour},
      {"due", {{"a", 1, 1, kNow - kEvery}}, kSoon},
      {"long due", {{"a", 1, 1, kNow - 100 * kEvery}}, kSoon},
      {"made in the future: the clock lost its time", {{"a", 1, 1, kNow + kHour}}, kSoon},
      {"a name without a time", {{"a", 1, 1, 0}}, kSoon},
  };
  for (const Case& c : cases) EXPECT_EQ(first_backup_wait_us(c.present, kNow, kEvery), c.wait_us) << c.name;
}

TEST_F(Backup, name_tells_when_it_was_made) {
  put("/a", "1");
  backup();
  auto list = list_backups(backups());
  ASSERT_EQ(list.size(), 1u);
  EXPECT_EQ(list[0].wall_us / 1000000, clock_.wall_us() / 1000000);
}

TEST_F(Backup, makes_no_second_copy_of_the_same_state) {
  put("/a", "1");
  std::string first = backup();
  clock_.advance_us(60 * 1000000);
  EXPECT_EQ(backup(), first);
}

TEST_F(Backup, goes_on_while_writes_come) {
  for (int i = 0; i < 200; i++) put(cat("/before/", i), std::string(5000, 'x'));
  std::optional<Result<std::string>> made;
  auto run = [](SqliteStore* s, std::string dir, const Clock* c, std::optional<Result<std::string>>* out) -> Task<void> {
    auto r = co_await make_backup(*s, dir, 3, *c);
    *out = std::move(r);
  };
  TaskGroup group;
  group.start(run(store_.get(), backups(), &clock_, &made));
  int during = 0;
  while (!made) put(cat("/during/", during++), "y");
  EXPECT_GE(during, 2);
  ASSERT_TRUE(made->ok());
  store_.reset();
  ASSERT_TRUE(restore_backup(**made, data(), random_, clock_).ok());
  open();
  for (int i = 0; i < 200; i++) EXPECT_TRUE(loaded_.contains(cat("/before/", i)));
}

TEST_F(Backup, holds_volatile_values_too) {
  auto r = run_on(loop_, store_->put("/v", 0, Durability::kVolatile, [](uint64_t) { return make_buffer("v"); }));
  ASSERT_TRUE(r.ok());
  std::string file = backup();
  store_.reset();
  ASSERT_TRUE(restore_backup(file, data(), random_, clock_).ok());
  open();
  EXPECT_TRUE(loaded_.contains("/v"));
}

TEST_F(Backup, interrupted_copy_is_removed_by_the_next_one) {
  put("/a", "1");
  std::filesystem::create_directories(backups());
  std::ofstream(backups() + "/state-r00000000000000000001-x.db.part") << "half";
  std::ofstream(backups() + "/notes.txt") << "mine";
  backup();
  EXPECT_FALSE(std::filesystem::exists(backups() + "/state-r00000000000000000001-x.db.part"));
  EXPECT_TRUE(std::filesystem::exists(backups() + "/notes.txt"));
  EXPECT_EQ(list_backups(backups()).size(), 1u);
}

TEST_F(Backup, damaged_backup_is_refused_and_nothing_changes) {
  for (int i = 0; i < 100; i++) put(cat("/", i), std::string(500, 'x'));
  std::string file = backup();
  {
    std::fstream f(file, std::ios::in | std::ios::out | std::ios::binary);
    f.seekp(5 * 4096 + 100);
    f << std::string(2000, 'Z');
  }
  put("/new", "1");
  store_.reset();
  auto restored = restore_backup(file, data(), random_, clock_);
  ASSERT_FALSE(restored.ok());
  EXPECT_EQ(restored.error().code(), Code::kCorrupt);
  open();
  EXPECT_TRUE(loaded_.contains("/new"));
}

// What a power cut leaves of a file is at times its name alone.
TEST_F(Backup, store_that_is_empty_or_missing_where_one_was_comes_from_the_newest_backup_and_is_in_doubt) {
  for (bool missing : {false, true}) {
    put("/a", missing ? "missing" : "empty");
    std::string newest = backup();
    put("/late", missing ? "1" : "2");
    uint64_t revision = store_->revision();
    std::string epoch = store_->health().epoch;
    store_.reset();
    std::filesystem::remove(data() + "/state.db");
    std::filesystem::remove(data() + "/state.db-wal");
    if (!missing) std::ofstream(data() + "/state.db");
    sign_ = dir_;
    open();
    EXPECT_EQ(loaded_, (std::map<std::string, std::string>{{"/a", missing ? "missing" : "empty"}}));
    EXPECT_TRUE(store_->health().epoch_changed);
    EXPECT_NE(store_->health().epoch, epoch);
    EXPECT_GT(store_->revision(), revision);
    EXPECT_THAT(store_->health().text, testing::HasSubstr(cat("restored from ", newest)));
  }
}

TEST_F(Backup, damaged_backup_gives_way_to_an_older_one) {
  for (int i = 0; i < 100; i++) put(cat("/", i), std::string(500, 'x'));
  backup();
  put("/new", "1");
  std::ofstream(backup(), std::ios::binary | std::ios::trunc) << "half";
  store_.reset();
  std::filesystem::remove(data() + "/state.db");
  sign_ = dir_;
  open();
  EXPECT_EQ(loaded_.size(), 100u);
}

TEST_F(Backup, empty_store_is_refused_where_one_was_and_no_backup_brings_it_back) {
  put("/a", "1");
  close();
  store_.reset();
  struct Row {
    const char* name;
    bool empty, sign, backup;
    std::vector<std::string> words;
  };
  const Row rows[] = {
      {"missing, no backup", false, true, false, {"state.db is missing", dir_, "holds no backup", "put the file back"}},
      {"empty, no backup", true, true, false, {"state.db is empty", dir_, "holds no backup"}},
      {"backups of an unknown cluster", false, false, true, {"state.db is missing", "bramble backup restore", "state-r00000000000000000001-x.db"}},
      {"a damaged backup alone", true, true, true, {"state.db is empty", "holds no whole backup"}},
  };
  for (const Row& row : rows) {
    std::filesystem::remove_all(data());
    std::filesystem::create_directories(backups());
    if (row.empty) std::ofstream(data() + "/state.db");
    if (row.backup) std::ofstream(backups() + "/state-r00000000000000000001-x.db") << "half";
    for (int start = 0; start < 2; start++) {
      auto opened = SqliteStore::open({data(), "", nullptr, limits::kDiskRetryMs, row.sign ? dir_ : ""}, loop_, clock_, random_);
      ASSERT_FALSE(opened.ok()) << row.name;
      for (const std::string& word : row.words) EXPECT_THAT(opened.error().message(), testing::HasSubstr(word)) << row.name;
    }
    EXPECT_EQ(std::filesystem::exists(data() + "/state.db"), row.empty) << row.name;
  }
}

TEST_F(Backup, store_that_was_made_and_never_loaded_is_as_good_as_none) {
  put("/a", "1");
  backup();
  store_.reset();
  std::filesystem::remove(data() + "/state.db");
  std::filesystem::remove(data() + "/state.db-wal");
  { ASSERT_TRUE(Database::open(data() + "/state.db").ok()); }
  sign_ = dir_;
  open();
  EXPECT_EQ(loaded_.size(), 1u);
}

TEST_F(Backup, restore_is_refused_while_a_server_has_the_store) {
  put("/a", "1");
  std::string file = backup();
  auto restored = restore_backup(file, data(), random_, clock_);
  ASSERT_FALSE(restored.ok());
  EXPECT_EQ(restored.error().code(), Code::kUnavailable);
  EXPECT_THAT(restored.error().message(), testing::HasSubstr("in use by"));
}

}  // namespace
}  // namespace bramble

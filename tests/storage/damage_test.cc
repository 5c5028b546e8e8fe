// Damaged, foreign, locked and unwritable files: what opening one does.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "core/base/limits.h"
#include "storage/backup/backup.h"
#include "storage/sqlite/files.h"
#include "storage/sqlite/page_reader.h"
#include "storage/sqlite/row_sum.h"
#include "storage/sqlite/wal_reader.h"
#include "tests/storage/crash/lying_vfs.h"
#include "tests/storage/loop_run.h"

namespace bramble {
namespace {

using testing::HasSubstr;

TEST(RowSum, agrees_with_the_published_test_vectors) {
  EXPECT_EQ(xxh64("", 0), 0xef46db3751d8e999u);
  EXPECT_EQ(xxh64("a", 0), 0xd24ec4f1a98c6e5bu);
  EXPECT_EQ(xxh64("abc", 0), 0x44bc2cf5ad770999u);
  EXPECT_EQ(xxh64("Nobody inspects the spammish repetition", 0), 0xfbcea83c8a378bf1u);
}

class Damage : public testing::Test {
 protected:
  Damage() {
    char name[] = "/tmp/bramble-damage-XXXXXX";
    dir_ = mkdtemp(name);
  }
  ~Damage() override {
    store_.reset();
    std::filesystem::remove_all(dir_);
  }
  Status try_open() {
    store_.reset();
    loaded_.clear();
    TRY_ASSIGN(store_, SqliteStore::open({dir_, "", vfs_}, loop_, clock_, random_));
    return store_->load([this](StoredValue v) { loaded_[v.key] = *v.value; });
  }
  void open() {
    auto opened = try_open();
    ASSERT_TRUE(opened.ok()) << opened.error().message();
  }
  void close() {
    ASSERT_TRUE(run_on(loop_, store_->close()).ok());
    store_.reset();
  }
  void put(std::string key, std::string value) {
    auto r = run_on(loop_, store_->put(key, store_->latest(key), Durability::kDurable, [value](uint64_t) { return make_buffer(value); }));
    ASSERT_TRUE(r.ok()) << r.error().message();
  }
  // 300 rows of some 1 kB: about a hundred leaves below an inner page; some values with overflow pages.
  void fill() {
    open();
    auto one = [](SqliteStore* s, std::string key, std::string value) -> Task<void> {
      std::function<Buffer(uint64_t)> make = [value](uint64_t) { return make_buffer(value); };
      auto r = co_await s->put(key, 0, Durability::kDurable, make);
      EXPECT_TRUE(r.ok());
    };
    TaskGroup group;
    for (int i = 0; i < 300; i++) {
      std::string key = cat("/registry/core/configmaps/default/", i);
      group.start(one(store_.get(), key, value_of(i)));
      wanted_[key] = value_of(i);
    }
    put("/registry/core/configmaps/default/end", "end");
    wanted_["/registry/core/configmaps/default/end"] = "end";
  }
  static std::string value_of(int i) { return cat(i, std::string(i % 20 == 0 ? 9000 : 900, static_cast<char>('a' + i % 26))); }
  std::string path() const { return dir_ + "/state.db"; }
  // The page with this text in the file as it stands cannot be read so often.
  void make_unreadable(std::string_view text, int times) {
    struct stat st;
    ASSERT_EQ(stat(path().c_str(), &st), 0);
    crash::g_unreadable = {st.st_ino, static_cast<int>(read(path()).find(text) / 4096 + 1), times};
    vfs_ = crash::use_lying_vfs(0);
  }
  bool set_aside() const { return std::filesystem::exists(path() + ".damaged-1"); }
  std::string read(std::string file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void write(std::string file, std::string bytes) { std::ofstream(file, std::ios::binary) << bytes; }
  void damage(std::string file, size_t at, size_t size) {
    std::string bytes = read(file);
    ASSERT_LE(at + size, bytes.size());
    for (size_t i = 0; i < size; i++) bytes[at + i] = static_cast<char>(bytes[at + i] * 7 + i * 13 + 5);
    write(file, bytes);
  }
  int page_count() { return static_cast<int>(std::filesystem::file_size(path()) / 4096); }
  int missing() {
    int n = 0;
    for (const auto& [key, value] : wanted_) {
      if (!loaded_.contains(key))
        n++;
      else
        EXPECT_EQ(loaded_[key], value);
    }
    EXPECT_EQ(loaded_.size() + static_cast<size_t>(n), wanted_.size());
    return n;
  }

  static Task<int> turn() {
    co_await sleep_ms(1);
    co_return 0;
  }

  Loop loop_;
  FakeClock clock_;
  SeededRandom random_{7};
  std::string dir_;
  const char* vfs_ = nullptr;
  std::unique_ptr<SqliteStore> store_;
  std::map<std::string, std::string> loaded_, wanted_;
};

TEST_F(Damage, salvage_of_a_whole_file_finds_every_row) {
  fill();
  store_.reset();
  auto found = salvage_rows(read(path()), read(path() + "-wal"));
  EXPECT_EQ(found.rows.size(), wanted_.size());
  EXPECT_TRUE(found.lost_ids.empty());
  EXPECT_TRUE(found.meta.has_value());
  for (const auto& [id, row] : found.rows) EXPECT_EQ(wanted_[row.key], *row.value);
}

TEST_F(Damage, each_page_in_turn_costs_only_its_own_rows) {
  fill();
  close();
  std::string whole = read(path());
  int pages = page_count();
  for (int page = 1; page <= pages; page += page < 8 ? 1 : 23) {
    SCOPED_TRACE(cat("page ", page));
    std::filesystem::remove_all(dir_);
    std::filesystem::create_directory(dir_);
    write(path(), whole);
    damage(path(), static_cast<size_t>(page - 1) * 4096, 4096);
    uint64_t before = 302;
    open();
    EXPECT_LE(missing(), 5);
    if (store_->health().epoch_changed) {
      EXPECT_GT(store_->revision(), before + limits::kRevisionJumpRepair / 2);
      EXPECT_TRUE(std::filesystem::exists(path() + ".damaged-1"));
      EXPECT_THAT(store_->health().text, HasSubstr("repaired"));
    } else {
      EXPECT_EQ(missing(), 0);
    }
    put("/more", "1");
    close();
  }
}

TEST_F(Damage, one_byte_in_a_value_costs_one_row_and_names_it) {
  fill();
  close();
  std::string bytes = read(path());
  size_t at = bytes.find("137" + std::string(900, 'h'));
  ASSERT_NE(at, std::string::npos);
  damage(path(), at + 500, 1);
  open();
  EXPECT_EQ(missing(), 1);
  EXPECT_THAT(store_->health().damaged, testing::ElementsAre("/registry/core/configmaps/default/137"));
}

TEST_F(Damage, rows_that_cannot_be_read_come_from_the_backup_and_only_those) {
  fill();
  auto made = run_on(loop_, make_backup(*store_, dir_ + "/backups", 3, clock_));
  ASSERT_TRUE(made.ok());
  put("/registry/core/configmaps/default/1", "newer than the backup");
  wanted_["/registry/core/configmaps/default/1"] = "newer than the backup";
  auto gone = run_on(loop_, store_->remove("/registry/core/configmaps/default/2", store_->latest("/registry/core/configmaps/default/2"), Durability::kDurable));
  ASSERT_TRUE(gone.ok());
  wanted_.erase("/registry/core/configmaps/default/2");
  close();
  std::string bytes = read(path());
  size_t at = bytes.find("137" + std::string(900, 'h'));
  damage(path(), at / 4096 * 4096, 4096);
  open();
  EXPECT_EQ(missing(), 0);
  EXPECT_THAT(store_->health().damaged, testing::Contains("/registry/core/configmaps/default/137"));
  EXPECT_THAT(store_->health().text, HasSubstr("from the backup"));
}

const std::string kOneRow = "137" + std::string(900, 'h');

TEST_F(Damage, read_that_fails_for_a_moment_is_no_damage) {
  fill();
  close();
  for (int times = 1; times < 3; times++) {
    make_unreadable(kOneRow, times);
    Status opened = try_open();  // the store itself reads twice; then a start may be refused, but nothing is given up
    if (!opened.ok()) {
      EXPECT_EQ(opened.error().code(), Code::kIo) << opened.error().message();
      open();
    }
    EXPECT_EQ(missing(), 0);
    EXPECT_FALSE(store_->health().epoch_changed);
    close();
  }
  EXPECT_FALSE(set_aside());
}

TEST_F(Damage, block_that_cannot_be_read_refuses_the_start_and_is_lost_after_several) {
  fill();
  ASSERT_TRUE(run_on(loop_, make_backup(*store_, dir_ + "/backups", 3, clock_)).ok());
  close();
  make_unreadable(kOneRow, 1000);
  for (int start = 1; start < limits::kUnreadableStarts; start++) {
    Status opened = try_open();
    ASSERT_FALSE(opened.ok());
    EXPECT_EQ(opened.error().code(), Code::kIo);
    EXPECT_THAT(opened.error().message(), HasSubstr("cannot read the block at byte"));
    EXPECT_FALSE(set_aside());
  }
  open();
  EXPECT_EQ(missing(), 0);
  EXPECT_THAT(store_->health().text, HasSubstr("from the backup"));
  EXPECT_TRUE(set_aside());
  EXPECT_FALSE(std::filesystem::exists(path() + ".unreadable"));
}

TEST_F(Damage, starts_that_can_read_begin_the_count_anew) {
  fill();
  close();
  for (int i = 0; i < 2 * limits::kUnreadableStarts; i++) {
    make_unreadable(kOneRow, i % 2 == 0 ? 1000 : 0);
    EXPECT_EQ(try_open().ok(), i % 2 == 1);
  }
  EXPECT_EQ(missing(), 0);
  EXPECT_FALSE(set_aside());
}

TEST_F(Damage, log_that_cannot_be_read_refuses_the_start) {
  open();
  put("/a", "1");
  store_.reset();
  struct stat st;
  ASSERT_EQ(stat((path() + "-wal").c_str(), &st), 0);
  crash::g_unreadable = {st.st_ino, 2, 1};
  vfs_ = crash::use_lying_vfs(0);
  Status opened = try_open();
  if (!opened.ok()) {
    EXPECT_EQ(opened.error().code(), Code::kIo) << opened.error().message();
    open();
  }
  EXPECT_TRUE(loaded_.contains("/a"));
  EXPECT_FALSE(set_aside());
}

TEST_F(Damage, full_disk_is_not_ready_and_is_again_when_there_is_room) {
  auto opened = SqliteStore::open({dir_, "", crash::use_lying_vfs(0), 1}, loop_, clock_, random_);
  ASSERT_TRUE(opened.ok());
  store_ = std::move(*opened);
  ASSERT_TRUE(store_->load([](StoredValue) {}).ok());
  EXPECT_TRUE(store_->health().ready().ok());
  crash::g_full = true;
  auto r = run_on(loop_, store_->put("/a", 0, Durability::kDurable, [](uint64_t) { return make_buffer("1"); }));
  ASSERT_FALSE(r.ok());
  EXPECT_EQ(r.error().code(), Code::kNoSpace);
  Status ready = store_->health().ready();
  ASSERT_FALSE(ready.ok());
  EXPECT_THAT(ready.error().message(), HasSubstr("no space left"));
  crash::g_full = false;
  while (!store_->health().ready().ok()) run_on(loop_, turn());  // nobody writes: the store looks by itself
  put("/a", "1");
}

TEST_F(Damage, truncated_file_keeps_the_rows_before_its_end) {
  fill();
  close();
  std::filesystem::resize_file(path(), static_cast<uintmax_t>(page_count() / 2) * 4096 + 1000);
  open();
  EXPECT_LT(missing(), 200);
  EXPECT_TRUE(store_->health().epoch_changed);
}

TEST_F(Damage, log_damaged_in_the_middle_loses_no_acknowledged_write_but_those_on_the_bad_page) {
  open();
  for (int i = 0; i < 40; i++) {
    put(cat("/", i), cat(i, std::string(3500, 'x')));  // a page each
    wanted_[cat("/", i)] = cat(i, std::string(3500, 'x'));
  }
  store_.reset();
  std::string log = read(path() + "-wal");
  ASSERT_FALSE(read_wal(log).damaged);
  size_t frame = 32 + 20 * (4096 + 24);
  damage(path() + "-wal", frame + 24 + 2000, 10);
  ASSERT_TRUE(read_wal(read(path() + "-wal")).damaged);
  open();
  EXPECT_LE(missing(), 1);
  EXPECT_TRUE(store_->health().epoch_changed);
}

TEST_F(Damage, last_transaction_torn_by_a_power_cut_is_no_damage) {
  open();
  put("/a", "1");
  store_.reset();
  std::string log = read(path() + "-wal");
  for (size_t cut = log.size() - 4120; cut < log.size(); cut += 509) EXPECT_FALSE(read_wal(log.substr(0, cut)).damaged) << cut;
  std::string torn = log;
  torn[torn.size() - 100] ^= 1;
  EXPECT_FALSE(read_wal(torn).damaged);
}

TEST_F(Damage, bad_head_of_the_log_is_damage) {
  open();
  for (int i = 0; i < 10; i++) put(cat("/", i), "x"), wanted_[cat("/", i)] = "x";
  store_.reset();
  damage(path() + "-wal", 8, 16);
  open();
  EXPECT_EQ(missing(), 0);
  EXPECT_TRUE(store_->health().epoch_changed);
}

// The head tells the log's own frames from older ones, and the first frame's head would be the next to ask.
TEST_F(Damage, log_whose_first_page_is_destroyed_gives_all_later_frames) {
  open();
  for (int i = 0; i < 10; i++) put(cat("/", i), "x"), wanted_[cat("/", i)] = "x";
  store_.reset();
  damage(path() + "-wal", 0, 4096);
  open();
  EXPECT_EQ(missing(), 0);
  EXPECT_TRUE(store_->health().epoch_changed);
}

TEST_F(Damage, meta_page_destroyed_still_moves_revisions_beyond) {
  fill();
  close();
  damage(path(), 2 * 4096, 4096);
  open();
  EXPECT_EQ(missing(), 0);
  EXPECT_GT(store_->revision(), limits::kRevisionJumpRepair / 2);
}

TEST_F(Damage, damaged_free_list_is_met_before_a_write_can_destroy_rows) {
  fill();
  for (int i = 0; i < 300; i += 20) {  // leaves free pages behind
    std::string key = cat("/registry/core/configmaps/default/", i);
    ASSERT_TRUE(run_on(loop_, store_->remove(key, store_->latest(key), Durability::kDurable)).ok());
    wanted_.erase(key);
  }
  close();
  std::string whole = read(path());
  size_t trunk = 0;
  for (size_t i = 32; i < 36; i++) trunk = trunk << 8 | static_cast<unsigned char>(whole[i]);
  ASSERT_GT(trunk, 0u);
  struct Case {
    const char* name;
    size_t at;
    uint32_t value;
  };
  const Case cases[] = {
      {"head beyond the file", 32, 0x7f7f7f7f},
      {"first free page is one in use", (trunk - 1) * 4096 + 8, 2},
      {"no free pages, says the head", 36, 0},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    std::filesystem::remove_all(dir_);
    std::filesystem::create_directory(dir_);
    std::string bytes = whole;
    for (size_t i = 0; i < 4; i++) bytes[c.at + i] = static_cast<char>(c.value >> (24 - 8 * i));
    write(path(), bytes);
    open();
    EXPECT_EQ(missing(), 0);
    for (int i = 0; i < 10; i++) put(cat("/new/", i), std::string(20000, 'x'));
    store_.reset();
    open();
    for (int i = 0; i < 10; i++) EXPECT_EQ(loaded_.erase(cat("/new/", i)), 1u);
    EXPECT_EQ(missing(), 0);
  }
}

TEST_F(Damage, damage_met_by_writing_ends_the_process_and_the_next_one_looks_closely) {
  fill();
  close();
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    std::thread writer([this] {  // a loop belongs to a thread, and this one has the parent's
      Loop loop;
      auto store = SqliteStore::open({dir_, "", nullptr}, loop, clock_, random_);
      if (!store.ok() || !(*store)->load([](StoredValue) {}).ok()) _exit(1);
      damage(path(), 3 * 4096, 8 * 4096);  // under its feet: leaves that SQLite's small cache no longer holds
      for (int i = 0; i < 20; i++) {
        std::function<Buffer(uint64_t)> make = [](uint64_t) { return make_buffer(std::string(4000, 'x')); };
        std::string key = cat("/registry/core/configmaps/default/", i);
        auto r = run_on(loop, (*store)->put(key, (*store)->latest(key), Durability::kDurable, make));
        if (!r.ok()) _exit(3);
      }
      _exit(2);
    });
    writer.join();
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 74);
  EXPECT_TRUE(std::filesystem::exists(path() + ".must-check"));
  open();
  EXPECT_LT(missing(), 40);
  EXPECT_TRUE(store_->health().epoch_changed);
  EXPECT_FALSE(std::filesystem::exists(path() + ".must-check"));
}

TEST_F(Damage, mark_on_a_file_that_is_whole_changes_nothing) {
  fill();
  store_.reset();
  write(path() + ".must-check", "");
  open();
  EXPECT_EQ(missing(), 0);
  EXPECT_FALSE(store_->health().epoch_changed);
  EXPECT_FALSE(std::filesystem::exists(path() + ".must-check"));
}

TEST_F(Damage, repair_that_a_crash_interrupted_is_completed) {
  fill();
  auto made = run_on(loop_, make_backup(*store_, dir_ + "/backups", 3, clock_));
  put("/late", "x");
  store_.reset();
  // As put_in_place leaves it between its two last steps: decided, and the old log is still there.
  std::filesystem::copy_file(*made, path() + ".repaired");
  open();
  EXPECT_EQ(missing(), 0);
  EXPECT_FALSE(loaded_.contains("/late"));
  EXPECT_FALSE(std::filesystem::exists(path() + ".repaired"));
}

TEST_F(Damage, only_the_newest_damaged_files_are_kept) {
  fill();
  close();
  for (int i = 1; i <= 8; i++) {
    std::string bytes = read(path());
    damage(path(), bytes.find(kOneRow) / 4096 * 4096 + 4000, 20);
    open();
    put("/more", cat(i));
    EXPECT_TRUE(store_->health().epoch_changed);
    put(cat("/registry/core/configmaps/default/137-", i), kOneRow);
    close();
  }
  EXPECT_EQ(numbered_files(path(), "damaged"), (std::vector<int>{4, 5, 6, 7, 8}));
}

TEST_F(Damage, half_built_new_file_is_forgotten) {
  fill();
  close();
  write(path() + ".new", "half");
  open();
  EXPECT_EQ(missing(), 0);
  EXPECT_FALSE(std::filesystem::exists(path() + ".new"));
}

TEST_F(Damage, file_that_is_no_database_is_refused_in_one_line_and_left_alone) {
  write(path(), std::string(10000, 'x'));
  auto opened = try_open();
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code(), Code::kInvalidArgument);
  EXPECT_THAT(opened.error().message(), HasSubstr("is not a bramble store"));
  EXPECT_THAT(opened.error().message(), testing::Not(HasSubstr("\n")));
  EXPECT_EQ(read(path()), std::string(10000, 'x'));
}

TEST_F(Damage, store_that_was_made_but_never_loaded_is_a_new_one) {
  ASSERT_TRUE(Database::open(path()).ok());
  open();
  EXPECT_FALSE(store_->health().unclean_stop);
  EXPECT_FALSE(store_->health().epoch_changed);
  EXPECT_NE(store_->health().epoch, "");
}

TEST_F(Damage, directory_that_another_process_has_is_refused_naming_it) {
  int ready[2], done[2];
  ASSERT_EQ(pipe(ready) | pipe(done), 0);
  pid_t child = fork();
  if (child == 0) {
    auto database = Database::open(path());
    char c = database.ok() ? 'y' : 'n';
    (void)!::write(ready[1], &c, 1);
    (void)!::read(done[0], &c, 1);
    _exit(0);
  }
  char c = 0;
  ASSERT_EQ(::read(ready[0], &c, 1), 1);
  ASSERT_EQ(c, 'y');
  auto opened = try_open();
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code(), Code::kUnavailable);
  EXPECT_THAT(opened.error().message(), HasSubstr(cat("process ", child)));
  ASSERT_EQ(::write(done[1], &c, 1), 1);
  waitpid(child, nullptr, 0);
  open();
}

TEST_F(Damage, newer_format_is_refused) {
  open();
  close();
  std::string bytes = read(path());
  bytes[63] = 9;  // user_version
  write(path(), bytes);
  auto opened = try_open();
  ASSERT_FALSE(opened.ok());
  EXPECT_THAT(opened.error().message(), HasSubstr("has format 9"));
}

TEST_F(Damage, directory_that_cannot_be_made_is_one_line) {
  write(dir_ + "/file", "");
  auto opened = SqliteStore::open({dir_ + "/file/data", "", nullptr}, loop_, clock_, random_);
  ASSERT_FALSE(opened.ok());
  EXPECT_THAT(opened.error().message(), HasSubstr("cannot make the directory"));
}

}  // namespace
}  // namespace bramble

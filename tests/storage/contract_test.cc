// The contract of storage/store.h, against both implementations.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>

#include "core/base/limits.h"
#include "storage/memory/memory_store.h"
#include "storage/sqlite/sqlite_store.h"
#include "tests/storage/loop_run.h"

namespace bramble {
namespace {

using testing::ElementsAre;

std::function<Buffer(uint64_t)> text(std::string t) {
  return [t](uint64_t) { return make_buffer(t); };
}

class Contract : public testing::TestWithParam<std::string> {
 protected:
  Contract() {
    char name[] = "/tmp/bramble-store-XXXXXX";
    dir_ = mkdtemp(name);
    open();
  }
  ~Contract() override {
    store_.reset();
    std::filesystem::remove_all(dir_);
  }

  void open() {
    loaded_.clear();
    if (GetParam() == "memory") {
      store_ = std::make_unique<MemoryStore>(clock_, disk_);
    } else {
      auto opened = SqliteStore::open({dir_, "", nullptr}, loop_, clock_, random_);
      ASSERT_TRUE(opened.ok()) << opened.error().message();
      store_ = std::move(*opened);
    }
    auto loaded = store_->load([this](StoredValue v) { loaded_[v.key] = *v.value; });
    ASSERT_TRUE(loaded.ok()) << loaded.error().message();
    store_->on_commit([this](const std::vector<Commit>& commits) {
      for (const auto& c : commits) seen_.push_back(cat(c.key, "=", c.value ? *c.value : std::string("-"), "@", c.revision - base_));
    });
    base_ = store_->revision();
  }
  void crash() {
    store_.reset();
    open();
  }
  void close_and_open() {
    auto closed = run_on(loop_, store_->close());
    ASSERT_TRUE(closed.ok()) << closed.error().message();
    store_.reset();
    open();
  }
  Result<uint64_t> put(std::string key, uint64_t expected, std::string value, Durability d = Durability::kDurable) {
    return run_on(loop_, store_->put(key, expected, d, text(value)));
  }
  Result<uint64_t> remove(std::string key, uint64_t expected, Durability d = Durability::kDurable) {
    return run_on(loop_, store_->remove(key, expected, d));
  }

  Loop loop_;
  FakeClock clock_;
  SeededRandom random_{7};
  std::string dir_;
  std::shared_ptr<MemoryDisk> disk_ = std::make_shared<MemoryDisk>();
  std::unique_ptr<Store> store_;
  std::map<std::string, std::string> loaded_;
  std::vector<std::string> seen_;
  uint64_t base_ = 0;
};

INSTANTIATE_TEST_SUITE_P(Stores, Contract, testing::Values("memory", "sqlite"), [](const auto& i) { return i.param; });

TEST_P(Contract, gives_growing_revisions_and_shows_commits_in_order) {
  auto a = put("/a", 0, "1");
  auto b = put("/b", 0, "2");
  ASSERT_TRUE(a.ok() && b.ok());
  EXPECT_LT(*a, *b);
  auto a2 = put("/a", *a, "3");
  auto gone = remove("/b", *b);
  ASSERT_TRUE(a2.ok() && gone.ok());
  EXPECT_THAT(seen_, ElementsAre("/a=1@1", "/b=2@2", "/a=3@3", "/b=-@4"));
  EXPECT_EQ(store_->revision(), *gone);
  EXPECT_EQ(store_->latest("/a"), *a2);
  EXPECT_EQ(store_->latest("/b"), 0u);
}

TEST_P(Contract, first_revision_is_above_zero) {
  EXPECT_GT(store_->revision(), 0u);
  EXPECT_FALSE(store_->health().unclean_stop);
  EXPECT_NE(store_->health().epoch, "");
}

TEST_P(Contract, refuses_a_write_whose_precondition_fails) {
  auto a = put("/a", 0, "1");
  ASSERT_TRUE(a.ok());
  EXPECT_EQ(put("/a", 0, "2").error().code(), Code::kConflict);
  EXPECT_EQ(put("/a", *a + 1, "2").error().code(), Code::kConflict);
  EXPECT_EQ(put("/other", 5, "2").error().code(), Code::kConflict);
  EXPECT_EQ(remove("/a", *a + 1).error().code(), Code::kConflict);
  EXPECT_EQ(remove("/other", 0).error().code(), Code::kConflict);
  EXPECT_THAT(seen_, ElementsAre("/a=1@1"));
}

TEST_P(Contract, checks_preconditions_against_pending_writes) {
  std::vector<std::string> log;
  auto write = [](Store* s, uint64_t expected, std::string value, std::vector<std::string>* out) -> Task<void> {
    auto make = text(value);
    auto r = co_await s->put("/a", expected, Durability::kDurable, make);
    out->push_back(cat(value, r.ok() ? " ok" : " refused"));
  };
  TaskGroup group;
  group.start(write(store_.get(), 0, "first", &log));
  group.start(write(store_.get(), 0, "second", &log));
  EXPECT_NE(store_->latest("/a"), 0u);
  group.start(write(store_.get(), store_->latest("/a"), "third", &log));
  ASSERT_TRUE(put("/end", 0, "x").ok());
  EXPECT_THAT(log, testing::UnorderedElementsAre("second refused", "first ok", "third ok"));
  EXPECT_EQ(seen_.size(), 3u);
}

TEST_P(Contract, write_that_changes_nothing_writes_nothing) {
  auto a = put("/a", 0, "1");
  ASSERT_TRUE(a.ok());
  auto again = put("/a", *a, "1");
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(*again, *a);
  EXPECT_EQ(store_->revision(), *a);
  EXPECT_EQ(seen_.size(), 1u);
}

TEST_P(Contract, make_learns_the_revision_it_writes) {
  uint64_t told = 0;
  auto r = run_on(loop_, store_->put("/a", 0, Durability::kDurable, [&](uint64_t revision) {
    told = revision;
    return make_buffer(cat(revision));
  }));
  ASSERT_TRUE(r.ok());
  EXPECT_EQ(told, *r);
}

TEST_P(Contract, clean_stop_keeps_everything_and_goes_on_at_the_same_revision) {
  ASSERT_TRUE(put("/durable", 0, "d").ok());
  ASSERT_TRUE(put("/volatile", 0, "v", Durability::kVolatile).ok());
  uint64_t before = store_->revision();
  std::string epoch = store_->health().epoch;
  close_and_open();
  EXPECT_EQ(store_->revision(), before);
  EXPECT_EQ(store_->health().epoch, epoch);
  EXPECT_FALSE(store_->health().unclean_stop);
  EXPECT_EQ(loaded_, (std::map<std::string, std::string>{{"/durable", "d"}, {"/volatile", "v"}}));
}

TEST_P(Contract, crash_keeps_durable_writes_and_never_uses_a_revision_twice) {
  ASSERT_TRUE(put("/durable", 0, "d").ok());
  auto v = put("/volatile", 0, "v", Durability::kVolatile);
  ASSERT_TRUE(v.ok());
  crash();
  EXPECT_TRUE(store_->health().unclean_stop);
  EXPECT_EQ(loaded_, (std::map<std::string, std::string>{{"/durable", "d"}}));
  EXPECT_GT(store_->revision(), *v);
  auto next = put("/next", 0, "n");
  ASSERT_TRUE(next.ok());
  EXPECT_GT(*next, *v);
}

TEST_P(Contract, volatile_writes_beyond_a_block_reserve_more_before_they_are_answered) {
  uint64_t last = 0, revision = 0;
  for (uint64_t i = 0; i < 3 * limits::kRevisionBlock; i++) {
    auto r = put("/lease", revision, cat(i), Durability::kVolatile);
    ASSERT_TRUE(r.ok());
    ASSERT_GT(*r, last);
    last = revision = *r;
  }
  crash();
  EXPECT_GT(store_->revision(), last);
}

TEST_P(Contract, flush_brings_volatile_writes_to_disk) {
  auto a = put("/a", 0, "1", Durability::kVolatile);
  ASSERT_TRUE(a.ok());
  ASSERT_TRUE(run_on(loop_, store_->flush()).ok());
  auto a2 = put("/a", *a, "2", Durability::kVolatile);
  ASSERT_TRUE(a2.ok());
  crash();
  EXPECT_EQ(loaded_, (std::map<std::string, std::string>{{"/a", "1"}}));
}

TEST_P(Contract, volatile_write_waits_for_older_durable_ones) {
  std::vector<std::string> log;
  auto write = [](Store* s, std::string key, Durability d, std::vector<std::string>* out) -> Task<void> {
    auto make = text("x");
    auto r = co_await s->put(key, 0, d, make);
    out->push_back(cat(key, r.ok() ? "" : " failed"));
  };
  TaskGroup group;
  group.start(write(store_.get(), "/durable", Durability::kDurable, &log));
  group.start(write(store_.get(), "/volatile", Durability::kVolatile, &log));
  ASSERT_TRUE(put("/end", 0, "x").ok());
  EXPECT_THAT(log, ElementsAre("/durable", "/volatile"));
  EXPECT_THAT(seen_, ElementsAre("/durable=x@1", "/volatile=x@2", "/end=x@3"));
}

// What a crash shows after each sequence of writes of one key. d: durable put, v: volatile put, r: durable removal,
// e: volatile removal, f: flush.
TEST_P(Contract, crash_shows_the_newest_durable_state_of_a_key) {
  struct Case {
    const char* name;
    const char* steps;
    const char* after_crash;  // the value is the number of the step; "-" for none
  };
  const Case cases[] = {
      {"durable over volatile", "vd", "1"},
      {"volatile over durable", "dv", "0"},
      {"volatile over durable, flushed", "dvf", "1"},
      {"removed", "dr", "-"},
      {"volatile removed durably before it reached the disk", "vr", "-"},
      {"flushed and removed durably", "vfr", "-"},
      {"volatile removal comes undone", "dve", "0"},
      {"volatile removal, flushed", "def", "-"},
      {"made again after a removal", "drd", "2"},
      {"made again after a volatile removal", "ded", "2"},
      {"made again volatile after a volatile removal, flushed", "devf", "2"},
      {"made and removed twice", "drdr", "-"},
      {"removed durably after a volatile removal and a new one", "devr", "-"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    std::string key = cat("/", c.steps);
    uint64_t revision = store_->latest(key);
    for (size_t i = 0; c.steps[i]; i++) {
      Result<uint64_t> r = revision;
      if (c.steps[i] == 'd') r = put(key, revision, cat(i));
      if (c.steps[i] == 'v') r = put(key, revision, cat(i), Durability::kVolatile);
      if (c.steps[i] == 'r') r = remove(key, revision);
      if (c.steps[i] == 'e') r = remove(key, revision, Durability::kVolatile);
      if (c.steps[i] == 'f') {
        ASSERT_TRUE(run_on(loop_, store_->flush()).ok());
      }
      ASSERT_TRUE(r.ok()) << i << ": " << r.error().message();
      revision = store_->latest(key);
    }
    crash();
    EXPECT_EQ(loaded_.contains(key) ? loaded_[key] : "-", c.after_crash);
    close_and_open();
    EXPECT_EQ(loaded_.contains(key) ? loaded_[key] : "-", c.after_crash);
  }
}

TEST_P(Contract, keeps_values_of_every_size_and_byte) {
  std::map<std::string, std::string> wanted;
  for (size_t size : {0, 1, 900, 1100, 4000, 4061, 4062, 5000, 100000, 3000000}) {
    std::string value;
    for (size_t i = 0; i < size; i++) value.push_back(static_cast<char>(i * 31 + size));
    std::string key = cat("/size/", size, "/\xc3\xa4 '\"%");
    ASSERT_TRUE(put(key, 0, value).ok());
    wanted[key] = value;
  }
  crash();
  EXPECT_EQ(loaded_, wanted);
}

TEST_P(Contract, refuses_writes_beyond_the_queue) {
  auto write = [](Store* s, std::string key, int* accepted, int* refused) -> Task<void> {
    auto make = text("x");
    auto r = co_await s->put(key, 0, Durability::kDurable, make);
    if (!r.ok() && r.error().code() == Code::kTooManyRequests) ++*refused;
    if (r.ok()) ++*accepted;
  };
  if (GetParam() == "memory") static_cast<MemoryStore*>(store_.get())->hold();
  int accepted = 0, refused = 0;
  TaskGroup group;
  for (size_t i = 0; i < limits::kStoreQueueMax + 10; i++) group.start(write(store_.get(), cat("/", i), &accepted, &refused));
  EXPECT_EQ(refused, 10);
  if (GetParam() == "memory") static_cast<MemoryStore*>(store_.get())->release();
  ASSERT_TRUE(run_on(loop_, store_->flush()).ok());
  while (accepted < static_cast<int>(limits::kStoreQueueMax)) ASSERT_TRUE(run_on(loop_, store_->flush()).ok());
  EXPECT_EQ(accepted, static_cast<int>(limits::kStoreQueueMax));
}

TEST_P(Contract, observer_may_write_and_sees_its_own_write_after) {
  TaskGroup group;
  auto write = [](Store* s) -> Task<void> {
    auto make = text("second");
    auto r = co_await s->put("/second", 0, Durability::kVolatile, make);
    EXPECT_TRUE(r.ok());
  };
  bool first = true;
  store_->on_commit([&](const std::vector<Commit>&) {
    if (std::exchange(first, false)) group.start(write(store_.get()));
  });
  ASSERT_TRUE(put("/first", 0, "first").ok());
  EXPECT_THAT(seen_, ElementsAre("/first=first@1", "/second=second@2"));
}

TEST_P(Contract, what_make_owns_lives_until_the_write_is_done_though_its_task_was_dropped) {
  auto owned = std::make_shared<int>(1);
  auto write = [](Store* s, std::shared_ptr<int> o) -> Task<void> {
    std::function<Buffer(uint64_t)> make = [o](uint64_t) { return make_buffer("x"); };
    o.reset();
    auto r = co_await s->put("/a", 0, Durability::kDurable, std::move(make));
    EXPECT_FALSE(r.ok()) << "dropped";
  };
  if (GetParam() == "memory") static_cast<MemoryStore*>(store_.get())->hold();
  TaskGroup group;
  group.start(write(store_.get(), owned));
  group.cancel_all();
  EXPECT_EQ(owned.use_count(), 2);
  EXPECT_NE(store_->latest("/a"), 0u);
  if (GetParam() == "memory") static_cast<MemoryStore*>(store_.get())->release();
  ASSERT_TRUE(put("/b", 0, "x").ok());
  EXPECT_EQ(owned.use_count(), 1);
  EXPECT_THAT(seen_, ElementsAre("/a=x@1", "/b=x@2"));
}

TEST_P(Contract, closed_store_refuses_writes) {
  ASSERT_TRUE(run_on(loop_, store_->close()).ok());
  EXPECT_EQ(put("/a", 0, "1").error().code(), Code::kUnavailable);
}

}  // namespace
}  // namespace bramble

#include "core/registry/cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "core/base/limits.h"
#include "core/base/random.h"
#include "storage/memory/memory_store.h"
#include "tests/core/quarantine/dying.h"

namespace bramble {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

EntryRef entry(std::string key, uint64_t revision) {
  auto doc = Document::parse(cat("{\"r\":", revision, "}"));
  return std::make_shared<const CacheEntry>(CacheEntry{std::move(key), *doc, revision});
}

TEST(CacheTree, agrees_with_a_map_under_random_changes_and_snapshots_stay_as_they_were) {
  SeededRandom random(11);
  for (int round = 0; round < 20; round++) {
    CacheTree tree;
    std::map<std::string, uint64_t> model;
    std::vector<std::pair<CacheTree, std::map<std::string, uint64_t>>> pinned;
    uint64_t keys = 1 + random.below(3000);
    for (uint64_t step = 1; step < 4000; step++) {
      std::string key = cat("/", random.below(4), "/", random.below(keys));
      if (random.below(100) < (step % 2000 < 1000 ? 75u : 25u)) {
        tree.put(entry(key, step));
        model[key] = step;
      } else {
        EXPECT_EQ(tree.erase(key), model.erase(key) == 1);
      }
      if (random.below(500) == 0) pinned.emplace_back(tree, model);
    }
    pinned.emplace_back(tree, model);
    for (const auto& [t, m] : pinned) {
      t.check();
      ASSERT_EQ(t.size(), m.size());
      for (const auto& [key, revision] : m) ASSERT_EQ(t.get(key)->revision, revision);
      std::string after = cat("/2/", random.below(keys));
      size_t behind = 0;
      for (const auto& [key, revision] : m) behind += key.starts_with("/2/") && key > after;
      EXPECT_EQ(t.count("/2/", after), behind);
      std::vector<std::string> shown;
      bool more = t.range("/2/", after, 7, [&](const EntryRef& e) {
        shown.push_back(e->key);
        return true;
      });
      EXPECT_EQ(shown.size(), std::min<size_t>(7, behind));
      EXPECT_EQ(more, behind > 7);
    }
  }
}

TEST(CacheTree, range_stops_when_asked_and_tells_whether_there_is_more) {
  CacheTree tree;
  for (int i = 0; i < 100; i++) tree.put(entry(cat("/a/", 100 + i), 1));
  tree.put(entry("/b/1", 1));
  auto until = [&](size_t n, size_t limit) {
    size_t seen = 0;
    bool more = tree.range("/a/", "", limit, [&](const EntryRef&) { return ++seen < n; });
    return std::make_pair(seen, more);
  };
  EXPECT_EQ(until(5, 0), std::make_pair(size_t{5}, true));
  EXPECT_EQ(until(100, 0), std::make_pair(size_t{100}, false));
  EXPECT_EQ(until(1000, 100), std::make_pair(size_t{100}, false));
  EXPECT_EQ(until(1000, 99), std::make_pair(size_t{99}, true));
  EXPECT_EQ(tree.count("/a/"), 100u);
  EXPECT_EQ(tree.count(""), 101u);
}

class Cache : public testing::Test {
 protected:
  Cache() : store_(clock_) {}
  void load() { ASSERT_TRUE(cache_.load(store_).ok()); }
  static Task<void> write_task(Store* s, std::string key, std::string value, Result<uint64_t>* out) {
    std::function<Buffer(uint64_t)> make = [value](uint64_t revision) { return make_buffer(cat("{\"v\":\"", value, "\",\"rv\":\"", revision, "\"}")); };
    uint64_t expected = s->latest(key);
    if (value == "-") {
      auto r = co_await s->remove(key, expected, Durability::kDurable);
      *out = r;
    } else {
      auto r = co_await s->put(key, expected, Durability::kDurable, make);
      *out = r;
    }
  }
  uint64_t write(std::string key, std::string value) {
    Result<uint64_t> out = Error(Code::kInternal, "not answered");
    TaskGroup group;
    group.start(write_task(&store_, key, value, &out));
    EXPECT_TRUE(out.ok()) << out.error().message();
    return out.ok() ? *out : 0;
  }
  static std::string show(const EventRef& e) {
    auto v = [](const EntryRef& x) { return x ? std::string(x->document["v"].str()) : std::string("-"); };
    return cat(e->key().substr(e->key().rfind('/') + 1), ":", v(e->before), ">", v(e->after));
  }
  std::vector<std::string> after(uint64_t revision, std::string prefix, size_t max = 1000) {
    auto batch = cache_.events_after(revision, prefix, max);
    std::vector<std::string> out;
    if (!batch.ok()) return {cat("error ", code_name(batch.error().code()))};
    for (const auto& e : batch->events) out.push_back(show(e));
    return out;
  }

  const std::string pods_ = "/registry/core/pods/";
  const std::string leases_ = "/registry/coordination.k8s.io/leases/";
  FakeClock clock_;
  MemoryStore store_;
  WatchCache cache_{clock_};
};

TEST_F(Cache, shows_each_change_before_and_after) {
  load();
  uint64_t start = cache_.revision();
  write(pods_ + "default/a", "1");
  write(pods_ + "default/a", "2");
  uint64_t last = write(pods_ + "default/a", "-");
  EXPECT_THAT(after(start, pods_), ElementsAre("a:->1", "a:1>2", "a:2>-"));
  EXPECT_THAT(after(start + 1, pods_), ElementsAre("a:1>2", "a:2>-"));
  EXPECT_THAT(after(last, pods_), IsEmpty());
  EXPECT_EQ(cache_.get(pods_ + "default/a"), nullptr);
  EXPECT_EQ(cache_.revision(), last);
}

TEST_F(Cache, loads_all_but_what_ended_the_server_when_it_was_loaded) {
  DyingProcesses died;
  died.die_at("store", pods_ + "default/bad", {});
  auto quarantine = died.open();
  auto disk = std::make_shared<MemoryDisk>();
  disk->rows[5] = {5, pods_ + "default/a", 7, make_buffer("{\"v\":\"1\"}")};
  disk->rows[6] = {6, pods_ + "default/bad", 8, make_buffer("{\"v\":\"1\"}")};
  disk->revision = 9;
  MemoryStore store(clock_, disk);
  WatchCache cache(clock_);
  ASSERT_TRUE(cache.load(store, quarantine.get()).ok());
  EXPECT_NE(cache.get(pods_ + "default/a"), nullptr);
  EXPECT_EQ(cache.get(pods_ + "default/bad"), nullptr);
  EXPECT_THAT(cache.unreadable(), ElementsAre(pods_ + "default/bad"));
}

TEST_F(Cache, loads_what_the_store_has_and_resumes_from_the_start_revision_only) {
  auto disk = std::make_shared<MemoryDisk>();
  disk->rows[5] = {5, pods_ + "default/a", 7, make_buffer("{\"v\":\"1\"}")};
  disk->rows[6] = {6, pods_ + "default/bad", 8, make_buffer("{not json")};
  disk->revision = 9;
  MemoryStore store(clock_, disk);
  WatchCache cache(clock_);
  ASSERT_TRUE(cache.load(store).ok());
  EXPECT_EQ(cache.get(pods_ + "default/a")->revision, 7u);
  EXPECT_THAT(cache.unreadable(), ElementsAre(pods_ + "default/bad"));
  EXPECT_EQ(cache.start_revision(), 9u);
  EXPECT_TRUE(cache.events_after(9, pods_, 10).ok());
  EXPECT_EQ(cache.events_after(8, pods_, 10).error().code(), Code::kGone);
  EXPECT_EQ(cache.view_at(8).error().code(), Code::kGone);
  EXPECT_TRUE(cache.view_at(9).ok());
}

// Who deletes for an absence asks first whether it proves anything.
TEST_F(Cache, tells_what_may_be_lost_rather_than_deleted) {
  auto disk = std::make_shared<MemoryDisk>();
  disk->rows[5] = {5, pods_ + "default/bad", 7, make_buffer("{not json")};
  disk->revision = 9;
  for (bool repaired : {false, true}) {
    disk->epoch_changed = repaired;
    disk->clean = true;
    MemoryStore store(clock_, disk);
    WatchCache cache(clock_);
    ASSERT_TRUE(cache.load(store).ok());
    EXPECT_TRUE(cache.may_be_lost(pods_ + "default/bad"));
    EXPECT_TRUE(cache.may_be_lost(pods_));
    EXPECT_EQ(cache.may_be_lost(pods_ + "default/other"), repaired);
    EXPECT_EQ(cache.may_be_lost(leases_), repaired);
    TaskGroup group;
    auto act = [](MemoryStore* s, std::string bad) -> Task<void> {
      auto confirmed = co_await s->confirm_epoch();
      EXPECT_TRUE(confirmed.ok());
      auto removed = co_await s->remove(bad, s->latest(bad), Durability::kVolatile);
      EXPECT_TRUE(removed.ok());
    };
    group.start(act(&store, pods_ + "default/bad"));
    EXPECT_FALSE(cache.may_be_lost(pods_ + "default/other"));
    EXPECT_FALSE(cache.may_be_lost(pods_ + "default/bad")) << "it was deleted";
  }
}

TEST_F(Cache, batch_stops_at_max_and_goes_on_from_its_cursor) {
  load();
  uint64_t start = cache_.revision();
  for (int i = 0; i < 5; i++) write(cat(pods_, "default/", i), "x");
  write(leases_ + "kube-node-lease/n", "x");
  auto first = cache_.events_after(start, pods_, 3);
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(first->events.size(), 3u);
  EXPECT_TRUE(first->more);
  EXPECT_THAT(after(first->cursor, pods_), ElementsAre("3:->x", "4:->x"));
  auto rest = cache_.events_after(first->cursor, pods_, 3);
  EXPECT_FALSE(rest->more);
  EXPECT_EQ(rest->cursor, cache_.revision());
}

TEST_F(Cache, namespace_prefix_shows_only_its_own) {
  load();
  uint64_t start = cache_.revision();
  write(pods_ + "a/x", "1");
  write(pods_ + "ab/y", "1");
  EXPECT_THAT(after(start, pods_ + "a/"), ElementsAre("x:->1"));
}

TEST_F(Cache, watcher_of_a_quiet_resource_does_not_fall_behind_because_of_a_busy_one) {
  load();
  uint64_t start = write(pods_ + "default/a", "1");
  std::string big(20000, 'x');
  uint64_t early = write(leases_ + "ns/l", "0");
  for (int i = 0; i < 1000; i++) write(leases_ + "ns/l", cat(big, i));
  EXPECT_LE(cache_.stats().ring_bytes, limits::kRingBytesMax);
  EXPECT_THAT(after(early, leases_), ElementsAre("error gone"));
  EXPECT_THAT(after(start, pods_), IsEmpty());
  write(pods_ + "default/a", "2");
  EXPECT_THAT(after(start, pods_), ElementsAre("a:1>2"));
}

TEST_F(Cache, past_ends_after_five_minutes) {
  load();
  uint64_t start = cache_.revision();
  uint64_t a = write(pods_ + "default/a", "1");
  clock_.advance_us(limits::kRingAgeUsMax + 1);
  write(pods_ + "default/b", "1");
  EXPECT_THAT(after(start, pods_), ElementsAre("error gone"));
  EXPECT_THAT(after(a, pods_), ElementsAre("b:->1"));
}

TEST_F(Cache, view_of_a_past_revision_is_made_from_the_ring) {
  load();
  std::vector<std::pair<uint64_t, std::map<std::string, std::string>>> history;
  std::map<std::string, std::string> model;
  SeededRandom random(3);
  for (int i = 0; i < 500; i++) {
    std::string key = cat(pods_, "default/", random.below(30));
    std::string value = model.contains(key) && random.below(3) == 0 ? "-" : cat(i);
    if (value == "-")
      model.erase(key);
    else
      model[key] = value;
    history.emplace_back(write(key, value), model);
  }
  for (const auto& [revision, then] : history) {
    auto view = cache_.view_at(revision);
    ASSERT_TRUE(view.ok());
    std::map<std::string, std::string> shown;
    view->range(pods_, "", 0, [&](const EntryRef& e) {
      shown[e->key] = e->document["v"].text();
      return true;
    });
    ASSERT_EQ(shown, then) << revision;
  }
  EXPECT_EQ(cache_.view_at(cache_.revision() + 1).error().code(), Code::kInvalidArgument);
}

TEST_F(Cache, pinned_view_outlives_the_ring_but_not_five_minutes) {
  load();
  write(pods_ + "default/a", "1");
  uint64_t pinned = cache_.pin().revision();
  std::string big(20000, 'x');
  for (int i = 0; i < 200; i++) write(leases_ + "ns/l", cat(big, i));
  ASSERT_TRUE(cache_.view_at(pinned).ok());
  EXPECT_EQ(cache_.view_at(pinned)->count("/registry/"), 1u);
  clock_.advance_us(limits::kRingAgeUsMax + 1);
  write(pods_ + "default/a", "2");
  EXPECT_EQ(cache_.view_at(pinned).error().code(), Code::kGone);
}

TEST_F(Cache, pins_are_bounded_by_the_bytes_they_alone_hold) {
  load();
  write(pods_ + "default/a", std::string(100000, 'x'));
  uint64_t pinned = cache_.pin().revision();
  for (int i = 0; i < 100; i++) write(pods_ + "default/a", std::string(100000, static_cast<char>('a' + i % 26)));
  EXPECT_EQ(cache_.view_at(pinned).error().code(), Code::kGone);
}

TEST_F(Cache, tells_only_the_observers_of_the_topic) {
  load();
  int pods = 0, leases = 0;
  auto a = cache_.observe_topic(pods_, [&](const std::vector<EventRef>&) { ++pods; });
  auto b = cache_.observe_topic(leases_, [&](const std::vector<EventRef>&) { ++leases; });
  write(pods_ + "default/a", "1");
  EXPECT_EQ(pods, 1);
  EXPECT_EQ(leases, 0);
}

TEST_F(Cache, observers_see_the_batches_of_their_topic_in_order_until_they_are_dropped) {
  load();
  std::vector<std::string> leases, pods;
  auto a = cache_.observe_topic(leases_, [&](const std::vector<EventRef>& events) {
    for (const auto& e : events) leases.push_back(show(e));
  });
  std::unique_ptr<WatchCache::Observation> b;
  b = cache_.observe_topic(pods_, [&](const std::vector<EventRef>& events) {
    for (const auto& e : events) pods.push_back(show(e));
    b.reset();
  });
  write(leases_ + "ns/l", "1");
  write(pods_ + "default/a", "1");
  write(pods_ + "default/a", "2");
  write(leases_ + "ns/l", "2");
  EXPECT_THAT(leases, ElementsAre("l:->1", "l:1>2"));
  EXPECT_THAT(pods, ElementsAre("a:->1"));
}

// A tree costs several times its text: a limit of 8 MiB that counts text alone lets some 20 MiB be held.
TEST_F(Cache, ring_counts_the_trees_beside_the_text) {
  load();
  std::string items;
  for (int i = 0; i < 1000; i++) items += i ? ",1" : "1";
  auto put = [](Store* store, std::string key, std::string value) -> Task<void> {
    std::function<Buffer(uint64_t)> make = [value](uint64_t revision) { return make_buffer(cat("{\"v\":[", value, "],\"rv\":\"", revision, "\"}")); };
    auto r = co_await store->put(key, store->latest(key), Durability::kDurable, make);
    EXPECT_TRUE(r.ok());
  };
  TaskGroup group;
  for (int i = 0; i < 2; i++) group.start(put(&store_, pods_ + "default/a", items));
  EXPECT_GT(cache_.stats().ring_bytes, 1000u * 16 + items.size());
}

TEST_F(Cache, takes_the_prepared_document_instead_of_parsing_again) {
  load();
  Document given;
  auto run = [](WatchCache* c, Store* s, std::string key, Document* out) -> Task<void> {
    auto ticket = std::make_shared<WatchCache::Prepared>();
    std::function<Buffer(uint64_t)> make = [c, out, ticket](uint64_t revision) {
      *out = *Document::parse(cat("{\"rv\":\"", revision, "\"}"));
      *ticket = c->prepare(*out);
      return out->bytes();
    };
    auto r = co_await s->put(key, 0, Durability::kDurable, make);
    EXPECT_TRUE(r.ok());
  };
  TaskGroup group;
  group.start(run(&cache_, &store_, pods_ + "default/a", &given));
  ASSERT_TRUE(given);
  EXPECT_TRUE(cache_.get(pods_ + "default/a")->document.same(given));
}

TEST_F(Cache, frames_are_shared_until_the_next_commit) {
  load();
  uint64_t start = cache_.revision();
  write(pods_ + "default/a", "1");
  auto first = cache_.events_after(start, pods_, 10);
  first->events[0]->keep_frame(0, make_buffer("frame"));
  EXPECT_EQ(*cache_.events_after(start, pods_, 10)->events[0]->frame(0), "frame");
  write(pods_ + "default/b", "1");
  EXPECT_EQ(first->events[0]->frame(0), nullptr);
  first->events[0]->keep_frame(0, make_buffer("late"));
  EXPECT_EQ(first->events[0]->frame(0), nullptr);
}

TEST(CacheTopic, is_cut_after_the_fourth_slash) {
  EXPECT_EQ(WatchCache::topic_of("/registry/core/pods/default/a"), "/registry/core/pods/");
  EXPECT_EQ(WatchCache::topic_of("/registry/core/nodes/a"), "/registry/core/nodes/");
  EXPECT_EQ(WatchCache::topic_of("/registry/core/pods"), "");
}

}  // namespace
}  // namespace bramble

// Groups and failures of the queue in front of a disk; the disk is the test itself.
#include "storage/queued_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/base/limits.h"
#include "core/loop/task.h"

namespace bramble {
namespace {

using testing::ElementsAre;

class ByHand final : public QueuedStore {
 public:
  explicit ByHand(const Clock& clock) : QueuedStore(clock) { start(1, 1'000'000); }
  using QueuedStore::finished;
  using QueuedStore::next_group;

  Status load(std::function<void(StoredValue)>) override { return ok(); }
  const Health& health() const override { return health_; }
  Task<Status> confirm_epoch() override { co_return ok(); }
  Task<Status> close() override { co_return ok(); }

 protected:
  void wake_disk() override {}
};

struct Answers {
  std::vector<std::string> ok, failed;
};

Task<void> write(QueuedStore& store, std::string key, uint64_t expected, Answers& answers) {
  auto written = co_await store.put(key, expected, Durability::kDurable, [](uint64_t) { return make_buffer("v"); });
  (written.ok() ? answers.ok : answers.failed).push_back(key);
}

// A write that was refused because the one before it failed must not reach the disk with a later group: it would be there after a
// restart although its writer was told that it is not, and although nobody was shown it.
TEST(QueuedStore, what_failed_with_one_group_is_in_no_later_one) {
  FakeClock clock;
  ByHand store(clock);
  Answers answers;
  TaskGroup writers;
  writers.start(write(store, "/k", 0, answers));
  for (size_t i = 1; i < limits::kStoreGroupMax; ++i) writers.start(write(store, cat("/filler-", i), 0, answers));
  writers.start(write(store, "/next", 0, answers));
  writers.start(write(store, "/k", store.latest("/k"), answers));

  auto first = store.next_group();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->rows.size(), limits::kStoreGroupMax);
  store.finished(Error(Code::kNoSpace, "full"));

  auto second = store.next_group();
  ASSERT_TRUE(second);
  std::vector<std::string> keys;
  for (const RowChange& row : second->rows) keys.push_back(row.key);
  EXPECT_THAT(keys, ElementsAre("/next"));
  store.finished(ok());
  EXPECT_THAT(answers.ok, ElementsAre("/next"));
  EXPECT_EQ(answers.failed.size(), limits::kStoreGroupMax + 1);
  EXPECT_EQ(store.latest("/k"), 0u);
}

}  // namespace
}  // namespace bramble

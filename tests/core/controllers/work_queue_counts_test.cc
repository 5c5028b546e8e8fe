#include <gtest/gtest.h>

#include "core/controllers/work_queue.h"

namespace bramble {
namespace {

TEST(WorkQueueCounts, adds_retries_and_how_long_keys_wait) {
  WorkQueue queue;
  const ObjectKey key{"default", "a"};
  queue.add(key, 1000000);
  queue.add(key, 2000000);  // waits already
  EXPECT_EQ(queue.counts().adds, 1u);
  EXPECT_EQ(queue.depth(), 1u);
  EXPECT_TRUE(queue.take(1500000));
  EXPECT_EQ(queue.depth(), 0u);
  EXPECT_EQ(queue.counts().waited_seconds.count(), 1u);
  EXPECT_DOUBLE_EQ(queue.counts().waited_seconds.sum(), 0.5);
  queue.add(key, 1600000);  // while it is worked on: waits from now on
  queue.add_failed(key, 1700000);
  queue.done(key);
  EXPECT_EQ(queue.counts().retries, 1u);
  EXPECT_TRUE(queue.take(1700000));
  EXPECT_DOUBLE_EQ(queue.counts().waited_seconds.sum(), 0.6);
  EXPECT_EQ(workqueue_seconds().size(), 12u);
}

}  // namespace
}  // namespace bramble

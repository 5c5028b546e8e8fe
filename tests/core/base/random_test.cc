#include "core/base/random.h"

#include <gtest/gtest.h>

#include <mutex>
#include <set>
#include <thread>
#include <vector>

namespace bramble {
namespace {

TEST(Random, a_seed_gives_the_same_run_again) {
  SeededRandom a(7), b(7), c(8);
  EXPECT_EQ(a.next_u64(), b.next_u64());
  EXPECT_EQ(a.uuid(), b.uuid());
  EXPECT_NE(a.uuid(), c.uuid());
}

TEST(Random, below_stays_below_and_reaches_all) {
  SeededRandom r(1);
  std::set<uint64_t> seen;
  for (int i = 0; i < 1000; i++) seen.insert(r.below(7));
  EXPECT_EQ(seen.size(), 7u);
  EXPECT_EQ(*seen.rbegin(), 6u);
  EXPECT_EQ(r.below(1), 0u);
}

TEST(Random, names_have_their_forms) {
  RealRandom r;
  std::string u = r.uuid();
  ASSERT_EQ(u.size(), 36u);
  EXPECT_EQ(u[14], '4');
  EXPECT_NE(std::string("89ab").find(u[19]), std::string::npos);
  EXPECT_EQ(u[8], '-');
  std::string s = r.suffix(5);
  EXPECT_EQ(s.size(), 5u);
  EXPECT_EQ(s.find_first_not_of("bcdfghjklmnpqrstvwxz2456789"), std::string::npos);
  EXPECT_EQ(r.hex_token(16).size(), 32u);
  EXPECT_NE(r.uuid(), u);
}

// Bytes are kept ahead by each thread; sizes that do not divide what is kept, and more than is kept.
TEST(Random, nothing_is_given_twice_on_any_thread) {
  std::mutex mutex;
  std::set<std::string> seen;
  size_t made = 0;
  auto draw = [&] {
    RealRandom r;
    std::vector<std::string> mine;
    for (int i = 0; i < 400; i++) {
      mine.push_back(r.uuid());
      for (size_t bytes : {11, 64, 65, 1000}) mine.push_back(r.hex_token(bytes));
    }
    std::lock_guard<std::mutex> lock(mutex);
    made += mine.size();
    seen.insert(mine.begin(), mine.end());
  };
  std::thread one(draw), other(draw);
  draw();
  one.join();
  other.join();
  EXPECT_EQ(seen.size(), made);
}

}  // namespace
}  // namespace bramble

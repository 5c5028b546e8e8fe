// What a build says of itself.
#include "core/app/version.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace bramble {
namespace {

TEST(Version, names_the_commit_that_was_built_and_its_date) {
  const std::string commit = build_commit(), tree = build_tree_state();
  EXPECT_GE(build_time_s(), 0);
  if (commit.empty()) {
    EXPECT_EQ(tree, "archive");
    return;
  }
  EXPECT_GE(commit.size(), 40u);
  EXPECT_TRUE(std::all_of(commit.begin(), commit.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); })) << commit;
  EXPECT_TRUE(tree == "clean" || tree == "dirty") << tree;
}

}  // namespace
}  // namespace bramble

// How long who is refused is told to stay away.
#include "core/apiserver/refusals.h"

#include <gtest/gtest.h>

namespace bramble {
namespace {

TEST(Refusals, double_the_time_while_many_are_refused_and_shorten_it_when_few_are) {
  const struct {
    int64_t at_s;
    int refused;
    int64_t told_s;  // to the last
  } rows[] = {
      {1000, 4, 1}, {1001, 1, 2},                 // three times the time, in the second before
      {1002, 7, 2}, {1003, 20, 4},                // not again before the time has passed
      {1020, 1, 3}, {1030, 1, 2}, {1040, 1, 1}, {1050, 1, 1},
  };
  Refusals refusals;
  for (const auto& row : rows) {
    int64_t told = 0;
    for (int i = 0; i < row.refused; i++) told = refusals.refuse(row.at_s);
    EXPECT_EQ(told, row.told_s) << row.at_s;
  }
}

TEST(Refusals, never_ask_for_more_than_32_seconds) {
  Refusals refusals;
  int64_t told = 0;
  for (int64_t at_s = 0; at_s < 300; at_s++) {
    for (int i = 0; i < 50; i++) told = refusals.refuse(at_s);
  }
  EXPECT_EQ(told, 32);
}

}  // namespace
}  // namespace bramble

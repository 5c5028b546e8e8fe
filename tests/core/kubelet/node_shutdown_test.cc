// Which pods end when, as a machine goes down; what its logind is told.
#include "core/kubelet/node_shutdown.h"

#include <gtest/gtest.h>

namespace bramble {
namespace {

std::string text_of(const std::vector<ShutdownGroup>& groups) {
  std::string out;
  for (const ShutdownGroup& g : groups) out += cat(g.grace.priority, " in ", g.grace.seconds, " s: ", join(g.uids, " "), "; ");
  return out;
}

TEST(NodeShutdownGroups, are_by_priority) {
  const std::vector<ShutdownPod> pods = {{"below", -5}, {"none", 0}, {"some", 1500}, {"exact", 2000}, {"high", 99999}, {"critical", 2000000000}, {"node-critical", 2000001000}};
  struct Case {
    const char* name;
    std::vector<ShutdownGrace> periods;
    const char* groups;
  };
  for (const Case& c : {Case{"none", {}, ""}, Case{"two periods", shutdown_of_periods(30, 10), "0 in 20 s: below none some exact high; 2000000000 in 10 s: critical node-critical; "},
                        Case{"by priority", {{1000, 5}, {2000, 10}}, "1000 in 5 s: below none some; 2000 in 10 s: exact high critical node-critical; "}}) {
    EXPECT_EQ(text_of(group_by_priority(c.periods, pods)), c.groups) << c.name;
  }
}

TEST(NodeShutdownGroups, come_of_two_periods) {
  EXPECT_TRUE(shutdown_of_periods(0, 0).empty());
  EXPECT_EQ(shutdown_of_periods(30, 0), (std::vector<ShutdownGrace>{{0, 30}, {2000000000, 0}}));
  EXPECT_EQ(logind_override(30), "# bramble: pods end before the machine goes down\n[Login]\nInhibitDelayMaxSec=30\n");
}

}  // namespace
}  // namespace bramble

#include "core/kubelet/probe_state.h"

#include <gtest/gtest.h>

#include "core/kubelet/probe_check.h"

namespace bramble {
namespace {

using enum ProbeKind;

// Answers: '+' good, '-' bad. Expected: what counts after each ('s' success, 'f' failure, 'u' unknown).
TEST(ProbeState, follows_thresholds_as_upstream_does) {
  struct Row {
    const char* name;
    ProbeKind kind;
    bool before;
    int to_succeed, to_fail;
    const char *answers, *expected;
    bool on_hold;
  };
  const Row rows[] = {
      {"a container is not ready at first", kReadiness, false, 1, 3, "", "f", false},
      {"one that was ready stays so after our restart", kReadiness, true, 1, 3, "", "s", false},
      {"and needs as many failures", kReadiness, true, 1, 3, "---", "sssf", false},
      {"ready at once", kReadiness, false, 1, 3, "+", "fs", false},
      {"ready after some", kReadiness, false, 2, 3, "++", "ffs", false},
      {"a failure in between begins the count anew", kReadiness, false, 2, 1, "+-++", "ffffs", false},
      {"unready after some", kReadiness, false, 1, 3, "+--+---", "fsssss" "sf", false},
      {"and ready again", kReadiness, false, 1, 1, "+-+", "fsfs", false},
      {"alive until it fails", kLiveness, false, 1, 2, "+--", "sssf", true},
      {"what failed is probed no more", kLiveness, false, 1, 1, "-+", "sff", true},
      {"startup is unknown at first", kStartup, false, 1, 3, "--+", "uuus", false},
      {"startup fails for good", kStartup, false, 1, 2, "--+", "uuff", true},
      {"startup that was passed before our restart", kStartup, true, 1, 2, "", "s", false},
  };
  for (const auto& row : rows) {
    ProbeState s(row.kind, row.before);
    auto letter = [&s] { return s.result() == ProbeState::kSuccess ? 's' : s.result() == ProbeState::kFailure ? 'f' : 'u'; };
    std::string seen(1, letter());
    for (const char* a = row.answers; *a; ++a) {
      char was = letter();
      bool changed = s.note(*a == '+', row.to_succeed, row.to_fail);
      EXPECT_EQ(changed, letter() != was) << row.name;
      seen += letter();
    }
    EXPECT_EQ(seen, row.expected) << row.name;
    EXPECT_EQ(s.on_hold(), row.on_hold) << row.name;
  }
}

TEST(ProbeHealth, a_message_of_a_health_server_is_read_whatever_else_is_in_it) {
  struct Row {
    const char* name;
    std::string message;
    int expected;  // -1: none
  };
  const Row rows[] = {
      {"empty is unknown", "", 0},
      {"serving", "\x08\x01", 1},
      {"not serving", "\x08\x02", 2},
      {"beside others", std::string("\x12\x02hi\x1d\x01\x02\x03\x04\x08\x01\x21\x01\x02\x03\x04\x05\x06\x07\x08", 20), 1},
      {"cut off", "\x08", -1},
      {"a length beyond the end", std::string("\x12\x7fhi", 4), -1},
      {"an endless number", std::string(12, '\xff'), -1},
      {"a group", "\x0b", -1},
  };
  for (const auto& row : rows) EXPECT_EQ(health_status(row.message).value_or(-1), row.expected) << row.name;
}

}  // namespace
}  // namespace bramble

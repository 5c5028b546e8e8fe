#include "core/base/clock.h"

#include <gtest/gtest.h>

namespace bramble {
namespace {

TEST(Clock, prints_and_reads_rfc3339) {
  struct Row {
    const char* text;
    int64_t us;
  } rows[] = {
      {"1970-01-01T00:00:00Z", 0},
      {"2000-02-29T23:59:59Z", 951868799000000},
      {"2026-01-02T03:04:05Z", 1767323045000000},
      {"1969-12-31T23:59:59Z", -1000000},
      {"0001-01-01T00:00:00Z", -62135596800000000},
      {"9999-12-31T23:59:59Z", 253402300799000000},
  };
  for (auto& r : rows) {
    EXPECT_EQ(format_rfc3339(r.us), r.text);
    EXPECT_EQ(parse_rfc3339(r.text), r.us) << r.text;
  }
  EXPECT_EQ(format_rfc3339_micro(1767323045000007), "2026-01-02T03:04:05.000007Z");
  EXPECT_EQ(format_rfc3339_micro(-1), "1969-12-31T23:59:59.999999Z");
  EXPECT_EQ(format_rfc3339(-1), "1969-12-31T23:59:59Z");
  EXPECT_EQ(format_rfc3339_nano(1767323045000000007), "2026-01-02T03:04:05.000000007Z");
}

TEST(Clock, reads_offsets_and_fractions) {
  EXPECT_EQ(parse_rfc3339("2026-01-02T04:04:05+01:00"), 1767323045000000);
  EXPECT_EQ(parse_rfc3339("2026-01-01T21:34:05-05:30"), 1767323045000000);
  EXPECT_EQ(parse_rfc3339("2026-01-02T03:04:05.5Z"), 1767323045500000);
  EXPECT_EQ(parse_rfc3339("2026-01-02T03:04:05.123456789Z"), 1767323045123456);
}

TEST(Clock, refuses_malformed_times) {
  for (const char* bad :
       {"", "2026-01-02", "2026-01-02 03:04:05Z", "2026-01-02T03:04:05", "2026-13-02T03:04:05Z", "2026-02-29T03:04:05Z",
        "2026-01-02T24:00:00Z", "2026-01-02T03:60:05Z", "2026-01-02T03:04:60Z", "2026-01-02T03:04:05.Z",
        "2026-01-02T03:04:05Zx", "2026-01-02T03:04:05+1:00", "26-01-02T03:04:05Z", "2026-00-02T03:04:05Z",
        "2026-01-00T03:04:05Z"})
    EXPECT_FALSE(parse_rfc3339(bad)) << bad;
}

// duration.HumanDuration.
TEST(Clock, tells_ages_as_kubectl_does) {
  constexpr int64_t kS = 1000000, kM = 60 * kS, kH = 60 * kM, kD = 24 * kH;
  struct Row {
    int64_t us;
    const char* text;
  } rows[] = {
      {0, "0s"},
      {-kS, "0s"},
      {-2 * kS, "<invalid>"},
      {119 * kS, "119s"},
      {120 * kS, "2m"},
      {123 * kS, "2m3s"},
      {10 * kM + 5 * kS, "10m"},
      {179 * kM, "179m"},
      {180 * kM, "3h"},
      {3 * kH + 4 * kM, "3h4m"},
      {8 * kH + 30 * kM, "8h"},
      {47 * kH, "47h"},
      {48 * kH, "2d"},
      {5 * kD + 2 * kH, "5d2h"},
      {8 * kD + 2 * kH, "8d"},
      {729 * kD, "729d"},
      {775 * kD, "2y45d"},
      {730 * kD, "2y"},
      {8 * 365 * kD + 10 * kD, "8y"},
  };
  for (auto& r : rows) EXPECT_EQ(human_duration(r.us), r.text) << r.us;
}

TEST(Clock, a_fake_one_stands_until_advanced) {
  FakeClock c;
  EXPECT_EQ(c.now_rfc3339(), "2026-01-02T03:04:05Z");
  int64_t before = c.monotonic_us();
  c.advance_us(1500000);
  EXPECT_EQ(c.now_rfc3339_micro(), "2026-01-02T03:04:06.500000Z");
  EXPECT_EQ(c.monotonic_us() - before, 1500000);
  c.set_wall_us(0);
  EXPECT_EQ(c.monotonic_us() - before, 1500000);
}

}  // namespace
}  // namespace bramble

#include <gtest/gtest.h>

#include <limits>

#include "core/base/metrics.h"

namespace bramble {
namespace {

TEST(Metrics, numbers_are_written_as_go_writes_them) {
  struct Row {
    double value;
    const char* text;
  };
  for (const Row& row : {Row{0, "0"}, Row{1, "1"}, Row{0.005, "0.005"}, Row{1.25, "1.25"}, Row{100000, "100000"}, Row{1e6, "1e+06"},
                         Row{1234567, "1.234567e+06"}, Row{0.0001, "0.0001"}, Row{0.00001, "1e-05"}, Row{-2.5, "-2.5"},
                         Row{1e9, "1e+09"}, Row{std::numeric_limits<double>::infinity(), "+Inf"}}) {
    EXPECT_EQ(metric_number(row.value), row.text);
  }
}

TEST(Metrics, label_values_are_escaped) {
  EXPECT_EQ(label_text({}), "");
  EXPECT_EQ(label_text({{"a", "x\"y\\z\n"}, {"b", ""}}), "{a=\"x\\\"y\\\\z\\n\",b=\"\"}");
}

TEST(Metrics, a_page_sorts_families_and_leaves_empty_ones_out) {
  MetricText page;
  constexpr double kBounds[] = {0.5, 2};
  Histogram h(kBounds);
  for (double value : {0.1, 0.5, 1.0, 7.0}) h.observe(value);
  page.single("z", "gauge", "", "last", 3);
  page.family("empty", "gauge", "ALPHA", "nothing");
  page.family("h_seconds", "histogram", "STABLE", "how long\nit took");
  page.histogram(label_text({{"verb", "GET"}}), h);
  page.family("z", "gauge", "", "told already");
  page.value(label_text({{"k", "v"}}), 4);
  EXPECT_EQ(page.take(),
            "# HELP h_seconds [STABLE] how long\\nit took\n"
            "# TYPE h_seconds histogram\n"
            "h_seconds_bucket{verb=\"GET\",le=\"0.5\"} 2\n"
            "h_seconds_bucket{verb=\"GET\",le=\"2\"} 3\n"
            "h_seconds_bucket{verb=\"GET\",le=\"+Inf\"} 4\n"
            "h_seconds_sum{verb=\"GET\"} 8.6\n"
            "h_seconds_count{verb=\"GET\"} 4\n"
            "# HELP z last\n"
            "# TYPE z gauge\n"
            "z 3\n"
            "z{k=\"v\"} 4\n");
}

TEST(Metrics, a_table_is_bounded_and_counts_the_rest_together) {
  LabelTable<int> table(2, [] { return 0; });
  for (const char* key : {"a", "b", "a", "c", "d"}) table.find(key, [&] { return std::string(key); })++;
  std::string seen;
  table.each([&](const std::string& labels, const int& n) { seen += labels + std::to_string(n); });
  EXPECT_EQ(seen, "a2b1");
  ASSERT_NE(table.rest(), nullptr);
  EXPECT_EQ(*table.rest(), 2);
}

}  // namespace
}  // namespace bramble

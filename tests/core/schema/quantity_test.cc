#include "core/schema/quantity.h"

#include <gtest/gtest.h>

namespace bramble {
namespace {

TEST(Quantity, prints_the_canonical_text) {
  static constexpr struct {
    const char *name, *in, *canonical;
  } kRows[] = {
      {"zero", "0", "0"},
      {"zeroes", "000", "0"},
      {"minus zero", "-0", "0"},
      {"whole", "5", "5"},
      {"milli to whole", "1000m", "1"},
      {"milli stays", "1500m", "1500m"},
      {"fraction", "0.5", "500m"},
      {"fraction without zero", ".5", "500m"},
      {"trailing point", "1.", "1."},
      {"one and a half", "1.5", "1500m"},
      {"kilo", "1000", "1k"},
      {"kilo stays whole", "1100", "1100"},
      {"mega", "1000000", "1M"},
      {"binary stays", "128Mi", "128Mi"},
      {"binary shortens", "1024Mi", "1Gi"},
      {"binary fraction", "1.5Gi", "1536Mi"},
      {"binary tiny fraction", "0.5Ki", "512"},
      {"binary below one", "0.0001Ki", "102400u"},
      {"binary odd", "1500Mi", "1500Mi"},
      {"exponent", "1e3", "1e3"},
      {"exponent upper", "12E6", "12E6"},
      {"exponent not of three", "1e4", "10e3"},
      {"exponent plus", "1e+3", "1e+3"},
      {"nano", "1n", "1n"},
      {"below nano rounds up", "0.1n", "1n"},
      {"below nano negative", "-0.1n", "-1n"},
      {"micro", "1000n", "1u"},
      {"kept as written", "1.500", "1.500"},
      {"exa", "9E", "9E"},
      {"beyond 63 bits", "100E", "100E"},
      {"binary saturates", "8Ei", "9223372036854775807"},
      {"negative", "-3.5Gi", "-3584Mi"},
      {"leading zero", "010", "010"},
      {"plus", "+5", "+5"},
  };
  for (const auto& row : kRows) {
    auto got = Quantity::canonical(row.in);
    ASSERT_TRUE(got.ok()) << row.name << ": " << got.error().message();
    EXPECT_EQ(*got, row.canonical) << row.name;
    auto again = Quantity::canonical(*got);
    ASSERT_TRUE(again.ok()) << row.name;
    EXPECT_EQ(*again, *got) << row.name << " again";
  }
}

TEST(Quantity, refuses_with_upstreams_words) {
  const std::string wrong = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
  const std::string suffix = "unable to parse quantity's suffix";
  const struct {
    const char* in;
    const std::string& text;
  } kRows[] = {{"", wrong}, {"abc", wrong}, {"1 ", wrong}, {"1.1.1", wrong}, {"1+1.0M", wrong}, {"0.1mi", suffix}, {"1i", suffix}, {"1Kii", suffix}, {"-3.01e-", suffix}};
  for (const auto& row : kRows) {
    auto got = Quantity::parse(row.in);
    ASSERT_FALSE(got.ok()) << row.in;
    EXPECT_EQ(got.error().message(), row.text) << row.in;
  }
}

TEST(Quantity, counts_exactly) {
  auto q = [](const char* s) { return Quantity::parse(s).value(); };
  EXPECT_EQ(q("1.5").value(), 2);
  EXPECT_EQ(q("-1.5").value(), -2);
  EXPECT_EQ(q("100m").milli(), 100);
  EXPECT_EQ(q("1u").milli(), 1);
  EXPECT_EQ(q("1Gi").value(), 1 << 30);
  EXPECT_EQ((q("100m") + q("900m")).text(), "1");
  EXPECT_EQ((q("1") - q("1500m")).text(), "-500m");
  EXPECT_EQ((q("0") + q("1Gi")).text(), "1Gi");
  EXPECT_EQ((q("1Gi") - q("512Mi")).text(), "512Mi");
  EXPECT_EQ((q("9E") + q("9E")).value(), INT64_MAX);
  EXPECT_LT(q("100m"), q("0.2"));
  EXPECT_EQ(q("1000m"), q("1"));
  EXPECT_EQ(q("1n").rounded_to_milli().text(), "1m");
  EXPECT_EQ(q("999999999n").rounded_to_milli().text(), "1");
  EXPECT_EQ(Quantity::of_milli(1500).text(), "1500m");
  EXPECT_EQ(Quantity::of_bytes(1 << 20).text(), "1Mi");
  EXPECT_EQ(Quantity::of_bytes(1000).text(), "1k");
}

}  // namespace
}  // namespace bramble

#include "core/base/strings.h"

#include <gtest/gtest.h>

namespace bramble {
namespace {

TEST(Strings, cat_joins_text_and_numbers) {
  EXPECT_EQ(cat("a", std::string("b"), std::string_view("c"), 'd', -1, 2u, 3L, 4ULL, INT64_MIN, UINT64_MAX, 1.5),
            "abcd-1234-9223372036854775808184467440737095516151.5");
  EXPECT_EQ(cat(), "");
}

TEST(Strings, split_keeps_empty_parts) {
  using V = std::vector<std::string_view>;
  EXPECT_EQ(split("", ','), (V{""}));
  EXPECT_EQ(split("a,,b,", ','), (V{"a", "", "b", ""}));
  EXPECT_FALSE(cut("abc", "="));
  auto kv = cut("k=v=w", "=");
  ASSERT_TRUE(kv);
  EXPECT_EQ(kv->first, "k");
  EXPECT_EQ(kv->second, "v=w");
  EXPECT_EQ(join({"a", "b"}, ", "), "a, b");
  EXPECT_EQ(join({}, ","), "");
}

TEST(Strings, trims_lowers_compares_replaces) {
  EXPECT_EQ(trim(" \t\r\n a b \v\f"), "a b");
  EXPECT_EQ(trim("  "), "");
  EXPECT_EQ(lower("AbZ-\xc3\x84"), "abz-\xc3\x84");
  EXPECT_TRUE(equals_ignore_case("Content-Type", "content-TYPE"));
  EXPECT_FALSE(equals_ignore_case("a", "ab"));
  EXPECT_FALSE(equals_ignore_case("[", "{"));
  EXPECT_EQ(replace_all("aXbXX", "X", "yy"), "ayybyyyy");
  EXPECT_EQ(replace_all("abc", "", "x"), "abc");
  EXPECT_EQ(replace_all("aaa", "a", "aa"), "aaaaaa");
}

TEST(Strings, parses_whole_decimal_numbers_alone) {
  struct Row {
    const char* text;
    std::optional<int64_t> i;
    std::optional<uint64_t> u;
  } rows[] = {
      {"0", 0, 0},
      {"-1", -1, std::nullopt},
      {"9223372036854775807", INT64_MAX, INT64_MAX},
      {"9223372036854775808", std::nullopt, 9223372036854775808ULL},
      {"18446744073709551615", std::nullopt, UINT64_MAX},
      {"18446744073709551616", std::nullopt, std::nullopt},
      {"", std::nullopt, std::nullopt},
      {"-", std::nullopt, std::nullopt},
      {"+1", std::nullopt, std::nullopt},
      {" 1", std::nullopt, std::nullopt},
      {"1 ", std::nullopt, std::nullopt},
      {"1.0", std::nullopt, std::nullopt},
      {"0x10", std::nullopt, std::nullopt},
  };
  for (auto& r : rows) {
    EXPECT_EQ(parse_int64(r.text), r.i) << r.text;
    EXPECT_EQ(parse_uint64(r.text), r.u) << r.text;
  }
}

TEST(Strings, hex_there_and_back) {
  EXPECT_EQ(hex(std::string("\x00\x7f\xff", 3)), "007fff");
  EXPECT_EQ(unhex("007FfF"), std::string("\x00\x7f\xff", 3));
  EXPECT_FALSE(unhex("0"));
  EXPECT_FALSE(unhex("0g"));
  EXPECT_EQ(unhex(""), "");
}

// strconv.Quote of Go.
TEST(Strings, quotes_as_go_does) {
  struct Row {
    const char* name;
    std::string in, out;
  } rows[] = {
      {"plain", "web-1", "\"web-1\""},
      {"escapes", "a\"b\\c\n\t\r\a\b\f\v", "\"a\\\"b\\\\c\\n\\t\\r\\a\\b\\f\\v\""},
      {"control", std::string("\0\x1b\x7f", 3), "\"\\x00\\x1b\\x7f\""},
      {"letters stay", "gr\xc3\xbc\xc3\x9f \xe4\xb8\x96", "\"gr\xc3\xbc\xc3\x9f \xe4\xb8\x96\""},
      {"not UTF-8",
       "a\xff"
       "b\xc3",
       "\"a\\xff"
       "b\\xc3\""},
      {"not printable", "\xc2\x85\xe2\x80\xa8\xef\xbb\xbf", "\"\\u0085\\u2028\\ufeff\""},
      {"no-break space", "\xc2\xa0", "\"\\u00a0\""},
      {"replacement character", "\xef\xbf\xbd", "\"\xef\xbf\xbd\""},
  };
  for (auto& r : rows) EXPECT_EQ(go_quote(r.in), r.out) << r.name;
}

TEST(Strings, judges_utf8) {
  struct Row {
    const char* name;
    std::string text;
    bool valid;
  } rows[] = {
      {"ascii", "abc", true},
      {"empty", "", true},
      {"two to four bytes", "\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80", true},
      {"largest", "\xf4\x8f\xbf\xbf", true},
      {"beyond", "\xf4\x90\x80\x80", false},
      {"overlong two", "\xc0\x80", false},
      {"overlong three", "\xe0\x80\x80", false},
      {"overlong four", "\xf0\x80\x80\x80", false},
      {"surrogate", "\xed\xa0\x80", false},
      {"cut", "\xe2\x82", false},
      {"lone continuation", "\x80", false},
      {"wrong continuation", "\xc3\x28", false},
  };
  for (auto& r : rows) EXPECT_EQ(valid_utf8(r.text), r.valid) << r.name;
}

// RFC 4648 section 10.
TEST(Strings, base64_there_and_back) {
  const char* rows[][2] = {{"", ""},
                           {"f", "Zg=="},
                           {"fo", "Zm8="},
                           {"foo", "Zm9v"},
                           {"foob", "Zm9vYg=="},
                           {"fooba", "Zm9vYmE="},
                           {"foobar", "Zm9vYmFy"}};
  for (auto& r : rows) {
    EXPECT_EQ(base64_encode(r[0]), r[1]);
    EXPECT_EQ(base64_decode(r[1]), r[0]);
  }
  std::string all;
  for (int i = 0; i < 256; i++) all.push_back(static_cast<char>(i));
  for (size_t n = 0; n <= all.size(); n++) {
    EXPECT_EQ(base64_decode(base64_encode(all.substr(0, n))), all.substr(0, n));
    EXPECT_EQ(base64url_decode(base64url_encode(all.substr(0, n))), all.substr(0, n));
  }
  EXPECT_EQ(base64url_encode("\xfb\xff"), "-_8");
  for (const char* bad : {"Zg=", "Zg", "Z", "Zm9v=", "Z===", "Zg==Zg==", "Zm 9v", "Zm9-", "===="})
    EXPECT_FALSE(base64_decode(bad)) << bad;
  for (const char* bad : {"Zg==", "Z", "Zm9+"}) EXPECT_FALSE(base64url_decode(bad)) << bad;
}

}  // namespace
}  // namespace bramble

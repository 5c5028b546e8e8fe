#include "core/json/value.h"

#include <gtest/gtest.h>

#include "core/base/limits.h"
#include "core/json/builder.h"

namespace bramble {
namespace {

TEST(Value, answers_fallbacks_along_missing_paths) {
  Document d = Document::parse(R"({"spec":{"replicas":3,"name":"a","on":true,"list":[1,"x",null]}})").value();
  EXPECT_EQ(d["spec"]["replicas"].integer(1), 3);
  EXPECT_EQ(d["spec"]["missing"]["deeper"].integer(7), 7);
  EXPECT_EQ(d["spec"]["name"].integer(5), 5);
  EXPECT_EQ(d["spec"]["list"].item(1).str(), "x");
  EXPECT_FALSE(d["spec"]["list"].item(9).exists());
  EXPECT_STREQ(d["nothing"].type_name(), "absent");
  EXPECT_STREQ(d["spec"]["list"].item(2).type_name(), "null");
  EXPECT_FALSE(Document().root().exists());
}

TEST(Value, walks_members_and_items_in_order) {
  Document d = Document::parse(R"({"b":1,"a":[1,2,3],"c":{}})").value();
  std::string keys;
  for (auto [key, value] : d.root().members()) keys += key;
  EXPECT_EQ(keys, "bac");
  int64_t sum = 0;
  for (Value v : d["a"].items()) sum += v.integer();
  EXPECT_EQ(sum, 6);
  for (Value v : d["c"].items()) FAIL() << v.dump();
}

TEST(Value, compares_by_value) {
  auto same = [](const char* a, const char* b) {
    Document x = Document::parse(a).value(), y = Document::parse(b).value();
    return equal(x.root(), y.root());
  };
  EXPECT_TRUE(same(R"({"a":1,"b":[1.0,"x"]})", R"({"b":[1,"x"],"a":1})"));
  EXPECT_FALSE(same(R"({"a":1})", R"({"a":"1"})"));
  EXPECT_FALSE(same("[1,2]", "[2,1]"));
  EXPECT_FALSE(same("{}", "[]"));
  EXPECT_TRUE(same("-0", "0"));
  EXPECT_FALSE(same("-1", "18446744073709551615"));
}

TEST(Document, keeps_the_bytes_it_was_parsed_from) {
  Buffer b = make_buffer(R"({"a": 1})");
  Document d = Document::parse(b).value();
  EXPECT_EQ(d.bytes().get(), b.get());
  EXPECT_EQ(d.root().dump(), R"({"a":1})");
}

TEST(Document, tells_line_and_column_of_an_error) {
  auto d = Document::parse("{\n \"a\": x}");
  ASSERT_FALSE(d.ok());
  EXPECT_EQ(d.error().code(), Code::kInvalidArgument);
  EXPECT_NE(d.error().message().find("line 2, column 7"), std::string::npos) << d.error().message();
}

TEST(Document, refuses_deep_nesting_before_parsing) {
  std::string deep(limits::kJsonDepthMax + 1, '['), flat(limits::kJsonDepthMax, '[');
  EXPECT_EQ(Document::parse(deep).error().code(), Code::kTooLarge);
  EXPECT_TRUE(Document::parse(flat + std::string(flat.size(), ']')).ok());
  EXPECT_TRUE(Document::parse("\"" + deep + "\"").ok());
}

TEST(Builder, edits_a_copy) {
  Document d = Document::parse(R"({"a":{"x":1},"b":[1,2]})").value();
  Builder b(d.root());
  b.root().object("a").set("y", "z");
  b.root().set("a2", true);
  b.root().array("b").append(int64_t{3});
  b["b"].remove_item(0);
  b.root().set("f", 1.5 > 1);
  b.root().set_number("n", 3.0);
  EXPECT_EQ(b.dump(), R"({"a":{"x":1,"y":"z"},"b":[2,3],"a2":true,"f":true,"n":3})");
  EXPECT_EQ(d.root().dump(), R"({"a":{"x":1},"b":[1,2]})");
  Document next = b.finish();
  EXPECT_EQ(next["a"]["y"].str(), "z");
  EXPECT_EQ(b.dump(), "{}");
}

TEST(Builder, replaces_a_member_in_its_place) {
  Builder b(Document::parse(R"({"a":1,"b":2,"c":3})").value().root());
  b.root().set("a", "x");
  b.root().set("c", "y");
  b.root().set("b", "z");
  EXPECT_EQ(b.dump(), R"({"a":"x","b":"z","c":"y"})");
  EXPECT_TRUE(b.root().remove("b"));
  EXPECT_FALSE(b.root().remove("b"));
  b.root().set("d", 1);
  EXPECT_EQ(b.dump(), R"({"a":"x","c":"y","d":1})");
}

TEST(Builder, replaces_the_only_member) {
  Builder b(Document::parse(R"({"a":1})").value().root());
  b.root().set("a", 2);
  b.root().set("b", 3);
  EXPECT_EQ(b.dump(), R"({"a":2,"b":3})");
}

TEST(Builder, members_stay_valid_while_the_object_changes) {
  Builder b(Document::parse(R"({"a":1,"b":2})").value().root());
  for (auto [key, value] : b.root().members()) b.root().remove(key);
  EXPECT_EQ(b.dump(), "{}");
}

}  // namespace
}  // namespace bramble

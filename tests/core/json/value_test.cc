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

TEST(Value, items_by_index_are_the_items_in_order) {
  std::string text = "[";
  for (int i = 0; i < 200; ++i) text += cat(i ? "," : "", R"({"n":)", i, R"(,"list":[[],{},{"a":[1]},[2],"x",{"n":)", i, "}]}");
  Document d = Document::parse(text + "]").value();
  for (int round = 0; round < 2; ++round)
    for (size_t i = 0; i < 200; ++i) {
      const Value item = d.root().item(i);
      ASSERT_EQ(item["n"].integer(-1), static_cast<int64_t>(i));
      for (size_t j = 0; j < 6; ++j) ASSERT_EQ(item["list"].item(j).exists(), true);
      ASSERT_EQ(item["list"].item(5)["n"].integer(-1), static_cast<int64_t>(i));
      ASSERT_FALSE(item["list"].item(6).exists());
    }
  for (size_t i : {150u, 7u, 199u, 0u, 120u, 119u}) EXPECT_EQ(d.root().item(i)["n"].integer(-1), static_cast<int64_t>(i));
  EXPECT_FALSE(d.root().item(200).exists());
}

// What is remembered of a list ends with the document that it was of.
TEST(Value, items_are_those_of_the_document_that_is_there_now) {
  for (int i = 0; i < 200; ++i) {
    Document d = Document::parse(i % 2 ? R"([1,2,3,4,5,6,7,{"n":8},9])" : R"([[1],2,3,{"a":{}},5,6,{"n":6},8,9,10])").value();
    EXPECT_EQ(d.root().item(i % 2 ? 7 : 6)["n"].integer(), i % 2 ? 8 : 6);
  }
}

// 200,000 items: with a walk from the front for each this takes minutes.
TEST(Value, long_lists_are_read_by_index_in_one_walk) {
  std::string text = "[{}";
  for (int i = 1; i < 200000; ++i) text += ",{}";
  Document d = Document::parse(text + "]").value();
  size_t objects = 0;
  for (size_t i = 0; i < d.root().size(); ++i) objects += d.root().item(i).is_object();
  EXPECT_EQ(objects, 200000u);
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

// What a parse of the changed bytes would give, without one.
TEST(Document, with_another_text_equals_a_parse_of_it) {
  const char* cases[] = {
      R"({"metadata":{"resourceVersion":"MARK"}})",
      R"({"metadata":{"name":"a","resourceVersion":"MARK","uid":""},"data":{"x":"after","empty":"","list":[1,"two",null,[],{}],"n":-1.5}})",
      R"({"metadata":{"annotations":{"esc":"a\nb\"c","uni":"\u00e4"},"resourceVersion":"MARK"},"data":{"k\t":"v\\","plain":"ä"}})",
      R"({"metadata":{"labels":{"MARK":"MARKER"},"resourceVersion":"MARK","z":"MARK"}})",
  };
  for (const char* json : cases) {
    for (const char* text : {"7", "1234", "18446744073709551615", ""}) {
      SCOPED_TRACE(cat(json, " ", text));
      Document marked = Document::parse(std::string_view(json)).value();
      Document changed = marked.with_text(marked["metadata"]["resourceVersion"], text);
      EXPECT_EQ(version_of(marked), "MARK");
      EXPECT_EQ(version_of(changed), text);
      std::string expected = json;
      expected.replace(expected.find("\"resourceVersion\":\"MARK") + 19, 4, text);
      EXPECT_EQ(*changed.bytes(), expected);
      Document parsed = Document::parse(std::string_view(expected)).value();
      EXPECT_TRUE(equal(changed.root(), parsed.root()));
      EXPECT_EQ(changed.root().dump(), parsed.root().dump());
      Document again = changed.with_text(changed["metadata"]["resourceVersion"], "MARK");
      EXPECT_EQ(again.root().dump(), marked.root().dump());
    }
  }
}

TEST(Document, memory_counts_the_tree_beside_the_bytes) {
  std::string many = "[";
  for (int i = 0; i < 1000; i++) many += i ? ",1" : "1";
  many += "]";
  size_t bytes = Document::parse(many)->memory_bytes();
  EXPECT_GT(bytes, many.size() + 1000 * 16);
  EXPECT_LT(bytes, many.size() + 1000 * 16 + 1000);
  EXPECT_EQ(Document().memory_bytes(), 0u);
  EXPECT_GT(Document::parse("[\"" + std::string(500, 'x') + "\\n\"]")->memory_bytes(), 2 * 500u) << "unescaped text stands apart";
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

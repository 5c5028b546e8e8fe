#include "core/json/patch.h"

#include <gtest/gtest.h>

#include "core/base/limits.h"
#include "core/base/strings.h"

namespace bramble {
namespace {

std::string patched(std::string_view original, std::string_view patch) {
  Document o = Document::parse(original).value(), p = Document::parse(patch).value();
  auto r = json_patch(o.root(), p.root());
  if (r.ok()) return r->dump();
  return r.error().code() == Code::kInvalidObject ? "does not apply" : cat(code_name(r.error().code()));
}

TEST(JsonPatch, applies_as_rfc_6902_says) {
  static constexpr struct {
    const char *name, *original, *patch, *out;
  } kRows[] = {
      {"add a member", R"({"a":1})", R"([{"op":"add","path":"/b","value":2}])", R"({"a":1,"b":2})"},
      {"add replaces", R"({"a":1})", R"([{"op":"add","path":"/a","value":2}])", R"({"a":2})"},
      {"insert an item", R"({"a":[1,3]})", R"([{"op":"add","path":"/a/1","value":2}])", R"({"a":[1,2,3]})"},
      {"append", R"({"a":[1]})", R"([{"op":"add","path":"/a/-","value":2}])", R"({"a":[1,2]})"},
      {"append by length", R"({"a":[1]})", R"([{"op":"add","path":"/a/1","value":2}])", R"({"a":[1,2]})"},
      {"beyond the end", R"({"a":[1]})", R"([{"op":"add","path":"/a/5","value":2}])", "does not apply"},
      {"missing parent", R"({})", R"([{"op":"add","path":"/a/b","value":2}])", "does not apply"},
      {"escapes", R"({"a/b":{"c~d":1}})", R"([{"op":"replace","path":"/a~1b/c~0d","value":2}])", R"({"a/b":{"c~d":2}})"},
      {"replace missing", R"({})", R"([{"op":"replace","path":"/a","value":2}])", "does not apply"},
      {"replace an item", R"([1,2])", R"([{"op":"replace","path":"/0","value":5}])", "[5,2]"},
      {"replace the whole", R"({"a":1})", R"([{"op":"replace","path":"","value":{"b":1}}])", R"({"b":1})"},
      {"remove", R"({"a":1,"b":2})", R"([{"op":"remove","path":"/a"}])", R"({"b":2})"},
      {"remove missing", R"({"a":1})", R"([{"op":"remove","path":"/b"}])", "does not apply"},
      {"remove a bad index", R"([1])", R"([{"op":"remove","path":"/1"}])", "does not apply"},
      {"negative index", R"([1,2])", R"([{"op":"remove","path":"/-1"}])", "[1]"},
      {"move", R"({"a":[1,2,3]})", R"([{"op":"move","from":"/a/0","path":"/a/1"}])", R"({"a":[2,1,3]})"},
      {"copy", R"({"a":{"x":1}})", R"([{"op":"copy","from":"/a","path":"/b"}])", R"({"a":{"x":1},"b":{"x":1}})"},
      {"copy missing", R"({})", R"([{"op":"copy","from":"/a","path":"/b"}])", "does not apply"},
      {"test holds", R"({"a":{"x":[1]}})", R"([{"op":"test","path":"/a","value":{"x":[1]}}])", R"({"a":{"x":[1]}})"},
      {"test fails", R"({"a":1})", R"([{"op":"test","path":"/a","value":2}])", "does not apply"},
      {"test null of missing", R"({})", R"([{"op":"test","path":"/a","value":null}])", "{}"},
      {"later failure undoes all", R"({"a":1})", R"([{"op":"add","path":"/b","value":1},{"op":"remove","path":"/c"}])", "does not apply"},
      {"unknown operation", R"({})", R"([{"op":"frob","path":"/a"}])", "does not apply"},
      {"no path", R"({})", R"([{"op":"remove"}])", "does not apply"},
      {"add null", R"({})", R"([{"op":"add","path":"/a","value":null}])", R"({"a":null})"},
  };
  for (const auto& row : kRows) EXPECT_EQ(patched(row.original, row.patch), row.out) << row.name;
}

TEST(JsonPatch, refuses_what_is_no_list_of_operations) {
  EXPECT_EQ(json_patch(Value(), Document::parse("{}").value().root()).error().message(),
            "json: cannot unmarshal object into Go value of type jsonpatch.Patch");
  EXPECT_EQ(json_patch(Value(), Document::parse("[1]").value().root()).error().code(), Code::kInvalidArgument);
}

TEST(JsonPatch, bounds_copies_that_double) {
  std::string ops = R"([{"op":"add","path":"/a","value":")" + std::string(100000, 'x') + R"("})";
  for (int i = 0; i < 20; i++) ops += R"(,{"op":"copy","from":"","path":"/c)" + std::to_string(i) + "\"}";
  EXPECT_EQ(patched("{}", ops + "]"), "does not apply");
}

TEST(JsonPatch, bounds_depth) {
  std::string ops = R"([{"op":"add","path":"/a","value":{}})";
  for (size_t i = 0; i < limits::kJsonDepthMax + 8; i++) ops += R"(,{"op":"copy","from":"","path":"/a/a"})";
  Document o = Document::parse("{}").value(), p = Document::parse(ops + "]").value();
  auto r = json_patch(o.root(), p.root());
  ASSERT_FALSE(r.ok());
  EXPECT_EQ(r.error().code(), Code::kTooLarge);
}

TEST(JsonPatch, bounds_the_walk_through_huge_objects) {
  std::string original = "{\"a\":0", ops = "[{\"op\":\"remove\",\"path\":\"/a\"}";
  for (int i = 0; i < 5000; i++) {
    original += cat(",\"k", i, "\":0");
    ops += R"(,{"op":"add","path":"/a","value":1})";
  }
  EXPECT_EQ(patched(original + "}", ops + "]"), "too large");
}

TEST(MergePatch, merges_as_rfc_7386_says) {
  static constexpr struct {
    const char *original, *patch, *out;
  } kRows[] = {
      {R"({"a":"b"})", R"({"a":"c"})", R"({"a":"c"})"},
      {R"({"a":"b"})", R"({"b":"c"})", R"({"a":"b","b":"c"})"},
      {R"({"a":"b"})", R"({"a":null})", R"({})"},
      {R"({"a":"b","b":"c"})", R"({"a":null})", R"({"b":"c"})"},
      {R"({"a":["b"]})", R"({"a":"c"})", R"({"a":"c"})"},
      {R"({"a":"c"})", R"({"a":["b"]})", R"({"a":["b"]})"},
      {R"({"a":{"b":"c"}})", R"({"a":{"b":"d","c":null}})", R"({"a":{"b":"d"}})"},
      {R"({"a":[{"b":"c"}]})", R"({"a":[1]})", R"({"a":[1]})"},
      {R"(["a","b"])", R"(["c","d"])", R"(["c","d"])"},
      {R"({"a":"b"})", R"(["c"])", R"(["c"])"},
      {R"({"a":"foo"})", R"(null)", R"(null)"},
      {R"({"e":null})", R"({"a":1})", R"({"e":null,"a":1})"},
      {R"([1,2])", R"({"a":"b","c":null})", R"({"a":"b"})"},
      {R"({"a":1,"a":2})", R"({"a":3})", R"({"a":3})"},
      {R"({"a":1})", R"({"b":1,"b":2})", R"({"a":1,"b":2})"},
      {R"({})", R"({"a":{"bb":{"ccc":null}}})", R"({"a":{"bb":{}}})"},
  };
  for (const auto& row : kRows) {
    Document o = Document::parse(row.original).value(), p = Document::parse(row.patch).value();
    EXPECT_EQ(merge_patch(o.root(), p.root()).dump(), row.out) << row.original << " + " << row.patch;
  }
}

TEST(Pointer, finds_nodes) {
  Document d = Document::parse(R"({"a":{"b/c":[1,{"~":2}]}})").value();
  EXPECT_EQ(at_pointer(d.root(), "/a/b~1c/1/~0").integer(), 2);
  EXPECT_TRUE(at_pointer(d.root(), "").is_object());
  EXPECT_FALSE(at_pointer(d.root(), "/a/x").exists());
  EXPECT_FALSE(at_pointer(d.root(), "a").exists());
}

}  // namespace
}  // namespace bramble

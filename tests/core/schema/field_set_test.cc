#include "core/schema/apply/field_set.h"

#include <gtest/gtest.h>

#include "core/base/strings.h"
#include "tests/core/json/json_text.h"

namespace bramble {
namespace {

FieldSet set(std::string_view text) {
  auto parsed = FieldSet::parse(json(text).root());
  EXPECT_TRUE(parsed.ok()) << text;
  return parsed.ok() ? *parsed : FieldSet();
}

TEST(FieldSet, reads_and_writes_fields_v1) {
  static constexpr struct {
    const char *name, *in, *out;
  } kRows[] = {
      {"nothing", "{}", "{}"},
      {"leaves", R"({"f:b":{},"f:a":{}})", R"({"f:a":{},"f:b":{}})"},
      {"a member with members below", R"({"f:a":{"f:b":{},".":{}}})", R"({"f:a":{".":{},"f:b":{}}})"},
      {"only itself", R"({"f:a":{".":{}}})", R"({"f:a":{}})"},
      {"a step of an unknown sort is left out", R"({"f:a":{"x:b":{}},"z:q":{"f:a":{}}})", R"({"f:a":{}})"},
      {"keys in one order", R"({"k:{\"b\":2,\"a\":\"x\"}":{}})", R"({"k:{\"a\":\"x\",\"b\":2}":{}})"},
      {"whole numbers", R"({"k:{\"port\":80.0}":{},"v:1e2":{}})", R"({"k:{\"port\":80}":{},"v:100":{}})"},
      {"order of sorts", R"({"i:2":{},"v:\"x\"":{},"k:{\"n\":\"c\"}":{},"f:z":{}})", R"({"f:z":{},"k:{\"n\":\"c\"}":{},"v:\"x\"":{},"i:2":{}})"},
      {"numbers by value", R"({"v:10":{},"v:9":{},"i:10":{},"i:9":{}})", R"({"v:9":{},"v:10":{},"i:9":{},"i:10":{}})"},
      {"ports by value", R"({"k:{\"containerPort\":443,\"protocol\":\"TCP\"}":{},"k:{\"containerPort\":80,\"protocol\":\"UDP\"}":{},"k:{\"containerPort\":80,\"protocol\":\"TCP\"}":{}})",
       R"({"k:{\"containerPort\":80,\"protocol\":\"TCP\"}":{},"k:{\"containerPort\":80,\"protocol\":\"UDP\"}":{},"k:{\"containerPort\":443,\"protocol\":\"TCP\"}":{}})"},
      {"numbers before texts before booleans before null", R"({"v:null":{},"v:true":{},"v:\"1\"":{},"v:false":{},"v:1":{}})",
       R"({"v:1":{},"v:\"1\"":{},"v:false":{},"v:true":{},"v:null":{}})"},
      {"texts as Go's encoder writes them", R"({"v:\"a<b\"":{}})", R"({"v:\"a\\u003cb\"":{}})"},
      {"names as they are", R"({"f:a.b/c":{},"f:":{}})", R"({"f:":{},"f:a.b/c":{}})"},
  };
  for (const auto& row : kRows) EXPECT_EQ(set(row.in).text(), row.out) << row.name;
}

TEST(FieldSet, refuses_what_cannot_be_read) {
  for (const char* text : {"[]", R"("x")", R"({"f":{}})", R"({"fa":{}})", R"({"v:{":{}})", R"({"k:3":{}})", R"({"i:x":{}})", R"({"f:a":{"f:b":3}})"}) {
    EXPECT_FALSE(FieldSet::parse(json(text).root()).ok()) << text;
  }
}

TEST(FieldSet, algebra) {
  using Op = FieldSet (*)(FieldSet, FieldSet);
  const Op both = [](FieldSet a, FieldSet b) { return intersect(a, b); };
  const Op less = [](FieldSet a, FieldSet b) { return subtract(std::move(a), b); };
  const Op less_whole = [](FieldSet a, FieldSet b) { return subtract_whole(std::move(a), b); };
  const struct {
    const char* name;
    Op op;
    const char *a, *b, *out;
  } kRows[] = {
      {"union", unite, R"({"f:a":{},"f:c":{"f:x":{}}})", R"({"f:b":{},"f:c":{".":{},"f:y":{}}})", R"({"f:a":{},"f:b":{},"f:c":{".":{},"f:x":{},"f:y":{}}})"},
      {"union with nothing", unite, R"({"f:a":{}})", "{}", R"({"f:a":{}})"},
      {"intersection", both, R"({"f:a":{},"f:c":{".":{},"f:x":{}}})", R"({"f:c":{"f:x":{},"f:y":{}}})", R"({"f:c":{"f:x":{}}})"},
      {"intersection of a parent and its child", both, R"({"f:a":{}})", R"({"f:a":{"f:b":{}}})", "{}"},
      {"difference", less, R"({"f:a":{},"f:c":{".":{},"f:x":{}}})", R"({"f:c":{"f:x":{}}})", R"({"f:a":{},"f:c":{}})"},
      {"a child stays when its parent goes", less, R"({"f:a":{".":{},"f:b":{}}})", R"({"f:a":{}})", R"({"f:a":{"f:b":{}}})"},
      {"nothing is left", less, R"({"f:a":{"f:b":{}}})", R"({"f:a":{"f:b":{}}})", "{}"},
      {"whole difference", less_whole, R"({"f:a":{".":{},"f:b":{}},"f:c":{}})", R"({"f:a":{}})", R"({"f:c":{}})"},
      {"whole difference deeper", less_whole, R"({"f:a":{"f:b":{"f:c":{}},"f:d":{}}})", R"({"f:a":{"f:b":{}}})", R"({"f:a":{"f:d":{}}})"},
      {"whole difference leaves the parent", less_whole, R"({"f:a":{".":{},"f:b":{}}})", R"({"f:a":{"f:b":{}}})", R"({"f:a":{}})"},
  };
  for (const auto& row : kRows) EXPECT_EQ(row.op(set(row.a), set(row.b)).text(), row.out) << row.name;
}

TEST(FieldSet, tells_its_members) {
  FieldSet s = set(R"({"f:spec":{"f:replicas":{},"f:containers":{"k:{\"name\":\"c\"}":{".":{},"f:image":{}}}},"f:metadata":{"f:finalizers":{"v:\"a\"":{}}}})");
  EXPECT_EQ(s.size(), 4u);
  std::vector<std::string> paths;
  s.each([&](const FieldPath& p) { paths.push_back(path_text(p)); });
  EXPECT_EQ(join(paths, " "), R"(.metadata.finalizers[="a"] .spec.replicas .spec.containers[name="c"] .spec.containers[name="c"].image)");
  EXPECT_TRUE(s.has({"f:spec", "f:replicas"}));
  EXPECT_FALSE(s.has({"f:spec"}));
  EXPECT_FALSE(s.has({}));
  EXPECT_EQ(FieldSet::of({"spec", "metadata.labels"}).text(), R"({"f:metadata":{"f:labels":{}},"f:spec":{}})");
  EXPECT_EQ(FieldSet::of({"a.b", "a", "a.c"}), set(R"({"f:a":{".":{},"f:b":{},"f:c":{}}})"));
}

TEST(PathElement, shows_as_upstream_does) {
  static constexpr struct {
    const char *element, *text;
  } kRows[] = {
      {"f:spec", ".spec"},
      {R"(k:{"name":"c"})", R"([name="c"])"},
      {R"(k:{"containerPort":8080,"protocol":"TCP"})", R"([containerPort=8080,protocol="TCP"])"},
      {R"(k:{"n":1000000})", "[n=1e+06]"},
      {R"(k:{"a":true,"b":null})", "[a=true,b=null]"},
      {R"(v:"x\"y")", R"([="x\"y"])"},
      {"v:1.5", "[=1.5]"},
      {"i:3", "[3]"},
  };
  for (const auto& row : kRows) EXPECT_EQ(element_text(row.element), row.text);
}

}  // namespace
}  // namespace bramble

#include "core/json/stored.h"

#include <gtest/gtest.h>

#include "core/json/builder.h"
#include "core/json/patch.h"
#include "core/json/yaml.h"

namespace bramble {
namespace {

constexpr const char* kObject =
    R"({"kind":"Pod","metadata":{"name":"a\"b","managedFields":[{"manager":"x","fieldsV1":{"f:a":{".":{},"k:{\"n\":\"}\"}":{}}},"subresource":"s"},)"
    R"({"manager":"y","fieldsV1":{}},{"manager":"z","fieldsV1":{"f:b":{}}}],"uid":"u"},"spec":{"a":[1,{"b":2}]}})";

Document stored(const char* json) {
  auto parsed = parse_stored(make_buffer(json));
  EXPECT_TRUE(parsed.ok());
  return parsed.ok() ? *parsed : Document();
}

TEST(Stored, keeps_the_object_and_its_bytes) {
  Document d = stored(kObject);
  EXPECT_EQ(*d.bytes(), kObject);
  EXPECT_EQ(d.root().dump(), kObject);
  EXPECT_EQ(name_of(d), "a\"b");
  EXPECT_EQ(uid_of(d), "u");
  EXPECT_EQ(d["spec"]["a"].item(1)["b"].integer(), 2);
  Value list = d["metadata"]["managedFields"];
  ASSERT_EQ(list.size(), 3u);
  EXPECT_EQ(list.item(0)["subresource"].str(), "s");
  EXPECT_EQ(list.item(2)["manager"].str(), "z");
  EXPECT_EQ(folded_text(list.item(0)["fieldsV1"]), R"({"f:a":{".":{},"k:{\"n\":\"}\"}":{}}})");
  EXPECT_EQ(folded_text(list.item(1)["fieldsV1"]), "");
  EXPECT_TRUE(list.item(1)["fieldsV1"].is_object());
  EXPECT_EQ(unfolded(list.item(2)["fieldsV1"])["f:b"].size(), 0u);
  EXPECT_TRUE(unfolded(list.item(2)["fieldsV1"])["f:b"].is_object());
  EXPECT_LT(d.memory_bytes() + 8 * 16, Document::parse(std::string_view(kObject))->memory_bytes()) << "a node less for each key and value inside";
}

TEST(Stored, copies_and_compares_as_the_object) {
  Document d = stored(kObject);
  Document plain = Document::parse(std::string_view(kObject)).value();
  EXPECT_TRUE(equal(d.root(), plain.root()));
  EXPECT_TRUE(equal(plain.root(), d.root()));
  EXPECT_TRUE(equal(d.root(), stored(kObject).root()));
  Document other = stored(R"({"metadata":{"managedFields":[{"fieldsV1":{"f:b":{},"f:a":{}}}]}})"), same = stored(R"({"metadata":{"managedFields":[{"fieldsV1":{"f:a":{},"f:b":{}}}]}})");
  EXPECT_TRUE(equal(other.root(), same.root()));
  EXPECT_FALSE(equal(d.root(), other.root()));
  Builder b(d.root());
  b.root().set("kind", "Node");
  Document copy = b.finish();
  EXPECT_EQ(copy["metadata"]["managedFields"].item(2)["fieldsV1"]["f:b"].size(), 0u);
  EXPECT_TRUE(copy["metadata"]["managedFields"].item(2)["fieldsV1"].is_object());
  EXPECT_EQ(to_yaml(d.root()), to_yaml(plain.root()));
}

TEST(Stored, keeps_what_is_folded_when_a_text_changes) {
  const std::string json = R"({"metadata":{"managedFields":[{"fieldsV1":{"f:a":{}}}],"resourceVersion":"MARK","x":[{"fieldsV1":{"f:c":{}}}]}})";
  const std::string behind = R"({"metadata":{"resourceVersion":"MARK","managedFields":[{"fieldsV1":{"f:a":{},"f:\"b":{}}}]}})";
  for (const std::string& before : {json, behind}) {
    for (const char* text : {"7", "1234567890"}) {
      std::string expected = before;
      expected.replace(expected.find("MARK"), 4, text);
      Document old = stored(before.c_str());
      Document next = old.with_text(old["metadata"]["resourceVersion"], text);
      old = Document();
      EXPECT_EQ(*next.bytes(), expected);
      EXPECT_EQ(next.root().dump(), expected);
      Document fields = unfolded(next["metadata"]["managedFields"].item(0)["fieldsV1"]);
      EXPECT_TRUE(fields["f:a"].is_object());
    }
  }
}

TEST(Stored, patches_reach_inside) {
  Document d = stored(kObject);
  Document patch = Document::parse(std::string_view(
                       R"([{"op":"test","path":"/metadata/managedFields/2/fieldsV1","value":{"f:b":{}}},{"op":"remove","path":"/metadata/managedFields/2/fieldsV1/f:b"}])")).value();
  auto patched = json_patch(d.root(), patch.root());
  ASSERT_TRUE(patched.ok()) << patched.error().message();
  EXPECT_EQ(patched->root()["metadata"]["managedFields"].item(2).dump(), R"({"manager":"z","fieldsV1":{}})");
}

TEST(Stored, leaves_other_shapes_alone) {
  for (const char* json : {"{}", "[]", "3", R"({"metadata":3})", R"({"metadata":{"managedFields":{"fieldsV1":{"a":1}}}})", R"({"metadata":{"managedFields":[1,[],{"fieldsV1":"x"}]}})",
                           R"({"fieldsV1":{"a":{}}})", R"({"metadata": {"managedFields": [{"fieldsV1" : {"f:a":{}}}]}})"}) {
    Document d = stored(json);
    EXPECT_TRUE(equal(d.root(), Document::parse(std::string_view(json))->root())) << json;
    EXPECT_EQ(Document::of(d.root()).root().dump(), Document::parse(std::string_view(json))->root().dump()) << json;
  }
}

}  // namespace
}  // namespace bramble

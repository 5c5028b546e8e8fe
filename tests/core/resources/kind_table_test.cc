#include <gtest/gtest.h>

#include <set>

#include "core/resources/cells.h"

namespace bramble {
namespace {

TEST(KindTable, every_kind_has_its_type_and_no_two_share_a_place) {
  std::set<std::string> places;
  for (const Kind& k : all_kinds()) {
    EXPECT_NE(k.type, nullptr) << k.group << "/" << k.version << " " << k.kind;
    EXPECT_TRUE(places.insert(cat(k.group, "/", k.version, "/", k.resource)).second) << k.resource;
    EXPECT_EQ(find_kind(k.group, k.version, k.resource), &k);
    EXPECT_EQ(find_kind_by_name(k.group, k.version, k.kind), &k);
  }
  EXPECT_EQ(find_kind("", "v1", "nopes"), nullptr);
}

TEST(KindTable, cells_stand_an_empty_object_and_one_of_wrong_shapes) {
  for (const char* text : {"{}", R"({"metadata":{"name":"x"},"spec":[],"status":3})", R"({"spec":{"containers":[{}]},"status":{"conditions":[{}]}})"}) {
    auto object = Document::parse(text);
    for (const Kind& k : all_kinds()) {
      TableRow row(object->root(), 0);
      for (const Column& c : columns_of(k)) c.cell(row);
    }
  }
}

// Whatever a client sends, no rule may stumble over it.
TEST(KindTable, rules_stand_objects_of_wrong_shapes) {
  for (const char* text :
       {"{}", R"({"metadata":{"name":"x"},"spec":{}})", R"({"metadata":{"name":"x"},"spec":{"template":{}}})",
        R"({"metadata":{"name":"x"},"spec":{"containers":[{}],"volumes":[{}]}})"}) {
    auto doc = Document::parse(text);
    for (const Kind& k : all_kinds()) {
      Builder b(doc->root());
      if (k.set_defaults) k.set_defaults(b.root());
      if (k.prepare_create) k.prepare_create(b.root());
      const Document object = b.finish();
      FieldErrors errors;
      validate_object_meta(object.root(), k, errors);
      if (k.validate) k.validate(object.root(), errors);
      if (k.validate_update) k.validate_update(object.root(), doc->root(), errors);
      if (k.validate_status_update) k.validate_status_update(object.root(), doc->root(), errors);
      std::vector<std::string> warnings;
      if (k.warnings) k.warnings(object.root(), warnings);
      for (const auto& s : k.selectable) s.value(object.root());
    }
  }
}

TEST(KindTable, defaults_are_stable) {
  const char* pod =
      R"({"metadata":{"name":"x"},"spec":{"hostNetwork":true,"containers":[{"name":"c","image":"a","ports":[{"containerPort":80}],"resources":{"limits":{"cpu":"1"}}}]}})";
  auto doc = Document::parse(pod);
  const Kind* kind = find_kind("", "v1", "pods");
  Builder once(doc->root());
  kind->set_defaults(once.root());
  const Document first = once.finish();
  Builder twice(first.root());
  kind->set_defaults(twice.root());
  EXPECT_TRUE(equal(first.root(), twice.finish().root()));
  EXPECT_EQ(first["spec"]["containers"].item(0)["ports"].item(0)["hostPort"].integer(), 80);
  EXPECT_EQ(first["spec"]["containers"].item(0)["resources"]["requests"]["cpu"].str(), "1");
}

}  // namespace
}  // namespace bramble

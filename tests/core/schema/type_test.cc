#include "core/schema/type.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace bramble {
namespace {

TEST(Type, finds_every_type_by_its_name) {
  ASSERT_GT(Type::all().size(), 400u);
  for (const Type& t : Type::all()) EXPECT_EQ(Type::find(t.name()), &t) << t.name();
  EXPECT_EQ(Type::find("core.v1.Nothing"), nullptr);
  EXPECT_EQ(Type::find(""), nullptr);
}

TEST(Type, has_kind_and_api_version_first_in_a_top_level_object) {
  const Type* pod = Type::find("core.v1.Pod");
  ASSERT_TRUE(pod && pod->is_kind());
  EXPECT_EQ(pod->short_name(), "Pod");
  EXPECT_EQ(pod->fields()[0].name(), "kind");
  EXPECT_EQ(pod->fields()[1].name(), "apiVersion");
  EXPECT_EQ(pod->field("metadata")->type()->name(), "meta.v1.ObjectMeta");
}

TEST(Type, expands_embedded_structs_in_place) {
  const Field* f = Type::find("core.v1.Volume")->field("emptyDir");
  ASSERT_TRUE(f);
  EXPECT_EQ(f->number(), 2u);
  EXPECT_EQ(f->outer_number(), 2u);
  EXPECT_EQ(f->inner_number(), 0u);
  const Field* deep = Type::find("admissionregistration.v1.NamedRuleWithOperations")->field("apiGroups");
  ASSERT_TRUE(deep);
  EXPECT_EQ(deep->outer_number(), 2u);
  EXPECT_EQ(deep->inner_number(), 2u);
}

TEST(Type, tells_how_lists_merge) {
  const Field* ports = Type::find("core.v1.Container")->field("ports");
  EXPECT_EQ(ports->container(), Container::kList);
  EXPECT_EQ(ports->merge_key(), "containerPort");
  EXPECT_THAT(ports->list_map_keys(), testing::ElementsAre("containerPort", "protocol"));
  EXPECT_TRUE(Type::find("core.v1.PodSpec")->field("volumes")->patch_retain_keys());
  EXPECT_TRUE(Type::find("apps.v1.DeploymentSpec")->field("selector")->map_atomic());
  EXPECT_THAT(Type::find("core.v1.PodSpec")->field("restartPolicy")->enum_values(), testing::ElementsAre("Always", "OnFailure", "Never"));
}

}  // namespace
}  // namespace bramble

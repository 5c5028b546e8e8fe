// What a write may own by kind and subresource, how managers are read, and what an owner is through scale.
#include "core/registry/managed_fields.h"

#include <gtest/gtest.h>

#include "core/registry/reset_fields.h"
#include "tests/core/json/json_text.h"

namespace bramble {
namespace {

TEST(ManagedFields, a_write_owns_what_its_subresource_may_change) {
  constexpr const char* kAll = R"({"f:metadata":{"f:labels":{"f:a":{}},"f:ownerReferences":{}},)"
                               R"("f:spec":{"f:containers":{"k:{\"name\":\"c\"}":{"f:image":{},"f:resources":{"f:limits":{}}}},"f:ephemeralContainers":{},"f:replicas":{}},)"
                               R"("f:status":{"f:certificate":{},"f:conditions":{}}})";
  static constexpr struct {
    const char *group, *resource, *subresource, *left;
  } kRows[] = {
      {"", "configmaps", "", kAll},
      {"apps", "deployments", "",
       R"({"f:metadata":{"f:labels":{"f:a":{}},"f:ownerReferences":{}},"f:spec":{"f:containers":{"k:{\"name\":\"c\"}":{"f:image":{},"f:resources":{"f:limits":{}}}},"f:ephemeralContainers":{},"f:replicas":{}}})"},
      {"apps", "deployments", "status", R"({"f:metadata":{"f:ownerReferences":{}},"f:status":{"f:certificate":{},"f:conditions":{}}})"},
      {"apps", "statefulsets", "status", R"({"f:metadata":{"f:labels":{"f:a":{}},"f:ownerReferences":{}},"f:status":{"f:certificate":{},"f:conditions":{}}})"},
      {"", "pods", "status", R"({"f:metadata":{"f:labels":{"f:a":{}}},"f:status":{"f:certificate":{},"f:conditions":{}}})"},
      {"", "pods", "ephemeralcontainers", R"({"f:spec":{"f:ephemeralContainers":{}}})"},
      {"", "pods", "resize", R"({"f:spec":{"f:containers":{"k:{\"name\":\"c\"}":{"f:resources":{"f:limits":{}}}}}})"},
      {"certificates.k8s.io", "certificatesigningrequests", "approval", R"({"f:metadata":{"f:labels":{"f:a":{}},"f:ownerReferences":{}},"f:status":{"f:conditions":{}}})"},
      {"certificates.k8s.io", "certificatesigningrequests", "status", R"({"f:metadata":{"f:labels":{"f:a":{}},"f:ownerReferences":{}},"f:status":{"f:certificate":{}}})"},
      {"storage.k8s.io", "volumeattachments", "status", R"({"f:status":{"f:certificate":{},"f:conditions":{}}})"},
  };
  for (const auto& row : kRows) {
    const Kind* kind = find_kind(row.group, "v1", row.resource);
    ASSERT_NE(kind, nullptr) << row.resource;
    auto all = FieldSet::parse(json(kAll).root());
    ASSERT_TRUE(all.ok());
    EXPECT_EQ(reset_fields(*kind, row.subresource).apply(std::move(*all)).text(), row.left) << row.resource << " " << row.subresource;
  }
}

TEST(ManagedFields, scale_shows_the_owners_of_replicas_alone) {
  const Kind& deployments = *find_kind("apps", "v1", "deployments");
  Document object = json(
      R"({"metadata":{"managedFields":[)"
      R"({"manager":"a","operation":"Apply","apiVersion":"apps/v1","time":"2026-01-02T03:04:05Z","fieldsType":"FieldsV1","fieldsV1":{"f:spec":{"f:paused":{},"f:replicas":{}}}},)"
      R"({"manager":"b","operation":"Update","apiVersion":"apps/v1","time":"2026-01-02T03:04:05Z","fieldsType":"FieldsV1","fieldsV1":{"f:spec":{"f:paused":{}}}},)"
      R"({"manager":"c","operation":"Update","apiVersion":"apps/v1","time":"2026-01-02T03:04:05Z","fieldsType":"FieldsV1","fieldsV1":{"f:status":{}},"subresource":"status"}]}})");
  ManagedFields shown = scale_managed_fields(deployments, object.root());
  Builder out;
  shown.write(out.root());
  EXPECT_EQ(out.finish()["managedFields"].dump(),
            R"([{"manager":"a","operation":"Apply","apiVersion":"autoscaling/v1","time":"2026-01-02T03:04:05Z","fieldsType":"FieldsV1","fieldsV1":{"f:spec":{"f:replicas":{}}}}])");
}

TEST(ManagedFields, one_that_cannot_be_read_makes_all_unreadable) {
  static constexpr struct {
    const char* entries;
    bool ok;
  } kRows[] = {
      {"[]", true},
      {R"([{"manager":"a","operation":"Update","apiVersion":"v1","fieldsType":"FieldsV1","fieldsV1":{"f:a":{}}}])", true},
      {R"([{"manager":"a","operation":"Update","apiVersion":"v1","fieldsType":"FieldsV1","fieldsV1":{"f:a":[]}}])", false},
      {R"([{"manager":"a","operation":"Update","apiVersion":"v1","fieldsType":"FieldsV1","fieldsV1":{"k:{":{}}}])", false},
  };
  for (const auto& row : kRows) EXPECT_EQ(ManagedFields::read(json(row.entries).root()).ok(), row.ok) << row.entries;
}

}  // namespace
}  // namespace bramble

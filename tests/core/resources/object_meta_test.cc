#include <gtest/gtest.h>

#include "core/resources/kind.h"
#include "tests/core/json/json_text.h"

namespace bramble {
namespace {

std::string texts(const FieldErrors& errors) {
  std::string out;
  for (const FieldError& e : errors.list()) out += cat(out.empty() ? "" : " | ", e.field, ": ", e.message);
  return out;
}

TEST(ObjectMeta, is_checked_on_create) {
  const Kind& kind = *find_kind("", "v1", "configmaps");
  const struct {
    const char* name;
    const char* metadata;
    const char* want;
  } cases[] = {
      {"fine", R"({"name":"a","namespace":"n"})", ""},
      {"nothing", R"({"namespace":"n"})", "metadata.name: Required value: name or generateName is required"},
      {"no namespace", R"({"name":"a"})", "metadata.namespace: Required value"},
      {"a dash at the end of a generateName is fine", R"({"generateName":"a-","name":"a-x","namespace":"n"})", ""},
      {"negative generation", R"({"name":"a","namespace":"n","generation":-1})",
       "metadata.generation: Invalid value: -1: must be greater than or equal to 0"},
      {"finalizer without domain", R"({"name":"a","namespace":"n","finalizers":["x"]})",
       "metadata.finalizers[0]: Invalid value: \"x\": name is neither a standard finalizer name nor is it fully "
       "qualified"},
      {"owner without uid",
       R"({"name":"a","namespace":"n","ownerReferences":[{"apiVersion":"v1","kind":"Pod","name":"p","uid":""}]})",
       "metadata.ownerReferences.uid: Invalid value: \"\": must not be empty"},
      {"owner that is an event",
       R"({"name":"a","namespace":"n","ownerReferences":[{"apiVersion":"v1","kind":"Event","name":"p","uid":"u"}]})",
       R"(metadata.ownerReferences: Invalid value: {"apiVersion":"v1","kind":"Event","name":"p","uid":"u"}: /v1, Kind=Event is disallowed from being an owner)"},
  };
  for (const auto& c : cases) {
    FieldErrors errors;
    validate_object_meta(json(cat("{\"metadata\":", c.metadata, "}")).root(), kind, errors);
    EXPECT_EQ(texts(errors), c.want) << c.name;
  }
}

TEST(ObjectMeta, forbids_a_namespace_on_cluster_kinds) {
  FieldErrors errors;
  validate_object_meta(json(R"({"metadata":{"name":"a","namespace":"n"}})").root(), *find_kind("", "v1", "nodes"),
                       errors);
  EXPECT_EQ(texts(errors), "metadata.namespace: Forbidden: not allowed on this type");
}

TEST(ObjectMeta, limits_annotations_to_256_kib) {
  Builder b;
  b.root().object("metadata").set("name", "a");
  b.root().object("metadata").set("namespace", "n");
  b.root().object("metadata").object("annotations").set("a", std::string(256 * 1024, 'x'));
  FieldErrors errors;
  validate_object_meta(b.finish().root(), *find_kind("", "v1", "configmaps"), errors);
  EXPECT_EQ(texts(errors), "metadata.annotations: Too long: may not be more than 262144 bytes");
}

TEST(ObjectMeta, keeps_what_an_update_may_not_change) {
  const Kind& kind = *find_kind("", "v1", "configmaps");
  const Document old = json(
      R"({"metadata":{"name":"a","namespace":"n","uid":"u","creationTimestamp":"2026-01-02T03:04:05Z","deletionTimestamp":"2026-01-02T03:04:06Z","finalizers":["x.io/a"]}})");
  const struct {
    const char* name;
    const char* metadata;
    const char* want;
  } cases[] = {
      {"left out", R"({"name":"a","namespace":"n","finalizers":["x.io/a"]})", ""},
      {"removed finalizer", R"({"name":"a","namespace":"n"})", ""},
      {"other uid", R"({"name":"a","namespace":"n","uid":"v"})",
       "metadata.uid: Invalid value: \"v\": field is immutable"},
      {"new finalizer while deleting", R"({"name":"a","namespace":"n","finalizers":["x.io/a","x.io/b"]})",
       "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new "
       "finalizers []string{\"x.io/b\"}"},
  };
  for (const auto& c : cases) {
    Builder b(json(cat("{\"metadata\":", c.metadata, "}")).root());
    keep_system_fields(b.root(), old.root());
    FieldErrors errors;
    validate_object_meta_update(b.finish().root(), old.root(), kind, errors);
    EXPECT_EQ(texts(errors), c.want) << c.name;
  }
}

TEST(FieldErrors, become_a_status_with_causes) {
  FieldErrors errors;
  errors.required(Path("spec").at("a").at(size_t{0}));
  errors.not_supported(Path("spec").at("b"), "x", {"A", "B"});
  errors.required(Path("spec").at("a").at(size_t{0}));
  const Error e = errors.to_error("apps", "Deployment", "web");
  EXPECT_EQ(e.code(), Code::kInvalidObject);
  EXPECT_EQ(e.message(),
            "Deployment.apps \"web\" is invalid: [spec.a[0]: Required value, spec.b: Unsupported value: \"x\": "
            "supported values: \"A\", \"B\"]");
  const Document status = json(e.status_json());
  EXPECT_EQ(status["code"].integer(), 422);
  EXPECT_EQ(status["details"]["group"].str(), "apps");
  EXPECT_EQ(status["details"]["causes"].size(), 3u);
  EXPECT_EQ(status["details"]["causes"].item(1)["reason"].str(), "FieldValueNotSupported");
}

TEST(FieldErrors, print_each_sort_of_value) {
  FieldErrors errors;
  errors.invalid(Path("a"), "q\"t", "d");
  errors.invalid(Path("b"), int64_t{3}, "d");
  errors.invalid(Path("c"), json(R"({"x":"<"})").root(), "d");
  errors.invalid(Path("d"), Value(), "d");
  errors.duplicate(Path("e"), "x");
  errors.not_found(Path("f"), "x");
  errors.too_many(Path("g"), 5, 3);
  errors.forbidden(Path("h").key("a/b"), "no");
  errors.internal(Path("i"), "oops");
  EXPECT_EQ(texts(errors),
            "a: Invalid value: \"q\\\"t\": d | b: Invalid value: 3: d | c: Invalid value: {\"x\":\"\\u003c\"}: d | d: "
            "Invalid value: null: d | "
            "e: Duplicate value: \"x\" | f: Not found: \"x\" | g: Too many: 5: must have at most 3 items | h[a/b]: "
            "Forbidden: no | "
            "i: Internal error: oops");
}

}  // namespace
}  // namespace bramble

#include "core/schema/protobuf_write.h"

#include <gtest/gtest.h>

#include <cstdio>

#include "core/base/strings.h"
#include "core/schema/engine.h"
#include "core/schema/protobuf.h"
#include "source_dir.h"

namespace bramble {
namespace {

std::string read_file(const std::string& path) {
  std::string out;
  if (FILE* f = std::fopen(path.c_str(), "rb")) {
    char buf[65536];
    while (size_t n = std::fread(buf, 1, sizeof buf, f)) out.append(buf, n);
    std::fclose(f);
  }
  return out;
}

// The message alone, in hexadecimal.
std::string message_of(std::string_view type, std::string_view json) {
  auto document = Document::parse(json);
  EXPECT_TRUE(document.ok()) << json;
  std::string body = protobuf_object({"", "", Type::find(type)}, document->root());
  auto opened = open_protobuf_envelope(body);
  EXPECT_TRUE(opened.ok());
  return hex(opened->message);
}

TEST(ProtobufWrite, gives_the_bytes_that_upstream_gave) {
  auto recorded = Document::parse(std::string_view(read_file(cat(BRAMBLE_SOURCE_DIR, "/tests/golden/open/protobuf.json"))));
  ASSERT_TRUE(recorded.ok());
  size_t checked = 0;
  for (Value scenario : (*recorded)["scenarios"].items()) {
    for (Value step : scenario["steps"].items()) {
      std::string_view text = step["expected"]["body_b64"].str();
      if (text.empty()) continue;
      std::string body = base64_decode(text).value_or("");
      auto opened = open_protobuf_envelope(body);
      ASSERT_TRUE(opened.ok()) << scenario["name"].str();
      ProtobufKind kind{opened->api_version, opened->kind, protobuf_type(opened->api_version, opened->kind)};
      ASSERT_NE(kind.type, nullptr) << kind.kind;
      auto json = protobuf_to_json(*kind.type, *opened);
      ASSERT_TRUE(json.ok()) << json.error().message();
      auto canonical = canonicalize(*kind.type, json->root(), nullptr);
      ASSERT_TRUE(canonical.ok()) << canonical.error().message();
      Document object = canonical->finish();
      EXPECT_EQ(hex(protobuf_object(kind, object.root())), hex(body)) << scenario["name"].str() << ", " << step["name"].str();
      if (!kind.kind.ends_with("List")) continue;
      // The same list put together from its items.
      kind.type = Type::find(cat(kind.type->name().substr(0, kind.type->name().size() - 4)));
      ASSERT_NE(kind.type, nullptr) << kind.kind;
      std::string joined = protobuf_list(kind, object["metadata"], object["items"].size(),
                                         [&](size_t i) { return Document::of(object["items"].item(i)); }, 10);
      EXPECT_EQ(hex(joined), hex(body)) << kind.kind;
      ++checked;
    }
  }
  EXPECT_GE(checked, 14u);
}

TEST(ProtobufWrite, writes_each_form_of_a_field_as_upstream) {
  struct {
    const char* name;
    std::string_view type, json, bytes;
  } rows[] = {
      {"scalars and strings always, numbers in order", "core.v1.ContainerPort", R"({"containerPort":80,"name":"a"})", "0a01611000185022002a00"},
      {"a negative number has ten bytes", "core.v1.PreferredSchedulingTerm", R"({"weight":-1})", "08ffffffffffffffffff011200"},
      {"pointers when they are there, zero too", "autoscaling.v1.HorizontalPodAutoscalerSpec", R"({"minReplicas":0})", "0a060a0012001a0010001800"},
      {"a list that is empty is not there", "core.v1.ConfigMapList", R"({"metadata":{},"items":[]})", "0a060a0012001a00"},
      {"an embedded struct always", "core.v1.Volume", R"({"name":"v"})", "0a01761200"},
      {"an embedded struct in its own message", "core.v1.Volume", R"({"name":"v","emptyDir":{}})", "0a0176120412020a00"},
      {"two levels of embedding", "admissionregistration.v1.NamedRuleWithOperations", R"({"apiVersions":["v1"],"operations":["*"]})",
       "12090a012a120412027631"},
      {"a number or a text", "core.v1.HTTPGetAction", R"({"port":"web"})", "0a001209080110001a037765621a002200"},
      {"a quantity", "core.v1.EmptyDirVolumeSource", R"({"sizeLimit":"1Gi"})", "0a0012050a03314769"},
      {"a time has no fraction", "core.v1.ContainerStateRunning", R"({"startedAt":"1970-01-01T00:01:00Z"})", "0a04083c1000"},
      {"a zero time is empty", "core.v1.ContainerStateRunning", R"({"startedAt":null})", "0a00"},
      {"a time before 1970 with a fraction", "coordination.v1.LeaseSpec", R"({"renewTime":"1969-12-31T23:59:59.500000Z"})",
       "221108ffffffffffffffffff011080cab5ee01"},
      {"raw JSON in a message", "meta.v1.ManagedFieldsEntry", R"({"manager":"m","fieldsV1":{"f:a":{}}})",
       "0a016d12001a0032003a0c0a0a7b22663a61223a7b7d7d4200"},
      {"a map of lists", "authentication.v1.UserInfo", R"({"extra":{"k":["a","b"]}})", "0a001200220b0a016b12060a01610a0162"},
      {"numbers of a list are not packed", "core.v1.PodSecurityContext", R"({"supplementalGroups":[1,300]})", "200120ac02"},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(message_of(row.type, row.json), row.bytes) << row.name;
  }
  EXPECT_NE(message_of("apiextensions.v1.JSONSchemaProps", R"({"minimum":1.5})").find("59000000000000f83f"), std::string::npos);
  EXPECT_TRUE(message_of("core.v1.ConfigMap", R"({"data":{"b":"2","a":""}})").ends_with("12050a0161120012060a0162120132"));
}

TEST(ProtobufWrite, tells_a_schema_from_true_and_from_a_list) {
  auto both_ways = [](std::string_view json) {
    auto document = Document::parse(json);
    const Type* type = Type::find("apiextensions.v1.JSONSchemaProps");
    std::string body = protobuf_object({"", "", type}, document->root());
    auto opened = open_protobuf_envelope(body);
    auto read = protobuf_to_json(*type, *opened);
    EXPECT_TRUE(read.ok()) << json;
    auto canonical = canonicalize(*type, read->root(), nullptr);
    EXPECT_TRUE(canonical.ok()) << canonical.error().message();
    return canonical->finish().root().dump();
  };
  for (std::string_view json : {R"({"additionalProperties":true})", R"({"additionalProperties":false})", R"({"additionalProperties":{"type":"string"}})",
                                R"({"items":{"type":"string"}})", R"({"items":[{"type":"string"},{"type":"integer"}]})", R"({"default":{"a":[1,null]}})",
                                R"({"dependencies":{"a":["b","c"],"d":{"type":"object"}}})", R"({"enum":["a",1,null]})"}) {
    EXPECT_EQ(both_ways(json), json);
  }
}

TEST(ProtobufWrite, frames_a_watch_event_with_its_length) {
  auto status = Document::parse(R"({"status":"Failure","code":410})");
  std::string frame = protobuf_watch_frame("ERROR", {"v1", "Status", Type::find("meta.v1.Status")}, status->root());
  ASSERT_GT(frame.size(), 4u);
  EXPECT_EQ(hex(frame.substr(0, 4)), "0000003b");
  EXPECT_EQ(frame.size(), 4u + 0x3b);
  EXPECT_EQ(frame.substr(4, 7), "\x0a\x05" "ERROR");
  EXPECT_NE(frame.find(std::string("k8s\0", 4)), std::string::npos);
}

TEST(ProtobufWrite, finds_the_type_of_what_an_object_says_it_is) {
  struct {
    std::string_view version, kind, type;
  } rows[] = {{"v1", "Pod", "core.v1.Pod"},
              {"apps/v1", "DeploymentList", "apps.v1.DeploymentList"},
              {"v1", "Status", "meta.v1.Status"},
              {"v1", "APIResourceList", "meta.v1.APIResourceList"},
              {"meta.k8s.io/v1", "PartialObjectMetadata", "meta.v1.PartialObjectMetadata"},
              {"rbac.authorization.k8s.io/v1", "Role", "rbac.v1.Role"},
              {"apidiscovery.k8s.io/v2", "APIGroupDiscoveryList", "apidiscovery.v2.APIGroupDiscoveryList"},
              {"example.com/v1", "Widget", ""},
              {"extensions/v1beta1", "Deployment", "extensions.v1beta1.Deployment"},
              {"extensions/v1beta1", "Ingress", ""}};
  for (const auto& row : rows) {
    const Type* type = protobuf_type(row.version, row.kind);
    EXPECT_EQ(type ? type->name() : "", row.type) << row.version << " " << row.kind;
  }
}

}  // namespace
}  // namespace bramble

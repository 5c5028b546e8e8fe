#include "core/schema/openapi.h"

#include <gtest/gtest.h>

#include <cstdio>

#include "core/base/strings.h"
#include "core/json/value.h"
#include "source_dir.h"

namespace bramble {
namespace {

Document document(std::string_view path) {
  const OpenApiDocument* d = find_openapi_v3(path);
  EXPECT_TRUE(d) << path;
  if (!d) return {};
  auto text = openapi_bytes(*d);
  EXPECT_TRUE(text.ok());
  return Document::parse(*text).value();
}

TEST(OpenApi, lists_every_group_version_with_its_hash) {
  Document index = Document::parse(openapi_v3_index()).value();
  EXPECT_GT(index["paths"].size(), 15u);
  for (auto [path, entry] : index["paths"].members()) {
    const OpenApiDocument* d = find_openapi_v3(path);
    ASSERT_TRUE(d) << path;
    EXPECT_EQ(entry["serverRelativeURL"].str(), cat("/openapi/v3/", path, "?hash=", d->hash));
    document(path);
  }
  EXPECT_EQ(find_openapi_v3("apis/nope/v1"), nullptr);
}

TEST(OpenApi, holds_what_kubectl_looks_for_in_a_patch_operation) {
  Document apps = document("apis/apps/v1");
  Value patch = apps["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"];
  EXPECT_EQ(patch["x-kubernetes-group-version-kind"].dump(), R"({"group":"apps","kind":"Deployment","version":"v1"})");
  EXPECT_EQ(patch["x-kubernetes-action"].str(), "patch");
  EXPECT_TRUE(patch["requestBody"]["content"].has("application/strategic-merge-patch+json"));
  std::string names;
  for (Value p : patch["parameters"].items()) names += cat(p["in"].str(), ":", p["name"].str(), " ");
  EXPECT_EQ(names, "query:dryRun query:fieldManager query:fieldValidation query:force ");
}

TEST(OpenApi, has_no_dangling_reference) {
  for (const OpenApiDocument& d : openapi_v3_documents()) {
    std::string text = openapi_bytes(d).value();
    Document doc = Document::parse(text).value();
    constexpr std::string_view kRef = "\"#/components/schemas/";
    for (size_t at = text.find(kRef); at != std::string::npos; at = text.find(kRef, at + 1)) {
      size_t start = at + kRef.size();
      std::string name = text.substr(start, text.find('"', start) - start);
      ASSERT_TRUE(doc["components"]["schemas"].has(name)) << d.path << " " << name;
    }
  }
}

TEST(OpenApi, matches_the_recorded_schemas) {
  std::string text;
  FILE* f = std::fopen(BRAMBLE_SOURCE_DIR "/tests/golden/open/discovery.json", "rb");
  ASSERT_TRUE(f);
  char buf[65536];
  while (size_t n = std::fread(buf, 1, sizeof buf, f)) text.append(buf, n);
  std::fclose(f);
  Document golden = Document::parse(text).value();
  size_t checked = 0;
  for (Value scenario : golden["scenarios"].items()) {
    for (Value step : scenario["steps"].items()) {
      std::string_view path = step["path"].str();
      if (!path.starts_with("/openapi/v3/")) continue;
      Document doc = document(path.substr(12));
      Value got = doc["components"]["schemas"][step["name"].str()];
      EXPECT_TRUE(equal(got, step["expected"]["body"])) << step["name"].str() << "\ngot  " << got.dump() << "\nwant " << step["expected"]["body"].dump();
      checked++;
    }
  }
  EXPECT_EQ(checked, 5u);
}

// A reader of protobuf messages, enough for what a test asks: the bytes of every field of a number.
std::vector<std::string> fields_of(std::string_view message, uint64_t number) {
  std::vector<std::string> out;
  auto varint = [&message] {
    uint64_t v = 0;
    for (unsigned shift = 0; !message.empty(); shift += 7) {
      auto b = static_cast<uint8_t>(message.front());
      message.remove_prefix(1);
      v |= static_cast<uint64_t>(b & 0x7f) << shift;
      if (b < 0x80) break;
    }
    return v;
  };
  while (!message.empty()) {
    uint64_t tag = varint(), length = varint();
    if ((tag & 7) == 0) continue;
    EXPECT_EQ(tag & 7, 2u);
    EXPECT_LE(length, message.size());
    if (tag >> 3 == number) out.emplace_back(message.substr(0, length));
    message.remove_prefix(std::min<size_t>(length, message.size()));
  }
  return out;
}

Document v2() { return Document::parse(openapi_bytes(openapi_v2(OpenApiForm::kJson)).value()).value(); }

TEST(OpenApiV2, names_kinds_patch_strategies_and_list_types) {
  Document d = v2();
  Value pod = d["definitions"]["io.k8s.api.core.v1.Pod"];
  EXPECT_EQ(pod["x-kubernetes-group-version-kind"].dump(), R"([{"group":"","kind":"Pod","version":"v1"}])");
  Value containers = d["definitions"]["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"];
  EXPECT_EQ(containers["x-kubernetes-patch-merge-key"].str(), "name");
  EXPECT_EQ(containers["x-kubernetes-patch-strategy"].str(), "merge");
  EXPECT_EQ(containers["x-kubernetes-list-type"].str(), "map");
  EXPECT_EQ(containers["items"]["$ref"].str(), "#/definitions/io.k8s.api.core.v1.Container");
  EXPECT_EQ(d["definitions"]["io.k8s.apimachinery.pkg.util.intstr.IntOrString"].dump(), R"({"type":"string","format":"int-or-string"})");
  EXPECT_EQ(d["definitions"]["io.k8s.api.apps.v1.DeploymentSpec"]["properties"]["strategy"].dump(),
            R"({"$ref":"#/definitions/io.k8s.api.apps.v1.DeploymentStrategy","x-kubernetes-patch-strategy":"retainKeys"})");
  EXPECT_GT(d["definitions"]["io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions"]["x-kubernetes-group-version-kind"].size(), 15u);
}

TEST(OpenApiV2, describes_operations_as_upstream) {
  Document d = v2();
  Value item = d["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"];
  Value patch = item["patch"];
  EXPECT_EQ(patch["operationId"].str(), "patchAppsV1NamespacedDeployment");
  EXPECT_EQ(patch["x-kubernetes-action"].str(), "patch");
  EXPECT_EQ(patch["x-kubernetes-group-version-kind"].dump(), R"({"group":"apps","kind":"Deployment","version":"v1"})");
  std::string names;
  for (Value p : patch["parameters"].items()) names += cat(p["$ref"].str(), p["name"].str(), " ");
  EXPECT_EQ(names, "#/parameters/body-78PwaGsr dryRun #/parameters/fieldManager-7c6nTn1T fieldValidation #/parameters/force-tOGGb0Yi ");
  EXPECT_EQ(patch["consumes"].size(), 4u);
  EXPECT_EQ(item["put"]["responses"].dump(), R"({"200":{"description":"OK","schema":{"$ref":"#/definitions/io.k8s.api.apps.v1.Deployment"}},)"
            R"("201":{"description":"Created","schema":{"$ref":"#/definitions/io.k8s.api.apps.v1.Deployment"}},"401":{"description":"Unauthorized"}})");
  struct {
    const char *path, *method, *id;
  } rows[] = {{"/api/v1/pods", "get", "listCoreV1PodForAllNamespaces"},
              {"/api/v1/namespaces/{namespace}/pods", "delete", "deleteCoreV1CollectionNamespacedPod"},
              {"/api/v1/namespaces/{namespace}/pods/{name}/exec", "post", "connectCoreV1PostNamespacedPodExec"},
              {"/api/v1/namespaces/{namespace}/pods/{name}/log", "get", "readCoreV1NamespacedPodLog"},
              {"/api/v1/namespaces/{namespace}/pods/{name}/eviction", "post", "createCoreV1NamespacedPodEviction"},
              {"/api/v1/nodes/{name}/proxy/{path}", "get", "connectCoreV1GetNodeProxyWithPath"},
              {"/apis/apps/v1/namespaces/{namespace}/deployments/{name}/scale", "get", "readAppsV1NamespacedDeploymentScale"},
              {"/apis/rbac.authorization.k8s.io/v1/clusterroles", "post", "createRbacAuthorizationV1ClusterRole"},
              {"/apis/apps/v1/", "get", "getAppsV1APIResources"},
              {"/apis/rbac.authorization.k8s.io/", "get", "getRbacAuthorizationAPIGroup"},
              {"/api/", "get", "getCoreAPIVersions"},
              {"/version/", "get", "getCodeVersion"},
              {"/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", "post", "createAuthorizationV1SelfSubjectAccessReview"}};
  for (const auto& row : rows) EXPECT_EQ(d["paths"][row.path][row.method]["operationId"].str(), row.id) << row.path;
}

TEST(OpenApiV2, has_no_dangling_reference) {
  std::string text = openapi_bytes(openapi_v2(OpenApiForm::kJson)).value();
  Document d = v2();
  for (std::string_view place : {"definitions", "parameters"}) {
    std::string start = cat("\"#/", place, "/");
    size_t found = 0;
    for (size_t at = text.find(start); at != std::string::npos; at = text.find(start, at + 1), ++found) {
      size_t from = at + start.size();
      ASSERT_TRUE(d[place].has(text.substr(from, text.find('"', from) - from))) << text.substr(at, 100);
    }
    EXPECT_GT(found, 1000u) << place;
  }
  EXPECT_EQ(text.find("components/schemas"), std::string::npos);
  EXPECT_EQ(text.find("\"allOf\":["), std::string::npos);
}

TEST(OpenApiV2, says_the_same_in_protobuf) {
  Document d = v2();
  std::string document = openapi_bytes(openapi_v2(OpenApiForm::kProtobuf)).value();
  EXPECT_EQ(fields_of(document, 1), (std::vector<std::string>{"2.0"}));
  std::vector<std::string> names;
  std::string pod_spec;
  for (const std::string& entry : fields_of(fields_of(document, 9).at(0), 1)) {
    names.push_back(fields_of(entry, 1).at(0));
    if (names.back() == "io.k8s.api.core.v1.PodSpec") pod_spec = fields_of(entry, 2).at(0);
  }
  EXPECT_EQ(names.size(), d["definitions"].size());
  size_t properties = 0;
  for (const std::string& property : fields_of(fields_of(pod_spec, 25).at(0), 1)) {
    ++properties;
    if (fields_of(property, 1).at(0) != "containers") continue;
    std::string schema = fields_of(property, 2).at(0);
    EXPECT_EQ(fields_of(fields_of(schema, 22).at(0), 1).at(0), "array");
    EXPECT_EQ(fields_of(fields_of(fields_of(schema, 23).at(0), 1).at(0), 1).at(0), "#/definitions/io.k8s.api.core.v1.Container");
    std::string extensions;
    for (const std::string& e : fields_of(schema, 31)) extensions += cat(fields_of(e, 1).at(0), "=", fields_of(fields_of(e, 2).at(0), 2).at(0));
    EXPECT_EQ(extensions, "x-kubernetes-list-map-keys=- name\nx-kubernetes-list-type=map\nx-kubernetes-patch-merge-key=name\nx-kubernetes-patch-strategy=merge\n");
  }
  EXPECT_EQ(properties, d["definitions"]["io.k8s.api.core.v1.PodSpec"]["properties"].size());
  EXPECT_EQ(fields_of(fields_of(document, 8).at(0), 2).size(), d["paths"].size());
  EXPECT_EQ(fields_of(fields_of(document, 10).at(0), 1).size(), d["parameters"].size());
}

}  // namespace
}  // namespace bramble

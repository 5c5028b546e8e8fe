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
  auto text = openapi_v3_json(*d);
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
    std::string text = openapi_v3_json(d).value();
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

}  // namespace
}  // namespace bramble

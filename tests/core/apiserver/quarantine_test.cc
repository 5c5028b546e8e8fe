// Requests and objects that ended the server before.
#include <gmock/gmock.h>

#include "tests/core/apiserver/api_fixture.h"
#include "tests/core/quarantine/dying.h"

namespace bramble {
namespace {

class QuarantinedRequests : public ApiTest, public DyingProcesses {
 protected:
  void SetUp() override {}
  void begin() {
    quarantine_ = DyingProcesses::open();
    ApiTest::SetUp();
  }
  Quarantine* quarantine() override { return quarantine_.get(); }
  static constexpr const char* kMaps = "/api/v1/namespaces/default/configmaps";
  static std::string map(const std::string& name, const std::string& value) {
    return cat(R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":")", name, R"("},"data":{"k":")", value, R"("}})");
  }
  std::unique_ptr<Quarantine> quarantine_;
};

TEST_F(QuarantinedRequests, body_that_ended_the_server_is_refused_and_a_mended_one_goes_through) {
  std::string bad = map("c", "bad");
  die_at("apiserver", cat("create configmaps default/ #", content_mark(bad)), {});
  begin();
  auto refused = call("POST", kMaps, bad);
  EXPECT_EQ(refused->status, 403);
  EXPECT_EQ(refused->json()["reason"].str(), "Forbidden");
  EXPECT_EQ(refused->json()["message"].str(),
            "configmaps is forbidden: it is quarantined: this very request ended the server twice; change it, or see bramble check-config");
  EXPECT_EQ(call("POST", kMaps, map("c", "good"))->status, 201);
  EXPECT_EQ(call("POST", kMaps, bad)->status, 403) << "the good one has changed nothing about the bad one";
}

TEST_F(QuarantinedRequests, patch_that_ended_the_server_is_refused_also_to_parts_of_this_process) {
  std::string bad = R"({"data":{"k":"bad"}})";
  die_at("apiserver", cat("patch configmaps default/c #", content_mark(bad)), {});
  begin();
  ASSERT_EQ(call("POST", kMaps, map("c", "good"))->status, 201);
  EXPECT_EQ(call("PATCH", cat(kMaps, "/c"), bad, {{"content-type", "application/merge-patch+json"}})->status, 403);
  auto own = api->client({"system:masters", "", {}, {}});
  std::optional<Result<Document>> answer;
  auto ask = [](Client* client, std::string body, std::optional<Result<Document>>* out) -> Task<void> {
    ObjectKey key{"default", "c"};
    Document patch = *Document::parse(std::string_view(body));
    auto got = co_await client->patch(resource_ids::kConfigMaps, key, PatchType::kMerge, patch);
    *out = std::move(got);
  };
  tasks.start(ask(own.get(), bad, &answer));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->error().code(), Code::kPermissionDenied);
  EXPECT_EQ(call("GET", cat(kMaps, "/c"))->json()["data"]["k"].str(), "good");
}

TEST_F(QuarantinedRequests, table_shows_the_name_alone_of_an_object_whose_cells_ended_the_server) {
  die_at("apiserver/table", "configmaps default/bad", {});
  begin();
  for (const char* name : {"bad", "good"}) ASSERT_EQ(call("POST", kMaps, map(name, "v"))->status, 201);
  auto table = call("GET", kMaps, "", {{"accept", "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}});
  ASSERT_EQ(table->status, 200);
  EXPECT_EQ(table->json()["rows"].item(0)["cells"].dump(), R"(["bad","<quarantined>","<quarantined>"])");
  EXPECT_EQ(table->json()["rows"].item(1)["cells"].dump(), R"(["good",1,"0s"])");
}

}  // namespace
}  // namespace bramble

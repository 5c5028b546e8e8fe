// ResourceQuota admission: what is refused, what is charged, and that nothing acknowledged goes uncounted.
#include "core/apiserver/quota_check.h"
#include "tests/core/apiserver/api_fixture.h"
#include "tests/core/json/json_text.h"

namespace bramble {
namespace {

Document quota(std::string_view name, std::string_view hard, std::string_view used, std::string_view spec = "{}") {
  return json(cat(R"({"metadata":{"name":")", name, R"("},"spec":)", spec, R"(,"status":{"hard":)", hard, R"(,"used":)", used, "}}"));
}

TEST(QuotaCheck, refuses_with_upstreams_texts) {
  const char* pod = R"({"spec":{"containers":[{"name":"c","resources":{"requests":{"cpu":"2"},"limits":{"cpu":"3"}}}]}})";
  const struct {
    const char* name;
    Document quota;
    const char *resource, *object, *old, *want;
  } cases[] = {
      {"room", quota("q", R"({"pods":"3"})", R"({"pods":"2"})"), "pods", pod, "", "pods=1"},
      {"full", quota("q", R"({"pods":"2"})", R"({"pods":"2"})"), "pods", pod, "", R"(pods "x" is forbidden: exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2)"},
      {"only what is too much", quota("q", R"({"pods":"9","requests.cpu":"2500m","limits.cpu":"4"})", R"({"pods":"1","requests.cpu":"1","limits.cpu":"1500m"})"), "pods", pod, "",
       R"(pods "x" is forbidden: exceeded quota: q, requested: limits.cpu=3,requests.cpu=2, used: limits.cpu=1500m,requests.cpu=1, limited: limits.cpu=4,requests.cpu=2500m)"},
      {"not said", quota("q", R"({"limits.memory":"1Gi","pods":"1"})", R"({"limits.memory":"0","pods":"0"})"), "pods", pod, "",
       R"(pods "x" is forbidden: failed quota: q: must specify limits.memory for: c)"},
      {"not counted yet", quota("q", R"({"pods":"1","requests.cpu":"1"})", R"({"pods":"0"})"), "pods", pod, "", R"(pods "x" is forbidden: status unknown for quota: q, resources: pods,requests.cpu)"},
      {"not looked at yet", json(R"({"metadata":{"name":"q"},"spec":{"hard":{"pods":"0"}}})"), "pods", pod, "", ""},
      {"another scope", quota("q", R"({"pods":"0"})", R"({"pods":"0"})", R"({"scopes":["BestEffort"]})"), "pods", pod, "", ""},
      {"of others", quota("q", R"({"secrets":"0"})", R"({"secrets":"0"})"), "pods", pod, "", ""},
      {"count", quota("q", R"({"count/pods":"1"})", R"({"count/pods":"1"})"), "pods", pod, "", R"(pods "x" is forbidden: exceeded quota: q, requested: count/pods=1, used: count/pods=1, limited: count/pods=1)"},
      {"updates of pods take nothing", quota("q", R"({"pods":"0"})", R"({"pods":"0"})"), "pods", pod, pod, ""},
      {"a service that opens ports", quota("q", R"({"services":"1","services.nodeports":"1"})", R"({"services":"1","services.nodeports":"1"})"), "services",
       R"({"spec":{"type":"NodePort","ports":[{"port":1},{"port":2}]}})", R"({"spec":{"type":"NodePort","ports":[{"port":1}]}})",
       R"(services "x" is forbidden: exceeded quota: q, requested: services.nodeports=1, used: services.nodeports=1, limited: services.nodeports=1)"},
      {"a service that closes ports", quota("q", R"({"services.nodeports":"1"})", R"({"services.nodeports":"2"})"), "services", R"({"spec":{"type":"ClusterIP"}})",
       R"({"spec":{"type":"NodePort","ports":[{"port":1}]}})", ""},
      {"a claim that grows", quota("q", R"({"requests.storage":"5Gi"})", R"({"requests.storage":"3Gi"})"), "persistentvolumeclaims", R"({"spec":{"resources":{"requests":{"storage":"2Gi"}}}})",
       R"({"spec":{"resources":{"requests":{"storage":"1Gi"}}}})", "requests.storage=1Gi"},
      {"less than nothing", quota("q", R"({"requests.cpu":"1"})", R"({"requests.cpu":"0"})"), "pods", R"({"spec":{"containers":[{"name":"c","resources":{"requests":{"cpu":"-1"}}}]}})", "",
       R"(pods "x" is forbidden: quota usage is negative for resource(s): cpu,requests.cpu)"},
  };
  for (const auto& c : cases) {
    const Document object = json(c.object), old = *c.old ? json(c.old) : Document();
    QuotaWrite write;
    write.kind = find_kind("", "v1", c.resource);
    write.name = "x", write.object = object.root(), write.old = old.root();
    auto charges = quota_charges({QuotaState(c.quota)}, write);
    std::string got;
    if (charges.ok()) {
      for (const auto& [name, amount] : (*charges)[0]) got += cat(name, "=", amount.text());
    } else {
      got = json(charges.error().status_json())["message"].text();
    }
    EXPECT_EQ(got, c.want) << c.name;
  }
}

class QuotaApi : public ApiTest {
 protected:
  static constexpr std::string_view kQuotas = "/api/v1/namespaces/default/resourcequotas";

  // A quota as its controller leaves it.
  void make_quota(std::string_view name, std::string_view hard, std::string_view used) {
    EXPECT_EQ(call("POST", std::string(kQuotas), cat(R"({"apiVersion":"v1","kind":"ResourceQuota","metadata":{"name":")", name, R"("},"spec":{"hard":)", hard, "}}"))->status, 201);
    EXPECT_EQ(patch(cat(kQuotas, "/", name, "/status"), cat(R"({"status":{"hard":)", hard, R"(,"used":)", used, "}}"))->status, 200);
  }
  size_t quota_writes(uint64_t after) {
    auto batch = cache.events_after(after, "/registry/core/resourcequotas/", 100);
    return batch.ok() ? batch->events.size() : 0;
  }
  std::string used(std::string_view name) {
    settle();
    return call("GET", cat(kQuotas, "/", name))->json()["status"]["used"].dump();
  }
};

TEST_F(QuotaApi, charges_what_is_made_and_refuses_the_rest) {
  make_quota("q", R"({"configmaps":"2","count/secrets":"5"})", R"({"configmaps":"0","count/secrets":"0"})");
  EXPECT_EQ(call("POST", std::string(kMaps), config_map("a"))->status, 201);
  EXPECT_EQ(call("POST", std::string(kMaps), config_map("b"))->status, 201);
  auto refused = call("POST", std::string(kMaps), config_map("c"));
  EXPECT_EQ(refused->status, 403);
  EXPECT_EQ(refused->json()["message"].str(), "configmaps \"c\" is forbidden: exceeded quota: q, requested: configmaps=1, used: configmaps=2, limited: configmaps=2");
  EXPECT_EQ(refused->json()["reason"].str(), "Forbidden");
  EXPECT_EQ(used("q"), R"({"configmaps":"2","count/secrets":"0"})");
  EXPECT_EQ(patch(cat(kMaps, "/a"), R"({"data":{"x":"y"}})")->status, 200) << "an update takes nothing";
}

TEST_F(QuotaApi, a_dry_run_and_what_is_there_already_take_nothing) {
  make_quota("q", R"({"configmaps":"2"})", R"({"configmaps":"0"})");
  EXPECT_EQ(call("POST", cat(kMaps, "?dryRun=All"), config_map("a"))->status, 201);
  EXPECT_EQ(used("q"), R"({"configmaps":"0"})");
  EXPECT_EQ(call("POST", std::string(kMaps), config_map("a"))->status, 201);
  EXPECT_EQ(call("POST", std::string(kMaps), config_map("a"))->status, 409);
  EXPECT_EQ(used("q"), R"({"configmaps":"1"})");
  EXPECT_EQ(call("POST", std::string(kMaps), config_map("b"))->status, 201);
  EXPECT_EQ(call("POST", std::string(kMaps), config_map("a"))->status, 403) << "the quota speaks before the name";
}

TEST_F(QuotaApi, writes_that_come_together_share_the_room_there_is) {
  make_quota("q", R"({"configmaps":"3"})", R"({"configmaps":"0"})");
  const uint64_t before = cache.revision();
  store.hold();
  std::vector<std::shared_ptr<KeptAnswer>> answers;
  for (int i = 0; i < 6; ++i) answers.push_back(start("POST", std::string(kMaps), config_map(cat("m", i))));
  settle();
  for (const auto& a : answers) EXPECT_FALSE(a->ended && a->status == 201) << "nothing is on disk yet";
  store.release(true);
  for (int i = 0; i < 10; ++i) settle();
  int made = 0, refused = 0;
  for (const auto& a : answers) made += a->status == 201, refused += a->status == 403;
  EXPECT_EQ(made, 3);
  EXPECT_EQ(refused, 3);
  EXPECT_EQ(used("q"), R"({"configmaps":"3"})");
  // One write of the quota for the first, one for all that came meanwhile.
  EXPECT_EQ(quota_writes(before), 2u);
}

TEST_F(QuotaApi, what_was_charged_for_a_write_that_failed_is_given_back) {
  make_quota("q", R"({"configmaps":"3"})", R"({"configmaps":"0"})");
  store.hold();
  auto answer = start("POST", std::string(kMaps), config_map("a"));
  settle();
  store.release(false);  // the quota is written
  settle();
  store.fail_next(Error(Code::kNoSpace, "full"));
  store.release(true);
  for (int i = 0; i < 10; ++i) settle();
  EXPECT_TRUE(answer->ended);
  EXPECT_NE(answer->status, 201);
  EXPECT_EQ(used("q"), R"({"configmaps":"0"})");
}

TEST_F(QuotaApi, nobody_counts_anew_while_charges_are_under_way) {
  make_quota("q", R"({"configmaps":"3"})", R"({"configmaps":"0"})");
  store.hold();
  auto answer = start("POST", std::string(kMaps), config_map("a"));
  settle();
  store.release(false);
  settle();
  auto count = start("PATCH", cat(kQuotas, "/q/status"), R"({"status":{"used":{"configmaps":"0"}}})", {{"content-type", "application/merge-patch+json"}});
  settle();
  EXPECT_EQ(count->status, 409);
  store.release(true);
  for (int i = 0; i < 10; ++i) settle();
  EXPECT_EQ(answer->status, 201);
  EXPECT_EQ(used("q"), R"({"configmaps":"1"})");
  EXPECT_EQ(patch(cat(kQuotas, "/q/status"), R"({"status":{"used":{"configmaps":"0"}}})")->status, 200) << "later it may";
}

TEST_F(QuotaApi, all_quotas_must_have_room) {
  make_quota("a", R"({"configmaps":"9"})", R"({"configmaps":"0"})");
  make_quota("b", R"({"count/configmaps":"1"})", R"({"count/configmaps":"0"})");
  EXPECT_EQ(call("POST", std::string(kMaps), config_map("x"))->status, 201);
  EXPECT_EQ(call("POST", std::string(kMaps), config_map("y"))->status, 403);
  EXPECT_EQ(used("a"), R"({"configmaps":"1"})");
  EXPECT_EQ(used("b"), R"({"count/configmaps":"1"})");
}

TEST_F(QuotaApi, a_service_is_charged_for_what_it_grows_by) {
  make_quota("q", R"({"services.nodeports":"1"})", R"({"services.nodeports":"0"})");
  const char* service = R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"s"},"spec":{"ports":[{"name":"a","port":1},{"name":"b","port":2}]}})";
  EXPECT_EQ(call("POST", "/api/v1/namespaces/default/services", service)->status, 201);
  auto refused = patch("/api/v1/namespaces/default/services/s", R"({"spec":{"type":"NodePort"}})");
  EXPECT_EQ(refused->status, 403);
  EXPECT_EQ(refused->json()["message"].str(),
            "services \"s\" is forbidden: exceeded quota: q, requested: services.nodeports=2, used: services.nodeports=0, limited: services.nodeports=1");
}

}  // namespace
}  // namespace bramble

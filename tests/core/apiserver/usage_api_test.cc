// metrics.k8s.io, and the kubelet's pages through nodes/proxy: answers of a node that says what it is told to.
#include "core/apiserver/usage_api.h"

#include "core/resources/cells.h"
#include "tests/core/apiserver/api_fixture.h"

namespace bramble {
namespace {

class ToldReadings final : public NodeReadings {
 public:
  NodeSample told;
  bool silent = false;
  std::string asked_path, asked_query;
  Task<Result<NodeSample>> sample() override {
    if (silent) co_return Error(Code::kUnavailable, "nothing yet");
    co_return told;
  }
  Task<NodePage> page(std::string method, std::string path, std::string query) override {
    asked_path = cat(method, " ", path);
    asked_query = query;
    NodePage page;
    page.content_type = "text/plain";
    page.body = "a page";
    co_return page;
  }
};

class UsageApi : public ApiTest {
 protected:
  ToldReadings n1;

  void SetUp() override {
    ApiTest::SetUp();
    // The same objects behind an ApiServer that knows the way to n1.
    ApiServer::Options options;
    auto key = PrivateKey::generate_p256();
    ASSERT_TRUE(key.ok());
    options.tokens.verify = {key->public_key()};
    options.tokens.sign = std::make_shared<PrivateKey>(std::move(*key));
    options.server_address = "192.0.2.1:6443";
    options.readings = [this](std::string_view name) -> NodeReadings* { return name == "n1" ? &n1 : nullptr; };
    tasks.cancel_all();
    api = std::make_unique<ApiServer>(*registry, options);
    for (const char* name : {"n1", "n2"}) {
      call("POST", "/api/v1/nodes", cat(R"({"apiVersion":"v1","kind":"Node","metadata":{"name":")", name, R"(","labels":{"disk":")", name, R"("}}})"));
    }
    run_pod("web", "web", "n1");
    run_pod("db", "db", "n1");
    run_pod("far", "web", "n2");
    n1.told.taken_us = 1767323045000000;
    n1.told.window_us = 15024000;
    n1.told.usage = {250000000, 1024 * 1024 * 100, 0, true};
    PodSample web;
    web.pod = {"default", "web"};
    web.uid = uid("web");
    web.window_us = 12000000;
    web.containers = {{"c", {123456, 2048, 0, true}}, {"d", {1000000, 1024, 0, true}}};
    n1.told.pods = {web};
  }
  void run_pod(const std::string& name, const std::string& label, const std::string& on) {
    auto made = call("POST", std::string(kPods), cat(R"({"metadata":{"name":")", name, R"(","labels":{"app":")", label, R"("}},"spec":{"nodeName":")", on,
                                                     R"(","containers":[{"name":"c","image":"x"},{"name":"d","image":"x"}]}})"));
    ASSERT_EQ(made->status, 201) << made->body;
    auto ran = patch(cat(kPods, "/", name, "/status"), R"({"status":{"phase":"Running"}})");
    ASSERT_EQ(ran->status, 200) << ran->body;
  }
  std::string uid(const std::string& name) { return call("GET", cat(kPods, "/", name))->json()["metadata"]["uid"].text(); }
  static constexpr const char* kRoot = "/apis/metrics.k8s.io/v1beta1";
};

TEST_F(UsageApi, nodes_are_told_by_metrics_servers_shape) {
  auto all = call("GET", cat(kRoot, "/nodes"))->json();
  EXPECT_EQ(all["kind"].str(), "NodeMetricsList");
  EXPECT_EQ(all["apiVersion"].str(), "metrics.k8s.io/v1beta1");
  ASSERT_EQ(all["items"].size(), 1u) << "of n2 there is no sample: it is left out";
  auto one = call("GET", cat(kRoot, "/nodes/n1"))->json();
  EXPECT_EQ(one["kind"].str(), "NodeMetrics");
  EXPECT_EQ(one["metadata"]["name"].str(), "n1");
  EXPECT_EQ(one["metadata"]["labels"]["disk"].str(), "n1");
  EXPECT_EQ(one["timestamp"].str(), "2026-01-02T03:04:05Z");
  EXPECT_EQ(one["window"].str(), "15.024s");
  EXPECT_EQ(one["usage"]["cpu"].str(), "250m");
  EXPECT_EQ(one["usage"]["memory"].str(), "100Mi");
  EXPECT_EQ(one["usage"]["swap"].str(), "0");
}

TEST_F(UsageApi, pods_are_told_by_container) {
  auto one = call("GET", cat(kRoot, "/namespaces/default/pods/web"))->json();
  EXPECT_EQ(one["kind"].str(), "PodMetrics");
  EXPECT_EQ(one["metadata"]["namespace"].str(), "default");
  EXPECT_EQ(one["window"].str(), "12s");
  ASSERT_EQ(one["containers"].size(), 2u);
  EXPECT_EQ(one["containers"].item(0)["usage"]["cpu"].str(), "123456n");
  EXPECT_EQ(one["containers"].item(1)["usage"]["memory"].str(), "1Ki");
  auto all = call("GET", cat(kRoot, "/pods"))->json();
  EXPECT_EQ(all["kind"].str(), "PodMetricsList");
  ASSERT_EQ(all["items"].size(), 1u);
  EXPECT_FALSE(all["items"].item(0).has("kind"));
}

TEST_F(UsageApi, selectors_choose_as_of_the_objects_themselves) {
  struct Case {
    const char *name, *query;
    size_t items;
  };
  for (const Case& c : {Case{"label", "labelSelector=app%3Dweb", 1}, Case{"another label", "labelSelector=app%3Ddb", 0}, Case{"name", "fieldSelector=metadata.name%3Dweb", 1},
                        Case{"not that name", "fieldSelector=metadata.name%21%3Dweb", 0}, Case{"namespace", "fieldSelector=metadata.namespace%3Ddefault", 1}})
    EXPECT_EQ(call("GET", cat(kRoot, "/namespaces/default/pods?", c.query))->json()["items"].size(), c.items) << c.name;
  EXPECT_EQ(call("GET", cat(kRoot, "/namespaces/other/pods"))->json()["items"].size(), 0u);
  EXPECT_EQ(call("GET", cat(kRoot, "/nodes?labelSelector=disk%3Dn2"))->json()["items"].size(), 0u);
  auto unknown = call("GET", cat(kRoot, "/pods?fieldSelector=spec.nodeName%3Dn1"));
  EXPECT_EQ(unknown->status, 400);
}

TEST_F(UsageApi, what_nobody_measured_is_not_found) {
  struct Case {
    const char *name, *path, *message;
  };
  for (const Case& c : {Case{"no such pod", "/namespaces/default/pods/nope", "pods \"nope\" not found"}, Case{"no sample of the pod", "/namespaces/default/pods/db", "podmetrics.metrics.k8s.io \"default/db\" not found"},
                        Case{"nor of its node", "/namespaces/default/pods/far", "podmetrics.metrics.k8s.io \"default/far\" not found"}, Case{"no such node", "/nodes/nope", "nodes \"nope\" not found"},
                        Case{"no sample of the node", "/nodes/n2", "nodemetrics.metrics.k8s.io \"n2\" not found"}}) {
    auto answer = call("GET", cat(kRoot, c.path));
    EXPECT_EQ(answer->status, 404) << c.name;
    EXPECT_EQ(answer->json()["message"].str(), c.message) << c.name;
  }
  n1.silent = true;
  EXPECT_EQ(call("GET", cat(kRoot, "/nodes"))->json()["items"].size(), 0u) << "kubectl then says: metrics not available yet";
  EXPECT_EQ(call("POST", cat(kRoot, "/nodes"), "{}")->status, 405);
  EXPECT_EQ(call("GET", cat(kRoot, "/nodes?watch=1"))->status, 405);
}

TEST_F(UsageApi, a_pod_that_took_the_name_of_another_is_not_its_predecessor) {
  call("DELETE", cat(kPods, "/web?gracePeriodSeconds=0"));
  run_pod("web", "web", "n1");
  EXPECT_EQ(call("GET", cat(kRoot, "/namespaces/default/pods/web"))->status, 404);
}

TEST_F(UsageApi, tables_have_a_column_for_each_resource) {
  std::vector<Header> headers = {{"accept", "application/json;as=Table;v=v1;g=meta.k8s.io"}};
  auto table = call("GET", cat(kRoot, "/namespaces/default/pods"), "", headers)->json();
  EXPECT_EQ(table["kind"].str(), "Table");
  std::string names;
  for (Value c : table["columnDefinitions"].items()) names += cat(c["name"].str(), "/", c["format"].str(), " ");
  EXPECT_EQ(names, "Name/name cpu/quantity memory/quantity swap/quantity Window/duration ");
  ASSERT_EQ(table["rows"].size(), 1u);
  EXPECT_EQ(table["rows"].item(0)["cells"].dump(), R"(["web","1123456n","3Ki","0","12s"])");
  EXPECT_EQ(table["rows"].item(0)["object"]["kind"].str(), "PartialObjectMetadata");
  auto empty = call("GET", cat(kRoot, "/namespaces/other/pods"), "", headers)->json();
  EXPECT_TRUE(empty["columnDefinitions"].is_null());
}

TEST_F(UsageApi, discovery_names_the_group_and_an_api_service_shows_it) {
  auto group = call("GET", kRoot)->json();
  ASSERT_EQ(group["resources"].size(), 2u);
  EXPECT_EQ(group["resources"].item(0).dump(), R"({"name":"nodes","singularName":"","namespaced":false,"kind":"NodeMetrics","verbs":["get","list"]})");
  EXPECT_EQ(group["resources"].item(1)["kind"].str(), "PodMetrics");
  auto service = call("GET", "/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.metrics.k8s.io")->json();
  EXPECT_EQ(service["spec"]["group"].str(), "metrics.k8s.io");
  EXPECT_FALSE(service["spec"]["service"].is_object());
  EXPECT_EQ(service["status"]["conditions"].item(0)["reason"].str(), "Local");
  auto table = call("GET", "/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.metrics.k8s.io", "", {{"accept", "application/json;as=Table;v=v1;g=meta.k8s.io"}})->json();
  EXPECT_EQ(table["rows"].item(0)["cells"].item(1).str(), "Local");
  EXPECT_EQ(table["rows"].item(0)["cells"].item(2).str(), "True");
}

TEST_F(UsageApi, who_may_view_may_view_use) {
  auto role = call("GET", "/apis/rbac.authorization.k8s.io/v1/clusterroles/system:aggregated-metrics-reader")->json();
  for (const char* to : {"admin", "edit", "view"}) {
    EXPECT_EQ(role["metadata"]["labels"][cat("rbac.authorization.k8s.io/aggregate-to-", to)].str(), "true") << to;
  }
  EXPECT_EQ(role["rules"].item(0).dump(), R"({"verbs":["get","list","watch"],"apiGroups":["metrics.k8s.io"],"resources":["nodes","pods"]})");
  user = "somebody";
  groups = {"system:authenticated"};
  EXPECT_EQ(call("GET", cat(kRoot, "/nodes"))->status, 403);
}

TEST_F(UsageApi, the_kubelets_pages_come_through_the_proxy_of_its_node) {
  auto page = call("GET", "/api/v1/nodes/n1/proxy/stats/summary?only_cpu_and_memory=true");
  EXPECT_EQ(page->status, 200);
  EXPECT_EQ(page->body, "a page");
  EXPECT_EQ(n1.asked_path, "GET /stats/summary");
  EXPECT_EQ(n1.asked_query, "only_cpu_and_memory=true");
  ASSERT_EQ(patch("/api/v1/nodes/n1/status", R"({"status":{"daemonEndpoints":{"kubeletEndpoint":{"Port":10250}}}})")->status, 200);
  EXPECT_EQ(call("GET", "/api/v1/nodes/n1:10250/proxy/metrics")->body, "a page");
  EXPECT_EQ(call("GET", "/api/v1/nodes/https:n1:10250/proxy/metrics/cadvisor")->body, "a page");
  user = "somebody";
  groups = {"system:authenticated"};
  EXPECT_EQ(call("GET", "/api/v1/nodes/n1/proxy/metrics")->status, 403);
}

// What a kubelet asks of the API in its own process.
TEST_F(UsageApi, parts_of_the_process_may_ask_for_reviews) {
  auto client = api->client({"system:node:n1", "", {"system:nodes"}, {}});
  std::vector<bool> allowed;
  auto ask = [](Client* c, std::string who, std::vector<bool>* out) -> Task<void> {
    Builder b;
    b.root().set("apiVersion", "authorization.k8s.io/v1");
    b.root().set("kind", "SubjectAccessReview");
    Mut spec = b.root().object("spec");
    spec.set("user", who);
    if (who == "admin") spec.array("groups").append("system:masters");
    spec.object("resourceAttributes").set("verb", "get");
    spec.object("resourceAttributes").set("resource", "nodes");
    spec.object("resourceAttributes").set("subresource", "metrics");
    ResourceId reviews{"authorization.k8s.io", "v1", "subjectaccessreviews"};
    Document review = b.finish();
    auto answered = co_await c->create(reviews, "", review);
    EXPECT_TRUE(answered.ok());
    out->push_back(answered.ok() && (*answered)["status"]["allowed"].boolean());
  };
  tasks.start(ask(client.get(), "admin", &allowed));
  tasks.start(ask(client.get(), "nobody", &allowed));
  settle();
  EXPECT_EQ(allowed, (std::vector<bool>{true, false}));
}

}  // namespace
}  // namespace bramble

// RemoteApi against an API server behind a port, and against servers that misbehave.
#include "core/client/remote_client.h"

#include "tests/core/apiserver/api_fixture.h"
#include "tests/core/http/http_fixture.h"

namespace bramble {
namespace {

using namespace resource_ids;
using How = RemoteApi::Scope::How;

std::string text_of(const Change& c) {
  if (!c.before && !c.after) return cat("known ", c.resource.resource);
  std::string name(name_of(c.after ? c.after : c.before));
  return cat(!c.before ? "+" : !c.after ? "-" : "~", name);
}

std::string joined(const std::vector<std::string>& lines) { return join(lines, " "); }

class RemoteClientTest : public ApiTest {
 protected:
  TestIdentity ids;
  SeededRandom remote_random{3};
  RealClock real;
  std::unique_ptr<HttpServer> server;
  uint16_t port = 0;
  std::unique_ptr<ApiTransport> transport;
  std::unique_ptr<RemoteApi> remote;
  std::unique_ptr<Subscription> subscription;
  std::vector<std::string> seen;
  std::vector<std::string> asked;  // targets of watches, of a server of the test's own

  void serve(HttpHandler handler = {}) {
    HttpServer::Options o;
    o.address = "127.0.0.1";
    o.port = port;
    o.tls = ids.server();
    if (!handler) handler = [this](auto request, auto responder) { return api->handle(std::move(request), std::move(responder)); };
    auto listening = HttpServer::listen(std::move(o), std::move(handler));
    ASSERT_TRUE(listening.ok()) << listening.error().message();
    server = std::move(*listening);
    port = server->port();
  }
  void connect(RemoteApi::Options options = {}, const CertificateAuthority* signer = nullptr) {
    ApiTransport::Options o;
    Url url = *parse_url(cat("https://127.0.0.1:", port));
    o.servers = [url] { return std::vector<Url>{url}; };
    o.tls = ids.client(signer ? signer : &ids.client_ca, "h2");
    o.user_agent = "kubelet/test";
    transport = std::make_unique<ApiTransport>(std::move(o), remote_random);
    options.api = transport.get();
    options.manager = "kubelet";
    remote = std::make_unique<RemoteApi>(std::move(options), real, remote_random);
  }
  void subscribe(std::vector<ResourceId> resources) {
    subscription = remote->subscribe(std::move(resources), [this](const Change& c) { seen.push_back(text_of(c)); });
  }
  void until(std::function<bool()> fn) { run_until(loop, std::move(fn)); }
  void until_seen(std::string last) {
    until([&] { return !seen.empty() && seen.back() == last; });
  }
  bool shows(const ResourceId& resource, std::string_view name) { return static_cast<bool>(remote->snapshot().get(resource, "default", name)); }
  void TearDown() override {
    subscription.reset();
    remote.reset();
    transport.reset();
    server.reset();
    ApiTest::TearDown();
  }
};

TEST_F(RemoteClientTest, shows_what_is_there_and_then_its_changes) {
  call("POST", std::string(kMaps), config_map("a"));
  serve();
  connect();
  EXPECT_FALSE(remote->is_known(kConfigMaps, "", ""));
  EXPECT_TRUE(remote->snapshot().may_be_lost(kConfigMaps, "default", "a"));
  subscribe({kConfigMaps});
  until_seen("known configmaps");
  EXPECT_TRUE(shows(kConfigMaps, "a"));
  EXPECT_TRUE(remote->is_known(kConfigMaps, "default", "none"));
  EXPECT_FALSE(remote->snapshot().may_be_lost(kConfigMaps, "default", "none"));
  seen.clear();
  call("POST", std::string(kMaps), config_map("b"));
  patch(cat(kMaps, "/a"), R"({"data":{"a":"c"}})");
  call("DELETE", cat(kMaps, "/b"));
  until_seen("-b");
  EXPECT_EQ(joined(seen), "+b ~a -b");
  EXPECT_EQ(remote->snapshot().get(kConfigMaps, "default", "a")["data"]["a"].str(), "c");
  std::string names;
  remote->snapshot().each(kConfigMaps, "default", [&](const Document& d) {
    names += cat(name_of(d), " ");
    return true;
  });
  EXPECT_NE(names.find("a "), std::string::npos);
}

TEST_F(RemoteClientTest, writes_with_every_option) {
  serve();
  connect();
  subscribe({kConfigMaps});
  until_seen("known configmaps");
  auto parse = [](std::string_view text) { return Document::parse(text).value(); };
  WriteOptions dry;
  dry.dry_run = true;
  auto tried = run_task(loop, remote->create(kConfigMaps, "default", parse(config_map("a")), dry));
  ASSERT_TRUE(tried.ok()) << tried.error().message();
  EXPECT_EQ(call("GET", cat(kMaps, "/a"))->status, 404);
  WriteOptions plain;
  auto made = run_task(loop, remote->create(kConfigMaps, "default", parse(config_map("a")), plain));
  ASSERT_TRUE(made.ok());
  EXPECT_TRUE(shows(kConfigMaps, "a")) << "an own write is seen once it is answered";
  auto again = run_task(loop, remote->create(kConfigMaps, "default", parse(config_map("a")), plain));
  ASSERT_FALSE(again.ok());
  EXPECT_EQ(again.error().code(), Code::kAlreadyExists);
  EXPECT_EQ(again.error().message(), "configmaps \"a\" already exists");
  EXPECT_NE(again.error().status_json().find("\"reason\":\"AlreadyExists\""), std::string::npos);
  ObjectKey key{"default", "a"};
  auto merged = run_task(loop, remote->patch(kConfigMaps, key, PatchType::kMerge, parse(R"({"data":{"m":"1"}})"), plain));
  ASSERT_TRUE(merged.ok()) << merged.error().message();
  auto json = run_task(loop, remote->patch(kConfigMaps, key, PatchType::kJson, parse(R"([{"op":"add","path":"/data/j","value":"2"}])"), plain));
  ASSERT_TRUE(json.ok()) << json.error().message();
  auto strategic = run_task(loop, remote->patch(kConfigMaps, key, PatchType::kStrategic, parse(R"({"data":{"s":"3"}})"), plain));
  ASSERT_TRUE(strategic.ok()) << strategic.error().message();
  auto applied = run_task(loop, remote->patch(kConfigMaps, key, PatchType::kApply, parse(R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"p":"4"}})"), plain));
  ASSERT_TRUE(applied.ok()) << applied.error().message();
  EXPECT_EQ(call("GET", cat(kMaps, "/a"))->json()["data"].dump(), R"({"a":"b","j":"2","m":"1","p":"4","s":"3"})");
  auto stale = run_task(loop, remote->update(kConfigMaps, key, *made, plain));
  ASSERT_FALSE(stale.ok());
  EXPECT_EQ(stale.error().code(), Code::kConflict);
  auto updated = run_task(loop, remote->update(kConfigMaps, key, *applied, plain));
  EXPECT_TRUE(updated.ok());
  DeleteOptions wrong;
  wrong.uid = "another";
  auto refused = run_task(loop, remote->remove(kConfigMaps, key, wrong));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), Code::kConflict);
  DeleteOptions right;
  right.uid = std::string(uid_of(*made));
  right.grace_period_s = 0;
  right.propagation = "Background";
  auto removed = run_task(loop, remote->remove(kConfigMaps, key, right));
  EXPECT_TRUE(removed.ok());
  until_seen("-a");
  WriteOptions token;
  token.subresource = "token";
  auto issued = run_task(loop, remote->create(kServiceAccounts, "default", parse(R"({"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","metadata":{"name":"default"},"spec":{"audiences":["x"]}})"), token));
  ASSERT_TRUE(issued.ok()) << issued.error().message();
  EXPECT_FALSE((*issued)["status"]["token"].str().empty());
}

TEST_F(RemoteClientTest, goes_on_after_the_server_has_begun_anew) {
  call("POST", std::string(kMaps), config_map("a"));
  call("POST", std::string(kMaps), config_map("gone"));
  serve();
  connect();
  subscribe({kConfigMaps});
  until_seen("known configmaps");
  server.reset();
  seen.clear();
  call("POST", std::string(kMaps), config_map("b"));
  call("DELETE", cat(kMaps, "/gone"));
  WriteOptions plain;
  auto away = run_task(loop, remote->create(kConfigMaps, "default", Document::parse(config_map("c")).value(), plain));
  ASSERT_FALSE(away.ok());
  EXPECT_EQ(away.error().code(), Code::kUnavailable) << away.error().message();
  EXPECT_TRUE(shows(kConfigMaps, "a")) << "what was known stays";
  serve();
  until_seen("-gone");
  EXPECT_EQ(joined(seen), "+b -gone");
}

TEST_F(RemoteClientTest, tells_of_real_changes_alone_when_the_server_has_forgotten) {
  call("POST", std::string(kMaps), config_map("same"));
  call("POST", std::string(kMaps), config_map("gone"));
  call("POST", std::string(kMaps), config_map("changed"));
  serve();
  connect();
  subscribe({kConfigMaps});
  until_seen("known configmaps");
  server.reset();
  seen.clear();
  call("DELETE", cat(kMaps, "/gone"));
  patch(cat(kMaps, "/changed"), R"({"data":{"a":"c"}})");
  clock.advance_us(limits::kRingAgeUsMax + 60 * 1000000LL);
  for (int i = 0; i < 3; ++i) patch(cat(kMaps, "/changed"), cat(R"({"data":{"a":")", i, R"("}})"));
  serve();
  until_seen("known configmaps");
  EXPECT_EQ(joined(seen), "~changed -gone known configmaps");
}

TEST_F(RemoteClientTest, is_told_why_it_may_not) {
  serve();
  connect({}, &ids.ca);  // a certificate of an authority that does not sign clients
  WriteOptions plain;
  auto made = run_task(loop, remote->create(kConfigMaps, "default", Document::parse(config_map("a")).value(), plain));
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.error().code(), Code::kUnauthenticated) << made.error().message();
  subscribe({kConfigMaps});
  EXPECT_FALSE(run_task(loop, remote->until_synced({kConfigMaps}, 300)));
  EXPECT_FALSE(remote->is_known(kConfigMaps, "default", "a")) << "what may not be read is not absent";
}

TEST_F(RemoteClientTest, does_not_trust_another_authority) {
  serve();
  ApiTransport::Options o;
  Url url = *parse_url(cat("https://127.0.0.1:", port));
  o.servers = [url] { return std::vector<Url>{url}; };
  TestIdentity others;
  o.tls = others.client(&others.client_ca, "h2");
  ApiTransport stranger(std::move(o), remote_random);
  HttpClientRequest request;
  request.target = "/version";
  auto answer = run_task(loop, stranger.request(std::move(request), 1000, 5000));
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().code(), Code::kUnauthenticated) << answer.error().message();
}

TEST_F(RemoteClientTest, follows_the_secrets_and_config_maps_that_its_pods_name) {
  call("POST", "/api/v1/nodes", R"({"metadata":{"name":"n"}})");
  call("POST", std::string(kMaps), config_map("named"));
  call("POST", std::string(kMaps), config_map("other"));
  serve();
  RemoteApi::Options o;
  o.follows_pods = true;
  o.scopes = {{resource_ids::kPods, {How::kWhole, "", "spec.nodeName=n"}}, {kSecrets, {How::kByObject, "", ""}}, {kConfigMaps, {How::kByObject, "", ""}}};
  connect(std::move(o));
  subscribe({resource_ids::kPods, kSecrets, kConfigMaps});
  until_seen("known pods");
  EXPECT_FALSE(remote->is_known(kConfigMaps, "default", "named"));
  EXPECT_EQ(call("POST", std::string(bramble::kPods), pod("p", R"(,"nodeName":"n","volumes":[{"name":"v","configMap":{"name":"named","optional":true}},{"name":"s","secret":{"secretName":"none","optional":true}}])"))->status, 201);
  EXPECT_EQ(call("POST", std::string(bramble::kPods), pod("elsewhere", R"(,"nodeName":"m")"))->status, 201);
  until([&] { return remote->is_known(kConfigMaps, "default", "named") && remote->is_known(kSecrets, "default", "none"); });
  EXPECT_TRUE(shows(kConfigMaps, "named"));
  EXPECT_FALSE(shows(kSecrets, "none"));
  EXPECT_FALSE(shows(resource_ids::kPods, "elsewhere"));
  EXPECT_FALSE(remote->is_known(kConfigMaps, "default", "other"));
  call("DELETE", cat(bramble::kPods, "/p?gracePeriodSeconds=0"));
  until([&] { return !shows(resource_ids::kPods, "p"); });
  EXPECT_FALSE(remote->is_known(kSecrets, "default", "none")) << "let go of";
}

TEST_F(RemoteClientTest, gets_what_it_may_not_follow) {
  serve();
  RemoteApi::Options o;
  o.scopes = {{kLeases, {How::kByGet, "", ""}}};
  connect(std::move(o));
  subscribe({kLeases});
  EXPECT_FALSE(remote->snapshot().get(kLeases, "default", "l"));
  EXPECT_FALSE(remote->is_known(kLeases, "default", "l"));
  until_seen("known leases");
  EXPECT_TRUE(remote->is_known(kLeases, "default", "l"));
  WriteOptions plain;
  auto made = run_task(loop, remote->create(kLeases, "default", Document::parse(R"({"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{"name":"l"},"spec":{"holderIdentity":"n"}})").value(), plain));
  ASSERT_TRUE(made.ok()) << made.error().message();
  EXPECT_EQ(remote->snapshot().get(kLeases, "default", "l")["spec"]["holderIdentity"].str(), "n");
}

// The first watch is cut in the middle of an event; the second comes byte by byte.
TEST_F(RemoteClientTest, goes_on_where_a_cut_or_slow_server_has_left_it) {
  auto event = [](std::string_view type, std::string_view name, int version) {
    return cat(R"({"type":")", type, R"(","object":{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":")", name, R"(","namespace":"default","uid":")", name, R"(","resourceVersion":")", version, "\"}}}\n");
  };
  std::string end = R"({"type":"BOOKMARK","object":{"kind":"ConfigMap","apiVersion":"v1","metadata":{"resourceVersion":"7","annotations":{"k8s.io/initial-events-end":"true"}}}})" "\n";
  std::string first = event("ADDED", "a", 5) + end + event("MODIFIED", "a", 8).substr(0, 40), second = event("MODIFIED", "a", 8) + event("ADDED", "b", 9);
  Event cut;
  serve([&](std::shared_ptr<const HttpRequest> request, std::shared_ptr<Responder> responder) -> Task<void> {
    asked.push_back(request->query);
    std::string text = asked.size() == 1 ? first : asked.size() == 2 ? second : std::string();
    responder->begin(200, {});
    if (asked.size() == 1) co_await responder->write(make_buffer(text));
    if (asked.size() == 1) co_await cut.wait();  // dropped unanswered then
    for (size_t i = 0; asked.size() == 2 && i < text.size(); ++i) co_await responder->write(make_buffer(text.substr(i, 1)));
    if (asked.size() >= 2) co_await responder->gone().wait();
  });
  connect();
  subscribe({kConfigMaps});
  until_seen("known configmaps");
  cut.set();
  until_seen("+b");
  EXPECT_EQ(joined(seen), "+a known configmaps ~a +b");
  ASSERT_EQ(asked.size(), 2u);
  EXPECT_NE(asked[0].find("sendInitialEvents=true&resourceVersionMatch=NotOlderThan"), std::string::npos) << asked[0];
  EXPECT_NE(asked[1].find("&resourceVersion=7"), std::string::npos) << asked[1];
}

// A store that may have lost objects: what is not in its list is not taken for deleted, until it says that nothing is in doubt.
TEST_F(RemoteClientTest, keeps_what_a_store_in_doubt_does_not_show) {
  std::string listed = R"({"type":"ADDED","object":{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","namespace":"default","uid":"a","resourceVersion":"5"}}})" "\n";
  auto end = [](int version) { return cat(R"({"type":"BOOKMARK","object":{"kind":"ConfigMap","apiVersion":"v1","metadata":{"resourceVersion":")", version, R"(","annotations":{"k8s.io/initial-events-end":"true"}}}})", "\n"); };
  Event go_on;
  serve([&](std::shared_ptr<const HttpRequest> request, std::shared_ptr<Responder> responder) -> Task<void> {
    asked.push_back(request->query);
    size_t turn = asked.size();
    std::vector<Header> headers;
    if (turn == 3) headers.push_back({std::string(kStoreInDoubtHeader), "true"});
    if (turn == 2) {
      responder->send(410, {}, make_buffer(R"({"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Expired","code":410})"));
      co_return;
    }
    responder->begin(200, headers);
    std::string text = turn == 1 ? listed + end(6) : end(static_cast<int>(1000000 * turn));
    co_await responder->write(make_buffer(text));
    if (turn == 3) co_await go_on.wait();
    if (turn > 3) co_await responder->gone().wait();
    responder->end();
  });
  connect();
  subscribe({kConfigMaps});
  until([&] { return asked.size() == 3 && seen.size() == 3; });
  EXPECT_EQ(joined(seen), "+a known configmaps known configmaps");
  EXPECT_TRUE(shows(kConfigMaps, "a"));
  EXPECT_TRUE(remote->snapshot().may_be_lost(kConfigMaps, "default", "z"));
  go_on.set();
  until_seen("known configmaps");
  until([&] { return seen.size() == 5; });
  EXPECT_EQ(seen[3], "-a");
  EXPECT_FALSE(remote->snapshot().may_be_lost(kConfigMaps, "default", "z"));
}

TEST(ApiRequests, have_the_paths_of_the_api) {
  struct Case {
    const char* name;
    ResourceId resource;
    const char *ns, *object, *subresource, *path;
  };
  const Case cases[] = {
      {"core, one", kConfigMaps, "default", "a", "", "/api/v1/namespaces/default/configmaps/a"},
      {"core, all namespaces", kConfigMaps, "", "", "", "/api/v1/configmaps"},
      {"cluster-scoped, status", kNodes, "", "n", "status", "/api/v1/nodes/n/status"},
      {"group", kLeases, "kube-node-lease", "n", "", "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n"},
  };
  for (const Case& c : cases) EXPECT_EQ(api_path(c.resource, c.ns, c.object, c.subresource), c.path) << c.name;
}

TEST(PodReferences, are_what_the_node_authorizer_lets_a_node_read) {
  auto pod = Document::parse(R"({"metadata":{"name":"p","namespace":"x"},"spec":{"imagePullSecrets":[{"name":"pull"}],
    "volumes":[{"configMap":{"name":"c1"}},{"secret":{"secretName":"s1"}},{"projected":{"sources":[{"secret":{"name":"s2"}},{"configMap":{"name":"c2"}},{"serviceAccountToken":{}}]}}],
    "initContainers":[{"envFrom":[{"secretRef":{"name":"s3"}}]}],"containers":[{"env":[{"valueFrom":{"configMapKeyRef":{"name":"c3"}}},{"value":"x"}]}],
    "ephemeralContainers":[{"env":[{"valueFrom":{"secretKeyRef":{"name":"s4"}}}]}]}})").value();
  PodReferences found;
  add_references(pod, &found);
  std::string text;
  for (const ObjectKey& k : found.secrets) text += k.text() + " ";
  for (const ObjectKey& k : found.config_maps) text += k.text() + " ";
  EXPECT_EQ(text, "x/pull x/s1 x/s2 x/s3 x/s4 x/c1 x/c2 x/c3 ");
}

}  // namespace
}  // namespace bramble

// Stages route, authn, authz, tokens and reviews.
#include "core/apiserver/authn.h"
#include "core/apiserver/negotiation.h"
#include "core/apiserver/route.h"
#include "core/base/limits.h"
#include "tests/core/apiserver/api_fixture.h"

namespace bramble {
namespace {

TEST(Route, reads_resource_requests) {
  struct Row {
    const char* name;
    const char* method;
    const char* path;
    const char* query;
    const char* expected;  // verb group/version ns resource name subresource
  };
  for (const Row& row : {
           Row{"list of the cluster", "GET", "/api/v1/pods", "", "list /v1  pods  "},
           Row{"list", "GET", "/api/v1/namespaces/a/pods", "", "list /v1 a pods  "},
           Row{"watch", "GET", "/api/v1/namespaces/a/pods", "watch=true", "watch /v1 a pods  "},
           Row{"old watch", "GET", "/api/v1/watch/namespaces/a/pods/x", "", "watch /v1 a pods x "},
           Row{"get", "GET", "/apis/apps/v1/namespaces/a/deployments/d", "", "get apps/v1 a deployments d "},
           Row{"subresource", "PUT", "/apis/apps/v1/namespaces/a/deployments/d/scale", "", "update apps/v1 a deployments d scale"},
           Row{"a namespace", "GET", "/api/v1/namespaces/a", "", "get /v1 a namespaces a "},
           Row{"its finalizers", "PUT", "/api/v1/namespaces/a/finalize", "", "update /v1 a namespaces a finalize"},
           Row{"collection", "DELETE", "/api/v1/namespaces/a/pods", "", "deletecollection /v1 a pods  "},
           Row{"create", "POST", "/api/v1/namespaces/a/pods", "", "create /v1 a pods  "},
           Row{"selected by name", "GET", "/api/v1/namespaces/a/pods", "fieldSelector=metadata.name%3Dx", "list /v1 a pods x "},
           Row{"escaped", "GET", "/api/v1/namespaces/a/pods/x%3ay", "", "get /v1 a pods x:y "},
       }) {
    RequestInfo i = route(row.method, row.path, row.query);
    EXPECT_TRUE(i.resource_request) << row.name;
    EXPECT_EQ(cat(i.verb, " ", i.group, "/", i.version, " ", i.ns, " ", i.resource, " ", i.name, " ", i.subresource), row.expected)
        << row.name;
  }
  for (const char* path : {"/", "/api", "/api/v1", "/apis/apps", "/apis/apps/v1", "/healthz", "/version"}) {
    EXPECT_FALSE(route("GET", path, "").resource_request) << path;
  }
}

class Paths : public ApiTest {};

// Go's server ends such a connection before any handler sees it.
TEST_F(Paths, a_path_with_a_broken_escape_is_a_bad_request) {
  for (const char* path : {"/api/v1/namespaces/%zz", "/api/v1/namespaces/a%", "/healthz%2", "/%gg"}) {
    auto answer = call("GET", path);
    EXPECT_EQ(answer->status, 400) << path;
    EXPECT_EQ(answer->body, "400 Bad Request") << path;
    EXPECT_EQ(answer->header("connection"), "close") << path;
  }
  EXPECT_EQ(call("GET", "/api/v1/namespaces?labelSelector=%zz")->status, 200) << "upstream leaves such a parameter out";
  EXPECT_EQ(call("GET", "/api/v1/namespaces/defaul%74")->status, 200);
}

TEST(Query, decodes_forms) {
  Query q = Query::parse("a=1+2&b=%2Fx&c&d=%zz&e=");
  EXPECT_EQ(q.get("a"), "1 2");
  EXPECT_EQ(q.get("b"), "/x");
  EXPECT_TRUE(q.has("c"));
  EXPECT_FALSE(q.has("d")) << "cannot be decoded";
  EXPECT_TRUE(q.flag("e"));
  EXPECT_FALSE(Query::parse("f=false").flag("f"));
}

TEST(Negotiation, takes_the_first_clause_it_can) {
  constexpr std::string_view kProto = "application/vnd.kubernetes.protobuf";
  const std::string meta = ";g=meta.k8s.io;v=v1";
  struct {
    const char* name;
    std::string accept;
    Offer offer;
    std::string_view type;  // "": 406
    Shape shape = Shape::kWhole;
  } rows[] = {
      {"nothing said", "", {true}, "application/json"},
      {"a table", "application/json;as=Table;v=v1;g=meta.k8s.io,application/json", {true}, "application/json", Shape::kTable},
      {"an unknown shape, then none", "application/json;as=Foo;v=v1;g=meta.k8s.io,application/json", {true}, "application/json"},
      {"the weightier", "application/yaml;q=0.5,application/json;q=0.1", {true}, "application/yaml"},
      {"a table of another group", "application/json;as=Table;v=v1;g=x", {true}, ""},
      {"protobuf first", cat(kProto, ",application/json"), {true}, kProto},
      {"JSON first", cat("application/json,", kProto), {true}, "application/json"},
      {"protobuf of a kind that has none", cat(kProto, ",application/json"), {true, false}, "application/json"},
      {"protobuf alone of a kind that has none", std::string(kProto), {true, false}, ""},
      {"metadata in protobuf of such a kind", cat(kProto, ";as=PartialObjectMetadata", meta), {true, false}, kProto, Shape::kPartialMetadata},
      {"no table in protobuf", cat(kProto, ";as=Table", meta, ",application/json;as=Table", meta), {true}, "application/json", Shape::kTable},
      {"a group without a shape", "application/json;g=meta.k8s.io", {true}, ""},
      {"a stream of protobuf", cat(kProto, ";stream=watch"), {true}, kProto},
      {"another stream", cat(kProto, ";stream=tail,*/*"), {true}, "application/json"},
      {"anything", "*/*", {true}, "application/json"},
      {"where shapes have no place", cat("application/json;as=Table", meta), {false}, ""},
  };
  for (const auto& row : rows) {
    auto answer = negotiate(row.accept, row.offer);
    EXPECT_EQ(answer.ok() ? name_of(answer->type) : "", row.type) << row.name;
    EXPECT_EQ(answer.ok() ? answer->shape : Shape::kWhole, row.shape) << row.name;
  }
  EXPECT_EQ(negotiate_error("application/json;as=Table;v=v1;g=meta.k8s.io,application/yaml"), MediaType::kYaml);
  EXPECT_EQ(negotiate_error("text/html"), MediaType::kJson);
  EXPECT_EQ(negotiate_error(kProto), MediaType::kProtobuf);
}

TEST(Authn, a_certificate_names_user_and_groups) {
  HttpRequest r;
  r.peer.common_name = "jane";
  r.peer.organizations = {"dev"};
  auto user = authenticate(r, nullptr);
  ASSERT_TRUE(user.ok());
  EXPECT_EQ(user->user, "jane");
  EXPECT_EQ(user->groups, (std::vector<std::string>{"dev", "system:authenticated"}));
}

TEST(Authn, nobody_is_anonymous_and_a_bad_token_is_refused) {
  HttpRequest r;
  EXPECT_EQ(authenticate(r, nullptr)->user, "system:anonymous");
  r.headers = {{"authorization", "Bearer x"}};
  TokenFn refuse = [](std::string_view) -> Result<Identity> { return Error(Code::kUnauthenticated, "no"); };
  auto user = authenticate(r, refuse);
  ASSERT_FALSE(user.ok());
  EXPECT_EQ(user.error().code(), Code::kUnauthenticated);
}

TEST(Authn, a_valid_certificate_wins_and_one_that_is_not_makes_nobody_anonymous) {
  TokenFn accept = [](std::string_view token) -> Result<Identity> {
    if (token == "good") return Identity{"account", "", {}, {}};
    return Error(Code::kUnauthenticated, "no");
  };
  struct Row {
    const char* name;
    const char* common_name;
    bool invalid;
    const char* token;
    const char* expected;  // user, or "" for 401
  };
  for (const Row& row : {
           Row{"certificate", "jane", false, "", "jane"},
           Row{"certificate and token", "jane", false, "good", "jane"},
           Row{"certificate and bad token", "jane", false, "bad", "jane"},
           Row{"token", "", false, "good", "account"},
           Row{"bad token", "", false, "bad", ""},
           Row{"invalid certificate", "", true, "", ""},
           Row{"invalid certificate and token", "", true, "good", "account"},
           Row{"invalid certificate and bad token", "", true, "bad", ""},
           Row{"nothing", "", false, "", "system:anonymous"},
       }) {
    HttpRequest r;
    r.peer.common_name = row.common_name;
    r.peer_certificate_invalid = row.invalid;
    if (*row.token) r.headers = {{"authorization", cat("Bearer ", row.token)}};
    auto user = authenticate(r, accept);
    if (!user.ok()) {
      EXPECT_EQ(user.error().code(), Code::kUnauthenticated) << row.name;
    }
    EXPECT_EQ(user.ok() ? user->user : "", row.expected) << row.name;
  }
}

class Tokens : public ApiTest {
 protected:
  std::string token(const std::string& spec, int expected = 201) {
    auto a = call("POST", "/api/v1/namespaces/default/serviceaccounts/default/token", cat(R"({"spec":)", spec, "}"));
    EXPECT_EQ(a->status, expected) << a->body;
    return a->json()["status"]["token"].text();
  }
  std::string review_error(const std::string& t) {
    auto a = call("POST", "/apis/authentication.k8s.io/v1/tokenreviews", cat(R"({"spec":{"token":")", t, R"("}})"));
    return a->json()["status"]["error"].text();
  }
};

TEST_F(Tokens, a_token_is_its_account) {
  std::string t = token("{}");
  auto who = call("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", "{}", {{"authorization", "Bearer " + t}});
  EXPECT_EQ(who->json()["status"]["userInfo"]["username"].str(), "system:serviceaccount:default:default");
  EXPECT_EQ(review_error(t), "");
  EXPECT_EQ(call("GET", std::string(kPods), "", {{"authorization", "Bearer nonsense"}})->status, 401);
}

TEST_F(Tokens, can_be_verified_by_others_from_the_openid_configuration) {
  const std::string t = token("{}");
  const auto header = Document::parse(*base64url_decode(t.substr(0, t.find('.'))));
  const auto claims = Document::parse(*base64url_decode(split(t, '.')[1]));
  auto found = call("GET", "/.well-known/openid-configuration", "", {{"authorization", "Bearer " + t}});
  EXPECT_EQ(found->body,
            R"({"issuer":"https://kubernetes.default.svc.cluster.local","jwks_uri":"https://192.0.2.1:6443/openid/v1/jwks",)"
            R"("response_types_supported":["id_token"],"subject_types_supported":["public"],"id_token_signing_alg_values_supported":["ES256"]})");
  EXPECT_EQ(found->header("content-type"), "application/json");
  EXPECT_EQ(found->header("cache-control"), "public, max-age=3600");
  const Document configuration = found->json();
  EXPECT_EQ((*claims)["iss"].str(), configuration["issuer"].str());
  auto keys = call("GET", "/openid/v1/jwks/", "", {{"authorization", "Bearer " + t}});
  EXPECT_EQ(keys->header("content-type"), "application/jwk-set+json");
  const Document set = keys->json();
  EXPECT_EQ(set["keys"].item(0)["kid"].str(), (*header)["kid"].str());
  EXPECT_EQ(call("POST", "/openid/v1/jwks", "{}")->status, 405);
  user = "stranger", groups = {};
  EXPECT_EQ(call("GET", "/openid/v1/jwks")->status, 403);
}

TEST_F(Tokens, a_token_ends_with_its_time_its_account_and_its_pod) {
  std::string timed = token(R"({"expirationSeconds":600})");
  Document p = call("POST", std::string(kPods), pod("p"))->json();
  std::string bound = token(cat(R"({"boundObjectRef":{"apiVersion":"v1","kind":"Pod","name":"p","uid":")", uid_of(p), R"("}})"));
  EXPECT_EQ(review_error(bound), "");
  call("DELETE", cat(kPods, "/p"));
  EXPECT_NE(review_error(bound), "");
  clock.advance_us(601 * 1000000LL);
  EXPECT_NE(review_error(timed), "");
  std::string fresh = token("{}");
  call("DELETE", "/api/v1/namespaces/default/serviceaccounts/default");
  make_default_account("default");
  EXPECT_NE(review_error(fresh), "") << "another account of the same name";
}

TEST_F(Tokens, a_signature_is_checked_once_in_ten_seconds_and_all_else_each_time) {
  std::string t = token("{}"), other = token("{}");
  auto checked = [&] { return api->tokens().signatures_checked(); };
  uint64_t before = checked();
  for (int i = 0; i < 5; i++) EXPECT_EQ(review_error(t), "");
  EXPECT_EQ(checked(), before + 1);
  EXPECT_EQ(review_error(other), "");
  EXPECT_EQ(checked(), before + 2);
  std::string forged = t.substr(0, t.size() - 4) + (t.ends_with("AAAA") ? "BBBB" : "AAAA");
  for (int i = 0; i < 2; i++) EXPECT_NE(review_error(forged), "");
  EXPECT_EQ(checked(), before + 4) << "what is not good is not remembered";
  clock.advance_us(limits::kTokenCacheUs - 1);
  EXPECT_EQ(review_error(t), "");
  EXPECT_EQ(checked(), before + 4);
  clock.advance_us(1);
  EXPECT_EQ(review_error(t), "");
  EXPECT_EQ(checked(), before + 5);
  for (size_t i = 0; i < limits::kTokenCacheMax; i++) review_error(token("{}"));
  before = checked();
  EXPECT_EQ(review_error(t), "");
  EXPECT_EQ(checked(), before + 1) << "the oldest make room";
  call("DELETE", "/api/v1/namespaces/default/serviceaccounts/default");
  EXPECT_NE(review_error(t), "") << "an account that is gone counts at once";
}

class TokensOfABoardWithoutAClock : public Tokens {
 protected:
  static constexpr int64_t kFloor_s = 1767323045;
  TokensOfABoardWithoutAClock() {
    time_floor_s = kFloor_s;
    clock.set_wall_us(1000000);
  }
};

TEST_F(TokensOfABoardWithoutAClock, are_good_at_once_and_when_the_clock_jumps) {
  std::string t = token(R"({"expirationSeconds":3600})");
  EXPECT_EQ(review_error(t), "");
  clock.set_wall_us((kFloor_s + 1800) * 1000000);
  EXPECT_EQ(review_error(t), "");
  clock.set_wall_us((kFloor_s + 3601) * 1000000);
  EXPECT_NE(review_error(t), "");
}

TEST_F(TokensOfABoardWithoutAClock, hold_though_the_clock_falls_back) {
  clock.set_wall_us((kFloor_s + 24 * 3600) * 1000000);
  std::string of_the_day = token("{}");
  clock.set_wall_us(5 * 1000000);
  EXPECT_EQ(review_error(of_the_day), "");
}

TEST_F(Tokens, wrong_requests_are_refused_with_upstreams_words) {
  token(R"({"expirationSeconds":5})", 422);
  token(R"({"boundObjectRef":{"apiVersion":"v1","kind":"Foo","name":"x"}})", 400);
  token(R"({"boundObjectRef":{"apiVersion":"v1","kind":"Pod","name":"zz"}})", 404);
  EXPECT_EQ(review_error(token(R"({"audiences":["a"]})")),
            "[invalid bearer token, token audiences [\"a\"] is invalid for the target audiences "
            "[\"https://kubernetes.default.svc.cluster.local\"]]");
}

TEST(StaticTokens, are_read_from_csv) {
  auto tokens = StaticTokens::parse("abc,admin,1\n\nx y,\"doe, jane\",\"2\",\"dev,\"\"ops\"\"\"\r\nlast,l,,g");
  ASSERT_TRUE(tokens.ok()) << tokens.error().message();
  EXPECT_EQ(tokens->size(), 3u);
  EXPECT_EQ(tokens->find("abc")->user, "admin");
  EXPECT_EQ(tokens->find("abc")->uid, "1");
  EXPECT_TRUE(tokens->find("abc")->groups.empty());
  EXPECT_EQ(tokens->find("x y")->user, "doe, jane");
  EXPECT_EQ(tokens->find("x y")->groups, (std::vector<std::string>{"dev", "\"ops\""}));
  EXPECT_EQ(tokens->find("last")->groups, std::vector<std::string>{"g"});
  EXPECT_EQ(tokens->find("nope"), nullptr);
  EXPECT_EQ(tokens->find(""), nullptr);
  for (const char* bad : {"a,b", "a,b\"c\",d", "a,\"b,c", "a,\"b\"c,d", ",user,1"}) EXPECT_FALSE(StaticTokens::parse(bad).ok()) << bad;
}

class Clients : public ApiTest {
 protected:
  static Task<void> keep(Task<Result<Document>> task, Result<Document>* out) { *out = co_await task; }
  Result<Document> wait(Task<Result<Document>> task) {
    Result<Document> out = Error(Code::kCancelled, "did not end");
    tasks.start(keep(std::move(task), &out));
    settle();
    return out;
  }
};

TEST_F(Clients, in_process_writes_pass_admission_and_rules) {
  auto client = api->client(Identity{"system:serviceaccount:kube-system:x", "", {}, {}});
  Builder b;
  b.root().object("metadata").set("name", "p");
  Mut c = b.root().object("spec").array("containers").append_object();
  c.set("name", "c");
  c.set("image", "nginx");
  auto made = wait(client->create(resource_ids::kPods, "default", b.finish()));
  ASSERT_TRUE(made.ok()) << made.error().message();
  EXPECT_EQ((*made)["spec"]["serviceAccountName"].str(), "default");
  EXPECT_EQ((*made)["spec"]["dnsPolicy"].str(), "ClusterFirst");
  EXPECT_TRUE(client->snapshot().get(resource_ids::kPods, "default", "p"));
  auto again = wait(client->create(resource_ids::kPods, "default", *made));
  ASSERT_FALSE(again.ok());
  EXPECT_FALSE(again.error().status_json().empty());
}

TEST_F(Clients, subscriptions_see_changes_until_dropped) {
  auto client = api->client(Identity{});
  std::vector<std::string> changes;
  auto subscription = client->subscribe({resource_ids::kConfigMaps}, [&](const Change& change) {
    changes.push_back(cat(change.before ? "before " : "", change.after ? "after " : "", name_of(change.after ? change.after : change.before)));
  });
  call("POST", std::string(kMaps), config_map("a"));
  call("DELETE", cat(kMaps, "/a"));
  EXPECT_EQ(changes, (std::vector<std::string>{"after a", "before a"}));
  subscription.reset();
  call("POST", std::string(kMaps), config_map("b"));
  EXPECT_EQ(changes.size(), 2u);
}

TEST_F(Clients, events_go_after_an_hour) {
  call("POST", "/api/v1/namespaces/default/events",
       R"({"metadata":{"name":"e"},"involvedObject":{"kind":"Pod","namespace":"default","name":"p"},"type":"Normal","reason":"x"})");
  ASSERT_EQ(call("GET", "/api/v1/namespaces/default/events/e")->status, 200);
  std::optional<int64_t> next;
  auto sweep = [](Registry* r, std::optional<int64_t>* out) -> Task<void> { *out = co_await r->expire_events(); };
  tasks.start(sweep(registry.get(), &next));
  ASSERT_TRUE(next);
  EXPECT_EQ(*next, 3600 * 1000000LL);
  clock.advance_us(*next);
  tasks.start(sweep(registry.get(), &next));
  EXPECT_FALSE(next);
  EXPECT_EQ(call("GET", "/api/v1/namespaces/default/events/e")->status, 404);
}

}  // namespace
}  // namespace bramble

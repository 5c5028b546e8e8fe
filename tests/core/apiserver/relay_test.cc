// The proxy subresources: where an id leads, what is handed on and what not, links in answers.
#include "core/apiserver/relay.h"
#include "core/apiserver/relay_links.h"
#include "core/http/client.h"
#include "tests/core/apiserver/api_fixture.h"

namespace bramble {
namespace {

constexpr std::string_view kServices = "/api/v1/namespaces/default/services";

class Relay : public ApiTest {
 protected:
  void make_pod(const std::string& name, const std::string& ip, const std::string& ports = R"([{"containerPort":8080}])") {
    ASSERT_EQ(call("POST", std::string(kPods), cat(R"({"metadata":{"name":")", name, R"("},"spec":{"nodeName":"n","containers":[{"name":"c","image":"i","ports":)", ports, "}]}}"))->status, 201);
    if (ip.empty()) return;
    ASSERT_EQ(patch(cat(kPods, "/", name, "/status"), cat(R"({"status":{"podIP":")", ip, R"(","podIPs":[{"ip":")", ip, R"("}]}})"))->status, 200);
  }
  std::string where(const char* resource, std::string_view id) {
    auto target = relay_target(*registry, *find_kind("", "v1", resource), std::string_view(resource) == "nodes" ? "" : "default", id);
    if (target.ok()) return cat(target->tls ? "https " : "http ", target->text());
    return cat(http_status_of(target.error()), " ", target.error().message());
  }
  static int http_status_of(const Error& error) { return static_cast<int>((*Document::parse(std::string_view(error.status_json())))["code"].integer()); }
};

TEST_F(Relay, leads_to_pods) {
  make_pod("web", "10.42.0.5");
  make_pod("plain", "10.42.0.6", "[]");
  make_pod("six", "fd00::7");
  make_pod("unborn", "");
  make_pod("sly", "127.0.0.1");
  struct Case {
    const char *id, *target;
  };
  const Case cases[] = {
      {"web", "http 10.42.0.5:8080"},
      {"web:9090", "http 10.42.0.5:9090"},
      {"https:web:8443", "https 10.42.0.5:8443"},
      {"http:web:", "http 10.42.0.5:8080"},
      {"https:plain:", "https 10.42.0.6:443"},
      {"plain", "http 10.42.0.6:80"},
      {"six", "http [fd00::7]:8080"},
      {"none", "404 pods \"none\" not found"},
      {"ftp:web:21", "400 invalid pod request \"ftp:web:21\""},
      {"a:b:c:d", "400 invalid pod request \"a:b:c:d\""},
      {"unborn", "400 address not allowed"},
      {"sly", "400 address not allowed"},
      {"web:metrics", "503 error trying to reach service: dial tcp: lookup tcp/metrics: unknown port"},
  };
  for (const Case& test : cases) EXPECT_EQ(where("pods", test.id), test.target) << test.id;
}

TEST_F(Relay, leads_to_a_pod_of_a_service) {
  make_pod("web", "10.42.0.5");
  ASSERT_EQ(call("POST", std::string(kServices), R"({"metadata":{"name":"web"},"spec":{"ports":[{"name":"http","port":80,"targetPort":8080},{"name":"https","port":443}]}})")->status, 201);
  ASSERT_EQ(call("POST", std::string(kServices), R"({"metadata":{"name":"idle"},"spec":{"ports":[{"port":80}]}})")->status, 201);
  ASSERT_EQ(call("POST", std::string(kServices), R"({"metadata":{"name":"slow"},"spec":{"ports":[{"name":"http","port":80}]}})")->status, 201);
  const std::string slices = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices";
  auto slice = [&](const std::string& service, const std::string& endpoints) {
    auto made = call("POST", slices, cat(R"({"metadata":{"name":")", service, R"(-1","labels":{"kubernetes.io/service-name":")", service,
                                         R"("}},"addressType":"IPv4","endpoints":)", endpoints, R"(,"ports":[{"name":"http","port":8080}]})"));
    ASSERT_EQ(made->status, 201) << made->body;
  };
  const std::string ref = R"("targetRef":{"kind":"Pod","namespace":"default","name":"web"})";
  slice("web", cat(R"([{"addresses":["10.42.0.9"]},{"addresses":["10.42.0.8"],)", ref, R"(},{"addresses":["10.42.0.5"],)", ref, "}]"));
  slice("slow", cat(R"([{"addresses":["10.42.0.5"],"conditions":{"ready":false},)", ref, "}]"));
  slice("idle", "[]");
  struct Case {
    const char *id, *target;
  };
  const Case cases[] = {
      {"web:http", "http 10.42.0.5:8080"},
      {"https:web:80", "https 10.42.0.5:8080"},
      {"web", "503 no endpoints available for service \"web\""},
      {"web:https", "503 no endpoints available for service \"web:https\""},
      {"web:81", "503 no service port 81 found for service \"web\""},
      {"idle", "503 no endpoints available for service \"idle\""},
      {"slow:http", "503 no endpoints available for service \"slow:http\""},
      {"none", "404 services \"none\" not found"},
      {"none:80", "404 services \"none\" not found"},
      {":80", "400 invalid service request \":80\""},
  };
  for (const Case& test : cases) EXPECT_EQ(where("services", test.id), test.target) << test.id;
}

TEST_F(Relay, leads_to_nodes) {
  ASSERT_EQ(call("POST", "/api/v1/nodes", R"({"metadata":{"name":"n"}})")->status, 201);
  ASSERT_EQ(patch("/api/v1/nodes/n/status", R"({"status":{"addresses":[{"type":"Hostname","address":"n"},{"type":"InternalIP","address":"192.0.2.7"}],"daemonEndpoints":{"kubeletEndpoint":{"Port":10250}}}})")->status, 200);
  EXPECT_EQ(where("nodes", "n"), "https 192.0.2.7:10250");
  EXPECT_EQ(where("nodes", "n:10250"), "https 192.0.2.7:10250");
  EXPECT_EQ(where("nodes", "n:9100"), "http 192.0.2.7:9100");
  EXPECT_EQ(where("nodes", "none"), "404 nodes \"none\" not found");
}

TEST_F(Relay, sends_a_path_without_a_slash_on_to_the_one_with_it) {
  make_pod("web", "10.42.0.5");
  auto moved = call("GET", cat(kPods, "/web/proxy?a=b"), "", {{"accept", "text/html"}});
  EXPECT_EQ(moved->status, 301);
  EXPECT_EQ(moved->header("location"), cat(kPods, "/web/proxy/?a=b"));
}

TEST_F(Relay, hands_on_all_but_what_is_between_client_and_server) {
  std::shared_ptr<const HttpRequest> seen;
  HttpServer::Options options;
  options.address = "127.0.0.1";
  options.connection_threads = 0;
  auto server = HttpServer::listen(options, [&seen](std::shared_ptr<const HttpRequest> http, std::shared_ptr<Responder> responder) -> Task<void> {
    seen = http;
    std::vector<Header> headers = {{"content-type", "text/html; charset=utf-8"}, {"x-mine", "1"}, {"location", "/login"}, {"access-control-allow-origin", "*"}};
    responder->send(http->path == "/gone" ? 404 : 200, headers, make_buffer(R"(<a href="/next">next</a>)"));
    co_return;
  });
  ASSERT_TRUE(server.ok());
  uint16_t port = (*server)->port();
  auto ask = [&](std::string method, std::string path, std::string body) {
    auto http = std::make_shared<HttpRequest>();
    http->method = std::move(method), http->path = std::move(path), http->query = "q=%20x", http->body = std::move(body);
    http->remote_ip = "192.0.2.1";
    http->headers = {{"host", "api:6443"}, {"authorization", "Bearer secret"}, {"impersonate-user", "root"}, {"connection", "keep-alive, x-hop"}, {"x-hop", "1"}, {"x-kept", "yes"}};
    auto request = std::make_shared<Request>();
    auto answer = std::make_shared<KeptAnswer>();
    request->http = http, request->responder = answer, request->kind = find_kind("", "v1", "pods");
    RelayTarget target;
    target.address = "127.0.0.1", target.port = port;
    tasks.start(relay_to(request, target, {}));
    for (int i = 0; i < 20000 && !answer->ended; ++i) settle();
    EXPECT_TRUE(answer->ended);
    return answer;
  };
  const std::string prefix = "/api/v1/namespaces/default/pods/web/proxy";
  auto answer = ask("PUT", prefix + "/a%2Fb/", "text");
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->body, cat("<a href=\"", prefix, "/next\">next</a>"));
  EXPECT_EQ(answer->header("location"), prefix + "/login");
  EXPECT_EQ(answer->header("x-mine"), "1");
  EXPECT_EQ(answer->header("access-control-allow-origin"), "");
  EXPECT_EQ(seen->method, "PUT");
  EXPECT_EQ(seen->path, "/a%2Fb/");
  EXPECT_EQ(seen->query, "q=%20x");
  EXPECT_EQ(seen->body, "text");
  EXPECT_EQ(seen->header("x-kept"), "yes");
  EXPECT_EQ(seen->header("host"), "api:6443");
  EXPECT_EQ(seen->header("x-forwarded-for"), "192.0.2.1");
  EXPECT_EQ(seen->header("x-forwarded-uri"), prefix + "/a%2Fb/");
  for (const char* kept_back : {"authorization", "impersonate-user", "x-hop"}) EXPECT_EQ(seen->header(kept_back), "") << kept_back;
  EXPECT_EQ(ask("GET", prefix + "/gone", "")->status, 404);
  EXPECT_EQ(ask("HEAD", prefix + "/", "")->body, "");
  server->reset();
  auto refused = ask("GET", prefix + "/", "");
  EXPECT_EQ(refused->status, 503);
  EXPECT_EQ(refused->json()["message"].str(), cat("error trying to reach service: dial tcp 127.0.0.1:", port, ": connect: connection refused"));
}

Task<void> echo(std::shared_ptr<const HttpRequest>* seen, std::shared_ptr<const HttpRequest> http, std::shared_ptr<Responder> responder) {
  *seen = http;
  std::vector<std::string> protocols = {"chat"};
  auto socket = co_await responder->accept_websocket(std::move(protocols));
  if (!socket) co_return;
  for (;;) {
    auto message = co_await socket->receive();
    if (!message || *message == "bye") co_return;
    *message += "!";
    bool good = co_await socket->send(std::move(*message));
    if (!good) co_return;
  }
}

// What came of one conversation through the proxy.
struct Heard {
  std::string error, protocol, first, second, last;
  bool ended = false;
};

Task<void> converse(uint16_t port, std::vector<std::string> protocols, Heard* out) {
  HttpClientTarget target;
  target.address = "127.0.0.1", target.port = port;
  auto opened = co_await HttpClientConnection::open(target);
  HttpClientRequest request;
  request.target = "/api/v1/namespaces/default/pods/web/proxy/chat";
  auto socket = co_await HttpClientConnection::websocket(std::move(*opened), request, protocols);
  if (!socket.ok()) {
    out->error = socket.error().message();
  } else {
    out->protocol = (*socket)->protocol();
    std::string said = "hello";
    co_await (*socket)->send(std::move(said));
    auto heard = co_await (*socket)->receive();
    out->first = heard.value_or("(end)");
    said = std::string(200000, 'x');
    co_await (*socket)->send(std::move(said));
    heard = co_await (*socket)->receive();
    out->second = heard.value_or("(end)");
    said = "bye";
    co_await (*socket)->send(std::move(said));
    heard = co_await (*socket)->receive();
    out->last = heard.value_or("(end)");
  }
  out->ended = true;
}

TEST_F(Relay, carries_upgraded_connections_both_ways) {
  std::shared_ptr<const HttpRequest> seen;
  HttpServer::Options options;
  options.address = "127.0.0.1";
  options.connection_threads = 0;
  auto pod = HttpServer::listen(options, [&seen](std::shared_ptr<const HttpRequest> http, std::shared_ptr<Responder> responder) {
    return echo(&seen, std::move(http), std::move(responder));
  });
  ASSERT_TRUE(pod.ok());
  RelayTarget target;
  target.address = "127.0.0.1", target.port = (*pod)->port();
  auto front = HttpServer::listen(options, [target](std::shared_ptr<const HttpRequest> http, std::shared_ptr<Responder> responder) {
    auto request = std::make_shared<Request>();
    request->http = std::move(http), request->responder = std::move(responder), request->kind = find_kind("", "v1", "pods");
    return relay_to(request, target, {});
  });
  ASSERT_TRUE(front.ok());
  auto talk = [&](std::vector<std::string> protocols) {
    Heard heard;
    tasks.start(converse((*front)->port(), std::move(protocols), &heard));
    for (int i = 0; i < 200000 && !heard.ended; ++i) settle();
    EXPECT_TRUE(heard.ended);
    return heard;
  };
  Heard heard = talk({"base64url.bearer.authorization.k8s.io.c2VjcmV0", "chat"});
  EXPECT_EQ(heard.error, "");
  EXPECT_EQ(heard.protocol, "chat");
  EXPECT_EQ(heard.first, "hello!");
  EXPECT_EQ(heard.second, std::string(200000, 'x') + "!");
  EXPECT_EQ(heard.last, "(end)");
  EXPECT_EQ(seen->path, "/chat");
  EXPECT_EQ(seen->header("sec-websocket-protocol"), "chat") << "the token stays here";
  EXPECT_EQ(talk({"other"}).error, "websocket: the server answered 400");
}

TEST(RelayLinks, lead_through_the_proxy_again) {
  const RelayPlace place{"/api/v1/namespaces/d/pods/web/proxy", "10.42.0.5:80", "localhost:8001"};
  const std::string p = place.prefix;
  struct Case {
    std::string url, expected;
  };
  const Case urls[] = {
      {"/login?x=/y#z", p + "/login?x=/y#z"},
      {"/", p + "/"},
      {"/a/../b/", p + "/b/"},
      {"relative/x", "relative/x"},
      {"?q", "?q"},
      {"http://10.42.0.5:80/x", p + "/x"},
      {"//10.42.0.5:80/x", p + "/x"},
      {"http://localhost:8001/x", "http://localhost:8001" + p + "/x"},
      {"https://example.com/x", "https://example.com/x"},
      {p + "/x", p + "/x"},
      {"mailto:a@b", "mailto:a@b"},
  };
  for (const Case& test : urls) EXPECT_EQ(relayed_url(place, test.url), test.expected) << test.url;
  const Case pages[] = {
      {R"(<IMG SRC='/a.png' alt=/b><br/>)", "<IMG SRC=\"" + p + "/a.png\" alt=/b><br/>"},
      {"<a href=/x>1</a>", "<a href=\"" + p + "/x\">1</a>"},
      {R"(<!-- <a href="/x"> -->)", R"(<!-- <a href="/x"> -->)"},
      {R"(<script src="/s.js">'<a href="/x">'</script><a href="/y">)", "<script src=\"" + p + R"(/s.js">'<a href="/x">'</script><a href=")" + p + "/y\">"},
      {R"(<form action="/f" method=post><input value="/v">)", "<form action=\"" + p + R"(/f" method=post><input value="/v">)"},
      {"<a href=\"/x", "<a href=\"/x"},
      {"1 < 2 <", "1 < 2 <"},
      {"<a href", "<a href"},
  };
  for (const Case& test : pages) EXPECT_EQ(relayed_page(place, test.url), test.expected) << test.url;
}

}  // namespace
}  // namespace bramble

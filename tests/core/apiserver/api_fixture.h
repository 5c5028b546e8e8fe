// An ApiServer over a store in memory, and a client of it without a network: requests go straight into the pipeline, answers
// are kept. Time stands still until advanced.
#pragma once

#include <gtest/gtest.h>

#include <deque>

#include "core/apiserver/apiserver.h"
#include "core/base/limits.h"
#include "storage/memory/memory_store.h"

namespace bramble {

// The network's end of one request.
class KeptAnswer : public Responder {
 public:
  int status = 0;
  std::vector<Header> headers;
  std::string body;
  bool ended = false;
  bool drop_writes = false;
  bool full = false;  // the peer does not read: writes wait for room, a body stays on the way
  Event room;
  Buffer on_the_way;
  bool known = false;  // the peer is
  std::unique_ptr<WebSocket> socket;  // handed out by accept_websocket
  std::vector<std::string> offered;
  Event gone_event;

  void send(int s, std::vector<Header> h, Buffer b) override {
    EXPECT_EQ(status, 0) << "answered twice";
    status = s, headers = std::move(h), body = *b, ended = true;
    if (full) on_the_way = std::move(b);
  }
  void begin(int s, std::vector<Header> h) override {
    EXPECT_EQ(status, 0) << "answered twice";
    status = s, headers = std::move(h);
  }
  Task<bool> write(Buffer chunk) override {
    if (full) co_await room.wait();
    if (gone_event.is_set() || drop_writes) co_return false;
    body += *chunk;
    co_return true;
  }
  void end() override { ended = true; }
  Task<std::unique_ptr<WebSocket>> accept_websocket(std::vector<std::string> protocols) override {
    offered = std::move(protocols);
    status = 101;
    co_return std::move(socket);
  }
  std::unique_ptr<WebSocket> hand_over(std::vector<Header> h) override {
    status = 101, headers = std::move(h);
    return std::move(socket);
  }
  Event& gone() override { return gone_event; }
  void peer_is_known() override { known = true; }

  std::string_view header(std::string_view name) const {
    for (const Header& h : headers) {
      if (h.name == name) return h.value;
    }
    return {};
  }
  Document json() const {
    auto parsed = Document::parse(std::string_view(body));
    EXPECT_TRUE(parsed.ok()) << body;
    return parsed.ok() ? *parsed : Document();
  }
  std::vector<Document> lines() const {
    std::vector<Document> out;
    for (std::string_view line : split(body, '\n')) {
      if (line.empty()) continue;
      auto parsed = Document::parse(line);
      EXPECT_TRUE(parsed.ok()) << line;
      if (parsed.ok()) out.push_back(*parsed);
    }
    return out;
  }
};

class ApiTest : public testing::Test {
 protected:
  Loop loop;
  FakeClock clock;
  SeededRandom random{7};
  MemoryStore store{clock};
  WatchCache cache{clock};
  std::unique_ptr<Registry> registry;
  std::unique_ptr<ApiServer> api;
  NodeStreams* node = nullptr;
  int64_t bookmark_ms = limits::kBookmarkMs;
  InFlight::Limits in_flight;
  std::shared_ptr<Audit> audit;
  size_t flow_seats = limits::kReadsInFlightMax + limits::kWritesInFlightMax;
  int64_t time_floor_s = 0;
  std::string user = "admin";
  int http_major = 1;
  std::vector<std::string> groups = {"system:masters"};
  std::vector<std::shared_ptr<KeptAnswer>> kept;
  TaskGroup tasks;

  void SetUp() override {
    Status loaded = cache.load(store);
    ASSERT_TRUE(loaded.ok());
    Registry::Options registry_options;
    registry_options.service_cidr = "10.43.0.0/16";
    registry_options.dns_address = "10.43.0.10";
    registry_options.node_port_first = 30000;
    registry_options.node_port_last = 32767;
    registry_options.quarantine = quarantine();
    registry = std::make_unique<Registry>(store, cache, clock, random, registry_options);
    registry->adopt();
    ApiServer::Options options;
    auto key = PrivateKey::generate_p256();
    ASSERT_TRUE(key.ok());
    options.tokens.verify = {key->public_key()};
    options.tokens.sign = std::make_shared<PrivateKey>(std::move(*key));
    options.server_address = "192.0.2.1:6443";
    options.tokens.time_floor_s = time_floor_s;
    options.bookmark_ms = bookmark_ms;
    options.in_flight = in_flight;
    options.flow_seats = flow_seats;
    options.audit = audit;
    options.streams = [this](std::string_view) { return node; };
    api = std::make_unique<ApiServer>(*registry, options);
    tasks.start(boot(api.get()));
    settle();
    ASSERT_EQ(call("GET", "/api/v1/namespaces/default")->status, 200);
    make_default_account("default");
  }
  void TearDown() override { tasks.cancel_all(); }
  virtual Quarantine* quarantine() { return nullptr; }

  static Task<void> boot(ApiServer* server) {
    Status done = co_await server->bootstrap();
    EXPECT_TRUE(done.ok());
  }
  void make_default_account(const std::string& ns) {
    call("POST", cat("/api/v1/namespaces/", ns, "/serviceaccounts"),
         R"({"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"default"}})");
  }

  std::shared_ptr<KeptAnswer> start(std::string method, std::string target, std::string body = {}, std::vector<Header> headers = {},
                                    std::shared_ptr<KeptAnswer> answer = std::make_shared<KeptAnswer>()) {
    auto request = std::make_shared<HttpRequest>();
    request->method = std::move(method);
    size_t mark = target.find('?');
    request->path = target.substr(0, mark);
    if (mark != std::string::npos) request->query = target.substr(mark + 1);
    request->body = std::move(body);
    request->http_major = http_major;
    request->headers = std::move(headers);
    if (request->header("authorization").empty()) {  // a certificate would win over the token
      request->peer.common_name = user;
      request->peer.organizations = groups;
    }
    kept.push_back(answer);
    tasks.start(api->handle(request, answer));
    return answer;
  }
  // A request that is answered at once.
  std::shared_ptr<KeptAnswer> call(std::string method, std::string target, std::string body = {}, std::vector<Header> headers = {}) {
    auto answer = start(std::move(method), std::move(target), std::move(body), std::move(headers));
    for (int i = 0; i < 20 && !answer->ended; ++i) settle();
    EXPECT_TRUE(answer->ended);
    return answer;
  }
  std::shared_ptr<KeptAnswer> patch(std::string target, std::string body, std::string type = "merge-patch") {
    return call("PATCH", std::move(target), std::move(body), {{"content-type", cat("application/", type, "+json")}});
  }
  // Runs what was posted to the loop, and what that posts.
  void settle() {
    for (int i = 0; i < 4; ++i) {
      loop.post([this] { loop.stop(); });
      loop.run();
    }
  }
};

inline std::string config_map(std::string_view name, std::string_view data = R"({"a":"b"})", std::string_view labels = "{}") {
  return cat(R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":")", name, R"(","labels":)", labels, R"(},"data":)", data, "}");
}
inline std::string pod(std::string_view name, std::string_view more = {}) {
  return cat(R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":")", name,
             R"("},"spec":{"containers":[{"name":"c","image":"nginx"}])", more, "}}");
}
inline constexpr std::string_view kMaps = "/api/v1/namespaces/default/configmaps";
inline constexpr std::string_view kPods = "/api/v1/namespaces/default/pods";

}  // namespace bramble

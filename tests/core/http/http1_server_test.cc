#include <sys/socket.h>

#include "tests/core/http/http_fixture.h"

namespace bramble {
namespace {

class Http1Server : public HttpFixture {};

TEST_F(Http1Server, answers_and_keeps_the_connection) {
  serve();
  auto c = connect();
  for (int i = 0; i < 3; i++) {
    auto a = fetch(c.get(), "POST", cat("/echo?i=", i), "body");
    ASSERT_TRUE(a.ok()) << a.error().message();
    EXPECT_EQ(a->status, 200);
    EXPECT_EQ(a->body, cat("POST /echo?i=", i, "\nbody"));
    EXPECT_EQ(a->header("content-type"), "text/plain");
    EXPECT_NE(a->header("date"), "");
    EXPECT_TRUE(c->reusable());
  }
  EXPECT_EQ(last->remote_ip, "127.0.0.1");
  EXPECT_EQ(last->http_major, 1);
  EXPECT_FALSE(last->tls);
}

TEST_F(Http1Server, runs_connections_on_the_owners_loop_when_asked) {
  threads = 0;
  serve();
  auto c = connect();
  EXPECT_EQ(fetch(c.get(), "GET", "/echo")->body, "GET /echo?\n");
  EXPECT_EQ(fetch(c.get(), "GET", "/stream?100")->body.size(), 1000000u);
}

TEST_F(Http1Server, serves_a_unix_socket) {
  HttpServer::Options options;
  options.unix_path = cat("/tmp/http1_server_test_", static_cast<int>(getpid()), ".sock");
  options.connection_threads = 0;
  auto handler = [](std::shared_ptr<const HttpRequest> q, std::shared_ptr<Responder> r) -> Task<void> {
    r->send(200, {}, make_buffer(cat("[", q->remote_ip, "]")));
    co_return;
  };
  auto s = HttpServer::listen(options, handler);
  ASSERT_TRUE(s.ok());
  HttpClientTarget t;
  t.unix_path = options.unix_path;
  auto c = run_task(loop, HttpClientConnection::open(std::move(t)));
  ASSERT_TRUE(c.ok()) << c.error().message();
  EXPECT_EQ(fetch(c->get(), "GET", "/")->body, "[]");
}

TEST_F(Http1Server, sends_large_bodies_plain_and_over_tls) {
  for (bool tls : {false, true}) {
    use_tls = tls;
    serve();
    auto c = connect();
    auto a = fetch(c.get(), "GET", "/big?3000000");
    ASSERT_TRUE(a.ok()) << a.error().message();
    EXPECT_EQ(a->body, std::string(3000000, 'b'));
    EXPECT_EQ(a->header("content-length"), "3000000");
    auto s = fetch(c.get(), "GET", "/stream?300");
    ASSERT_TRUE(s.ok()) << s.error().message();
    EXPECT_EQ(s->body, std::string(3000000, 's'));
    EXPECT_EQ(s->header("transfer-encoding"), "chunked");
    c.reset();
    server.reset();
  }
}

TEST_F(Http1Server, tells_who_the_tls_peer_is) {
  use_tls = true;
  serve();
  auto good = connect(&identity.client_ca);
  ASSERT_TRUE(fetch(good.get(), "GET", "/echo").ok());
  EXPECT_EQ(last->peer.common_name, "system:admin");
  EXPECT_EQ(last->peer.organizations, std::vector<std::string>{"system:masters"});
  EXPECT_FALSE(last->peer_certificate_invalid);
  EXPECT_TRUE(last->tls);
  auto stranger = connect(&identity.ca);
  ASSERT_TRUE(fetch(stranger.get(), "GET", "/echo").ok());
  EXPECT_EQ(last->peer.common_name, "");
  EXPECT_TRUE(last->peer_certificate_invalid);
  auto anonymous = connect();
  ASSERT_TRUE(fetch(anonymous.get(), "GET", "/echo").ok());
  EXPECT_EQ(last->peer.common_name, "");
  EXPECT_FALSE(last->peer_certificate_invalid);
}

TEST_F(Http1Server, tells_a_plain_client_that_tls_is_spoken_here) {
  use_tls = true;
  serve();
  EXPECT_EQ(raw("GET / HTTP/1.1\r\n"),
            "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n");
}

TEST_F(Http1Server, answers_without_bodies) {
  serve();
  auto c = connect();
  auto empty = fetch(c.get(), "GET", "/empty");
  EXPECT_EQ(empty->status, 204);
  EXPECT_EQ(empty->header("content-length"), "");
  auto head = fetch(c.get(), "HEAD", "/big?1234");
  EXPECT_EQ(head->header("content-length"), "1234");
  EXPECT_EQ(head->body, "");
  EXPECT_EQ(fetch(c.get(), "HEAD", "/stream?10")->body, "");
  EXPECT_EQ(fetch(c.get(), "GET", "/echo")->status, 200);
}

TEST_F(Http1Server, a_dropped_responder_is_500_and_a_half_answer_is_cut) {
  serve();
  auto c = connect();
  EXPECT_EQ(fetch(c.get(), "GET", "/nothing")->status, 500);
  auto cut = fetch(c.get(), "GET", "/half");
  ASSERT_FALSE(cut.ok());
  EXPECT_EQ(cut.error().code(), Code::kUnavailable);
}

TEST_F(Http1Server, pipelined_requests_are_answered_in_order) {
  serve();
  std::string all;
  for (int i = 0; i < 50; i++) all += cat("GET /echo?", i, " HTTP/1.1\r\nHost: x\r\n\r\n");
  all += "GET /echo?last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
  std::string got = raw(all);
  size_t at = 0;
  for (int i = 0; i < 50; i++) {
    at = got.find(cat("GET /echo?", i, "\n"), at);
    ASSERT_NE(at, std::string::npos) << i;
  }
  EXPECT_NE(got.find("GET /echo?last\n", at), std::string::npos);
}

TEST_F(Http1Server, refuses_what_is_malformed) {
  body_bytes_max = 1000;
  serve();
  struct Row {
    const char* name;
    std::string bytes;
    const char* status;
  } rows[] = {
      {"garbage", "\x16\x03\x01\x02garbage\r\n\r\n", "400"},
      {"no host", "GET / HTTP/1.1\r\n\r\n", "400"},
      {"two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400"},
      {"bad target", "GET nowhere HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
      {"a method that never ends", std::string(100, 'A'), "400"},
      {"a method that is no token", "G\x01T / HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
      {"connect", "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
      {"length and chunked",
       "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"},
      {"two lengths", "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", "400"},
      {"body over the limit",
       cat("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n", std::string(1001, 'x')), "413"},
      {"chunked over the limit",
       cat("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n400\r\n", std::string(1024, 'x'),
           "\r\n0\r\n\r\n"),
       "413"},
      {"head over the limit", cat("GET / HTTP/1.1\r\nHost: a\r\nX: ", std::string(70000, 'x'), "\r\n\r\n"), "431"},
      {"many headers",
       [] {
         std::string s = "GET / HTTP/1.1\r\nHost: a\r\n";
         for (int i = 0; i < 10000; i++) s += cat("h", i, ": v\r\n");
         return s + "\r\n";
       }(),
       "431"},
  };
  for (auto& r : rows) EXPECT_EQ(raw(r.bytes).substr(0, 12), cat("HTTP/1.1 ", r.status)) << r.name;
}

TEST_F(Http1Server, takes_chunked_bodies_old_versions_and_absolute_targets) {
  serve();
  struct Row {
    const char* name;
    std::string bytes, body;
  } rows[] = {
      {"chunked",
       "POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: "
       "chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nTrailer: t\r\n\r\n",
       "POST /echo?\nabcde"},
      {"1.0", "GET /echo HTTP/1.0\r\n\r\n", "GET /echo?\n"},
      {"absolute", "GET http://h/echo?q HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", "GET /echo?q\n"},
      {"h2c offer passed over",
       "GET /echo HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: "
       "AA\r\n\r\n",
       "GET /echo?\n"},
  };
  for (auto& r : rows) {
    std::string got = raw(r.bytes);
    EXPECT_EQ(got.substr(0, 12), "HTTP/1.1 200") << r.name;
    EXPECT_EQ(got.substr(got.find("\r\n\r\n") + 4), r.body) << r.name;
  }
}

Task<std::string> expect_continue(uint16_t port) {
  auto s = co_await Stream::connect(SocketAddress::ip("127.0.0.1", port).value(), 1000);
  Status sent = co_await (*s)->write_all(std::string(
      "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\nConnection: close\r\n\r\n"));
  (void)sent;
  auto first = co_await (*s)->read_some(1000);
  std::string all = *first;
  sent = co_await (*s)->write_all(std::string("body"));
  for (;;) {
    auto part = co_await (*s)->read_some(1000);
    if (!part.ok() || part->empty()) co_return all;
    all += *part;
  }
}

TEST_F(Http1Server, says_continue_before_it_waits_for_a_body) {
  serve();
  std::string got = run_task(loop, expect_continue(server->port()));
  EXPECT_EQ(got.substr(0, 25), "HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_NE(got.find("HTTP/1.1 200 OK"), std::string::npos);
  EXPECT_NE(got.find("POST /echo?\nbody"), std::string::npos);
}

Task<void> start_and_hold(HttpClientConnection* c, std::string path, bool* started) {
  HttpClientRequest q;
  q.target = std::move(path);
  auto a = co_await c->start(std::move(q));
  *started = a.ok();
}

TEST_F(Http1Server, a_slow_reader_holds_the_handler_back_and_leaving_ends_it) {
  for (bool tls : {false, true}) {
    use_tls = tls;
    gone = 0;
    serve();
    auto c = connect();
    bool started = false;
    TaskGroup group;
    group.start(start_and_hold(c.get(), "/stream?100000", &started));  // 1 GB, if nothing held it back
    run_until(loop, [&] { return started; });
    run_task(loop, sleep_ms(50));
    EXPECT_EQ(running, 1);
    c.reset();
    run_until(loop, [&] { return running == 0; });
    EXPECT_EQ(gone, 1);
    server.reset();
  }
}

TEST_F(Http1Server, gone_is_set_when_the_client_leaves_before_the_answer) {
  serve();
  auto c = connect();
  bool started = false;
  {
    TaskGroup group;
    group.start(start_and_hold(c.get(), "/wait", &started));
    run_until(loop, [&] { return running == 1; });
    c.reset();
  }
  run_until(loop, [&] { return gone == 1; });
}

Task<void> write_to_all(std::vector<std::shared_ptr<Responder>>* all, Buffer event, int* done) {
  for (size_t i = 0; i < all->size(); i++) {
    auto r = (*all)[i];
    bool there = co_await r->write(event);
    *done += there;
  }
}
Task<void> read_event(HttpClientConnection* c, size_t want, int* done) {
  HttpClientRequest q;
  q.target = "/watch";
  auto a = co_await c->start(std::move(q));
  if (!a.ok()) co_return;
  size_t have = 0;
  while (have < want) {
    auto piece = co_await c->read_body();
    if (!piece.ok() || !*piece) co_return;
    have += (*piece)->size();
  }
  ++*done;
}

TEST_F(Http1Server, many_watchers_share_one_buffer) {
  serve();
  constexpr int kWatchers = 300;
  std::vector<std::unique_ptr<HttpClientConnection>> clients;
  TaskGroup group;
  int done = 0, written = 0;
  for (int i = 0; i < kWatchers; i++) {
    clients.push_back(connect());
    group.start(read_event(clients.back().get(), 5000, &done));
  }
  run_until(loop, [&] { return kept.size() == kWatchers; });
  Buffer event = make_buffer(std::string(5000, 'e'));
  group.start(write_to_all(&kept, event, &written));
  run_until(loop, [&] { return done == kWatchers; });
  EXPECT_EQ(written, kWatchers);
  clients.clear();
  run_until(loop, [&] { return gone == kWatchers; });
  kept.clear();
}

TEST_F(Http1Server, destroying_the_server_cancels_handlers_and_closes_connections) {
  serve();
  auto c = connect();
  bool started = false;
  TaskGroup group;
  group.start(start_and_hold(c.get(), "/watch", &started));
  run_until(loop, [&] { return started; });
  server.reset();
  EXPECT_EQ(running, 0);
  kept.clear();
  auto end = run_task(loop, c->read_body());
  EXPECT_FALSE(end.ok());
}

TEST_F(Http1Server, a_responder_that_outlives_the_server_does_no_harm) {
  serve();
  auto c = connect();
  bool started = false;
  TaskGroup group;
  group.start(start_and_hold(c.get(), "/watch", &started));
  run_until(loop, [&] { return started; });
  server.reset();
  kept[0]->end();
  kept.clear();
}

void run_turns(Loop& loop, int turns) {
  int left = turns;
  run_until(loop, [&] { return left-- <= 0; });
}

Task<void> open_and_ask(HttpClientTarget target, std::string path, int* done) {
  auto c = co_await HttpClientConnection::open(std::move(target));
  if (!c.ok()) co_return;
  HttpClientRequest q;
  q.method = "POST";
  q.target = std::move(path);
  q.body = make_buffer(std::string(200000, 'q'));
  auto a = co_await (*c)->request(std::move(q));
  *done += a.ok();
}

TEST_F(Http1Server, a_client_may_be_dropped_at_any_turn) {
  for (bool tls : {false, true}) {
    use_tls = tls;
    serve();
    int done = 0;
    for (int turns = 0; turns < 40; turns++) {
      for (const char* path : {"/echo", "/stream?50", "/wait"}) {
        TaskGroup group;
        group.start(open_and_ask(target(), path, &done));
        run_turns(loop, turns * 7);
      }
    }
    run_until(loop, [&] { return running == 0; });
    TaskGroup group;
    done = 0;
    group.start(open_and_ask(target(), "/echo", &done));
    run_until(loop, [&] { return done == 1; });
    server.reset();
  }
}

TEST_F(Http1Server, a_server_may_be_destroyed_at_any_turn) {
  for (size_t with_threads : {0, 1}) {
    threads = with_threads;
    for (bool tls : {false, true}) {
      use_tls = tls;
      for (int turns = 0; turns < 25; turns++) {
        serve();
        int done = 0;
        TaskGroup group;
        for (const char* path : {"/echo", "/stream?50", "/wait", "/watch"})
          group.start(open_and_ask(target(), path, &done));
        run_turns(loop, turns * 11);
        server.reset();
        kept.clear();
        EXPECT_EQ(running, 0);
      }
    }
  }
}

}  // namespace
}  // namespace bramble

// The client's half of HTTP/2, against our own server.
#include "core/http/http2_client.h"

#include "tests/core/http/http_fixture.h"

namespace bramble {
namespace {

class Http2ClientTest : public HttpFixture {
 public:
  std::unique_ptr<Http2Client> client() {
    HttpClientTarget t = target();
    if (use_tls) t.tls = identity.client(nullptr, "h2");
    auto c = run_task(loop, Http2Client::open(t));
    EXPECT_TRUE(c.ok()) << c.error().message();
    return std::move(*c);
  }
  static HttpClientRequest asking(std::string path, std::string body = "") {
    HttpClientRequest q;
    q.target = std::move(path);
    if (!body.empty()) {
      q.method = "POST";
      q.body = make_buffer(std::move(body));
    }
    return q;
  }
  Result<HttpResponse> ask(Http2Client* c, HttpClientRequest q, size_t max = limits::kResponseBytesMax, int64_t ms = 10000) {
    return run_task(loop, c->request(std::move(q), max, ms));
  }
  void SetUp() override {
    use_tls = true;
    serve();
  }
};

TEST_F(Http2ClientTest, sends_bodies_and_takes_answers) {
  auto c = client();
  auto echo = ask(c.get(), asking("/echo?a=b", std::string(300000, 'x')));
  ASSERT_TRUE(echo.ok()) << echo.error().message();
  EXPECT_EQ(echo->status, 200);
  EXPECT_EQ(echo->header("content-type"), "text/plain");
  EXPECT_EQ(echo->body, cat("POST /echo?a=b\n", std::string(300000, 'x')));
  auto empty = ask(c.get(), asking("/empty"));
  ASSERT_TRUE(empty.ok());
  EXPECT_EQ(empty->status, 204);
  EXPECT_TRUE(c->usable());
  EXPECT_EQ(c->exchanges(), 0u);
}

TEST_F(Http2ClientTest, a_body_beyond_its_windows_arrives_whole) {
  auto c = client();
  auto big = ask(c.get(), asking("/big?20000000"));
  ASSERT_TRUE(big.ok()) << big.error().message();
  EXPECT_EQ(big->body.size(), 20000000u);
  auto too_big = ask(c.get(), asking("/big?20000000"), 1000);
  ASSERT_FALSE(too_big.ok());
  EXPECT_EQ(too_big.error().code(), Code::kTooLarge);
  EXPECT_TRUE(ask(c.get(), asking("/echo")).ok()) << "what was dropped does not hold back the next";
}

TEST_F(Http2ClientTest, a_body_that_nobody_reads_holds_back_no_other) {
  auto c = client();
  auto slow = c->send(asking("/big?20000000"));
  auto head = run_task(loop, slow->head());
  ASSERT_TRUE(head.ok());
  auto echo = ask(c.get(), asking("/echo"));
  EXPECT_TRUE(echo.ok());
  slow.reset();
  auto big = ask(c.get(), asking("/big?20000000"));
  ASSERT_TRUE(big.ok()) << big.error().message();
  EXPECT_EQ(big->body.size(), 20000000u);
}

TEST_F(Http2ClientTest, dropping_an_exchange_tells_the_server) {
  auto c = client();
  auto watch = c->send(asking("/watch"));
  run_until(loop, [this] { return kept.size() == 1; });
  watch.reset();
  run_until(loop, [this] { return gone == 1; });
  EXPECT_TRUE(c->usable());
}

TEST_F(Http2ClientTest, a_deadline_ends_the_wait_alone) {
  auto c = client();
  auto late = ask(c.get(), asking("/wait"), 1000, 20);
  ASSERT_FALSE(late.ok());
  EXPECT_EQ(late.error().code(), Code::kTimeout);
  run_until(loop, [this] { return gone == 1; });
  EXPECT_TRUE(ask(c.get(), asking("/echo")).ok());
}

TEST_F(Http2ClientTest, who_waits_is_told_when_the_server_goes) {
  auto c = client();
  auto watch = c->send(asking("/watch"));
  run_until(loop, [this] { return kept.size() == 1; });
  kept.clear();
  server.reset();
  Result<HttpResponse> head = run_task(loop, watch->head());
  if (head.ok()) {
    auto piece = run_task(loop, watch->read_body());
    while (piece.ok() && *piece) piece = run_task(loop, watch->read_body());
    EXPECT_FALSE(piece.ok()) << "a cut answer is no whole one";
  }
  run_until(loop, [&c] { return !c->usable(); });
  auto after = ask(c.get(), asking("/echo"));
  ASSERT_FALSE(after.ok());
  EXPECT_EQ(after.error().code(), Code::kUnavailable);
}

TEST_F(Http2ClientTest, a_close_ends_all_exchanges_with_its_reason) {
  auto c = client();
  auto watch = c->send(asking("/wait"));
  c->close(Error(Code::kUnavailable, "the address has changed"));
  auto head = run_task(loop, watch->head());
  ASSERT_FALSE(head.ok());
  EXPECT_EQ(head.error().message(), "the address has changed");
  c.reset();
  watch.reset();
}

TEST_F(Http2ClientTest, refuses_a_server_that_speaks_no_http2) {
  HttpClientTarget t = target();
  t.tls = identity.client(nullptr, "http/1.1");
  auto c = run_task(loop, Http2Client::open(t));
  ASSERT_FALSE(c.ok());
  EXPECT_EQ(c.error().code(), Code::kUnauthenticated);
}

}  // namespace
}  // namespace bramble

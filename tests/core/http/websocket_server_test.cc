#include "core/http/websocket_frames.h"
#include "tests/core/http/http_fixture.h"

namespace bramble {
namespace {

class WebSocketServer : public HttpFixture {
 public:
  Result<std::unique_ptr<WebSocket>> open_socket(std::vector<std::string> protocols) {
    auto c = connect();
    HttpClientRequest q;
    q.target = "/ws";
    return run_task(loop, HttpClientConnection::websocket(std::move(c), std::move(q), std::move(protocols)));
  }
};

Task<std::string> echo_once(WebSocket* ws, std::string message) {
  bool sent = co_await ws->send(std::move(message));
  if (!sent) co_return "not sent";
  auto back = co_await ws->receive();
  co_return back ? *back : std::string("closed");
}

TEST_F(WebSocketServer, echoes_messages_of_all_sizes_plain_and_over_tls) {
  for (bool tls : {false, true}) {
    use_tls = tls;
    serve();
    auto ws = open_socket({"v4.channel.k8s.io", "v5.channel.k8s.io"});
    ASSERT_TRUE(ws.ok()) << ws.error().message();
    EXPECT_EQ((*ws)->protocol(), "v4.channel.k8s.io");  // the client's first that we know
    for (size_t n : {0, 1, 125, 126, 65535, 65536, 1000000}) {
      std::string m(n, 'm');
      EXPECT_EQ(run_task(loop, echo_once(ws->get(), m)), m) << n;
    }
    ws->reset();
    run_until(loop, [&] { return running == 0; });
    server.reset();
  }
}

TEST_F(WebSocketServer, either_side_may_close) {
  serve();
  auto ws = open_socket({});
  EXPECT_EQ((*ws)->protocol(), "");
  EXPECT_EQ(run_task(loop, echo_once(ws->get(), "bye")), "closed");
  run_until(loop, [&] { return gone == 1; });
  auto second = open_socket({});
  (*second)->close(1000, "");
  run_until(loop, [&] { return gone == 2; });
}

TEST_F(WebSocketServer, refuses_a_protocol_it_does_not_know_and_a_plain_request) {
  serve();
  EXPECT_FALSE(open_socket({"nonsense"}).ok());
  auto c = connect();
  EXPECT_EQ(fetch(c.get(), "GET", "/ws")->status, 400);
  EXPECT_EQ(
      raw("GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 12\r\n"
          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
          .substr(0, 12),
      "HTTP/1.1 400");
}

TEST_F(WebSocketServer, a_client_that_vanishes_ends_the_handler) {
  serve();
  auto ws = open_socket({});
  EXPECT_EQ(run_task(loop, echo_once(ws->get(), "one")), "one");
  std::string upgrade =
      "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
  auto stream = run_task(loop, Stream::connect(SocketAddress::ip("127.0.0.1", server->port()).value(), 1000));
  ASSERT_TRUE(run_task(loop, (*stream)->write_all(upgrade)).ok());
  run_until(loop, [&] { return running == 2; });
  stream->reset();  // without a closing handshake
  run_until(loop, [&] { return gone == 1; });
  EXPECT_EQ(run_task(loop, echo_once(ws->get(), "two")), "two");  // the other one is not disturbed
}

Task<std::string> talk_raw(uint16_t port, std::string bytes, size_t want) {
  auto s = co_await Stream::connect(SocketAddress::ip("127.0.0.1", port).value(), 1000);
  std::string all =
      "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
  all += bytes;  // sent before the server has answered
  Status sent = co_await (*s)->write_all(std::move(all));
  (void)sent;
  std::string got;
  size_t head = std::string::npos;
  while (head == std::string::npos || got.size() < head + 4 + want) {
    auto part = co_await (*s)->read_some(1000);
    if (!part.ok() || part->empty()) break;
    got += *part;
    head = got.find("\r\n\r\n");
  }
  co_return got.substr(head + 4);
}

TEST_F(WebSocketServer, answers_pings_and_close_with_the_same_code) {
  serve();
  std::string ping = websocket_masked_frame(WebSocketOpcode::kPing, "are you there", 7);
  std::string pong = websocket_frame_head(WebSocketOpcode::kPong, 13) + "are you there";
  EXPECT_EQ(run_task(loop, talk_raw(server->port(), ping, pong.size())), pong);
  std::string close = websocket_masked_frame(WebSocketOpcode::kClose, websocket_close_payload(1001, "x"), 7);
  EXPECT_EQ(run_task(loop, talk_raw(server->port(), close, 1000)),
            websocket_frame_head(WebSocketOpcode::kClose, 2) + "\x03\xe9");
  std::string broken =
      "\x82\x01"
      "a";  // not masked
  EXPECT_EQ(run_task(loop, talk_raw(server->port(), broken, 1000)),
            websocket_frame_head(WebSocketOpcode::kClose, 2) + "\x03\xea");
  run_until(loop, [&] { return running == 0; });
}

Task<void> send_many(WebSocket* ws, int count, int* sent) {
  for (int i = 0; i < count; i++) {
    bool ok = co_await ws->send(std::string(50000, static_cast<char>('a' + i % 26)));
    if (!ok) co_return;
    ++*sent;
  }
}
Task<int> receive_many(WebSocket* ws, int count) {
  int good = 0;
  for (int i = 0; i < count; i++) {
    auto m = co_await ws->receive();
    if (!m) co_return good;
    good += *m == std::string(50000, static_cast<char>('a' + i % 26));
  }
  co_return good;
}

TEST_F(WebSocketServer, a_fast_sender_is_held_back_and_nothing_is_lost) {
  serve();
  auto ws = open_socket({});
  int sent = 0;
  TaskGroup group;
  group.start(send_many(ws->get(), 2000, &sent));  // 100 MB; the echo comes back only as fast as it is read
  run_task(loop, sleep_ms(50));
  EXPECT_LT(sent, 2000);
  EXPECT_EQ(run_task(loop, receive_many(ws->get(), 2000)), 2000);
}

TEST_F(WebSocketServer, stopping_the_server_closes_it) {
  serve();
  auto ws = open_socket({});
  EXPECT_EQ(run_task(loop, echo_once(ws->get(), "x")), "x");
  server.reset();
  EXPECT_EQ(running, 0);
  EXPECT_EQ(run_task(loop, echo_once(ws->get(), "x")).substr(0, 6), "closed");
}

}  // namespace
}  // namespace bramble

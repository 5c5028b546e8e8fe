// Both ends of a tunnel over a real WebSocket.
#include "core/client/tunnel.h"

#include <gtest/gtest.h>

#include "core/base/limits.h"
#include "core/base/limits_client.h"
#include "core/client/tunnel_client.h"
#include "core/http/client.h"
#include "tests/core/loop/run_task.h"

namespace bramble {
namespace {

class TunnelTest : public testing::Test {
 protected:
  Loop loop;
  TunnelHub hub;
  std::unique_ptr<HttpServer> server;
  std::unique_ptr<Listener> echo;
  std::unique_ptr<Tunnel> node;
  std::vector<std::string> dialled;
  std::string silent_got;
  TaskGroup tasks;

  void SetUp() override {
    echo = std::move(*Listener::listen(*SocketAddress::ip("127.0.0.1", 0)));
    tasks.start(accept());
    HttpServer::Options o;
    o.address = "127.0.0.1";
    auto listening = HttpServer::listen(std::move(o), [this](std::shared_ptr<const HttpRequest> request, std::shared_ptr<Responder> responder) { return serve(request, responder); });
    ASSERT_TRUE(listening.ok());
    server = std::move(*listening);
    node = std::make_unique<Tunnel>(connect(), [this](std::string name) { return dial(name); });
    tasks.start(node->run());
    until([this] { return hub.has("n"); });
  }
  void TearDown() override {
    node.reset();
    server.reset();
    tasks.cancel_all();
    loop.post([this] { loop.stop(); });  // after what the ends of the tunnel have posted
    loop.run();
  }
  std::unique_ptr<WebSocket> connect() {
    HttpClientTarget target;
    target.address = "127.0.0.1";
    target.port = server->port();
    auto connection = run_task(loop, HttpClientConnection::open(target));
    EXPECT_TRUE(connection.ok());
    HttpClientRequest request;
    request.target = kTunnelPath;
    auto socket = run_task(loop, HttpClientConnection::websocket(std::move(*connection), std::move(request), {std::string(kTunnelProtocol)}));
    EXPECT_TRUE(socket.ok());
    return std::move(*socket);
  }
  Task<void> serve(std::shared_ptr<const HttpRequest>, std::shared_ptr<Responder> responder) {
    std::vector<std::string> protocols = {std::string(kTunnelProtocol)};
    auto socket = co_await responder->accept_websocket(protocols);
    if (socket) co_await hub.serve("n", std::move(socket));
  }
  Task<Result<std::unique_ptr<Stream>>> dial(std::string name) {
    dialled.push_back(name);
    if (name == "nobody") co_return Error(Code::kUnavailable, "nobody is there");
    auto stream = co_await Stream::connect(*SocketAddress::ip("127.0.0.1", echo->port()), 1000);
    co_return stream;
  }
  Task<void> accept() {
    for (;;) {
      auto fd = co_await echo->accept();
      if (!fd.ok()) co_return;
      tasks.start(answer(std::make_unique<Stream>(std::move(*fd))));
    }
  }
  // Gives back what it is told, until its peer has said all; a first byte of '!' is never read on from.
  Task<void> answer(std::unique_ptr<Stream> stream) {
    for (;;) {
      auto bytes = co_await stream->read_some(1000);
      if (!bytes.ok() || bytes->empty()) co_return stream->shutdown_write();
      if ((*bytes)[0] == '!') co_await Event().wait();
      Status sent = co_await stream->write_all(std::move(*bytes));
      if (!sent.ok()) co_return;
    }
  }
  void until(std::function<bool()> fn) { run_until(loop, std::move(fn)); }
  std::unique_ptr<Stream> open(std::string name) {
    auto stream = run_task(loop, hub.open("n", name));
    EXPECT_TRUE(stream.ok()) << (stream.ok() ? "" : stream.error().message());
    return stream.ok() ? std::move(*stream) : nullptr;
  }
  static Task<std::string> exchange(Stream* stream, std::string bytes) {
    std::string out;
    TaskGroup writing;
    auto write = [](Stream* s, std::string b) -> Task<void> {
      Status sent = co_await s->write_all(std::move(b));
      EXPECT_TRUE(sent.ok());
      s->shutdown_write();
    };
    writing.start(write(stream, std::move(bytes)));
    for (;;) {
      auto piece = co_await stream->read_some(65536);
      if (!piece.ok() || piece->empty()) co_return out;
      out += *piece;
    }
  }
};

TEST_F(TunnelTest, carries_bytes_both_ways_until_each_side_has_said_all) {
  auto stream = open("kubelet");
  ASSERT_TRUE(stream);
  std::string much;
  for (size_t i = 0; much.size() < 3 * limits::kTunnelWindowBytes; ++i) much += cat(i, " ");
  EXPECT_EQ(run_task(loop, exchange(stream.get(), much)), much);
  EXPECT_EQ(dialled, std::vector<std::string>{"kubelet"});
}

TEST_F(TunnelTest, is_told_why_the_other_side_cannot_connect) {
  auto refused = run_task(loop, hub.open("n", "nobody"));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().message(), "nobody is there");
  auto none = run_task(loop, hub.open("another", "kubelet"));
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().message(), "node another has no tunnel");
}

TEST_F(TunnelTest, a_stream_that_nobody_reads_holds_back_no_other) {
  auto slow = open("kubelet"), quick = open("kubelet");
  std::string much = "!" + std::string(16 * 1024 * 1024, 'x');
  TaskGroup writing;
  bool ended = false;
  auto write = [&ended](Stream* s, std::string b) -> Task<void> {
    Status sent = co_await s->write_all(std::move(b));
    ended = sent.ok();
  };
  writing.start(write(slow.get(), much));
  EXPECT_EQ(run_task(loop, exchange(quick.get(), "hello")), "hello");
  EXPECT_FALSE(ended) << "what is not read is not taken either";
}

TEST_F(TunnelTest, streams_end_with_it) {
  auto stream = open("kubelet");
  node.reset();
  auto end = run_task(loop, stream->read_some(10));
  EXPECT_TRUE(!end.ok() || end->empty());
  until([this] { return !hub.has("n"); });
}

TEST_F(TunnelTest, ends_when_its_peer_breaks_the_rules) {
  // What begins a stream is the server's to say.
  struct Case {
    const char* name;
    std::string message;
  };
  const Case cases[] = {{"too short", "ab"}, {"opens a stream", std::string("\x01\0\0\0\x01kubelet", 12)}};
  for (const Case& c : cases) {
    auto raw = connect();
    until([this] { return hub.has("n"); });
    std::string message = c.message;
    EXPECT_TRUE(run_task(loop, raw->send(message))) << c.name;
    auto end = run_task(loop, raw->receive());
    EXPECT_FALSE(end.has_value()) << c.name;
  }
}

}  // namespace
}  // namespace bramble

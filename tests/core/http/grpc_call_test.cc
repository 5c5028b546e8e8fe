#include "core/http/grpc_call.h"

#include <gtest/gtest.h>

#include "tests/core/http/grpc_health_server.h"

namespace bramble {
namespace {

struct Call {
  Result<GrpcAnswer> answer = Error(Code::kInternal, "none");
  bool connected = false;
};

Task<void> call(uint16_t port, std::string message, Call* out, Loop* loop) {
  auto at = SocketAddress::ip("127.0.0.1", port);
  auto stream = co_await Stream::connect(*at, 1000);
  if (stream.ok()) {
    GrpcRequest request;
    request.authority = "test";
    request.path = "/grpc.health.v1.Health/Check";
    request.user_agent = "me/1";
    request.message = std::move(message);
    request.timeout_ms = 1000;
    std::function<void()> connected = [out] { out->connected = true; };
    Task<Result<GrpcAnswer>> calling = grpc_call(std::move(*stream), request, connected);
    auto answer = co_await calling;
    out->answer = std::move(answer);
  }
  loop->stop();
}

TEST(GrpcCall, brings_the_message_or_what_the_server_says) {
  Loop loop;
  GrpcHealthServer server;
  server.serving[""] = 1;
  server.serving["db"] = 2;
  struct Row {
    const char* name;
    std::string message;
    bool implements;
    int code;
    std::string text, answer;
  };
  const Row rows[] = {
      {"of the server", "", true, 0, "", "\x08\x01"},
      {"of a service", std::string("\x0a\x02") + "db", true, 0, "", "\x08\x02"},
      {"of an unknown service", std::string("\x0a\x02") + "no", true, 5, "unknown service", ""},
      {"not implemented", "", false, 12, "no health", ""},
  };
  for (const auto& row : rows) {
    server.implements = row.implements;
    Call out;
    TaskGroup tasks;
    tasks.start(call(server.port(), row.message, &out, &loop));
    loop.run();
    ASSERT_TRUE(out.answer.ok()) << row.name << ": " << out.answer.error().message();
    EXPECT_EQ(out.answer->code, row.code) << row.name;
    EXPECT_EQ(out.answer->text, row.text) << row.name;
    EXPECT_EQ(out.answer->message, row.answer) << row.name;
    EXPECT_TRUE(out.connected) << row.name;
  }
  EXPECT_EQ(server.user_agent, "me/1");
}

// What is no gRPC server: the answer is an error, and never a wait for more.
TEST(GrpcCall, a_server_that_speaks_something_else_is_an_error) {
  for (const char* says : {"", "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c"}) {
    Loop loop;
    auto at = SocketAddress::ip("127.0.0.1", 0);
    auto listener = Listener::listen(*at);
    ASSERT_TRUE(listener.ok());
    Call out;
    auto serve = [](Listener* l, std::string text) -> Task<void> {
      auto fd = co_await l->accept();
      if (!fd.ok()) co_return;
      Stream stream(std::move(*fd));
      auto sent = co_await stream.write_all(std::move(text));
      EXPECT_TRUE(sent.ok());
      auto read = co_await stream.read_some(4096);
      EXPECT_TRUE(read.ok());
    };
    TaskGroup tasks;
    tasks.start(serve(listener->get(), says));
    tasks.start(call((*listener)->port(), "", &out, &loop));
    loop.run();
    EXPECT_FALSE(out.answer.ok()) << says;
  }
}

}  // namespace
}  // namespace bramble

#include "core/loop/socket.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/loop/loop.h"
#include "tests/core/loop/run_task.h"

namespace bramble {
namespace {

struct Pair {
  std::unique_ptr<Stream> client, server;
};

Task<Pair> make_pair_on(Listener* listener, SocketAddress to) {
  Pair pair;
  auto c = co_await Stream::connect(to, 1000);
  pair.client = std::move(c).value();
  auto fd = co_await listener->accept();
  pair.server = std::make_unique<Stream>(std::move(fd).value());
  co_return pair;
}

Pair tcp_pair(Loop& loop) {
  auto listener = Listener::listen(SocketAddress::ip("127.0.0.1", 0).value());
  SocketAddress to = SocketAddress::ip("127.0.0.1", (*listener)->port()).value();
  return run_task(loop, make_pair_on(listener->get(), to));
}

TEST(SocketAddress, parses_and_prints) {
  struct Row {
    const char* name;
    const char* host;
    const char* text;
  } rows[] = {
      {"v4", "10.0.0.1", "10.0.0.1:53"},
      {"v6", "fe80::1", "[fe80::1]:53"},
      {"mapped v6", "::ffff:10.1.2.3", "10.1.2.3:53"},
  };
  for (auto& r : rows) {
    auto a = SocketAddress::ip(r.host, 53);
    ASSERT_TRUE(a.ok()) << r.name;
    EXPECT_EQ(a->text(), r.text) << r.name;
    EXPECT_EQ(a->port(), 53) << r.name;
  }
  EXPECT_FALSE(SocketAddress::ip("localhost", 1).ok());
  EXPECT_FALSE(SocketAddress::unix_path(std::string(200, 'x')).ok());
  EXPECT_EQ(SocketAddress::unix_path("/run/x.sock")->text(), "/run/x.sock");
}

Task<std::string> read_all(Stream* s) {
  std::string all;
  for (;;) {
    auto part = co_await s->read_some(4096);
    if (!part.ok() || part->empty()) co_return all;
    all += *part;
  }
}
Task<void> write_then_shut(Stream* s, std::string bytes) {
  Status w = co_await s->write_all(std::move(bytes));
  EXPECT_TRUE(w.ok());
  s->shutdown_write();
}

TEST(Stream, carries_more_than_the_socket_buffers_and_sees_the_end) {
  Loop loop;
  Pair p = tcp_pair(loop);
  std::string big(8 * 1024 * 1024, 'x');
  for (size_t i = 0; i < big.size(); i += 1000) big[i] = static_cast<char>(i / 1000);
  TaskGroup group;
  group.start(write_then_shut(p.client.get(), big));
  EXPECT_EQ(run_task(loop, read_all(p.server.get())), big);
  group.start(write_then_shut(p.server.get(), "answer"));  // the other direction is still open
  EXPECT_EQ(run_task(loop, read_all(p.client.get())), "answer");
}

Task<void> read_into(Stream* s, std::optional<Result<std::string>>* out) {
  auto r = co_await s->read_some(10);
  out->emplace(std::move(r));
}

TEST(Stream, close_wakes_the_reader) {
  Loop loop;
  Pair p = tcp_pair(loop);
  std::optional<Result<std::string>> got;
  TaskGroup group;
  group.start(read_into(p.client.get(), &got));
  EXPECT_FALSE(got.has_value());
  p.client->close();
  ASSERT_TRUE(got.has_value());
  EXPECT_EQ(got->error().code(), Code::kCancelled);
}

TEST(Stream, a_dropped_reader_loses_no_bytes) {
  Loop loop;
  Pair p = tcp_pair(loop);
  {
    std::optional<Result<std::string>> got;
    TaskGroup group;
    group.start(read_into(p.server.get(), &got));
    run_task(loop, sleep_ms(2));
  }
  TaskGroup group;
  group.start(write_then_shut(p.client.get(), "kept"));
  EXPECT_EQ(run_task(loop, read_all(p.server.get())), "kept");
}

TEST(Stream, a_dropped_writer_takes_its_wait_back) {
  Loop loop;
  Pair p = tcp_pair(loop);
  {
    TaskGroup group;
    group.start(write_then_shut(p.client.get(), std::string(16 * 1024 * 1024, 'x')));
    run_task(loop, sleep_ms(2));
    EXPECT_EQ(group.size(), 1u);
  }
  p.client.reset();
  EXPECT_GT(run_task(loop, read_all(p.server.get())).size(), 0u);
}

TEST(Stream, destroyed_with_its_waiters_leaves_nothing_behind) {
  Loop loop;
  Pair p = tcp_pair(loop);
  std::optional<Result<std::string>> got;
  TaskGroup group;
  group.start(read_into(p.client.get(), &got));
  p.client.reset();
  run_task(loop, sleep_ms(2));
  group.cancel_all();
  EXPECT_FALSE(got.has_value());
}

TEST(Stream, a_reset_by_the_peer_is_an_error_and_does_not_spin) {
  Loop loop;
  Pair p = tcp_pair(loop);
  linger hard{1, 0};
  setsockopt(p.client->fd(), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  std::optional<Result<std::string>> got;
  TaskGroup group;
  group.start(read_into(p.server.get(), &got));
  p.client.reset();
  run_until(loop, [&] { return got.has_value(); });
  EXPECT_EQ(got->error().code(), Code::kIo);
}

TEST(Stream, works_on_a_pipe) {
  Loop loop;
  int fds[2];
  ASSERT_EQ(pipe2(fds, O_CLOEXEC), 0);
  Stream in{UniqueFd(fds[0])};
  auto out = std::make_unique<Stream>(UniqueFd(fds[1]));
  TaskGroup group;
  group.start(write_then_shut(out.get(), "through"));
  out.reset();
  EXPECT_EQ(run_task(loop, read_all(&in)), "through");
}

TEST(Stream, connecting_to_a_closed_port_is_unavailable) {
  Loop loop;
  uint16_t port;
  {
    auto listener = Listener::listen(SocketAddress::ip("127.0.0.1", 0).value());
    port = (*listener)->port();
  }
  auto r = run_task(loop, Stream::connect(SocketAddress::ip("127.0.0.1", port).value(), 1000));
  ASSERT_FALSE(r.ok());
  EXPECT_EQ(r.error().code(), Code::kUnavailable);
}

TEST(Listener, a_taken_port_already_exists) {
  Loop loop;
  auto first = Listener::listen(SocketAddress::ip("127.0.0.1", 0).value());
  auto second = Listener::listen(SocketAddress::ip("127.0.0.1", (*first)->port()).value());
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code(), Code::kAlreadyExists);
}

TEST(Listener, replaces_a_dead_unix_socket_but_not_a_live_one) {
  Loop loop;
  std::string path = cat("/tmp/socket_test_", static_cast<int>(getpid()), ".sock");
  SocketAddress address = SocketAddress::unix_path(path).value();
  UniqueFd dead(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(bind(dead.get(), address.raw(), address.raw_bytes()), 0);
  dead.reset();
  auto first = Listener::listen(address);
  ASSERT_TRUE(first.ok()) << first.error().message();
  struct stat st {};
  ASSERT_EQ(stat(path.c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0600u);
  auto second = Listener::listen(address);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code(), Code::kAlreadyExists);
  EXPECT_TRUE((*first)->try_accept().has_value());  // the second one's look whether somebody listens
  Pair p = run_task(loop, make_pair_on(first->get(), address));
  TaskGroup group;
  group.start(write_then_shut(p.client.get(), "hi"));
  EXPECT_EQ(run_task(loop, read_all(p.server.get())), "hi");
  first->reset();
  EXPECT_NE(stat(path.c_str(), &st), 0);
}

Task<std::string> udp_echo(UdpSocket* server, UdpSocket* client) {
  EXPECT_TRUE(client->send("ping").ok());
  auto q = co_await server->receive();
  EXPECT_TRUE(server->send_to(q->bytes + " pong", q->peer).ok());
  auto a = co_await client->receive();
  co_return a->bytes;
}

TEST(UdpSocket, question_and_answer) {
  Loop loop;
  auto server = UdpSocket::bind(SocketAddress::ip("127.0.0.1", 0).value());
  ASSERT_TRUE(server.ok());
  auto client = UdpSocket::connect(SocketAddress::ip("127.0.0.1", (*server)->port()).value());
  ASSERT_TRUE(client.ok());
  EXPECT_EQ(run_task(loop, udp_echo(server->get(), client->get())), "ping pong");
}

}  // namespace
}  // namespace bramble

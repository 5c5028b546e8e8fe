// Questions that others answer: over UDP and TCP, by name servers that change while we serve; and the files that name them.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "core/base/unique_fd.h"
#include "core/dns/dns_thread.h"
#include "core/dns/upstream_watch.h"
#include "tests/core/loop/run_task.h"

namespace bramble {
namespace {

std::string framed(const std::string& m) { return std::string{static_cast<char>(m.size() >> 8), static_cast<char>(m.size())} + m; }

// A name server on a port of its own: a short answer that was cut (TC) over UDP, a long one over TCP.
class NameServer {
 public:
  static constexpr size_t kLong = 5000;
  NameServer() : udp_(open(SOCK_DGRAM, 0)), tcp_(open(SOCK_STREAM, port())) {
    EXPECT_EQ(::listen(tcp_.get(), 4), 0);
    thread_ = std::thread([this] { serve(); });
  }
  ~NameServer() {
    ::shutdown(tcp_.get(), SHUT_RDWR);
    thread_.join();
  }
  uint16_t port() const {
    sockaddr_in a{};
    socklen_t n = sizeof a;
    EXPECT_EQ(getsockname(udp_.get(), reinterpret_cast<sockaddr*>(&a), &n), 0);
    return ntohs(a.sin_port);
  }
  SocketAddress address() const { return *SocketAddress::ip("127.0.0.1", port()); }

 private:
  static UniqueFd open(int type, uint16_t port) {
    UniqueFd fd(socket(AF_INET, type | SOCK_CLOEXEC, 0));
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    a.sin_port = htons(port);
    EXPECT_EQ(bind(fd.get(), reinterpret_cast<sockaddr*>(&a), sizeof a), 0);
    return fd;
  }
  void serve() {
    for (;;) {
      pollfd both[2] = {{udp_.get(), POLLIN, 0}, {tcp_.get(), POLLIN, 0}};
      if (poll(both, 2, -1) < 0) return;
      char buf[512];
      if (both[0].revents & POLLIN) {
        sockaddr_in from{};
        socklen_t size = sizeof from;
        ssize_t n = recvfrom(udp_.get(), buf, sizeof buf, 0, reinterpret_cast<sockaddr*>(&from), &size);
        if (n < 12) continue;
        buf[2] = static_cast<char>(0x82);
        sendto(udp_.get(), buf, static_cast<size_t>(n), 0, reinterpret_cast<sockaddr*>(&from), size);
      }
      if (!both[1].revents) continue;
      UniqueFd fd(accept(tcp_.get(), nullptr, nullptr));
      if (!fd.valid()) return;
      ssize_t n = recv(fd.get(), buf, sizeof buf, 0);
      if (n < 14) continue;
      std::string reply(buf + 2, static_cast<size_t>(n) - 2);
      reply.resize(kLong, 'x');
      std::string bytes = framed(reply);
      send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    }
  }
  UniqueFd udp_, tcp_;
  std::thread thread_;
};

uint16_t free_port() {
  UniqueFd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in a{};
  a.sin_family = AF_INET;
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t n = sizeof a;
  EXPECT_EQ(bind(fd.get(), reinterpret_cast<sockaddr*>(&a), n), 0);
  EXPECT_EQ(getsockname(fd.get(), reinterpret_cast<sockaddr*>(&a), &n), 0);
  return ntohs(a.sin_port);
}

std::string question() { return std::string("\0\7\1\0\0\1\0\0\0\0\0\0", 12) + dns_name("example.org") + std::string("\0\1\0\1", 4); }

// The whole answer; "" when none came.
std::string ask(uint16_t port, int type) {
  UniqueFd fd(socket(AF_INET, type | SOCK_CLOEXEC, 0));
  sockaddr_in a{};
  a.sin_family = AF_INET;
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  a.sin_port = htons(port);
  if (connect(fd.get(), reinterpret_cast<sockaddr*>(&a), sizeof a) != 0) return "";
  std::string query = type == SOCK_STREAM ? framed(question()) : question(), out;
  if (send(fd.get(), query.data(), query.size(), MSG_NOSIGNAL) < 0) return "";
  for (;;) {
    pollfd p{fd.get(), POLLIN, 0};
    char buf[8192];
    if (poll(&p, 1, 5000) != 1) return "";
    ssize_t n = recv(fd.get(), buf, sizeof buf, 0);
    if (n <= 0) return "";
    out.append(buf, static_cast<size_t>(n));
    if (type != SOCK_STREAM) return out;
    if (out.size() < 2) continue;
    size_t length = static_cast<size_t>(static_cast<unsigned char>(out[0]) << 8 | static_cast<unsigned char>(out[1]));
    if (out.size() >= 2 + length) return out.substr(2, length);
  }
}

int rcode(const std::string& answer) { return answer.size() < 12 ? -1 : answer[3] & 15; }

TEST(DnsForward, asks_in_the_way_in_which_it_was_asked) {
  NameServer upstream;
  uint16_t port = free_port();
  auto thread = DnsThread::start("127.0.0.1", port, {upstream.address()});
  ASSERT_TRUE(thread.ok()) << thread.error().message();
  std::string cut = ask(port, SOCK_DGRAM);
  ASSERT_GE(cut.size(), 12u);
  EXPECT_TRUE(cut[2] & 2) << "the datagram says that it was cut";
  EXPECT_EQ(ask(port, SOCK_STREAM).size(), NameServer::kLong);
}

TEST(DnsForward, goes_to_the_servers_of_now) {
  NameServer upstream;
  uint16_t port = free_port();
  auto thread = DnsThread::start("127.0.0.1", port, {});
  ASSERT_TRUE(thread.ok()) << thread.error().message();
  EXPECT_EQ(rcode(ask(port, SOCK_DGRAM)), dns_rcode::kRefused);
  auto becomes = [&](int wanted) {  // a question may overtake what the other thread was told
    for (int i = 0; i < 1000; i++)
      if (rcode(ask(port, SOCK_DGRAM)) == wanted) return true;
    return false;
  };
  (*thread)->forward_to({upstream.address()});
  EXPECT_TRUE(becomes(dns_rcode::kNoError));
  (*thread)->forward_to({});
  EXPECT_TRUE(becomes(dns_rcode::kRefused));
}

TEST(UpstreamWatch, tells_of_all_that_changes_what_the_file_says) {
  namespace fs = std::filesystem;
  char name[] = "/tmp/bramble-resolv-XXXXXX";
  fs::path dir = mkdtemp(name);
  fs::create_directories(dir / "etc");
  fs::create_directories(dir / "run/one");
  auto write = [&](const char* file) { std::ofstream(dir / file) << "nameserver 192.0.2.1\n"; };
  write("run/one/resolv.conf");
  fs::create_symlink("../run/one/resolv.conf", dir / "etc/resolv.conf");
  Loop loop;
  int told = 0;
  UpstreamWatch watch({dir / "etc/resolv.conf", dir / "run/resolve/resolv.conf"}, [&] { told++; });
  struct Step {
    const char* name;
    std::function<void()> act;
  };
  const Step steps[] = {
      {"the file behind the link is written", [&] { write("run/one/resolv.conf"); }},
      {"another is renamed over it", [&] { write("run/one/new"), fs::rename(dir / "run/one/new", dir / "run/one/resolv.conf"); }},
      {"the link leads elsewhere",
       [&] {
         fs::create_symlink("../run/two/three/resolv.conf", dir / "etc/new");
         fs::rename(dir / "etc/new", dir / "etc/resolv.conf");
       }},
      {"the folder is made", [&] { fs::create_directories(dir / "run/two/three"); }},
      {"the file in it is made", [&] { write("run/two/three/resolv.conf"); }},
      {"its folder goes", [&] { fs::remove_all(dir / "run/two"); }},
      {"it comes back", [&] { fs::create_directories(dir / "run/two/three"), write("run/two/three/resolv.conf"); }},
      {"the link gives way to a file", [&] { fs::remove(dir / "etc/resolv.conf"), write("etc/resolv.conf"); }},
      {"the second file's folder is made", [&] { fs::create_directories(dir / "run/resolve"); }},
      {"the second file is made", [&] { write("run/resolve/resolv.conf"); }},
  };
  for (const Step& step : steps) {
    int before = told;
    step.act();
    run_until(loop, [&] { return told > before; });
    SCOPED_TRACE(step.name);
  }
  write("etc/other");
  write("run/other");
  int before = told;
  run_task(loop, sleep_ms(300));
  EXPECT_EQ(told, before) << "what others do beside it wakes nobody";
  fs::remove_all(dir);
}

}  // namespace
}  // namespace bramble

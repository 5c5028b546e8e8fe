// Names of hosts: the hosts file, numeric ones, and a name server of the test's own.
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/files.h"
#include "core/base/strings.h"
#include "core/loop/resolve.h"
#include "core/loop/socket.h"
#include "tests/core/loop/run_task.h"

namespace bramble {
namespace {

class Resolve : public testing::Test {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/bramble-resolve-XXXXXX";
    ASSERT_NE(mkdtemp(folder), nullptr);
    dir_ = folder;
    files_.hosts = dir_ + "/hosts";
    files_.resolv_conf = dir_ + "/resolv.conf";
    ASSERT_TRUE(replace_file(files_.hosts, "192.0.2.7 registry.test other.test\n2001:db8::7 six.test\n", 0644).ok());
    ASSERT_TRUE(replace_file(files_.resolv_conf, "", 0644).ok());
  }
  void TearDown() override {
    unlink(files_.hosts.c_str());
    unlink(files_.resolv_conf.c_str());
    rmdir(dir_.c_str());
  }
  // A server that answers questions of that name with 192.0.2.9 (type A alone), others with "no such name".
  static Task<void> serve(UdpSocket* socket, std::string name) {
    std::string wire;
    for (auto label : split(name, '.')) wire += cat(static_cast<char>(label.size()), label);
    for (;;) {
      auto d = co_await socket->receive();
      if (!d.ok()) co_return;
      size_t end = d->bytes.find('\0', 12);
      if (end == std::string::npos) continue;
      std::string question = d->bytes.substr(12, end + 5 - 12), asked = lower(d->bytes.substr(12, end - 12));
      bool known = asked == wire, a = question[question.size() - 3] == 1;
      std::string reply = d->bytes.substr(0, 2) + std::string("\x81\x80", 2) + std::string("\0\1\0\0\0\0\0\0", 8) + question;
      if (!known) reply[3] = static_cast<char>(0x83);
      if (known && a) {
        reply[7] = 1;
        reply += std::string("\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\x09", 16);
      }
      Status sent = socket->send_to(reply, d->peer);
      (void)sent;
    }
  }
  std::string ask(const std::string& name, bool with_server = false) {
    Loop loop;
    std::unique_ptr<UdpSocket> socket;
    TaskGroup tasks;
    if (with_server) {
      auto bound = UdpSocket::bind(*SocketAddress::ip("127.0.0.1", 0));
      if (!bound.ok()) return bound.error().message();
      socket = std::move(*bound);
      tasks.start(serve(socket.get(), "known.test"));
      Status written = replace_file(files_.resolv_conf, cat("nameserver 127.0.0.1:", socket->port(), "\n"), 0644);
      if (!written.ok()) return written.error().message();
    }
    auto found = run_task(loop, resolve_host(name, files_));
    tasks.cancel_all();
    if (!found.ok()) return found.error().message();
    return join(*found, " ");
  }
  std::string dir_;
  ResolveFiles files_;
};

TEST_F(Resolve, numeric_names_are_their_own_answer) {
  EXPECT_EQ(ask("192.0.2.1"), "192.0.2.1");
  EXPECT_EQ(ask("2001:db8::1"), "2001:db8::1");
}

TEST_F(Resolve, the_hosts_file_comes_first) {
  EXPECT_EQ(ask("registry.test"), "192.0.2.7");
  EXPECT_EQ(ask("OTHER.test"), "192.0.2.7");
  EXPECT_EQ(ask("six.test"), "2001:db8::7");
}

TEST_F(Resolve, name_servers_are_asked) {
  EXPECT_EQ(ask("known.test", true), "192.0.2.9");
  EXPECT_EQ(ask("unknown.test", true), "lookup unknown.test: no such host");
}

}  // namespace
}  // namespace bramble

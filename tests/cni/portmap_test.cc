// Host ports against the real kernel, in network namespaces of the test's own. Needs root.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "cni/netlink/netns.h"
#include "cni/netlink/rtnetlink.h"
#include "cni/plugin/portmap.h"
#include "cni/pod_network.h"
#include "core/base/strings.h"
#include "core/base/unique_fd.h"

namespace bramble {
namespace {

class HostPort : public testing::Test {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/bramble-ports-XXXXXX";
    ASSERT_NE(mkdtemp(folder), nullptr);
    dir_ = folder;
    for (const char* name : {"/host", "/pod-a", "/pod-b"}) ASSERT_TRUE(make_netns(dir_ + name).ok());
    // As on any host: a wire of its own and an address.
    run("/host", "ip link set lo up; ip link add wire type veth peer name far && ip addr add 192.0.2.1/24 dev wire && ip link set wire up");
  }
  void TearDown() override {
    for (int fd : fds_) shutdown(fd, SHUT_RDWR);
    for (auto& server : servers_) server.join();
    for (int fd : fds_) close(fd);
    for (const char* name : {"/host", "/pod-a", "/pod-b"}) EXPECT_TRUE(remove_netns(dir_ + name).ok());
    std::filesystem::remove_all(dir_);
  }
  int run(const char* where, const std::string& command) {
    int code = -1;
    Status s = in_netns(dir_ + where, [&]() -> Status {
      code = system(command.c_str());
      return ok();
    });
    EXPECT_TRUE(s.ok());
    return code;
  }
  void on_host(const std::function<void(PodNetwork&)>& fn) {
    Status s = in_netns(dir_ + "/host", [&]() -> Status {
      PodNetwork::Options options;
      options.state_dir = dir_ + "/state";
      options.pod_cidr = "10.42.0.0/24";
      options.mtu = 1450;
      TRY_ASSIGN(auto network, PodNetwork::open(options));
      fn(*network);
      return ok();
    });
    ASSERT_TRUE(s.ok()) << s.error().message();
  }
  PodNetworkRequest pod(const char* name, std::vector<PortMapping> ports) { return {cat("uid-", name), cat(dir_, "/pod-", name), "default", name, cat("uid-", name), std::move(ports)}; }
  // A server there that answers each connection with `word`.
  void serve(const char* where, const char* address, int port, std::string word) {
    int fd = -1;
    Status s = in_netns(dir_ + where, [&]() -> Status {
      fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      sockaddr_in a = at(address, port);
      if (bind(fd, reinterpret_cast<sockaddr*>(&a), sizeof a) != 0 || listen(fd, 8) != 0) return Error::from_errno(errno, address);
      return ok();
    });
    ASSERT_TRUE(s.ok()) << s.error().message();
    fds_.push_back(fd);
    servers_.emplace_back([fd, word] {
      for (int c; (c = accept(fd, nullptr, nullptr)) >= 0; close(c)) (void)!write(c, word.data(), word.size());
    });
  }
  // What answers at that address, asked from there.
  std::string answer(const char* where, const char* address, int port) {
    std::string out;
    Status s = in_netns(dir_ + where, [&]() -> Status {
      UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
      timeval soon{1, 0};
      setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &soon, sizeof soon);
      setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof soon);
      sockaddr_in a = at(address, port);
      if (connect(fd.get(), reinterpret_cast<sockaddr*>(&a), sizeof a) != 0) return ok();
      char buffer[64];
      ssize_t n = read(fd.get(), buffer, sizeof buffer);
      if (n > 0) out.assign(buffer, static_cast<size_t>(n));
      return ok();
    });
    EXPECT_TRUE(s.ok());
    return out;
  }
  static sockaddr_in at(const char* address, int port) {
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_port = htons(static_cast<uint16_t>(port));
    inet_pton(AF_INET, address, &a.sin_addr);
    return a;
  }
  std::vector<int> fds_;
  std::vector<std::thread> servers_;
  std::string dir_;
};

TEST_F(HostPort, leads_to_the_pod_from_outside_from_the_host_and_from_pods) {
  on_host([&](PodNetwork& network) {
    ASSERT_TRUE(network.add(pod("a", {{"tcp", 8080, 80, ""}, {"tcp", 8081, 80, "127.0.0.1"}})).ok());
    ASSERT_TRUE(network.add(pod("b", {{"tcp", 8080, 80, "192.0.2.1"}})).ok());
    ASSERT_TRUE(network.add(pod("b", {{"tcp", 8080, 80, "192.0.2.1"}})).ok());
  });
  serve("/pod-a", "0.0.0.0", 80, "pod-a");
  serve("/pod-b", "0.0.0.0", 80, "pod-b");
  EXPECT_EQ(answer("/host", "127.0.0.1", 8080), "pod-a");
  EXPECT_EQ(answer("/host", "10.42.0.1", 8080), "pod-a");
  EXPECT_EQ(answer("/host", "192.0.2.1", 8080), "pod-b") << "the address goes before any address";
  EXPECT_EQ(answer("/host", "127.0.0.1", 8081), "pod-a");
  EXPECT_EQ(answer("/host", "192.0.2.1", 8081), "");
  EXPECT_EQ(answer("/pod-b", "10.42.0.1", 8080), "pod-a");
  EXPECT_EQ(answer("/pod-a", "10.42.0.1", 8080), "pod-a") << "a pod reaches itself";
  // After a restart, and when somebody emptied the rules, they are there again.
  run("/host", "nft flush ruleset 2>/dev/null");
  on_host([&](PodNetwork&) {});
  EXPECT_EQ(answer("/host", "127.0.0.1", 8080), "pod-a");
  on_host([&](PodNetwork& network) { ASSERT_TRUE(network.del(pod("a", {})).ok()); });
  EXPECT_EQ(answer("/host", "127.0.0.1", 8080), "");
  on_host([&](PodNetwork& network) { ASSERT_TRUE(network.collect({}).ok()); });
  EXPECT_EQ(answer("/host", "192.0.2.1", 8080), "");
  // Without the rule that guards it nothing may reach the host's 127.0.0.1 from outside (CVE-2020-8558).
  EXPECT_EQ(run("/host", "for f in /proc/sys/net/ipv4/conf/*/route_localnet; do read v <$f; [ $v = 0 ] || exit 1; done"), 0);
}

TEST_F(HostPort, opens_nothing_else_of_the_host_to_pods) {
  on_host([&](PodNetwork& network) { ASSERT_TRUE(network.add(pod("a", {{"tcp", 8080, 80, ""}})).ok()); });
  serve("/host", "127.0.0.1", 9000, "host");
  EXPECT_EQ(answer("/host", "127.0.0.1", 9000), "host");
  run("/pod-a", "ip addr del 127.0.0.1/8 dev lo; echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet; ip route add 127.0.0.1/32 via 10.42.0.1 src 10.42.0.2");
  EXPECT_EQ(answer("/pod-a", "127.0.0.1", 9000), "");
}

// Runs fn on a thread that may not change the network.
template <class F>
void powerless(F fn) {
  std::thread([&] {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct sets[2];
    ASSERT_EQ(syscall(SYS_capget, &header, sets), 0);
    sets[0].effective &= ~(1u << CAP_NET_ADMIN);
    ASSERT_EQ(syscall(SYS_capset, &header, sets), 0);
    fn();
  }).join();
}

TEST_F(HostPort, is_remembered_until_the_table_has_let_it_go) {
  run("/host", "ip link add cni0 type bridge");
  HostPorts ports(dir_ + "/ports", "cni0", *IpPrefix::parse("10.42.0.0/24"));
  Status s = in_netns(dir_ + "/host", [&]() -> Status {
    TRY(ports.add("a", "10.42.0.2", {{"tcp", 8080, 80, ""}}));
    TRY(ports.add("b", "10.42.0.3", {{"tcp", 8081, 80, ""}}));
    return ok();
  });
  ASSERT_TRUE(s.ok()) << s.error().message();
  auto there = [&](const char* name) { return std::filesystem::exists(dir_ + "/ports/" + name); };
  powerless([&] {
    Status tried = in_netns(dir_ + "/host", [&]() -> Status {
      EXPECT_FALSE(ports.del("a").ok());
      EXPECT_FALSE(ports.keep_only({"a"}).ok());
      return ok();
    });
    EXPECT_TRUE(tried.ok()) << tried.error().message();
  });
  EXPECT_TRUE(there("a"));
  EXPECT_TRUE(there("b"));
  s = in_netns(dir_ + "/host", [&]() -> Status {
    TRY(ports.keep_only({"b"}));
    EXPECT_FALSE(there("a"));
    EXPECT_NE(run("/host", "nft list table ip bramble-hostports | grep -q 8080"), 0);
    EXPECT_EQ(run("/host", "nft list table ip bramble-hostports | grep -q 8081"), 0);
    TRY(ports.del("b"));
    EXPECT_FALSE(there("b"));
    return ports.del("b");
  });
  EXPECT_TRUE(s.ok()) << s.error().message();
}

}  // namespace
}  // namespace bramble

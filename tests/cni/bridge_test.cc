// PodNetwork against the real kernel, in network namespaces of the test's own. Needs root.
#include <gtest/gtest.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include <thread>

#include "cni/netlink/netns.h"
#include "cni/netlink/rtnetlink.h"
#include "cni/pod_network.h"
#include "core/base/strings.h"

namespace bramble {
namespace {

class Bridge : public testing::Test {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/bramble-cni-XXXXXX";
    ASSERT_NE(mkdtemp(folder), nullptr);
    dir_ = folder;
    ASSERT_TRUE(make_netns(dir_ + "/host").ok());
  }
  void TearDown() override {
    for (const char* name : {"/host", "/pod-a", "/pod-b"}) EXPECT_TRUE(remove_netns(dir_ + name).ok());
    std::string command = "rm -rf " + dir_;
    EXPECT_EQ(system(command.c_str()), 0);
  }
  // Runs in the namespace that plays the host.
  void on_host(const std::function<void(PodNetwork&)>& fn, const char* range = "10.42.0.0/24") {
    Status s = in_netns(dir_ + "/host", [&]() -> Status {
      PodNetwork::Options options;
      options.state_dir = dir_ + "/state";
      options.pod_cidr = range;
      options.mtu = 1450;
      TRY_ASSIGN(auto network, PodNetwork::open(options));
      fn(*network);
      return ok();
    });
    ASSERT_TRUE(s.ok()) << s.error().message();
  }
  PodNetworkRequest pod(const std::string& name) {
    EXPECT_TRUE(make_netns(cat(dir_, "/pod-", name)).ok());
    return {"uid-" + name, cat(dir_, "/pod-", name), "default", name, "uid-" + name, {}};
  }
  std::string dir_;
};

TEST_F(Bridge, gives_each_pod_an_address_a_route_and_a_link) {
  on_host([&](PodNetwork& network) {
    auto a = network.add(pod("a"));
    ASSERT_TRUE(a.ok()) << a.error().message();
    EXPECT_EQ(a->addresses, std::vector<std::string>{"10.42.0.2"});
    auto b = network.add(pod("b"));
    ASSERT_TRUE(b.ok()) << b.error().message();
    EXPECT_EQ(b->addresses, std::vector<std::string>{"10.42.0.3"});
  });
  Status inside = in_netns(dir_ + "/pod-a", []() -> Status {
    TRY_ASSIGN(Rtnetlink rt, Rtnetlink::open());
    TRY_ASSIGN(auto eth0, rt.find_link("eth0"));
    EXPECT_TRUE(eth0 && eth0->up);
    EXPECT_EQ(eth0->mtu, 1450);
    TRY_ASSIGN(auto route, rt.default_route());
    EXPECT_TRUE(route && route->via && route->via->address_text() == "10.42.0.1");
    return ok();
  });
  EXPECT_TRUE(inside.ok());
  // Real packets: from one pod to the other.
  Status ping = in_netns(dir_ + "/pod-a", []() -> Status {
    return system("busybox ping -c1 -W2 10.42.0.3 >/dev/null") == 0 ? ok() : Status(Error(Code::kIo, "no answer"));
  });
  EXPECT_TRUE(ping.ok());
}

TEST_F(Bridge, add_twice_gives_the_same_and_del_twice_succeeds) {
  on_host([&](PodNetwork& network) {
    auto request = pod("a");
    auto first = network.add(request), second = network.add(request);
    ASSERT_TRUE(first.ok() && second.ok());
    EXPECT_EQ(first->addresses, second->addresses);
    EXPECT_TRUE(network.del(request).ok());
    EXPECT_TRUE(network.del(request).ok());
  });
}

// Addresses of eth0 in the pod; nothing: there is no eth0.
std::vector<std::string> addresses_in(const std::string& netns) {
  std::vector<std::string> out;
  Status s = in_netns(netns, [&]() -> Status {
    TRY_ASSIGN(Rtnetlink rt, Rtnetlink::open());
    TRY_ASSIGN(auto eth0, rt.find_link("eth0"));
    if (!eth0) return ok();
    TRY_ASSIGN(auto all, rt.addresses());
    for (const auto& [index, prefix] : all)
      if (index == eth0->index && !prefix.v6) out.push_back(prefix.text());
    return ok();
  });
  EXPECT_TRUE(s.ok()) << s.error().message();
  return out;
}

// With the gateway out of reach eth0 is made and given its address, and then its default route is refused.
Status block_route(const std::string& netns, bool on) {
  return in_netns(netns, [on]() -> Status {
    std::string command = cat("busybox ip route ", on ? "add" : "del", " unreachable 10.42.0.1/32 scope link");
    return system(command.c_str()) == 0 ? ok() : Status(Error(Code::kIo, command));
  });
}

TEST_F(Bridge, a_failed_add_leaves_nothing_behind) {
  auto request = pod("a");
  ASSERT_TRUE(block_route(request.netns_path, true).ok());
  on_host([&](PodNetwork& network) {
    ASSERT_FALSE(network.add(request).ok());
    EXPECT_EQ(addresses_in(request.netns_path), std::vector<std::string>{});
    auto rt = Rtnetlink::open();
    auto links = rt->links();
    ASSERT_TRUE(links.ok());
    EXPECT_EQ(links->size(), 2u);  // lo, cni0
    ASSERT_TRUE(network.add(pod("b")).ok());
    ASSERT_TRUE(block_route(request.netns_path, false).ok());
    auto again = network.add(request);
    ASSERT_TRUE(again.ok()) << again.error().message();
    ASSERT_EQ(again->addresses.size(), 1u);
    EXPECT_EQ(addresses_in(request.netns_path), std::vector<std::string>{again->addresses[0] + "/24"});
  });
}

TEST_F(Bridge, a_failed_repetition_takes_nothing_from_a_pod_that_works) {
  auto request = pod("a");
  on_host([&](PodNetwork& network) {
    auto first = network.add(request);
    ASSERT_TRUE(first.ok());
    ASSERT_TRUE(block_route(request.netns_path, true).ok());
    ASSERT_FALSE(network.add(request).ok());
    EXPECT_EQ(addresses_in(request.netns_path), std::vector<std::string>{first->addresses[0] + "/29"});
    for (int i = 0; i < 10; i++) {  // nobody else gets its address, in more than one turn of the range
      PodNetworkRequest b = pod("b");
      auto other = network.add(b);
      ASSERT_TRUE(other.ok()) << other.error().message();
      ASSERT_NE(other->addresses[0], first->addresses[0]);
      ASSERT_TRUE(network.del(b).ok());
    }
    ASSERT_TRUE(block_route(request.netns_path, false).ok());
    auto again = network.add(request);
    ASSERT_TRUE(again.ok()) << again.error().message();
    EXPECT_EQ(again->addresses, first->addresses);
  }, "10.42.0.0/29");
}

TEST_F(Bridge, an_exhausted_range_is_named) {
  on_host(
      [&](PodNetwork& network) {
        ASSERT_TRUE(network.add(pod("a")).ok());
        auto b = network.add(pod("b"));
        ASSERT_FALSE(b.ok());
        EXPECT_NE(b.error().message().find("no IP addresses available in range set"), std::string::npos) << b.error().message();
      },
      "10.42.0.0/30");
}

TEST_F(Bridge, collect_takes_back_what_a_crash_left_and_down_removes_the_bridge) {
  on_host([&](PodNetwork& network) {
    ASSERT_TRUE(network.add(pod("a")).ok());
    ASSERT_TRUE(network.add(pod("b")).ok());
    ASSERT_TRUE(network.collect({"uid-b"}).ok());
    auto rt = Rtnetlink::open();
    ASSERT_TRUE(rt.ok());
    auto links = rt->links();
    ASSERT_TRUE(links.ok());
    EXPECT_EQ(links->size(), 3u);  // lo, cni0, b's end
    ASSERT_TRUE(network.down().ok());
    links = rt->links();
    ASSERT_TRUE(links.ok());
    EXPECT_EQ(links->size(), 1u);
  });
}

TEST(IpPrefix, counts_hosts_and_contains) {
  auto range = IpPrefix::parse("10.42.3.7/24");
  ASSERT_TRUE(range.has_value());
  EXPECT_EQ(range->network().text(), "10.42.3.0/24");
  EXPECT_EQ(range->host(260).address_text(), "10.42.4.4");
  EXPECT_TRUE(range->contains(*IpPrefix::parse("10.42.3.255")));
  EXPECT_FALSE(range->contains(*IpPrefix::parse("10.42.4.0")));
  EXPECT_FALSE(IpPrefix::parse("10.42.3.0/33").has_value());
  EXPECT_FALSE(IpPrefix::parse("10.42.3").has_value());
}

}  // namespace
}  // namespace bramble

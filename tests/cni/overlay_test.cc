// The way to other nodes' pods, against the real kernel, between network namespaces that play the hosts. Needs root.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>

#include "cni/host-gw/direct_route.h"
#include "cni/netlink/link_events.h"
#include "cni/netlink/netns.h"
#include "cni/overlay.h"
#include "cni/pod_network.h"
#include "core/base/unique_fd.h"
#include "core/base/strings.h"

namespace bramble {
namespace {

using testing::HasSubstr;

IpPrefix prefix(const std::string& text) { return *IpPrefix::parse(text); }

class Overlay : public testing::Test {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/bramble-overlay-XXXXXX";
    ASSERT_NE(mkdtemp(folder), nullptr);
    dir_ = folder;
    // Two hosts on one wire, each with a pod: an address on a bridge of its own.
    for (const char* name : {"/a", "/b"}) ASSERT_TRUE(make_netns(dir_ + name).ok());
    Status wired = in_netns(dir_ + "/a", [&]() -> Status {
      TRY_ASSIGN(Rtnetlink rt, Rtnetlink::open());
      int there = open_namespace("/b");
      Status made = rt.add_veth("eth0", "eth0", there, 1500);
      close(there);
      return made;
    });
    ASSERT_TRUE(wired.ok()) << wired.error().message();
    number("/a", 0);
    number("/b", 1);
  }
  void TearDown() override {
    for (const char* name : {"/a", "/b"}) EXPECT_TRUE(remove_netns(dir_ + name).ok());
    std::filesystem::remove_all(dir_);
  }
  int open_namespace(const char* name);
  void number(const char* host, int n) {
    run(host, cat("ip addr add 192.0.2.", n + 1, "/24 dev eth0; ip addr add 2001:db8::", n + 1, "/64 dev eth0 nodad; ip link set eth0 up; ip link set lo up;",
                  "ip link add cni0 type bridge; ip addr add 10.42.", n, ".1/24 dev cni0; ip addr add fd00:42:", n, "::1/64 dev cni0 nodad; ip link set cni0 up"));
  }
  std::string run(const char* where, const std::string& command) {
    std::string out;
    Status s = in_netns(dir_ + where, [&]() -> Status {
      FILE* p = popen(cat("(", command, ") 2>&1").c_str(), "r");
      char buffer[512];
      while (size_t n = fread(buffer, 1, sizeof buffer, p)) out.append(buffer, n);
      pclose(p);
      return ok();
    });
    EXPECT_TRUE(s.ok());
    return out;
  }
  bool reaches(const char* from, const std::string& to, int bytes = 56) {
    return run(from, cat("busybox ping -c1 -W2 -s ", bytes, " ", to, " >/dev/null && echo yes")) == "yes\n";
  }
  // Whether an IPv4 packet of so many bytes may be sent there in one piece.
  bool fits(const char* from, const char* to, size_t bytes) {
    bool out = false;
    Status s = in_netns(dir_ + from, [&]() -> Status {
      UniqueFd fd(socket(AF_INET, SOCK_DGRAM, 0));
      int never = IP_PMTUDISC_DO;
      setsockopt(fd.get(), IPPROTO_IP, IP_MTU_DISCOVER, &never, sizeof never);
      sockaddr_in a{};
      a.sin_family = AF_INET;
      a.sin_port = htons(9);
      inet_pton(AF_INET, to, &a.sin_addr);
      std::string packet(bytes - 28, 'x');
      out = sendto(fd.get(), packet.data(), packet.size(), 0, reinterpret_cast<sockaddr*>(&a), sizeof a) >= 0;
      return ok();
    });
    EXPECT_TRUE(s.ok());
    return out;
  }
  static OverlayPlan plan(int n, bool v6 = false) {
    OverlayPlan p;
    p.own_pods = prefix(v6 ? cat("fd00:42:", n, "::/64") : cat("10.42.", n, ".0/24"));
    p.mac = vxlan_mac(cat("node-", n), v6);
    int other = 1 - n;
    p.peers = {{prefix(v6 ? cat("fd00:42:", other, "::/64") : cat("10.42.", other, ".0/24")),
                prefix(v6 ? cat("2001:db8::", other + 1) : cat("192.0.2.", other + 1)), vxlan_mac(cat("node-", other), v6)}};
    return p;
  }
  OverlayState raise(const char* host, const OverlayPlan& p) {
    OverlayState out;
    Status s = in_netns(dir_ + host, [&]() -> Status {
      TRY_ASSIGN(Underlay underlay, find_underlay("eth0", std::nullopt, p.own_pods.v6));
      TRY_ASSIGN(out, raise_overlay(underlay, p));
      return ok();
    });
    EXPECT_TRUE(s.ok()) << s.error().message();
    return out;
  }
  std::string dir_;
};

int Overlay::open_namespace(const char* name) { return ::open((dir_ + name).c_str(), 0); }

TEST_F(Overlay, vxlan_carries_packets_both_ways_up_to_its_mtu) {
  OverlayState a = raise("/a", plan(0));
  raise("/b", plan(1));
  EXPECT_EQ(a.mtu, 1450);
  EXPECT_GT(a.changes, 0u);
  EXPECT_TRUE(reaches("/a", "10.42.1.1"));
  EXPECT_TRUE(reaches("/b", "10.42.0.1"));
  EXPECT_TRUE(reaches("/a", "10.42.1.1", 1450 - 28));
  EXPECT_TRUE(fits("/a", "10.42.1.1", 1450));
  EXPECT_FALSE(fits("/a", "10.42.1.1", 1451));
  std::string link = run("/a", "ip -d link show flannel.1; ip addr show flannel.1");
  for (const char* part : {"mtu 1450", "vxlan id 1 local 192.0.2.1", "dstport 8472", "nolearning", "inet 10.42.0.0/32"}) EXPECT_THAT(link, HasSubstr(part));
  EXPECT_THAT(run("/a", "ip route"), HasSubstr("10.42.1.0/24 via 10.42.1.0 dev flannel.1 proto 98 onlink"));
  EXPECT_THAT(run("/a", "bridge fdb show dev flannel.1"), HasSubstr(cat(vxlan_mac("node-1", false), " dst 192.0.2.2 self permanent")));
  EXPECT_THAT(run("/a", "ip neigh show dev flannel.1"), HasSubstr(cat("10.42.1.0 lladdr ", vxlan_mac("node-1", false), " PERMANENT")));
  EXPECT_EQ(raise("/a", plan(0)).changes, 0u) << "what is right is not written again";
}

TEST_F(Overlay, checksums_are_not_left_to_the_card) {
  raise("/a", plan(0));
  Status s = in_netns(dir_ + "/a", []() -> Status {
    UniqueFd fd(socket(AF_INET, SOCK_DGRAM, 0));
    ethtool_value ask{ETHTOOL_GTXCSUM, 1};
    ifreq request{};
    strcpy(request.ifr_name, "flannel.1");
    request.ifr_data = reinterpret_cast<char*>(&ask);
    EXPECT_EQ(ioctl(fd.get(), SIOCETHTOOL, &request), 0);
    EXPECT_EQ(ask.data, 0u);
    return ok();
  });
  EXPECT_TRUE(s.ok());
}

TEST_F(Overlay, a_crash_leaves_nothing_that_the_next_start_does_not_remove) {
  OverlayPlan p = plan(0);
  p.peers.push_back({prefix("10.42.7.0/24"), prefix("192.0.2.7"), "02:00:00:00:00:07"});
  p.peers.push_back({prefix("10.42.8.0/24"), prefix("192.0.2.8"), ""});
  raise("/a", p);
  run("/a", "ip route add 10.99.0.0/24 via 192.0.2.99");
  raise("/a", plan(0));
  std::string all = run("/a", "ip route; bridge fdb show dev flannel.1; ip neigh show dev flannel.1");
  for (const char* gone : {"10.42.7", "10.42.8", "192.0.2.7", "00:07"}) EXPECT_EQ(all.find(gone), std::string::npos) << all;
  EXPECT_THAT(all, HasSubstr("10.99.0.0/24")) << "what is not ours stays";
}

TEST_F(Overlay, nothing_is_removed_while_peers_may_be_lacking) {
  OverlayPlan p = plan(0);
  raise("/a", p);
  p.peers.clear();
  p.may_lack_peers = true;
  EXPECT_EQ(raise("/a", p).changes, 0u);
  EXPECT_THAT(run("/a", "ip route"), HasSubstr("10.42.1.0/24 via 10.42.1.0 dev flannel.1"));
  p.may_lack_peers = false;
  EXPECT_EQ(raise("/a", p).changes, 3u);
}

TEST_F(Overlay, what_others_change_is_told_and_put_right) {
  raise("/b", plan(1));
  OverlayState a = raise("/a", plan(0));
  const std::string commands[] = {"ip route del 10.42.1.0/24", "ip neigh flush dev flannel.1 nud permanent", "ip link set flannel.1 mtu 1400", "ip link set flannel.1 down",
                                  cat("bridge fdb del ", vxlan_mac("node-1", false), " dev flannel.1"), "ip link del flannel.1", "ip addr add 10.42.0.9/32 dev flannel.1",
                                  "ip route replace 10.42.1.0/24 via 192.0.2.99", "ip link del flannel.1; ip link add flannel.1 type vxlan id 9 dstport 4789 dev eth0"};
  for (const std::string& command : commands) {
    Status s = in_netns(dir_ + "/a", [&]() -> Status {
      TRY_ASSIGN(LinkEvents events, LinkEvents::open(false));
      TRY(events.watch({a.vxlan_index}));
      EXPECT_FALSE(events.changed());
      EXPECT_EQ(system(command.c_str()), 0) << command;
      pollfd ready{events.fd(), POLLIN, 0};
      EXPECT_EQ(poll(&ready, 1, 2000), 1) << command;
      EXPECT_TRUE(events.changed()) << command;
      return ok();
    });
    ASSERT_TRUE(s.ok());
    a = raise("/a", plan(0));
    EXPECT_GT(a.changes, 0u) << command;
    EXPECT_TRUE(reaches("/a", "10.42.1.1")) << command;
    EXPECT_EQ(raise("/a", plan(0)).changes, 0u) << command;
  }
}

TEST_F(Overlay, links_of_pods_and_arp_wake_nobody) {
  OverlayState a = raise("/a", plan(0));
  Status s = in_netns(dir_ + "/a", [&]() -> Status {
    TRY_ASSIGN(LinkEvents events, LinkEvents::open(false));
    TRY(events.watch({a.vxlan_index}));
    (void)!system("ip link add veth9 type veth peer name veth8 && ip link set veth9 master cni0 && ip link del veth9; busybox ping -c1 -W1 192.0.2.2 >/dev/null");
    EXPECT_FALSE(events.changed());
    return ok();
  });
  EXPECT_TRUE(s.ok()) << s.error().message();
}

TEST_F(Overlay, host_gw_routes_to_the_node_itself) {
  for (int n : {0, 1}) {
    OverlayPlan p = plan(n);
    raise(n ? "/b" : "/a", p);  // a change of backend takes the link away
    p.vxlan = false;
    p.peers[0].mac.clear();
    EXPECT_EQ(raise(n ? "/b" : "/a", p).mtu, 1500);
  }
  EXPECT_TRUE(reaches("/a", "10.42.1.1"));
  EXPECT_TRUE(reaches("/b", "10.42.0.1", 1472));
  std::string all = run("/a", "ip route; ip link");
  EXPECT_THAT(all, HasSubstr("10.42.1.0/24 via 192.0.2.2 dev eth0 proto 98"));
  EXPECT_EQ(all.find("flannel"), std::string::npos);
}

TEST_F(Overlay, a_peer_without_vxlan_is_reached_directly_beside_those_with_it) {
  OverlayPlan p = plan(0);
  p.peers[0].mac.clear();
  p.peers.push_back({prefix("10.42.7.0/24"), prefix("192.0.2.7"), "02:00:00:00:00:07"});
  raise("/a", p);
  std::string routes = run("/a", "ip route");
  EXPECT_THAT(routes, HasSubstr("10.42.1.0/24 via 192.0.2.2 dev eth0 proto 98"));
  EXPECT_THAT(routes, HasSubstr("10.42.7.0/24 via 10.42.7.0 dev flannel.1 proto 98 onlink"));
}

TEST_F(Overlay, the_smallest_mtu_of_the_cluster_counts) {
  OverlayPlan p = plan(0);
  p.mtu_max = 1300;
  EXPECT_EQ(raise("/a", p).mtu, 1300);
  EXPECT_THAT(run("/a", "ip link show flannel.1"), HasSubstr("mtu 1300"));
}

TEST_F(Overlay, ipv6_has_a_link_of_its_own) {
  OverlayState a = raise("/a", plan(0, true));
  raise("/b", plan(1, true));
  EXPECT_EQ(a.mtu, 1430);
  EXPECT_EQ(run("/a", "busybox ping -6 -c1 -W2 fd00:42:1::1 >/dev/null && echo yes"), "yes\n");
  EXPECT_EQ(run("/b", "busybox ping -6 -c1 -W2 -s 1382 fd00:42:0::1 >/dev/null && echo yes"), "yes\n");
  EXPECT_EQ(raise("/a", plan(0, true)).changes, 0u);
  EXPECT_EQ(raise("/a", plan(0)).mtu, 1450) << "beside the other family's";
  EXPECT_EQ(raise("/a", plan(0, true)).changes, 0u);
}

TEST_F(Overlay, the_underlay_is_the_named_link_or_that_of_the_address_or_of_the_default_route) {
  run("/a", "ip route add default via 192.0.2.2; ip link add other type bridge; ip addr add 198.51.100.1/25 dev other; ip link set other up mtu 1400");
  struct Case {
    const char* name;
    std::string interface;
    std::optional<IpPrefix> address;
    std::string link, found;
  } cases[] = {
      {"named", "other", std::nullopt, "other", "198.51.100.1"},
      {"by address", "", prefix("198.51.100.1"), "other", "198.51.100.1"},
      {"by default route", "", std::nullopt, "eth0", "192.0.2.1"},
      {"the address of another link does not count on the named one", "eth0", prefix("198.51.100.1"), "eth0", "192.0.2.1"},
      {"not there", "eth9", std::nullopt, "", ""},
  };
  for (const Case& c : cases) {
    Status s = in_netns(dir_ + "/a", [&]() -> Status {
      TRY_ASSIGN(Underlay u, find_underlay(c.interface, c.address, false));
      EXPECT_EQ(u.name, c.link) << c.name;
      EXPECT_EQ(u.address.address_text(), c.found) << c.name;
      EXPECT_EQ(on_one_wire(u, prefix("198.51.100.100")), c.link == "other") << c.name;
      EXPECT_FALSE(on_one_wire(u, prefix("198.51.100.200"))) << c.name;
      return ok();
    });
    EXPECT_EQ(s.ok(), !c.link.empty()) << c.name;
    if (!s.ok()) {
      EXPECT_EQ(s.error().message(), "interface eth9: not there; see --flannel-iface");
    }
  }
}

TEST(VxlanMac, is_the_same_each_time_and_no_group_address) {
  EXPECT_EQ(vxlan_mac("pi-1", false), vxlan_mac("pi-1", false));
  EXPECT_NE(vxlan_mac("pi-1", false), vxlan_mac("pi-2", false));
  EXPECT_NE(vxlan_mac("pi-1", false), vxlan_mac("pi-1", true));
  for (int i = 0; i < 100; i++) {
    auto first = unhex(vxlan_mac(cat("n", i), false).substr(0, 2));
    ASSERT_TRUE(first);
    EXPECT_EQ((*first)[0] & 3, 2);
  }
}

}  // namespace
}  // namespace bramble

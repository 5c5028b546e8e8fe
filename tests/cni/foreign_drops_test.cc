// Packet filters of others, loaded into a network namespace of the test's own by nft. Needs root.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>

#include "cni/netlink/netns.h"
#include "cni/nft/foreign_drops.h"
#include "cni/pod_network.h"
#include "core/base/files.h"

namespace bramble {
namespace {

class ForeignDrops : public testing::Test {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/bramble-drops-XXXXXX";
    ASSERT_NE(mkdtemp(folder), nullptr);
    dir_ = folder;
    ASSERT_TRUE(make_netns(dir_ + "/host").ok());
  }
  void TearDown() override {
    EXPECT_TRUE(remove_netns(dir_ + "/host").ok());
    std::filesystem::remove_all(dir_);
  }
  // With this rule set: "family table chain owner" of each.
  std::vector<std::string> found(const std::string& rules, const std::string& then = "") {
    std::vector<std::string> out;
    EXPECT_TRUE(replace_file(dir_ + "/rules", cat("flush ruleset\n", rules, "\n"), 0600).ok());
    Status s = in_netns(dir_ + "/host", [&]() -> Status {
      EXPECT_EQ(system(cat("nft -f ", dir_, "/rules").c_str()), 0) << rules;
      if (!then.empty()) {
        EXPECT_EQ(system(then.c_str()), 0) << then;
      }
      TRY_ASSIGN(auto drops, find_foreign_drops(pods_, "cni0"));
      for (const ForeignDrop& d : drops) {
        out.push_back(cat(d.family, " ", d.table, " ", d.chain, d.owner.empty() ? "" : " ", d.owner));
        commands_ = mending_commands(d, pods_);
      }
      return ok();
    });
    EXPECT_TRUE(s.ok()) << s.error().message();
    return out;
  }
  std::string dir_, commands_;
  IpPrefix pods_ = *IpPrefix::parse("10.42.0.0/16");
};

TEST_F(ForeignDrops, are_found_where_nothing_takes_the_pods_packets) {
  struct Case {
    const char *name, *rules;
    std::vector<std::string> expected;
  } cases[] = {
      {"nothing", "", {}},
      {"accepts", "table ip filter { chain FORWARD { type filter hook forward priority 0; policy accept; }; }", {}},
      {"Docker", "table ip filter { chain DOCKER-USER {}; chain FORWARD { type filter hook forward priority 0; policy drop; jump DOCKER-USER; oifname docker0 accept; }; }",
       {"ip filter FORWARD Docker"}},
      {"ufw", "table ip filter { chain ufw-user-forward {}; chain FORWARD { type filter hook forward priority 0; policy drop; jump ufw-user-forward; };"
              "chain INPUT { type filter hook input priority 0; policy drop; }; }",
       {"ip filter FORWARD ufw", "ip filter INPUT ufw"}},
      {"firewalld's last rule", "table inet firewalld { chain filter_FORWARD { type filter hook forward priority 10; policy accept; ct state established accept; reject with icmpx type admin-prohibited; }; }",
       {"inet firewalld filter_FORWARD firewalld"}},
      {"one's own", "table inet mine { chain f { type filter hook forward priority 0; policy drop; }; }", {"inet mine f"}},
      {"output does not matter", "table inet mine { chain o { type filter hook output priority 0; policy drop; }; }", {}},
      {"our own tables", "table ip bramble { chain f { type filter hook forward priority 0; policy drop; }; }", {}},
      {"another family", "table ip6 filter { chain f { type filter hook forward priority 0; policy drop; }; }", {}},
      {"both ways are taken", "table ip filter { chain FORWARD { type filter hook forward priority 0; policy drop; ip saddr 10.42.0.0/16 accept; ip daddr 10.42.0.0/16 counter accept; }; }", {}},
      {"one way only", "table ip filter { chain FORWARD { type filter hook forward priority 0; policy drop; ip saddr 10.42.0.0/16 accept; }; }", {"ip filter FORWARD"}},
      {"a wider range", "table inet t { chain f { type filter hook forward priority 0; policy drop; ip saddr 10.0.0.0/8 accept; ip daddr 10.32.0.0/11 accept; }; }", {}},
      {"a narrower range", "table inet t { chain f { type filter hook forward priority 0; policy drop; ip saddr 10.42.0.0/24 accept; ip daddr 10.42.0.0/24 accept; }; }", {"inet t f"}},
      {"another range", "table inet t { chain f { type filter hook forward priority 0; policy drop; ip saddr 10.43.0.0/16 accept; ip daddr 10.43.0.0/16 accept; }; }", {"inet t f"}},
      {"all but the range", "table inet t { chain f { type filter hook forward priority 0; policy drop; ip saddr != 10.42.0.0/16 accept; ip daddr != 10.42.0.0/16 accept; }; }", {"inet t f"}},
      {"only some ports", "table inet t { chain f { type filter hook forward priority 0; policy drop; ip saddr 10.42.0.0/16 tcp dport 80 accept; ip daddr 10.42.0.0/16 tcp sport 80 accept; }; }", {"inet t f"}},
      {"by the bridge", "table inet t { chain f { type filter hook forward priority 0; policy drop; iifname cni0 accept; oifname cni0 accept; }; }", {}},
      {"in a chain that it jumps to", "table inet t { chain x { ip saddr 10.42.0.0/16 accept; ip daddr 10.42.0.0/16 accept; }; chain f { type filter hook forward priority 0; policy drop; jump x; }; }", {}},
      {"everything is taken", "table inet t { chain f { type filter hook forward priority 0; policy drop; accept; }; }", {}},
      {"input needs one way", "table inet t { chain i { type filter hook input priority 0; policy drop; ip saddr 10.42.0.0/16 accept; }; }", {}},
      {"zones", "table inet firewalld { chain trusted { accept; }; chain f { type filter hook forward priority 0; policy drop; ip saddr 10.42.0.0/16 goto trusted; ip daddr 10.42.0.0/16 goto trusted; }; }", {}},
  };
  for (const Case& c : cases) EXPECT_EQ(found(c.rules), c.expected) << c.name;
}

TEST_F(ForeignDrops, are_gone_after_the_commands_that_are_shown) {
  const char* mine = "table inet mine { chain f { type filter hook forward priority 0; policy drop; }; }";
  ASSERT_EQ(found(mine).size(), 1u);
  EXPECT_EQ(commands_, "nft insert rule inet mine f ip saddr 10.42.0.0/16 accept && nft insert rule inet mine f ip daddr 10.42.0.0/16 accept");
  EXPECT_EQ(found(mine, commands_), std::vector<std::string>{});
}

TEST(MendingCommands, are_those_of_the_owner) {
  IpPrefix pods = *IpPrefix::parse("10.42.0.0/16");
  struct Case {
    ForeignDrop drop;
    const char* expected;
  } cases[] = {
      {{"ip", "filter", "FORWARD", true, "Docker"}, "iptables -I DOCKER-USER -s 10.42.0.0/16 -j ACCEPT && iptables -I DOCKER-USER -d 10.42.0.0/16 -j ACCEPT"},
      {{"ip", "filter", "FORWARD", true, "ufw"}, "ufw route allow from 10.42.0.0/16 && ufw route allow to 10.42.0.0/16"},
      {{"ip", "filter", "INPUT", false, "ufw"}, "ufw allow from 10.42.0.0/16 && ufw allow 8472/udp"},
      {{"inet", "firewalld", "filter_FORWARD", true, "firewalld"}, "firewall-cmd --permanent --zone=trusted --add-source=10.42.0.0/16 && firewall-cmd --reload"},
      {{"ip", "filter", "INPUT", false, ""}, "iptables -I INPUT -s 10.42.0.0/16 -j ACCEPT"},
  };
  for (const Case& c : cases) EXPECT_EQ(mending_commands(c.drop, pods), c.expected);
}

}  // namespace
}  // namespace bramble

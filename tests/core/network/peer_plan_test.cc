// Which nodes are reached, and how; what a node announces and says of its network.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/client/client.h"
#include "core/network/announcement.h"

namespace bramble {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Document json(const std::string& text) {
  auto d = Document::parse(text);
  EXPECT_TRUE(d.ok()) << text;
  return *d;
}

struct NodeIs {
  std::string name, pods, backend, address, data, mtu, manager = "true";
};

Document node(const NodeIs& n) {
  Builder b;
  b.root().object("metadata").set("name", n.name);
  Mut notes = b.root().object("metadata").object("annotations");
  auto put = [&](const char* name, const std::string& value) {
    if (!value.empty()) notes.set(name, value);
  };
  put(kBackendTypeNote, n.backend);
  put(kPublicIpNote, n.address);
  put(kBackendDataNote, n.data);
  put(kMtuNote, n.mtu);
  put(kSubnetManagerNote, n.manager);
  if (!n.pods.empty()) b.root().object("spec").array("podCIDRs").append(n.pods);
  if (!n.pods.empty()) b.root().object("spec").set("podCIDR", n.pods);
  return b.finish();
}

const char* kMacA = R"({"VNI":1,"VtepMAC":"02:00:00:00:00:0A"})";

struct Case {
  const char* name;
  bool own_vxlan;
  NodeIs peer;
  std::string expected;  // "10.42.1.0/24 192.0.2.2 mac", "parted", ""
};

TEST(PeerPlan, pairs_take_vxlan_when_both_announce_it_else_a_direct_route_on_one_wire) {
  const Case cases[] = {
      {"both vxlan", true, {"n2", "10.42.1.0/24", "vxlan", "203.0.113.2", kMacA, ""}, "10.42.1.0/24 203.0.113.2 02:00:00:00:00:0a"},
      {"peer host-gw on one wire", true, {"n2", "10.42.1.0/24", "host-gw", "192.0.2.2", "null", ""}, "10.42.1.0/24 192.0.2.2 "},
      {"own host-gw on one wire", false, {"n2", "10.42.1.0/24", "vxlan", "192.0.2.2", kMacA, ""}, "10.42.1.0/24 192.0.2.2 "},
      {"peer host-gw behind a router", true, {"n2", "10.42.1.0/24", "host-gw", "203.0.113.2", "null", ""}, "parted"},
      {"both host-gw behind a router", false, {"n2", "10.42.1.0/24", "host-gw", "203.0.113.2", "null", ""}, "parted"},
      {"no range yet", true, {"n2", "", "vxlan", "192.0.2.2", kMacA, ""}, ""},
      {"announces nothing", true, {"n2", "10.42.1.0/24", "", "", "", "", ""}, ""},
      {"another manager", true, {"n2", "10.42.1.0/24", "vxlan", "192.0.2.2", kMacA, "", "false"}, ""},
      {"another number", true, {"n2", "10.42.1.0/24", "vxlan", "192.0.2.2", R"({"VNI":7,"VtepMAC":"02:00:00:00:00:0a"})", ""}, ""},
      {"no MAC", true, {"n2", "10.42.1.0/24", "vxlan", "192.0.2.2", R"({"VNI":1,"VtepMAC":"nonsense"})", ""}, ""},
      {"data is no JSON", true, {"n2", "10.42.1.0/24", "vxlan", "192.0.2.2", "{", ""}, ""},
      {"address is none", true, {"n2", "10.42.1.0/24", "vxlan", "somewhere", kMacA, ""}, ""},
      {"a range of IPv6", true, {"n2", "fd00:42:1::/64", "vxlan", "192.0.2.2", kMacA, ""}, ""},
      {"this node's own range", true, {"n2", "10.42.0.0/24", "vxlan", "192.0.2.2", kMacA, ""}, ""},
      {"a range with this node's in it", true, {"n2", "10.42.0.0/16", "vxlan", "192.0.2.2", kMacA, ""}, ""},
  };
  Underlay underlay{2, "eth0", 1500, *IpPrefix::parse("192.0.2.1"), {*IpPrefix::parse("192.0.2.0/24")}};
  for (const Case& c : cases) {
    Announcement own{c.own_vxlan, "02:00:00:00:00:01", "192.0.2.1", 1450};
    PeerPlan plan = plan_peers("n1", own, *IpPrefix::parse("10.42.0.0/24"), underlay, {node({"n1", "10.42.0.0/24", "vxlan", "192.0.2.1", kMacA, ""}), node(c.peer)});
    std::string got = plan.parted.empty() ? "" : "parted";
    for (const OverlayPeer& p : plan.peers) got += cat(p.pods.text(), " ", p.node.address_text(), " ", p.mac);
    EXPECT_EQ(got, c.expected) << c.name;
  }
}

TEST(PeerPlan, a_peer_out_of_reach_is_named_with_what_to_do) {
  Underlay underlay{2, "eth0", 1500, *IpPrefix::parse("192.0.2.1"), {*IpPrefix::parse("192.0.2.0/24")}};
  PeerPlan plan = plan_peers("n1", {true, "02:00:00:00:00:01", "192.0.2.1", 1450}, *IpPrefix::parse("10.42.0.0/24"), underlay,
                             {node({"n2", "10.42.1.0/24", "host-gw", "203.0.113.2", "null", ""})});
  EXPECT_THAT(plan.parted, ElementsAre("node n2 (203.0.113.2) announces host-gw, this node vxlan, and eth0 does not reach it without a router; "
                                       "give both nodes --flannel-backend=vxlan"));
}

TEST(PeerPlan, of_two_nodes_with_one_range_the_first_by_name_has_it_and_the_smallest_mtu_counts) {
  Underlay underlay{2, "eth0", 1500, *IpPrefix::parse("192.0.2.1"), {*IpPrefix::parse("192.0.2.0/24")}};
  PeerPlan plan = plan_peers("n1", {true, "02:00:00:00:00:01", "192.0.2.1", 1450}, *IpPrefix::parse("10.42.0.0/24"), underlay,
                             {node({"n3", "10.42.1.0/24", "vxlan", "192.0.2.3", kMacA, "900"}), node({"n2", "10.42.1.0/24", "vxlan", "192.0.2.2", kMacA, "1400"}),
                              node({"n4", "10.42.4.0/24", "vxlan", "192.0.2.4", kMacA, "1300"}), node({"n5", "10.42.5.0/24", "vxlan", "192.0.2.5", kMacA, ""})});
  ASSERT_EQ(plan.peers.size(), 3u);
  EXPECT_EQ(plan.peers[0].node.address_text(), "192.0.2.2");
  EXPECT_EQ(plan.mtu_max, 1300);
}

TEST(Announcement, is_written_under_flannels_names_and_once) {
  Document bare = json(R"({"metadata":{"name":"n1"}})");
  Announcement vxlan{true, "02:00:00:00:00:01", "192.0.2.1", 1450};
  auto patch = announcement_patch(bare, vxlan, std::nullopt);
  ASSERT_TRUE(patch);
  Value notes = (*patch)["metadata"]["annotations"];
  EXPECT_EQ(notes["flannel.alpha.coreos.com/backend-type"].str(), "vxlan");
  EXPECT_EQ(notes["flannel.alpha.coreos.com/backend-data"].str(), R"({"VNI":1,"VtepMAC":"02:00:00:00:00:01"})");
  EXPECT_EQ(notes["flannel.alpha.coreos.com/public-ip"].str(), "192.0.2.1");
  EXPECT_EQ(notes["flannel.alpha.coreos.com/kube-subnet-manager"].str(), "true");
  Document told = *patch;
  EXPECT_FALSE(announcement_patch(told, vxlan, std::nullopt));
  auto back = announcement_of(told, false);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->mac, vxlan.mac);
  EXPECT_EQ(back->mtu, 1450);
  auto changed = announcement_patch(told, Announcement{false, "", "192.0.2.1", 1500}, std::nullopt);
  ASSERT_TRUE(changed);
  EXPECT_EQ((*changed)["metadata"]["annotations"]["flannel.alpha.coreos.com/backend-type"].str(), "host-gw");
  EXPECT_EQ((*changed)["metadata"]["annotations"]["flannel.alpha.coreos.com/backend-data"].str(), "null");
}

TEST(Announcement, a_users_public_address_goes_before_the_nodes) {
  Document node = json(R"({"metadata":{"name":"n1","annotations":{"flannel.alpha.coreos.com/public-ip-overwrite":"198.51.100.7"}}})");
  auto patch = announcement_patch(node, Announcement{true, "02:00:00:00:00:01", "192.0.2.1", 0}, std::nullopt);
  ASSERT_TRUE(patch);
  EXPECT_EQ((*patch)["metadata"]["annotations"]["flannel.alpha.coreos.com/public-ip"].str(), "198.51.100.7");
}

TEST(NetworkCondition, is_flannels_when_up_and_names_the_trouble_when_not) {
  Document node = json(R"({"metadata":{"name":"n1","uid":"u"},"status":{"conditions":[{"type":"Ready","status":"True"}]}})");
  auto up = condition_patch(node, {}, 0);
  ASSERT_TRUE(up);
  Value c = (*up)["status"]["conditions"].item(0);
  EXPECT_EQ((*up)["status"]["conditions"].size(), 1u) << "others' conditions are theirs";
  EXPECT_EQ(c["type"].str(), "NetworkUnavailable");
  EXPECT_EQ(c["status"].str(), "False");
  EXPECT_EQ(c["reason"].str(), "FlannelIsUp");
  EXPECT_EQ(c["message"].str(), "Flannel is running on this node");
  EXPECT_FALSE(condition_patch(*up, {}, 5000000));
  auto down = condition_patch(*up, {"NoRouteToPeer", "node n2 ..."}, 5000000);
  ASSERT_TRUE(down);
  EXPECT_EQ((*down)["status"]["conditions"].item(0)["status"].str(), "True");
  EXPECT_EQ((*down)["status"]["conditions"].item(0)["lastTransitionTime"].str(), "1970-01-01T00:00:05Z");
}

}  // namespace
}  // namespace bramble

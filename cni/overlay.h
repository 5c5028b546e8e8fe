// Overlay: how packets of this node's pods reach the pods of other nodes: through a VXLAN link as flannel makes it, or by a direct
// route to a node on the same wire (host-gw). State is the kernel's alone: each call compares what is there with what is wanted
// and writes the difference, so what a crash left behind, and what somebody else changed, is put right by the next call.
// Knows links and addresses. Blocking, short; needs root; one caller at a time.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cni/netlink/rtnetlink.h"

namespace bramble {

constexpr uint32_t kVxlanNumber = 1;      // flannel's VNI
constexpr uint16_t kVxlanPort = 8472;     // the kernel's own, as flannel uses it, not IANA's 4789
constexpr int kVxlanOverhead = 50;        // Ethernet, IPv4, UDP and VXLAN headers; 70 with IPv6
constexpr int kVxlanOverheadV6 = 70;
constexpr int kPeerRouteProtocol = 98;    // by which our routes are known again (`ip route show proto 98`)

// The link that carries what nodes say to each other.
struct Underlay {
  int index = 0;
  std::string name;
  int mtu = 0;
  IpPrefix address;                // this node's on it, as a host's prefix
  std::vector<IpPrefix> on_link;   // networks that are reached without a router
};
// The link with that name; without one the link that has the address; without that too the default route's. `address` is wanted
// as the node's; without one it is the link's first of that family. kNotFound says what is missing.
Result<Underlay> find_underlay(const std::string& interface, const std::optional<IpPrefix>& address, bool v6);

struct OverlayPeer {
  IpPrefix pods;     // "10.42.1.0/24"
  IpPrefix node;     // its address on the wire
  std::string mac;   // of its VXLAN link; empty: a direct route
  bool operator==(const OverlayPeer&) const = default;
};

struct OverlayPlan {
  bool vxlan = true;         // false: no link, what there was of it goes away
  IpPrefix own_pods;         // "10.42.0.0/24"
  std::string mac;           // of this node's VXLAN link
  int mtu_max = 0;           // the smallest that the cluster's other nodes can carry; 0: not known
  std::vector<OverlayPeer> peers;
  bool may_lack_peers = false;  // what leads to others stays: they may be there all the same
};

struct OverlayState {
  int mtu = 0;              // for pods
  int vxlan_index = 0;      // 0: none
  size_t changes = 0;       // entries and links that were written or removed
};

std::string vxlan_link_name(bool v6);  // "flannel.1", "flannel-v6.1"
// What pods can send at most over this underlay.
int overlay_mtu(const Underlay& underlay, bool vxlan);
// The same MAC at each start, so that what peers know stays true over a reboot.
std::string vxlan_mac(const std::string& node_name, bool v6);

Result<OverlayState> raise_overlay(const Underlay& underlay, const OverlayPlan& plan);
// Removes links, routes and entries of raise_overlay().
Status remove_overlay(bool v6);

}  // namespace bramble

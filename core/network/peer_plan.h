// PeerPlan: which nodes this one reaches, and how, from what Nodes announce in flannel's annotations (flannel.alpha.coreos.com/
// backend-type, backend-data, public-ip, kube-subnet-manager). Per pair: VXLAN when both announce it, else a direct route when the
// peer is on one wire with this node, else the pair is parted. Pure; any thread.
#pragma once

#include <string>
#include <vector>

#include "cni/overlay.h"
#include "core/json/value.h"

namespace bramble {

// What this node announces for one family of addresses.
struct Announcement {
  bool vxlan = true;
  std::string mac;        // of the VXLAN link
  std::string public_ip;  // where peers send packets for this node's pods
  int mtu = 0;            // what pods of this node can send at most; 0: not known
};

struct PeerPlan {
  std::vector<OverlayPeer> peers;         // by node name
  std::vector<std::string> parted;        // "n3 (192.0.2.13) announces ...": one sentence a peer that cannot be reached
  int mtu_max = 0;                        // the smallest that a peer announces; 0: none does
};

// The node's range of that family; none: it has none yet.
std::optional<IpPrefix> pod_range_of(const Document& node, bool v6);
// What a node announces; none: nothing yet, or nothing that can be read.
std::optional<Announcement> announcement_of(const Document& node, bool v6);
// Nodes without a range or without an announcement are left out: they come later.
PeerPlan plan_peers(const std::string& own_name, const Announcement& own, const IpPrefix& own_pods, const Underlay& underlay, const std::vector<Document>& nodes);

}  // namespace bramble

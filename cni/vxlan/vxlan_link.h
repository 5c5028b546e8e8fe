// The VXLAN link of this node, as flannel has it: "flannel.1", VNI 1, UDP port 8472, no learning, one /32 address, and no offload
// of transmit checksums (kernels and cards get those of encapsulated packets wrong). Blocking.
#pragma once

#include "cni/overlay.h"

namespace bramble {

struct VxlanLink {
  int index = 0;
  int mtu = 0;
  size_t changes = 0;
};

// Idempotent. A link of that name that is something else, or cannot be changed into what is wanted, is made anew; entries on it
// go with it.
Result<VxlanLink> ensure_vxlan_link(const Underlay& underlay, const OverlayPlan& plan);

// What one peer needs on it: where its MAC is, who its address is.
std::vector<Neighbour> vxlan_neighbours(const OverlayPeer& peer, int index);
Route vxlan_route(const OverlayPeer& peer, int index);

}  // namespace bramble

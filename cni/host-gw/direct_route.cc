#include "cni/host-gw/direct_route.h"

#include <algorithm>

namespace bramble {

bool on_one_wire(const Underlay& underlay, const IpPrefix& node) {
  return std::any_of(underlay.on_link.begin(), underlay.on_link.end(), [&](const IpPrefix& n) { return n.v6 == node.v6 && n.contains(node); });
}

Route direct_route(const Underlay& underlay, const OverlayPeer& peer) { return {peer.pods.network(), peer.node, underlay.index, false, kPeerRouteProtocol}; }

}  // namespace bramble

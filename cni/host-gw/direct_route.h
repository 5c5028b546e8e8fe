// The route to the pods of a node on the same wire, by that node's own address (flannel's backend host-gw). Pure.
#pragma once

#include "cni/overlay.h"

namespace bramble {

// Whether the node is reached without a router.
bool on_one_wire(const Underlay& underlay, const IpPrefix& node);
Route direct_route(const Underlay& underlay, const OverlayPeer& peer);

}  // namespace bramble

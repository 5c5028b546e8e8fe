#include "cni/vxlan/vxlan_link.h"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "cni/kernel_module.h"
#include "cni/netlink/netns.h"
#include "core/base/strings.h"
#include "core/base/unique_fd.h"

namespace bramble {
namespace {

Result<uint32_t> checksum_offload(const std::string& link, uint32_t command, uint32_t value) {
  UniqueFd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return Error::from_errno(errno, "socket");
  ethtool_value ask{command, value};
  ifreq request{};
  std::strncpy(request.ifr_name, link.c_str(), IFNAMSIZ - 1);
  request.ifr_data = reinterpret_cast<char*>(&ask);
  if (ioctl(fd.get(), SIOCETHTOOL, &request) != 0) return Error::from_errno(errno, cat("link ", link, ": checksum offload"));
  return ask.data;
}

// Changes nothing when it is off: the kernel would tell everybody who listens.
Status stop_checksum_offload(const std::string& link, size_t* changes) {
  TRY_ASSIGN(uint32_t on, checksum_offload(link, ETHTOOL_GTXCSUM, 0));
  if (!on) return ok();
  TRY(checksum_offload(link, ETHTOOL_STXCSUM, 0));
  ++*changes;
  return ok();
}

bool as_made(const Link& link, const Underlay& underlay) {
  return link.kind == "vxlan" && link.vxlan && link.vxlan->vni == kVxlanNumber && link.vxlan->port == kVxlanPort && !link.vxlan->learning &&
         link.vxlan->underlay == underlay.index && link.vxlan->local && link.vxlan->local->address_text() == underlay.address.address_text();
}

Result<Link> ensure_link(Rtnetlink& rt, const std::string& name, const Underlay& underlay, const OverlayPlan& plan, int mtu, size_t* changes) {
  TRY_ASSIGN(auto link, rt.find_link(name));
  if (link && (!as_made(*link, underlay) || link->mac != plan.mac)) {
    TRY(rt.remove_link(name));
    link.reset();
  }
  if (link) return *link;
  VxlanFacts facts{kVxlanNumber, kVxlanPort, underlay.index, false, underlay.address};
  Status made = rt.add_vxlan(name, facts, plan.mac, mtu);
  if (!made.ok() && made.error().code() == Code::kUnavailable && load_kernel_module("vxlan").ok()) made = rt.add_vxlan(name, facts, plan.mac, mtu);
  TRY(made);
  ++*changes;
  TRY_ASSIGN(link, rt.find_link(name));
  if (!link) return Error(Code::kIo, cat("vxlan ", name, ": vanished"));
  return *link;
}

}  // namespace

Result<VxlanLink> ensure_vxlan_link(const Underlay& underlay, const OverlayPlan& plan) {
  bool v6 = plan.own_pods.v6;
  std::string name = vxlan_link_name(v6);
  VxlanLink out;
  out.mtu = overlay_mtu(underlay, true);
  if (plan.mtu_max > 0) out.mtu = std::min(out.mtu, plan.mtu_max);
  TRY_ASSIGN(Rtnetlink rt, Rtnetlink::open());
  TRY_ASSIGN(Link link, ensure_link(rt, name, underlay, plan, out.mtu, &out.changes));
  out.index = link.index;
  if (link.mtu != out.mtu) {
    TRY(rt.set_mtu(link.index, out.mtu));
    out.changes++;
  }
  TRY(stop_checksum_offload(name, &out.changes));
  // Router advertisements of others are none of its business.
  if (v6) TRY(set_net_sysctl(cat("ipv6/conf/", name, "/accept_ra"), "0"));
  IpPrefix own = plan.own_pods.host(0);
  bool there = false;
  TRY_ASSIGN(auto addresses, rt.addresses());
  for (const auto& [index, address] : addresses) {
    if (index != link.index || address.v6 != v6) continue;
    if (address == own) there = true;
    bool link_local = v6 && address.bytes[0] == 0xfe && (address.bytes[1] & 0xc0) == 0x80;
    if (address == own || link_local) continue;
    TRY(rt.remove_address(link.index, address));
    out.changes++;
  }
  if (!there) {
    TRY(rt.add_address(link.index, own));
    out.changes++;
  }
  if (!link.up) {
    TRY(rt.set_up(link.index));
    out.changes++;
  }
  return out;
}

std::vector<Neighbour> vxlan_neighbours(const OverlayPeer& peer, int index) {
  IpPrefix gateway = peer.pods.host(0);
  return {{index, false, gateway, peer.mac}, {index, true, peer.node, peer.mac}};
}

Route vxlan_route(const OverlayPeer& peer, int index) { return {peer.pods.network(), peer.pods.host(0), index, true, kPeerRouteProtocol}; }

}  // namespace bramble

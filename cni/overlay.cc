#include "cni/overlay.h"

#include <algorithm>

#include "cni/host-gw/direct_route.h"
#include "cni/netlink/netns.h"
#include "cni/vxlan/vxlan_link.h"
#include "core/base/strings.h"

namespace bramble {
namespace {

bool same(const Route& a, const Route& b) {
  return a.destination == b.destination && a.via == b.via && a.index == b.index && a.on_link == b.on_link && a.protocol == b.protocol;
}
bool same(const Neighbour& a, const Neighbour& b) { return a.index == b.index && a.forwarding == b.forwarding && a.address == b.address && a.mac == b.mac; }

template <class T>
bool holds(const std::vector<T>& list, const T& one) {
  return std::any_of(list.begin(), list.end(), [&](const T& x) { return same(x, one); });
}

// Ours are those of our protocol, and whatever leads through our own link.
Status settle_routes(Rtnetlink& rt, bool v6, int vxlan_index, const std::vector<Route>& wanted, bool keep, size_t* changes) {
  TRY_ASSIGN(auto present, rt.routes(v6));
  auto ours = [&](const Route& r) { return r.protocol == kPeerRouteProtocol || (vxlan_index && r.index == vxlan_index && r.via); };
  for (const Route& r : present) {
    if (keep || !ours(r) || holds(wanted, r)) continue;
    TRY(rt.remove_route(r));
    ++*changes;
  }
  for (const Route& r : wanted) {
    if (holds(present, r)) continue;
    TRY(rt.put_route(r));
    ++*changes;
  }
  return ok();
}

Status settle_neighbours(Rtnetlink& rt, int index, const std::vector<Neighbour>& wanted, bool keep, size_t* changes) {
  TRY_ASSIGN(auto present, rt.neighbours(index));
  for (const Neighbour& n : present) {
    if (keep || holds(wanted, n)) continue;
    TRY(rt.remove_neighbour(n));
    ++*changes;
  }
  for (const Neighbour& n : wanted) {
    if (holds(present, n)) continue;
    TRY(rt.put_neighbour(n));
    ++*changes;
  }
  return ok();
}

}  // namespace

std::string vxlan_link_name(bool v6) { return cat(v6 ? "flannel-v6." : "flannel.", kVxlanNumber); }

int overlay_mtu(const Underlay& underlay, bool vxlan) {
  if (!vxlan) return underlay.mtu;
  return underlay.mtu - (underlay.address.v6 ? kVxlanOverheadV6 : kVxlanOverhead);
}

std::string vxlan_mac(const std::string& node_name, bool v6) {
  uint64_t h = 14695981039346656037ull;  // FNV-1a, 64 bits: nodes of one cluster only must differ
  for (char c : cat(node_name, v6 ? "/6" : "/4")) h = (h ^ static_cast<unsigned char>(c)) * 1099511628211ull;
  std::string raw, out;
  for (int shift = 40; shift >= 0; shift -= 8) raw.push_back(static_cast<char>((h ^ h >> 48) >> shift));
  raw[0] = static_cast<char>((raw[0] & 0xfc) | 2);  // locally administered, of one station
  for (size_t i = 0; i < raw.size(); i++) out += cat(i ? ":" : "", hex(std::string_view(raw).substr(i, 1)));
  return out;
}

Result<Underlay> find_underlay(const std::string& interface, const std::optional<IpPrefix>& address, bool v6) {
  TRY_ASSIGN(Rtnetlink rt, Rtnetlink::open());
  TRY_ASSIGN(auto links, rt.links());
  TRY_ASSIGN(auto addresses, rt.addresses());
  int index = 0;
  if (!interface.empty()) {
    for (const Link& l : links)
      if (l.name == interface) index = l.index;
    if (!index) return Error(Code::kNotFound, cat("interface ", interface, ": not there; see --flannel-iface"));
  }
  for (const auto& [at, prefix] : addresses)
    if (!index && address && prefix.v6 == v6 && prefix.address_text() == address->address_text()) index = at;
  if (!index && !v6) {
    TRY_ASSIGN(auto route, rt.default_route());
    if (route) index = route->index;
  }
  Underlay out;
  for (const Link& l : links)
    if (l.index == index) out.index = index, out.name = l.name, out.mtu = l.mtu;
  if (!out.index) return Error(Code::kNotFound, cat("no link has the node's address", address ? cat(" ", address->address_text()) : std::string(), "; give --node-ip or --flannel-iface"));
  bool found = false;
  for (const auto& [at, prefix] : addresses) {
    if (at != index || prefix.v6 != v6) continue;
    if (v6 && prefix.bytes[0] == 0xfe && (prefix.bytes[1] & 0xc0) == 0x80) continue;  // link-local
    out.on_link.push_back(prefix.network());
    bool wanted = address && prefix.address_text() == address->address_text();
    if (found && !wanted) continue;
    out.address = prefix;
    out.address.length = v6 ? 128 : 32;
    found = true;
  }
  if (!found) return Error(Code::kNotFound, cat("interface ", out.name, ": has no IPv", v6 ? 6 : 4, " address"));
  return out;
}

Result<OverlayState> raise_overlay(const Underlay& underlay, const OverlayPlan& plan) {
  bool v6 = plan.own_pods.v6;
  OverlayState out;
  out.mtu = overlay_mtu(underlay, plan.vxlan);
  if (plan.mtu_max > 0) out.mtu = std::min(out.mtu, plan.mtu_max);
  TRY(set_net_sysctl(v6 ? "ipv6/conf/all/forwarding" : "ipv4/ip_forward", "1"));
  TRY_ASSIGN(Rtnetlink rt, Rtnetlink::open());
  if (plan.vxlan) {
    TRY_ASSIGN(VxlanLink link, ensure_vxlan_link(underlay, plan));
    out.vxlan_index = link.index;
    out.changes += link.changes;
  } else {
    TRY_ASSIGN(auto old, rt.find_link(vxlan_link_name(v6)));
    if (old) {
      TRY(rt.remove_link(old->name));
      out.changes++;
    }
  }
  std::vector<Route> routes;
  std::vector<Neighbour> neighbours;
  for (const OverlayPeer& peer : plan.peers) {
    if (peer.mac.empty() || !out.vxlan_index) {
      routes.push_back(direct_route(underlay, peer));
      continue;
    }
    routes.push_back(vxlan_route(peer, out.vxlan_index));
    for (Neighbour& n : vxlan_neighbours(peer, out.vxlan_index)) neighbours.push_back(std::move(n));
  }
  // What leads somewhere is there before the route that sends packets to it.
  if (out.vxlan_index) TRY(settle_neighbours(rt, out.vxlan_index, neighbours, plan.may_lack_peers, &out.changes));
  TRY(settle_routes(rt, v6, out.vxlan_index, routes, plan.may_lack_peers, &out.changes));
  return out;
}

Status remove_overlay(bool v6) {
  TRY_ASSIGN(Rtnetlink rt, Rtnetlink::open());
  size_t changes = 0;
  TRY(rt.remove_link(vxlan_link_name(v6)));
  return settle_routes(rt, v6, 0, {}, false, &changes);
}

}  // namespace bramble

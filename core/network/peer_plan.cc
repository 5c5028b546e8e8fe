#include "core/network/peer_plan.h"

#include <algorithm>
#include <set>

#include "cni/host-gw/direct_route.h"
#include "core/base/strings.h"
#include "core/client/client.h"
#include "core/network/announcement.h"

namespace bramble {

std::optional<IpPrefix> pod_range_of(const Document& node, bool v6) {
  auto of_family = [v6](std::string_view text) {
    auto range = IpPrefix::parse(text);
    return range && range->v6 == v6 ? range : std::nullopt;
  };
  for (Value range : node["spec"]["podCIDRs"].items())
    if (auto found = of_family(range.str())) return found;
  return of_family(node["spec"]["podCIDR"].str());
}

std::optional<Announcement> announcement_of(const Document& node, bool v6) {
  Value notes = node["metadata"]["annotations"];
  if (notes[kSubnetManagerNote].str() != "true") return std::nullopt;
  Announcement out;
  auto public_ip = IpPrefix::parse(notes[v6 ? kPublicIpV6Note : kPublicIpNote].str());
  if (!public_ip || public_ip->v6 != v6) return std::nullopt;
  out.public_ip = public_ip->address_text();
  out.mtu = static_cast<int>(parse_int64(notes[kMtuNote].str()).value_or(0));
  std::string_view type = notes[kBackendTypeNote].str();
  out.vxlan = type == "vxlan";
  if (type == "host-gw") return out;
  auto data = Document::parse(notes[v6 ? kBackendDataV6Note : kBackendDataNote].str());
  if (!out.vxlan || !data.ok()) return std::nullopt;
  out.mac = lower((*data)["VtepMAC"].str());
  // A VXLAN of another number is another network.
  bool ours = (*data)["VNI"].integer(kVxlanNumber) == kVxlanNumber && out.mac.size() == 17 && unhex(replace_all(out.mac, ":", ""));
  return ours ? std::optional(out) : std::nullopt;
}

PeerPlan plan_peers(const std::string& own_name, const Announcement& own, const IpPrefix& own_pods, const Underlay& underlay, const std::vector<Document>& nodes) {
  PeerPlan out;
  std::vector<Document> order = nodes;
  std::sort(order.begin(), order.end(), [](const Document& a, const Document& b) { return name_of(a) < name_of(b); });
  std::vector<IpPrefix> taken = {own_pods.network()};
  for (const Document& node : order) {
    if (name_of(node) == own_name) continue;
    auto pods = pod_range_of(node, own_pods.v6);
    auto theirs = announcement_of(node, own_pods.v6);
    if (!pods || !theirs) continue;
    // Two nodes with one range would fight over its route: the first has it.
    auto clashes = [&](const IpPrefix& t) { return t.contains(*pods) || pods->contains(t); };
    if (std::any_of(taken.begin(), taken.end(), clashes)) continue;
    IpPrefix address = *IpPrefix::parse(theirs->public_ip);
    OverlayPeer peer{pods->network(), address, own.vxlan && theirs->vxlan ? theirs->mac : std::string()};
    if (peer.mac.empty() && !on_one_wire(underlay, address)) {
      auto backend = [](const Announcement& a) { return a.vxlan ? "vxlan" : "host-gw"; };
      out.parted.push_back(cat("node ", name_of(node), " (", theirs->public_ip, ") announces ", backend(*theirs), ", this node ", backend(own), ", and ", underlay.name,
                               " does not reach it without a router; give both nodes --flannel-backend=vxlan"));
      continue;
    }
    taken.push_back(peer.pods);
    if (theirs->mtu > 0) out.mtu_max = out.mtu_max ? std::min(out.mtu_max, theirs->mtu) : theirs->mtu;
    out.peers.push_back(std::move(peer));
  }
  return out;
}

}  // namespace bramble

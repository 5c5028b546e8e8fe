#include "cni/plugin/bridge.h"

#include <fcntl.h>

#include <cerrno>

#include "cni/netlink/netns.h"
#include "core/base/strings.h"
#include "core/base/unique_fd.h"

namespace bramble {

std::string host_link_name(const std::string& container_id, const std::string& interface_name) {
  // FNV-1a, 32 bits: only a name; a clash of two containers of one node is caught by the kernel as EEXIST.
  uint32_t h = 2166136261u;
  for (char c : cat(container_id, "/", interface_name)) h = (h ^ static_cast<unsigned char>(c)) * 16777619u;
  char raw[4] = {static_cast<char>(h >> 24), static_cast<char>(h >> 16), static_cast<char>(h >> 8), static_cast<char>(h)};
  return cat("veth", hex(std::string_view(raw, 4)));
}

Status ensure_bridge(const BridgeOptions& options, const IpPrefix& gateway) {
  TRY_ASSIGN(Rtnetlink rt, Rtnetlink::open());
  TRY(rt.add_bridge(options.name, options.mtu));
  TRY_ASSIGN(auto bridge, rt.find_link(options.name));
  if (!bridge) return Error(Code::kIo, cat("bridge ", options.name, ": vanished"));
  if (bridge->kind != "bridge")
    return Error(Code::kAlreadyExists, cat("link ", options.name, " is a ", bridge->kind.empty() ? "device" : bridge->kind,
                                           ", not a bridge; rename or remove it"));
  if (options.mtu > 0 && bridge->mtu != options.mtu) TRY(rt.set_mtu(bridge->index, options.mtu));
  if (options.netfilter) TRY(rt.set_bridge_netfilter(bridge->index, true));
  if (options.is_gateway) TRY(rt.add_address(bridge->index, gateway));
  return rt.set_up(bridge->index);
}

static Status configure_container(const BridgeAttachment& a, AttachedLinks* out) {
  TRY_ASSIGN(Rtnetlink rt, Rtnetlink::open());
  TRY_ASSIGN(auto link, rt.find_link(a.interface_name));
  if (!link) return Error(Code::kIo, cat("link ", a.interface_name, ": missing in the container"));
  out->container_mac = link->mac;
  TRY(rt.add_address(link->index, a.address));
  TRY(rt.set_up(link->index));
  IpPrefix everywhere;
  everywhere.v6 = a.address.v6;
  return rt.add_route(everywhere, a.gateway, link->index);
}

Result<AttachedLinks> attach_to_bridge(const BridgeOptions& options, const BridgeAttachment& a) {
  TRY_ASSIGN(Rtnetlink rt, Rtnetlink::open());
  AttachedLinks out;
  out.host_name = host_link_name(a.container_id, a.interface_name);
  bool inside = false;
  TRY(in_netns(a.netns_path, [&]() -> Status {
    TRY_ASSIGN(Rtnetlink there, Rtnetlink::open());
    TRY_ASSIGN(auto link, there.find_link(a.interface_name));
    inside = link.has_value();
    return ok();
  }));
  TRY_ASSIGN(auto host, rt.find_link(out.host_name));
  if (!inside || !host) {
    TRY(rt.remove_link(out.host_name));
    UniqueFd netns(open(a.netns_path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!netns.valid()) return Error::from_errno(errno, a.netns_path);
    TRY(rt.add_veth(out.host_name, a.interface_name, netns.get(), options.mtu));
    TRY_ASSIGN(host, rt.find_link(out.host_name));
    if (!host) return Error(Code::kIo, cat("link ", out.host_name, ": vanished"));
  }
  TRY_ASSIGN(auto bridge, rt.find_link(options.name));
  if (!bridge) return Error(Code::kIo, cat("bridge ", options.name, ": vanished"));
  out.host_mac = host->mac;
  out.bridge_mac = bridge->mac;
  TRY(rt.set_master(host->index, bridge->index));
  if (options.hairpin) TRY(rt.set_hairpin(host->index, true));
  TRY(rt.set_up(host->index));
  TRY(in_netns(a.netns_path, [&] { return configure_container(a, &out); }));
  return out;
}

Result<AddedToBridge> add_to_bridge(const BridgeOptions& options, HostLocal& ipam, const std::string& container_id, const std::string& netns_path,
                                    const std::string& interface_name) {
  TRY_ASSIGN(auto before, ipam.find(container_id));
  TRY_ASSIGN(IpPrefix address, ipam.add(container_id));
  IpPrefix gateway = ipam.gateway();
  gateway.length = ipam.range_length();
  auto attach = [&]() -> Result<AttachedLinks> {
    TRY(ensure_bridge(options, gateway));
    return attach_to_bridge(options, {container_id, netns_path, interface_name, address, ipam.gateway()});
  };
  auto links = attach();
  if (links.ok()) return AddedToBridge{address, std::move(*links)};
  // The address goes back only when no link has it any more.
  if (!before && detach_from_bridge(container_id, interface_name).ok()) {
    Status freed = ipam.del(container_id);
    (void)freed;  // the error before it says more; a repetition or DEL finds the lease
  }
  return links.error();
}

Status detach_from_bridge(const std::string& container_id, const std::string& interface_name) {
  TRY_ASSIGN(Rtnetlink rt, Rtnetlink::open());
  return rt.remove_link(host_link_name(container_id, interface_name));
}

}  // namespace bramble

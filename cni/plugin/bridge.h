// Bridge: what the CNI bridge plugin does: a bridge with the gateway's address, a veth pair per container, its address and
// default route. Called in the process by PodNetwork and as a plugin by plugin_call. Blocking; needs root.
#pragma once

#include <string>
#include <vector>

#include "cni/ipam/host_local.h"
#include "cni/netlink/rtnetlink.h"

namespace bramble {

struct BridgeOptions {
  std::string name = "cni0";
  int mtu = 0;  // 0: the kernel's default
  bool hairpin = true;
  bool is_gateway = true;
  bool netfilter = false;  // what goes from container to container passes netfilter too
};

struct BridgeAttachment {
  std::string container_id;
  std::string netns_path;
  std::string interface_name = "eth0";
  IpPrefix address;  // with the range's prefix length
  IpPrefix gateway;
};

struct AttachedLinks {
  std::string bridge_mac, host_name, host_mac, container_mac;
};

Status ensure_bridge(const BridgeOptions& options, const IpPrefix& gateway);
// Idempotent: an interface that is there with this address is kept.
Result<AttachedLinks> attach_to_bridge(const BridgeOptions& options, const BridgeAttachment& attachment);
struct AddedToBridge {
  IpPrefix address;
  AttachedLinks links;
};
// CNI's ADD: the bridge, an address of the range, the links. A failed one leaves what it found: nothing, or the address and
// the links of a container that had them before. Idempotent.
Result<AddedToBridge> add_to_bridge(const BridgeOptions& options, HostLocal& ipam, const std::string& container_id, const std::string& netns_path,
                                    const std::string& interface_name);
Status detach_from_bridge(const std::string& container_id, const std::string& interface_name);
// The host's end of a container's pair: "veth" and eight digits of a hash, so that it is found again without notes.
std::string host_link_name(const std::string& container_id, const std::string& interface_name);

}  // namespace bramble

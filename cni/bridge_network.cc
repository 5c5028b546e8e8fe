// PodNetwork by the bundled bridge and host-local plugins, called in the process. State: the leases (cni/ipam), the links of
// the kernel; nothing in memory, so a restart finds all of it again.
#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <mutex>

#include "cni/ipam/host_local.h"
#include "cni/kernel_module.h"
#include "cni/netlink/netns.h"
#include "cni/plugin/bridge.h"
#include "cni/plugin/portmap.h"
#include "cni/pod_network.h"
#include "core/base/log.h"
#include "core/base/strings.h"

namespace bramble {
namespace {

constexpr const char* kInterface = "eth0";

class BridgeNetwork final : public PodNetwork {
 public:
  BridgeNetwork(BridgeOptions bridge, HostLocal ipam, HostPorts ports) : bridge_(std::move(bridge)), ipam_(std::move(ipam)), ports_(std::move(ports)) {}

  Status raise() {
    TRY(set_net_sysctl("ipv4/ip_forward", "1"));
    // A pod asks a Service, and a pod on the same bridge answers it directly: only netfilter on the bridge puts the Service's address
    // back into the answer. Only our bridge is switched over; the module's own default for all bridges stays what it is.
    bridge_.netfilter = true;
    if (access("/proc/sys/net/bridge", F_OK) != 0) {
      Status loaded = load_kernel_module("br_netfilter");
      if (!loaded.ok()) log_warning("network: ", loaded.error().message(), "; a pod does not reach a Service whose pod is on the same node");
    }
    TRY(ensure_bridge(bridge_, gateway_with_length()));
    return ports_.restore();
  }

  Result<PodNetworkResult> add(const PodNetworkRequest& request) override {
    std::lock_guard lock(mutex_);
    auto added = add_to_bridge(bridge_, ipam_, request.container_id, request.netns_path, kInterface);
    if (!added.ok()) return added.error().prefixed(cat("pod ", request.pod_namespace, "/", request.pod_name, ": network"));
    std::string address = added->address.address_text();
    Status led = ports_.add(request.container_id, address, request.host_ports);
    if (!led.ok()) return led.error().prefixed(cat("pod ", request.pod_namespace, "/", request.pod_name, ": host ports"));
    return PodNetworkResult{{address}};
  }

  Status del(const PodNetworkRequest& request) override {
    std::lock_guard lock(mutex_);
    TRY(ports_.del(request.container_id));
    TRY(detach_from_bridge(request.container_id, kInterface));
    return ipam_.del(request.container_id);
  }

  Status collect(const std::vector<std::string>& live) override {
    std::lock_guard lock(mutex_);
    TRY(ports_.keep_only(live));
    TRY_ASSIGN(auto known, ipam_.containers());
    for (const std::string& id : known) {
      if (std::find(live.begin(), live.end(), id) != live.end()) continue;
      TRY(detach_from_bridge(id, kInterface));
      TRY(ipam_.del(id));
    }
    return ok();
  }

  Status down() override {
    std::lock_guard lock(mutex_);
    TRY_ASSIGN(auto known, ipam_.containers());
    for (const std::string& id : known) TRY(detach_from_bridge(id, kInterface));
    TRY(ports_.down());
    TRY_ASSIGN(Rtnetlink rt, Rtnetlink::open());
    return rt.remove_link(bridge_.name);
  }

 private:
  IpPrefix gateway_with_length() const {
    IpPrefix gateway = ipam_.gateway();
    gateway.length = ipam_.range_length();
    return gateway;
  }

  std::mutex mutex_;
  BridgeOptions bridge_;
  HostLocal ipam_;
  HostPorts ports_;
};

Result<int> mtu_of_default_route() {
  TRY_ASSIGN(Rtnetlink rt, Rtnetlink::open());
  TRY_ASSIGN(auto route, rt.default_route());
  if (!route) return 0;
  TRY_ASSIGN(auto links, rt.links());
  for (const Link& l : links)
    if (l.index == route->index) return l.mtu;
  return 0;
}

}  // namespace

Result<std::unique_ptr<PodNetwork>> PodNetwork::open(Options options) {
  auto range = IpPrefix::parse(options.pod_cidr);
  if (!range) return Error(Code::kInvalidArgument, cat("pod addresses ", go_quote(options.pod_cidr), ": not a range like 10.42.0.0/24"));
  if (mkdir(options.state_dir.c_str(), 0700) != 0 && errno != EEXIST) return Error::from_errno(errno, options.state_dir);
  BridgeOptions bridge;
  bridge.name = options.bridge;
  bridge.mtu = options.mtu;
  if (bridge.mtu == 0) {
    TRY_ASSIGN(bridge.mtu, mtu_of_default_route());
  }
  TRY_ASSIGN(HostLocal ipam, HostLocal::open(cat(options.state_dir, "/leases"), *range));
  HostPorts ports(cat(options.state_dir, "/ports"), options.bridge, *range);
  auto network = std::make_unique<BridgeNetwork>(std::move(bridge), std::move(ipam), std::move(ports));
  TRY(network->raise());
  return std::unique_ptr<PodNetwork>(std::move(network));
}

}  // namespace bramble

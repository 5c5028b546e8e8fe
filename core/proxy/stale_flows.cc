#include "core/proxy/stale_flows.h"

#include <ifaddrs.h>
#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>

#include "cni/netlink/conntrack.h"
#include "core/base/log.h"
#include "core/loop/loop.h"

namespace bramble {
namespace {

std::set<std::string> addresses_of_host() {
  std::set<std::string> out;
  ifaddrs* all = nullptr;
  if (getifaddrs(&all) != 0) return out;
  for (ifaddrs* a = all; a; a = a->ifa_next) {
    if (!a->ifa_addr || a->ifa_addr->sa_family != AF_INET) continue;
    char text[64];
    if (getnameinfo(a->ifa_addr, sizeof(sockaddr_in), text, sizeof text, nullptr, 0, NI_NUMERICHOST) == 0) out.insert(text);
  }
  freeifaddrs(all);
  return out;
}

bool any_gone(const std::vector<ProxyEndpoint>& before, const std::vector<ProxyEndpoint>& after) {
  return std::any_of(before.begin(), before.end(), [&](const ProxyEndpoint& e) { return !std::binary_search(after.begin(), after.end(), e); });
}

}  // namespace

void WantedFlows::want(const ServicePort& port) {
  auto ends = [](const std::vector<ProxyEndpoint>& a, const std::vector<ProxyEndpoint>& b) {
    Ends out;
    for (const auto* list : {&a, &b})
      for (const ProxyEndpoint& e : *list) out.insert({e.address, e.port});
    return out;
  };
  const Ends internal = ends(port.internal_endpoints(), {}), external = ends(port.endpoints, port.local_endpoints);
  for (const std::string& a : port.cluster_addresses) by_address[{a, port.port}] = internal;
  for (const auto* list : {&port.external_addresses, &port.balancer_addresses})
    for (const std::string& a : *list) by_address[{a, port.port}] = external;
  if (port.node_port) by_host_port[port.node_port] = external;
  if (port.on_host) by_host_port[port.port] = external;
}

bool WantedFlows::is_stale(const std::string& to, uint16_t to_port, const std::string& from, uint16_t from_port) const {
  const Ends* ends = nullptr;
  if (auto it = by_address.find({to, to_port}); it != by_address.end()) {
    ends = &it->second;
  } else if (auto port = by_host_port.find(to_port); port != by_host_port.end() && host_addresses.contains(to)) {
    ends = &port->second;
  }
  return ends && !ends->contains({from, from_port});
}

void StaleFlows::changed(const ServicePort* before, const ServicePort* after) {
  const ServicePort* any = after ? after : before;
  if (!any || any->protocol != "UDP") return;
  if (before && after) {
    bool gone = any_gone(before->endpoints, after->endpoints) || any_gone(before->local_endpoints, after->local_endpoints);
    if (!gone && before->served && before->internal_local == after->internal_local && before->external_local == after->external_local) return;
  }
  if (before) {
    ServicePort ended = *before;
    ended.endpoints.clear();
    ended.local_endpoints.clear();
    wanted_.want(ended);
  }
  if (after) wanted_.want(*after);
  again_ = true;
  if (!sweeping_) tasks_.start(sweep());
}

Task<void> StaleFlows::sweep() {
  sweeping_ = true;
  while (again_) {
    again_ = false;
    auto table = Conntrack::open();  // here: of this thread's network namespace
    if (!table.ok()) {
      log_warning("proxy: ", table.error().message(), "; UDP clients of endpoints that are gone keep them");
      break;
    }
    WantedFlows wanted = std::move(wanted_);
    wanted_ = WantedFlows();
    wanted.host_addresses = addresses_of_host();
    auto owned = std::make_shared<Conntrack>(std::move(*table));
    auto pass = [owned, wanted = std::move(wanted)] {
      return owned->forget([&wanted](const UdpFlow& f) { return wanted.is_stale(f.to, f.to_port, f.from, f.from_port); });
    };
    auto done = co_await offload(std::move(pass));
    if (!done.ok()) log_warning("proxy: ", done.error().message());
  }
  sweeping_ = false;
}

}  // namespace bramble

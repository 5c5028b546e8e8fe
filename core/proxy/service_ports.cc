#include "core/proxy/service_ports.h"

#include <algorithm>

namespace bramble {
namespace {

bool is_ipv4(std::string_view address) { return !address.empty() && address.find(':') == std::string_view::npos; }

// The endpoints of one port of the Service among its slices, ready ones or (second choice) serving ones.
std::vector<ProxyEndpoint> endpoints_of(std::string_view port_name, std::string_view protocol, const std::vector<Document>& slices,
                                        bool ready) {
  std::vector<ProxyEndpoint> out;
  for (const Document& slice : slices) {
    if (slice["addressType"].str() != "IPv4") continue;
    uint16_t number = 0;
    for (Value p : slice["ports"].items())
      if (p["name"].str() == port_name && p["protocol"].str("TCP") == protocol) number = static_cast<uint16_t>(p["port"].integer());
    if (number == 0) continue;
    for (Value e : slice["endpoints"].items()) {
      Value c = e["conditions"];
      // A missing condition counts as true, terminating as false (EndpointConditions of the API).
      bool wanted = ready ? c["ready"].boolean(true) : c["serving"].boolean(true) && c["terminating"].boolean(false);
      if (wanted && is_ipv4(e["addresses"].item(0).str())) out.push_back({e["addresses"].item(0).text(), number});
    }
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

std::vector<std::string> addresses_of(Value service) {
  std::vector<std::string> out;
  auto add = [&](std::string_view address) {
    if (is_ipv4(address) && address != "None" && std::find(out.begin(), out.end(), address) == out.end()) out.emplace_back(address);
  };
  Value spec = service["spec"];
  add(spec["clusterIP"].str());
  for (Value v : spec["clusterIPs"].items()) add(v.str());
  for (Value v : spec["externalIPs"].items()) add(v.str());
  for (Value v : service["status"]["loadBalancer"]["ingress"].items())
    if (v["ipMode"].str("VIP") == "VIP") add(v["ip"].str());
  return out;
}

}  // namespace

ServicePorts ports_of_service(Value service, const std::vector<Document>& slices) {
  ServicePorts out;
  Value spec = service["spec"];
  if (spec["type"].str() == "ExternalName" || spec["clusterIP"].str() == "None" || spec["clusterIP"].str().empty()) return out;
  std::vector<std::string> addresses = addresses_of(service);
  for (Value p : spec["ports"].items()) {
    ServicePort port;
    port.protocol = p["protocol"].text("TCP");
    port.port = static_cast<uint16_t>(p["port"].integer());
    port.node_port = static_cast<uint16_t>(p["nodePort"].integer());
    port.addresses = addresses;
    port.endpoints = endpoints_of(p["name"].str(), port.protocol, slices, true);
    if (port.endpoints.empty()) port.endpoints = endpoints_of(p["name"].str(), port.protocol, slices, false);
    std::string key = cat(meta(service, "namespace"), "/", meta(service, "name"), ":", p["name"].str(), "/", port.protocol);
    out.emplace(std::move(key), std::move(port));
  }
  return out;
}

}  // namespace bramble

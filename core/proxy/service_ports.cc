#include "core/proxy/service_ports.h"

#include <algorithm>

#include "cni/netlink/rtnetlink.h"

namespace bramble {
namespace {

constexpr const char* kProxyNameLabel = "service.kubernetes.io/service-proxy-name";
constexpr const char* kZoneLabel = "topology.kubernetes.io/zone";

bool is_ipv4(std::string_view address) { return !address.empty() && address.find(':') == std::string_view::npos; }

// One endpoint of one port, as its slice tells.
struct Candidate {
  ProxyEndpoint at;
  bool ready = false, draining = false, here = false;  // draining: it terminates and still serves
  bool has_node_hints = false, node_hint = false, has_zone_hints = false, zone_hint = false;
};

Candidate candidate(Value e, const ProxyNode& node, uint16_t port) {
  Candidate c;
  c.at = {e["addresses"].item(0).text(), port};
  Value conditions = e["conditions"];
  // A missing condition counts as true, terminating as false (EndpointConditions of the API).
  c.ready = conditions["ready"].boolean(true);
  c.draining = conditions["serving"].boolean(true) && conditions["terminating"].boolean(false);
  c.here = !node.name.empty() && e["nodeName"].str() == node.name;
  for (Value h : e["hints"]["forNodes"].items()) {
    c.has_node_hints = true;
    if (h["name"].str() == node.name) c.node_hint = true;
  }
  for (Value h : e["hints"]["forZones"].items()) {
    c.has_zone_hints = true;
    if (h["name"].str() == node.zone) c.zone_hint = true;
  }
  return c;
}

std::vector<Candidate> candidates_of(std::string_view port_name, std::string_view protocol, const std::vector<Document>& slices, const ProxyNode& node) {
  std::vector<Candidate> out;
  for (const Document& slice : slices) {
    if (slice["addressType"].str() != "IPv4") continue;
    uint16_t number = 0;
    for (Value p : slice["ports"].items())
      if (p["name"].str() == port_name && p["protocol"].str("TCP") == protocol) number = static_cast<uint16_t>(p["port"].integer());
    if (number == 0) continue;
    for (Value e : slice["endpoints"].items())
      if (is_ipv4(e["addresses"].item(0).str())) out.push_back(candidate(e, node, number));
  }
  return out;
}

// Hints count when every ready endpoint has one, and one of them is for us: upstream's topologyModeFromHints.
bool (*topology_of(const std::vector<Candidate>& all))(const Candidate&) {
  bool node_hints = true, zone_hints = true, for_node = false, for_zone = false;
  for (const Candidate& c : all) {
    if (!c.ready) continue;
    node_hints = node_hints && c.has_node_hints;
    zone_hints = zone_hints && c.has_zone_hints;
    for_node = for_node || c.node_hint;
    for_zone = for_zone || c.zone_hint;
  }
  if (node_hints && for_node) return [](const Candidate& c) { return c.node_hint; };
  if (zone_hints && for_zone) return [](const Candidate& c) { return c.zone_hint; };
  return [](const Candidate&) { return true; };
}

template <class F>
std::vector<ProxyEndpoint> chosen(const std::vector<Candidate>& all, F wanted) {
  std::vector<ProxyEndpoint> out;
  for (const Candidate& c : all)
    if (wanted(c)) out.push_back(c.at);
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

void choose_endpoints(const std::vector<Candidate>& all, ServicePort* port) {
  port->served = std::any_of(all.begin(), all.end(), [](const Candidate& c) { return c.ready || c.draining; });
  if (!port->internal_local || port->is_external()) {
    auto here = topology_of(all);
    port->endpoints = chosen(all, [&](const Candidate& c) { return c.ready && here(c); });
    if (port->endpoints.empty()) port->endpoints = chosen(all, [](const Candidate& c) { return c.draining; });
  }
  if (!port->internal_local && !(port->external_local && port->is_external())) return;
  port->local_endpoints = chosen(all, [](const Candidate& c) { return c.here && c.ready; });
  if (port->local_endpoints.empty()) port->local_endpoints = chosen(all, [](const Candidate& c) { return c.here && c.draining; });
}

void add_address(std::string_view address, std::vector<std::string>* out) {
  if (is_ipv4(address) && address != "None" && std::find(out->begin(), out->end(), address) == out->end()) out->emplace_back(address);
}

// What the ports of a Service have in common.
ServicePort common_part(Value service, const ProxyNode& node) {
  ServicePort out;
  Value spec = service["spec"];
  add_address(spec["clusterIP"].str(), &out.cluster_addresses);
  for (Value v : spec["clusterIPs"].items()) add_address(v.str(), &out.cluster_addresses);
  for (Value v : spec["externalIPs"].items()) add_address(v.str(), &out.external_addresses);
  for (Value v : service["status"]["loadBalancer"]["ingress"].items()) {
    if (v["ipMode"].str("VIP") != "VIP") continue;
    add_address(v["ip"].str(), &out.balancer_addresses);
    if (node.addresses.contains(v["ip"].text())) out.on_host = true;
  }
  if (spec["type"].str() == "LoadBalancer") {
    for (Value v : spec["loadBalancerSourceRanges"].items()) {
      auto range = IpPrefix::parse(trim(v.str()));
      if (!range || range->v6) continue;
      out.source_ranges.push_back(range->network().text());
      for (const std::string& a : node.addresses) {
        auto own = IpPrefix::parse(a);
        if (own && range->contains(*own)) out.ranges_have_node = true;
      }
    }
  }
  out.internal_local = spec["internalTrafficPolicy"].str() == "Local";
  out.external_local = spec["externalTrafficPolicy"].str() == "Local";
  if (spec["sessionAffinity"].str() == "ClientIP")
    out.affinity_s = static_cast<uint32_t>(spec["sessionAffinityConfig"]["clientIP"]["timeoutSeconds"].integer(10800));
  return out;
}

}  // namespace

ProxyNode proxy_node(const std::string& name, const Document& node) {
  ProxyNode out{name, node["metadata"]["labels"][kZoneLabel].text(), {}};
  for (Value a : node["status"]["addresses"].items()) {
    bool ip = a["type"].str() == "InternalIP" || a["type"].str() == "ExternalIP";
    if (ip && is_ipv4(a["address"].str())) out.addresses.insert(a["address"].text());
  }
  return out;
}

ServicePorts ports_of_service(Value service, const std::vector<Document>& slices, const ProxyNode& node) {
  ServicePorts out;
  Value spec = service["spec"];
  if (spec["type"].str() == "ExternalName" || spec["clusterIP"].str() == "None" || spec["clusterIP"].str().empty()) return out;
  if (service["metadata"]["labels"][kProxyNameLabel].exists()) return out;
  const ServicePort common = common_part(service, node);
  for (Value p : spec["ports"].items()) {
    ServicePort port = common;
    port.protocol = p["protocol"].text("TCP");
    port.port = static_cast<uint16_t>(p["port"].integer());
    port.node_port = static_cast<uint16_t>(p["nodePort"].integer());
    choose_endpoints(candidates_of(p["name"].str(), port.protocol, slices, node), &port);
    std::string key = cat(meta(service, "namespace"), "/", meta(service, "name"), ":", p["name"].str(), "/", port.protocol);
    out.emplace(std::move(key), std::move(port));
  }
  return out;
}

ServiceHealth health_of_service(Value service, const std::vector<Document>& slices, const ProxyNode& node) {
  ServiceHealth out;
  Value spec = service["spec"];
  if (spec["type"].str() != "LoadBalancer" || spec["externalTrafficPolicy"].str() != "Local") return out;
  if (service["metadata"]["labels"][kProxyNameLabel].exists()) return out;
  out.port = static_cast<uint16_t>(spec["healthCheckNodePort"].integer());
  std::set<std::string> here;
  for (Value p : spec["ports"].items())
    for (const Candidate& c : candidates_of(p["name"].str(), p["protocol"].str("TCP"), slices, node))
      if (c.here && c.ready) here.insert(c.at.address);
  out.local_endpoints = here.size();
  return out;
}

}  // namespace bramble

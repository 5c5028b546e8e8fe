// ServicePorts: what the proxy must make true on one node, derived from Services and EndpointSlices: each port of each Service
// with its addresses, policies and endpoints. Pure functions of values; any thread.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/client/client.h"

namespace bramble {

// The node for which it is derived.
struct ProxyNode {
  std::string name;
  std::string zone;                 // its label topology.kubernetes.io/zone
  std::set<std::string> addresses;  // its status.addresses, IPv4
};
ProxyNode proxy_node(const std::string& name, const Document& node);  // an empty document: of the name alone

struct ProxyEndpoint {
  std::string address;  // "10.42.0.5"
  uint16_t port = 0;
  auto operator<=>(const ProxyEndpoint&) const = default;
};

struct ServicePort {
  std::string protocol;                         // "TCP" "UDP" "SCTP"
  uint16_t port = 0;
  uint16_t node_port = 0;                       // 0: none
  std::vector<std::string> cluster_addresses;   // IPv4, as all addresses here
  std::vector<std::string> external_addresses;  // spec.externalIPs
  std::vector<std::string> balancer_addresses;  // of the load balancer, to be taken here (ipMode VIP)
  bool on_host = false;                         // the load balancer's address is this node's: `port` of every local address
  std::vector<std::string> source_ranges;       // who may use the load balancer's addresses; empty: all
  bool ranges_have_node = false;                // the node's own address is in source_ranges
  bool internal_local = false, external_local = false;  // the traffic policies
  uint32_t affinity_s = 0;                      // a client keeps its endpoint for so long; 0: no affinity
  bool served = false;                          // somewhere in the cluster there is an endpoint
  std::vector<ProxyEndpoint> endpoints;         // of the policy Cluster; sorted, no doubles
  std::vector<ProxyEndpoint> local_endpoints;   // of the policy Local

  bool is_external() const { return node_port != 0 || on_host || !external_addresses.empty() || !balancer_addresses.empty(); }
  const std::vector<ProxyEndpoint>& internal_endpoints() const { return internal_local ? local_endpoints : endpoints; }
  bool operator==(const ServicePort&) const = default;
};

// By "namespace/name:port-name/PROTOCOL", which is unique in a cluster.
using ServicePorts = std::map<std::string, ServicePort>;

// The ports of one Service. Headless and ExternalName Services and those of another proxy (the label
// service.kubernetes.io/service-proxy-name) have none. Slices are those with the label kubernetes.io/service-name of this
// Service. Endpoints that are ready, by hints of node or zone where all of them have such (KEP-2433, KEP-3015); if there is
// none, those that still serve while they terminate (KEP-1669). Upstream: pkg/proxy/topology.go, CategorizeEndpoints.
ServicePorts ports_of_service(Value service, const std::vector<Document>& slices, const ProxyNode& node);

// What load balancers ask of the node: spec.healthCheckNodePort, and how many ready endpoints of the Service are here.
struct ServiceHealth {
  uint16_t port = 0;  // 0: nobody asks
  size_t local_endpoints = 0;
  bool operator==(const ServiceHealth&) const = default;
};
ServiceHealth health_of_service(Value service, const std::vector<Document>& slices, const ProxyNode& node);

}  // namespace bramble

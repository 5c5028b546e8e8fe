// ServicePorts: what the proxy must make true, derived from Services and EndpointSlices: each port of each Service with its
// addresses and ready endpoints. Pure functions of values; any thread.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/client/client.h"

namespace bramble {

struct ProxyEndpoint {
  std::string address;  // "10.42.0.5"
  uint16_t port = 0;
  auto operator<=>(const ProxyEndpoint&) const = default;
};

struct ServicePort {
  std::string protocol;             // "TCP" "UDP" "SCTP"
  uint16_t port = 0;
  uint16_t node_port = 0;           // 0: none
  std::vector<std::string> addresses;  // cluster addresses and external ones, IPv4
  std::vector<ProxyEndpoint> endpoints;  // sorted, no doubles
  bool operator==(const ServicePort&) const = default;
};

// By "namespace/name:port-name/PROTOCOL", which is unique in a cluster.
using ServicePorts = std::map<std::string, ServicePort>;

// The ports of one Service. Headless and ExternalName Services have none. Slices are those with the label
// kubernetes.io/service-name of this Service. Endpoints that are ready; if there is none, those that still serve while they
// terminate (KEP-1669).
ServicePorts ports_of_service(Value service, const std::vector<Document>& slices);

}  // namespace bramble

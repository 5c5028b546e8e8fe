// What a Service needs from the allocators of cluster addresses and node ports when it is created, changed or deleted:
// the rules as pure values; the registry owns the allocators and calls this before validation (create) and after
// (update). Follows "Service" (ClusterIP, NodePort, dual-stack fields with a single family). Pure; any thread.
#pragma once

#include <string>
#include <vector>

#include "core/json/builder.h"

namespace bramble {

struct AllocationNeed {
  enum class What { kClusterIp, kNodePort, kHealthCheckNodePort };
  What what = What::kClusterIp;
  std::string address;   // kClusterIp: the address asked for, or "" for any
  int port = 0;          // ports: the number asked for, or 0 for any
  std::string protocol;  // kNodePort
  size_t index = 0;      // kNodePort: of spec.ports
};

// What must be allocated for `service` beyond what `old` (absent on create) already holds.
std::vector<AllocationNeed> allocation_needs(Value service, Value old);
// What `old` holds and `service` (absent on delete) no longer does.
std::vector<AllocationNeed> allocation_releases(Value service, Value old);
// Writes an allocated address or port into the service: clusterIP and clusterIPs, ports[i].nodePort,
// healthCheckNodePort.
void apply_allocation(Mut service, const AllocationNeed& need, std::string_view address, int port);
// Before validation: makes clusterIP/clusterIPs agree (a client may give only one), carries over from `old` what an
// update leaves out (clusterIP, node ports by port and protocol, healthCheckNodePort), drops what another type does not
// have, and sets ipFamilies and ipFamilyPolicy for a cluster with one family ("IPv4" or "IPv6").
void normalize_service(Mut service, Value old, std::string_view cluster_family);
bool service_needs_cluster_ip(Value service);  // not ExternalName, not headless
bool service_needs_node_ports(
    Value service);  // NodePort, or LoadBalancer unless allocateLoadBalancerNodePorts is false

}  // namespace bramble

// The list of all controllers, each made by its file. To add one: its file, a line here, a line in all.cc.
#pragma once

#include <vector>

#include "core/controllers/controller.h"

namespace bramble {

struct ControllerOptions {
  std::string ca_pem;                       // published as kube-root-ca.crt in every namespace
  std::string advertise_address;            // where the kubernetes Service's endpoint points
  uint16_t api_port = 0;
  std::string api_cluster_ip;               // of the kubernetes Service: the first address of the service network
  std::string pod_network;                  // nodes get their podCIDR from here
  std::string dns_address;                  // of the kube-dns Service; empty: there is none
  bool service_lb = true;                   // LoadBalancer Services get addresses of nodes
};

Controller system_namespaces_controller();
Controller namespace_controller();
Controller service_account_controller();
Controller clusterrole_aggregation_controller();
Controller root_ca_publisher_controller(std::string ca_pem);
Controller replicaset_controller();
Controller deployment_controller();
Controller endpoints_controller();
Controller endpointslice_controller();
Controller endpointslice_mirroring_controller();
Controller kubernetes_service_controller(std::string advertise_address, uint16_t api_port, std::string cluster_ip);
Controller dns_service_controller(std::string address);
Controller service_lb_controller(uint16_t api_port);
Controller garbage_collector();
Controller pod_gc_controller();
Controller disruption_controller();
Controller stale_disruption_controller();
Controller node_lifecycle_controller();
Controller taint_eviction_controller();
Controller node_ipam_controller(std::string pod_network);
Controller resource_quota_controller();
Controller claim_protection_controller();
Controller volume_protection_controller();

std::vector<Controller> all_controllers(const ControllerOptions& options);

}  // namespace bramble

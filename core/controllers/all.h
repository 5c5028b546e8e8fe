// The list of all controllers, each made by its file. To add one: its file, a line here, a line in all.cc.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "core/base/limits.h"
#include "core/controllers/controller.h"

namespace bramble {

class CertificateAuthority;

// Whether RBAC lets somebody "create" this subresource of certificatesigningrequests ("nodeclient", "selfnodeclient").
using MayFn = std::function<bool(const Identity& user, std::string_view subresource)>;

struct CertificateAuthorities {
  std::shared_ptr<const CertificateAuthority> client, server;
  int64_t time_floor_s = 0;  // nothing is issued as of an earlier time (core/crypto/issuing_time.h)
};

struct NodeCertificateOptions {
  MayFn may;
  std::vector<std::string> server_names;  // names and addresses of the API: no node's certificate has them
};

struct ControllerOptions {
  std::string ca_pem;                       // published as kube-root-ca.crt in every namespace
  std::string advertise_address;            // where the kubernetes Service's endpoint points
  uint16_t api_port = 0;
  std::string api_cluster_ip;               // of the kubernetes Service: the first address of the service network
  std::string pod_network;                  // nodes get their podCIDR from here
  int node_range_bits = limits::kPodCidrNodeBits;  // of this size
  std::string dns_address;                  // of the kube-dns Service; empty: there is none
  bool service_lb = true;                   // LoadBalancer Services get addresses of nodes
  CertificateAuthorities authorities;       // null: nothing is approved and issued
  NodeCertificateOptions node_certificates;
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
Controller node_ipam_controller(std::string pod_network, int node_bits = limits::kPodCidrNodeBits);
Controller resource_quota_controller();
Controller claim_protection_controller();
Controller volume_protection_controller();
Controller csr_signing_controller(CertificateAuthorities authorities);
Controller csr_cleaner_controller();
Controller node_certificates_controller(NodeCertificateOptions options);
Controller token_cleaner_controller();

std::vector<Controller> all_controllers(const ControllerOptions& options);

}  // namespace bramble

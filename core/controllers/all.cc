#include "core/controllers/controllers.h"

namespace bramble {

std::vector<Controller> all_controllers(const ControllerOptions& options) {
  std::vector<Controller> all;
  all.push_back(system_namespaces_controller());
  all.push_back(kubernetes_service_controller(options.advertise_address, options.api_port, options.api_cluster_ip));
  all.push_back(namespace_controller());
  all.push_back(service_account_controller());
  all.push_back(clusterrole_aggregation_controller());
  all.push_back(root_ca_publisher_controller(options.ca_pem));
  all.push_back(replicaset_controller());
  all.push_back(deployment_controller());
  all.push_back(endpoints_controller());
  all.push_back(endpointslice_controller());
  all.push_back(endpointslice_mirroring_controller());
  if (!options.dns_address.empty()) all.push_back(dns_service_controller(options.dns_address));
  if (options.service_lb) all.push_back(service_lb_controller(options.api_port));
  all.push_back(garbage_collector());
  all.push_back(pod_gc_controller());
  all.push_back(disruption_controller());
  all.push_back(stale_disruption_controller());
  all.push_back(node_lifecycle_controller());
  all.push_back(taint_eviction_controller());
  all.push_back(node_ipam_controller(options.pod_network, options.node_range_bits));
  all.push_back(resource_quota_controller());
  all.push_back(claim_protection_controller());
  all.push_back(volume_protection_controller());
  all.push_back(csr_cleaner_controller());
  all.push_back(token_cleaner_controller());
  if (options.authorities.client) {
    all.push_back(node_certificates_controller(options.node_certificates));
    all.push_back(csr_signing_controller(options.authorities));
  }
  return all;
}

Identity controller_identity(const std::string& account) {
  Identity id;
  if (account.find(':') != std::string::npos) {
    id.user = account;
    id.groups = {"system:masters", "system:authenticated"};
    return id;
  }
  id.user = cat("system:serviceaccount:kube-system:", account);
  id.groups = {"system:serviceaccounts", "system:serviceaccounts:kube-system", "system:authenticated"};
  return id;
}

Controllers::Controllers(const ClientFactory& clients, const Clock& clock, const ControllerOptions& options,
                         const AlarmFactory& alarms, Quarantine* quarantine) {
  for (Controller& c : all_controllers(options)) {
    std::unique_ptr<Client> client = clients(controller_identity(c.account));
    drivers_.push_back(std::make_unique<Driver>(std::move(c), std::move(client), clock, alarms, quarantine));
  }
}

void Controllers::start() {
  for (const std::unique_ptr<Driver>& d : drivers_) d->start();
}

void Controllers::look_again() {
  for (const std::unique_ptr<Driver>& d : drivers_) d->look_again();
}

void Controllers::print_metrics(MetricText& out) const {
  for (const std::unique_ptr<Driver>& d : drivers_) d->print_metrics(out);
}

bool Controllers::idle() const {
  for (const std::unique_ptr<Driver>& d : drivers_) {
    if (!d->idle()) return false;
  }
  return true;
}

}  // namespace bramble

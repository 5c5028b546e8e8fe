// AgentCredentials: the authorities, keys and certificates of an agent, as they lie under <data-dir>/agent: server-ca.crt,
// client-ca.crt, client-kubelet, serving-kubelet, client-kube-proxy, and may be client-bramble-controller (.crt and .key). Whoever joins writes them. Blocking.
#pragma once

#include <string>

#include "core/crypto/x509.h"

namespace bramble {

struct AgentCredentials {
  std::string server_ca_pem;     // signs the API's and the kubelets' ports
  std::string client_ca_pem;     // signs who may ask the kubelet's port
  CertifiedKey kubelet;          // system:node:NAME of system:nodes
  CertifiedKey kubelet_serving;  // of the kubelet's port
  CertifiedKey kube_proxy;       // system:kube-proxy; reads for the proxy and the DNS
  CertifiedKey controller;       // system:bramble-controller, reads for network policies; empty: none are kept on this node
};

// kNotFound: this machine has not joined. kInvalidArgument names the file that does not fit, and what to do.
Result<AgentCredentials> load_agent_credentials(const std::string& data_dir, const std::string& node_name);

}  // namespace bramble

// NodeCredentials: the authorities, keys and certificates of an agent, under <data-dir>/agent: server-ca.crt, client-ca.crt,
// client-kubelet, serving-kubelet, client-kube-proxy, client-dns, client-bramble-controller (.crt and .key). All 0600, written atomically and durably; keys
// are made here and never leave the machine. client-kubelet.crt is written last: where it stands, the others stand too.
// Blocking: at start, or in offload().
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/crypto/x509.h"

namespace bramble {

struct NodeCredentials {
  std::string server_ca_pem;     // signs the API's and the kubelets' ports
  std::string client_ca_pem;     // signs who may ask the kubelet's port
  CertifiedKey kubelet;          // system:node:NAME of system:nodes, for the API
  CertifiedKey kubelet_serving;  // of the kubelet's port
  CertifiedKey kube_proxy;       // system:kube-proxy
  CertifiedKey dns;              // system:serviceaccount:kube-system:kube-dns
  CertifiedKey controller;       // system:bramble-controller: what network policies need
  int64_t renew_at_s = 0;        // when the first of them is to be issued again: two thirds of its life are over
};

// Nothing when this machine has not joined yet. kCorrupt or kInvalidArgument name the file that does not fit, and what to do.
Result<std::optional<NodeCredentials>> load_node_credentials(const std::string& data_dir);
Status store_node_credentials(const std::string& data_dir, const NodeCredentials& credentials);

// When the first of the certificates is to be issued again.
int64_t node_renewal_at_s(const NodeCredentials& credentials);

// Where a key lies ("client-kubelet"). It is stored before it is certified: a name belongs to the first key that asks for it.
std::string agent_key_path(const std::string& data_dir, std::string_view name);

// The node that the certificate is of; "" when it is none.
std::string node_of(const NodeCredentials& credentials);

}  // namespace bramble

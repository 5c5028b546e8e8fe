// Credentials: the authorities, keys and certificates of a server, under <data-dir>/server/tls, made at the first start.
// Files are written atomically (keys 0600); an authority and the service account key are never replaced here; a leaf is
// issued again when two thirds of its life are over, when its names changed, or when its authority is another.
// Owner: core/app. Blocking, at start.
#pragma once

#include <string>
#include <vector>

#include "core/base/clock.h"
#include "core/crypto/x509.h"

namespace bramble {

struct CredentialOptions {
  std::string directory;                  // <data-dir>/server/tls
  std::vector<std::string> server_names;  // DNS names and addresses of the API's certificate
  std::string node_name;
  std::vector<std::string> node_names;    // the same of the kubelet's
};

struct Credentials {
  std::string server_ca_pem;   // signs the API's and the kubelet's certificates; clients trust it
  std::string client_ca_pem;   // signs clients
  CertifiedKey api_server;
  CertifiedKey admin;          // system:admin of system:masters
  CertifiedKey kubelet_server;
  std::string service_account_key_pem;
};

// kCorrupt or kInvalidArgument name the file that does not fit, and what to do.
Result<Credentials> load_or_make_credentials(const CredentialOptions& options, const Clock& clock);

// A kubeconfig for a holder of a client certificate.
std::string make_kubeconfig(const std::string& server_url, const std::string& ca_pem, const CertifiedKey& client);

}  // namespace bramble
// Whether an authority's two files ("server-ca", "client-ca") are both there and belong together, or neither is there yet.
Status check_authority(const std::string& directory, std::string_view name);


// Credentials: the authorities, keys and certificates of a server, under <data-dir>/server/tls, made at the first start.
// Files are written atomically (keys 0600); an authority and the service account key are never replaced here, but for a half
// that a first start left behind; a leaf is issued again when two thirds of its life are over, when its names changed, or when
// its authority is another.
// Owner: core/app. Blocking: at start, then in offload() (core/app/renewal.h).
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
  int64_t time_floor_s = 0;               // nothing is issued as of an earlier time
  bool in_use = false;                    // there is a store: somebody may know the authorities, so none is made anew
};

struct Credentials {
  std::string server_ca_pem;   // signs the API's and the kubelet's certificates; clients trust it
  std::string client_ca_pem;   // signs clients
  std::string server_ca_key_pem, client_ca_key_pem;
  CertifiedKey api_server;
  CertifiedKey admin;          // system:admin of system:masters
  CertifiedKey kubelet_server;
  CertifiedKey kubelet_client; // system:apiserver of system:masters, for the ports of kubelets
  std::string service_account_key_pem;
  int64_t renew_at_s = 0;      // when the first of the leaves is to be issued again, in seconds since 1970
};

// The floor of issuing times (core/crypto/issuing_time.h): the release's date, or the last write of the store under this
// folder. Before the store is opened.
int64_t issuing_floor_s(const std::string& data_dir);

// kCorrupt or kInvalidArgument name the file that does not fit, and what to do.
Result<Credentials> load_or_make_credentials(const CredentialOptions& options, const Clock& clock);

// Whether an authority's two files ("server-ca", "client-ca") are both there and belong together, or are yet to be made.
Status check_authority(const std::string& directory, std::string_view name, bool in_use);

// A kubeconfig for a holder of a client certificate.
std::string make_kubeconfig(const std::string& server_url, const std::string& ca_pem, const CertifiedKey& client);

}  // namespace bramble

// ControlPlane: the server half of the process, built by constructor arguments in the order in which data flows: store, watch
// cache, registry, apiserver, its TLS port, controllers, scheduler. To read control_plane.cc is to read the system.
// Owner's loop thread. What survives a crash is the store's business.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/apiserver/apiserver.h"
#include "core/apiserver/audit.h"
#include "core/app/agent_api.h"
#include "core/app/node_ways.h"
#include "core/apiserver/oidc.h"
#include "core/app/access_api.h"
#include "core/app/credentials.h"
#include "core/app/secrets_encryption.h"
#include "core/app/store_care.h"
#include "core/base/limits.h"
#include "core/controllers/controllers.h"
#include "core/http/server.h"
#include "core/client/recorder.h"
#include "core/quarantine/quarantine.h"
#include "core/scheduler/scheduler.h"
#include "storage/encrypted/encrypted_store.h"
#include "storage/sqlite/sqlite_store.h"

namespace bramble {

struct ControlPlaneOptions {
  std::string data_dir, run_dir, store_dir, backup_dir;
  std::string sign_of_cluster;       // see FirstStart
  int backups_kept = limits::kBackupsKept;
  int64_t backup_every_us = limits::kBackupEveryUs;
  std::string bind_address, advertise_address;
  uint16_t port = 0;
  std::string pod_range, service_range, dns_address, api_service_address, domain;
  bool network_policy = true;        // of the nodes, and so are these
  std::string flannel_backend = "vxlan";
  bool flannel_external_ip = false;
  int node_range_bits = limits::kPodCidrNodeBits;  // the size of each node's range of pod addresses
  int64_t time_floor_s = 0;          // see CredentialOptions
  int node_port_first = 0, node_port_last = 0;
  std::string token_file;            // static tokens; empty: none
  bool secrets_encryption = false;   // see SecretsEncryption
  OidcOptions oidc;                  // tokens of somebody else
  std::string audit_policy_file;     // empty: no audit log
  AuditLogOptions audit_log;         // its path; empty: no audit log
  std::map<std::string, std::string> flags;  // as /flagz shows them
  std::string host;                  // names this process in Events
  std::string own_node;              // the node in this process; no machine joins under its name; "" none
  std::string node_token_password;   // see JoinTokens
  std::vector<std::string> server_names;  // names and addresses of the API
  bool controllers = true, scheduler = true;
  bool cluster_dns = true;           // nodes serve DNS at dns_address
  bool service_lb = true;            // LoadBalancer Services get addresses of nodes
  std::function<NodeStreams*(std::string_view node)> streams;
  ReadingsOf readings;
  std::function<void()> doubt_over;  // of what the store may have lost (StoreCare): the node looks again
};

std::string quarantine_path(const std::string& run_dir);  // core/quarantine's file

class ControlPlane {
 public:
  // Opens the store and the port. Errors are one line that says what and what to do.
  static Result<std::unique_ptr<ControlPlane>> open(ControlPlaneOptions options, const Credentials& credentials, Loop& loop,
                                                    Clock& clock, Random& random);
  ~ControlPlane();
  // Controllers and scheduler begin.
  void start();
  // Connections from now on see this certificate.
  Status use_certificates(const Credentials& credentials);
  // No more requests from outside: the port and the socket of local commands are closed, requests in flight are dropped. What
  // they used may end afterwards.
  void close_ports();
  // After close_ports(), and while work may still be offloaded: what the audit log has to say of requests is on the disk.
  Task<void> flush_audit();
  // After close_ports(): controllers and scheduler end, what is volatile goes to disk. The process may end afterwards.
  Task<Status> close();

  std::unique_ptr<Client> client(Identity identity) { return api_->client(std::move(identity)); }
  void use_node_token(std::string_view password) { api_->tokens().use_node_token(password); }
  uint16_t port() const { return http_->port(); }
  Quarantine* quarantine() { return quarantine_.get(); }

 private:
  ControlPlane(ControlPlaneOptions options, Clock& clock, Random& random);
  Task<void> bootstrap();
  Task<Status> keep_own_name();
  std::vector<HealthCheck> health_checks();
  void print_metrics(MetricText& out) const;
  Status check_port() const;
  Error port_refused(const Error& error) const;
  std::vector<std::string> lost_keys() const;
  Status open_quarantine();
  Status open_store(Loop& loop);
  Status open_api(const Credentials& credentials);
  Result<std::shared_ptr<TlsClientContext>> kubelet_tls(const Credentials& credentials) const;
  Result<std::shared_ptr<Audit>> open_audit() const;
  Status open_store_care();
  void tell_of_skips();
  Status open_authorities(const Credentials& credentials);

  ControlPlaneOptions options_;
  Clock& clock_;
  Random& random_;
  std::string ca_pem_;
  CertificateAuthorities authorities_;
  std::unique_ptr<Quarantine> quarantine_;
  std::unique_ptr<SqliteStore> store_;
  std::unique_ptr<EncryptedStore> sealed_;  // store_, with Secrets sealed in it
  std::unique_ptr<WatchCache> cache_;
  std::unique_ptr<SecretsEncryption> encryption_;
  std::unique_ptr<Registry> registry_;
  std::unique_ptr<Oidc> oidc_;    // may be null
  std::shared_ptr<Audit> audit_;  // may be null
  std::unique_ptr<ApiServer> api_;
  std::unique_ptr<NodeWays> ways_;
  std::unique_ptr<AgentApi> agents_;
  std::unique_ptr<Client> own_client_;
  std::unique_ptr<Recorder> own_events_;  // of what is set aside
  std::shared_ptr<TlsServerContext> tls_;
  std::unique_ptr<AccessApi> access_;
  std::unique_ptr<StoreCare> store_care_;
  std::unique_ptr<HttpServer> http_;
  std::unique_ptr<Controllers> controllers_;
  std::unique_ptr<Scheduler> scheduler_;
  TaskGroup tasks_;
};

}  // namespace bramble

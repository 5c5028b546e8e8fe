#include "core/app/control_plane.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "core/app/host_facts.h"
#include "core/app/https_fetch.h"
#include "core/app/process_metrics.h"
#include "core/app/version.h"
#include "core/base/files.h"
#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/crypto/tls.h"
#include "core/loop/loop.h"
#include "core/loop/socket.h"
#include "core/registry/api_status.h"
#include "core/resources/node_key.h"
#include "images/local_store.h"

namespace bramble {

ControlPlane::ControlPlane(ControlPlaneOptions options, Clock& clock, Random& random)
    : options_(std::move(options)), clock_(clock), random_(random) {}
ControlPlane::~ControlPlane() = default;

Result<std::unique_ptr<ControlPlane>> ControlPlane::open(ControlPlaneOptions options, const Credentials& credentials, Loop& loop,
                                                         Clock& clock, Random& random) {
  std::unique_ptr<ControlPlane> plane(new ControlPlane(std::move(options), clock, random));
  TRY(plane->check_port());
  TRY(plane->open_store(loop));
  TRY(plane->open_api(credentials));
  TRY(plane->open_store_care());
  return plane;
}

// Before the store is opened: a start that is refused leaves it as it was.
Status ControlPlane::check_port() const {
  TRY_ASSIGN(SocketAddress address, SocketAddress::ip(options_.bind_address, options_.port));
  auto listening = Listener::listen(address);
  return listening.ok() ? ok() : port_refused(listening.error());
}

Error ControlPlane::port_refused(const Error& error) const {
  std::string owner = port_owner(options_.port);
  if (error.code() != Code::kAlreadyExists || owner.empty()) return error;
  return Error(Code::kAlreadyExists, cat("port ", options_.port, " is taken by ", owner, "; stop it, or give --https-listen-port"));
}

std::string quarantine_path(const std::string& run_dir) { return run_dir + "/quarantine"; }

// Before anything reads an object.
Status ControlPlane::open_quarantine() {
  TRY(make_folders(options_.run_dir, 0700));
  TRY_ASSIGN(quarantine_, Quarantine::open(quarantine_path(options_.run_dir)));
  for (const Quarantine::Entry& e : quarantine_->set_aside()) log_warning("quarantine: ", Quarantine::text_of(e));
  quarantine_->watch_for_crashes();
  return ok();
}

Status ControlPlane::open_store(Loop& loop) {
  SqliteOptions store;
  store.dir = options_.store_dir;
  store.backup_dir = options_.backup_dir;
  store.sign_of_use = options_.sign_of_cluster;
  TRY(make_folders(store.dir, 0700));
  TRY_ASSIGN(store_, SqliteStore::open(std::move(store), loop, clock_, random_));
  TRY(open_quarantine());
  TRY_ASSIGN(SealKeys seal_keys, load_seal_keys(options_.data_dir, options_.secrets_encryption, random_, clock_));
  const std::string secrets = registry_prefix(*find_kind("", "v1", "secrets"), "");
  sealed_ = std::make_unique<EncryptedStore>(*store_, secrets, std::move(seal_keys));
  cache_ = std::make_unique<WatchCache>(clock_);
  TRY(cache_->load(*sealed_, quarantine_.get()));
  encryption_ = std::make_unique<SecretsEncryption>(*sealed_, *cache_, secrets, options_.data_dir, random_, clock_);
  for (const std::string& key : cache_->unreadable()) log_error("store: ", key, ": unreadable, left out; bramble check-config lists what is lost");
  Registry::Options registry;
  registry.service_cidr = options_.service_range;
  registry.dns_address = options_.dns_address;
  registry.node_port_first = options_.node_port_first;
  registry.node_port_last = options_.node_port_last;
  registry.quarantine = quarantine_.get();
  registry_ = std::make_unique<Registry>(*sealed_, *cache_, clock_, random_, std::move(registry));
  registry_->adopt();
  return ok();
}

// What is skipped is told of in the log and in an Event on the object.
void ControlPlane::tell_of_skips() {
  own_client_ = api_->client(controller_identity("system:apiserver"));
  own_events_ = std::make_unique<Recorder>(*own_client_, clock_, "bramble", options_.host);
  quarantine_->on_skip([this](const Quarantine::Entry& entry, const Document& object) {
    log_warning("quarantine: ", Quarantine::text_of(entry));
    if (!object || !own_events_) return;
    std::string message = cat(entry.room, " leaves this object alone until it changes: working on it ended bramble ", entry.aborts, " times (", entry.signal, ")");
    own_events_->record({object, "Warning", "Quarantined", message, {}, {}});
  });
}

// Null without a policy, or without a path: then nothing is told, and nothing written.
Result<std::shared_ptr<Audit>> ControlPlane::open_audit() const {
  if (options_.audit_policy_file.empty()) return std::shared_ptr<Audit>();
  TRY_ASSIGN(std::string text, read_file(options_.audit_policy_file));
  auto policy = AuditPolicy::parse(text);
  if (!policy.ok()) {
    return Error(Code::kInvalidArgument, cat("loading audit policy file: ", policy.error().message(), ": from file ", options_.audit_policy_file));
  }
  if (options_.audit_log.path.empty()) return std::shared_ptr<Audit>();
  return std::make_shared<Audit>(std::move(*policy), options_.audit_log, clock_);
}

Status ControlPlane::open_authorities(const Credentials& credentials) {
  TRY_ASSIGN(CertificateAuthority server, CertificateAuthority::from_pem(credentials.server_ca_pem, credentials.server_ca_key_pem));
  TRY_ASSIGN(CertificateAuthority client, CertificateAuthority::from_pem(credentials.client_ca_pem, credentials.client_ca_key_pem));
  authorities_.server = std::make_shared<const CertificateAuthority>(std::move(server));
  authorities_.client = std::make_shared<const CertificateAuthority>(std::move(client));
  authorities_.time_floor_s = options_.time_floor_s;
  return ok();
}

Status ControlPlane::open_api(const Credentials& credentials) {
  ca_pem_ = credentials.server_ca_pem;
  TRY(open_authorities(credentials));
  ApiServer::Options api;
  api.server_ca_pem = credentials.server_ca_pem;
  api.client_ca_pem = credentials.client_ca_pem;
  TRY_ASSIGN(PrivateKey key, PrivateKey::from_pem(credentials.service_account_key_pem));
  api.tokens.verify = {key.public_key()};
  api.tokens.time_floor_s = options_.time_floor_s;
  api.tokens.sign = std::make_shared<const PrivateKey>(std::move(key));
  if (!options_.token_file.empty()) {
    TRY_ASSIGN(std::string csv, read_file(options_.token_file));
    auto listed = StaticTokens::parse(csv);
    if (!listed.ok()) return listed.error().prefixed(options_.token_file);
    api.tokens.listed = std::move(*listed);
  }
  if (!options_.oidc.issuer_url.empty()) {
    auto fetch = [ca_file = options_.oidc.ca_file](std::string url) { return fetch_https(std::move(url), ca_file); };
    oidc_ = std::make_unique<Oidc>(options_.oidc, clock_, fetch);
    api.tokens.others = [this](std::string_view token) { return oidc_->check(token); };
  }
  api.server_address = cat(options_.advertise_address, ":", options_.port);
  api.git_version = kubernetes_version();
  api.git_commit = build_commit();
  api.git_tree_state = build_tree_state();
  api.build_time_s = build_time_s();
  api.platform = cat("linux/", node_architecture());
  api.streams = options_.streams;
  api.readings = [this](std::string_view node) {
    NodeReadings* own = options_.readings ? options_.readings(node) : nullptr;
    return own || !ways_ ? own : ways_->readings(node);
  };
  api.kubelets = [this](std::string node) { return ways_->connect(std::move(node)); };
  TRY_ASSIGN(audit_, open_audit());
  api.audit = audit_;
  api.checks = health_checks();
  api.flags = options_.flags;
  api.metrics = {[this](MetricText& out) { print_metrics(out); }};
  api_ = std::make_unique<ApiServer>(*registry_, std::move(api));
  api_->tokens().use_node_token(options_.node_token_password);
  tell_of_skips();
  TRY_ASSIGN(auto to_kubelets, kubelet_tls(credentials));
  ways_ = std::make_unique<NodeWays>(own_client_->snapshot(), std::move(to_kubelets));

  HttpServer::Options http;
  http.address = options_.bind_address;
  http.port = options_.port;
  TRY_ASSIGN(tls_, TlsServerContext::create({credentials.api_server.certificate_pem, credentials.api_server.key_pem,
                                             credentials.client_ca_pem, {"h2", "http/1.1"}}));
  http.tls = tls_;
  http.too_large_json = status_failure(Code::kTooLarge, 413, "RequestEntityTooLarge",
                                       cat("Request entity too large: limit is ", http.body_bytes_max)).status_json();
  long cores = sysconf(_SC_NPROCESSORS_ONLN);
  http.connection_threads = cores > 2 ? 2 : 1;
  agents_ = std::make_unique<AgentApi>(ClusterFacts{options_.pod_range, options_.service_range, options_.dns_address, options_.domain, options_.cluster_dns, options_.network_policy, options_.flannel_backend, options_.flannel_external_ip}, ways_->tunnels());
  auto listening = HttpServer::listen(std::move(http), [this](auto request, auto responder) {
    if (AgentApi::takes(request->path)) return agents_->handle(std::move(request), std::move(responder));
    return api_->handle(std::move(request), std::move(responder));
  });
  if (!listening.ok()) return port_refused(listening.error());
  http_ = std::move(*listening);
  return ok();
}

// Whom it shows itself to kubelets as.
Result<std::shared_ptr<TlsClientContext>> ControlPlane::kubelet_tls(const Credentials& credentials) const {
  return TlsClientContext::create({credentials.server_ca_pem, credentials.kubelet_client.certificate_pem, credentials.kubelet_client.key_pem, {"http/1.1"}, true});
}

Status ControlPlane::open_store_care() {
  StoreCare::Options care;
  care.backup_dir = options_.backup_dir;
  care.backups_kept = options_.backups_kept;
  care.backup_every_us = options_.backup_every_us;
  care.socket_path = options_.run_dir + "/server.sock";
  care.lost = [this] { return lost_keys(); };
  care.doubt_over = [this] {
    if (controllers_) controllers_->look_again();
    if (options_.doubt_over) options_.doubt_over();
  };
  AccessApi::Options access{options_.data_dir, [this](std::string_view password) { use_node_token(password); }};
  access_ = std::make_unique<AccessApi>(api_->client(controller_identity("system:apiserver")), clock_, random_, std::move(access));
  care.others = [this](std::shared_ptr<const HttpRequest> request, std::shared_ptr<Responder> responder) {
    if (request->path.starts_with("/v1/encryption")) return encryption_->handle(std::move(request), std::move(responder));
    return access_->handle(std::move(request), std::move(responder));
  };
  store_care_ = std::make_unique<StoreCare>(*store_, clock_, api_->client(controller_identity("system:apiserver")), std::move(care));
  return store_care_->listen();
}

// Values that are no objects, and rows that were damaged when the store was opened, but for what came back since (from the
// backup, or made anew).
std::vector<std::string> ControlPlane::lost_keys() const {
  std::set<std::string> keys(cache_->unreadable().begin(), cache_->unreadable().end());
  for (const std::string& key : store_->health().damaged) {
    if (!cache_->get(key)) keys.insert(key);
  }
  return {keys.begin(), keys.end()};
}

// Under the names that upstream gives to what stands in the same place.
std::vector<HealthCheck> ControlPlane::health_checks() {
  auto store = [this]() -> Status {
    return store_->health().ready();
  };
  auto followed = [this]() -> Status {
    if (cache_->revision() >= store_->revision()) return ok();
    return Error(Code::kUnavailable, cat("the watch cache is at ", cache_->revision(), ", the store at ", store_->revision()));
  };
  return {{"etcd", HealthCheck::kHealthz | HealthCheck::kLivez, store},
          {"poststarthook/storage-readiness", HealthCheck::kEverywhere, store},
          {"poststarthook/generic-apiserver-start-informers", HealthCheck::kEverywhere, followed},
          {"informer-sync", HealthCheck::kReadyz, followed}};
}

// What the parts beside the API server count.
void ControlPlane::print_metrics(MetricText& out) const {
  print_process_metrics(out);
  if (http_) {
    out.single("apiserver_tls_handshake_errors_total", "counter", "ALPHA", "Number of requests dropped with 'TLS handshake error from' error",
               static_cast<double>(http_->handshake_errors()));
  }
  struct stat file {};
  if (stat(store_->path().c_str(), &file) == 0) {
    out.family("apiserver_storage_size_bytes", "gauge", "STABLE", "Size of the storage database file physically allocated in bytes.");
    out.value(label_text({{"storage_cluster_id", "sqlite"}}), static_cast<double>(file.st_blocks) * 512);
  }
  if (controllers_) controllers_->print_metrics(out);
  if (scheduler_) scheduler_->print_metrics(out);
}

// A disk that is full now may not be later.
Task<void> ControlPlane::bootstrap() {
  for (int64_t wait_ms = limits::kBootstrapRetryMsMin;; wait_ms = std::min(2 * wait_ms, limits::kBootstrapRetryMsMax)) {
    Status done = co_await api_->bootstrap();
    if (done.ok()) {
      Task<Status> keeping = keep_own_name();
      done = co_await keeping;
    }
    if (done.ok()) co_return;
    log_error("api: system objects: ", done.error().message(), "; tried again in ", wait_ms / 1000, " s");
    co_await sleep_ms(wait_ms);
  }
}

// No machine may join under the name of the node in this process, which has no key of its own.
Task<Status> ControlPlane::keep_own_name() {
  const std::string name = node_key_name(options_.own_node);
  if (name.empty()) co_return ok();
  Document there = own_client_->snapshot().get(resource_ids::kSecrets, kNodeKeyNamespace, name);
  auto known = node_key_of(there);
  if (known && known->key == kServersOwnKey) co_return ok();
  Document secret = node_key_secret({options_.own_node, std::string(kServersOwnKey), ""}, there);
  const ObjectKey key{std::string(kNodeKeyNamespace), name};
  Task<Result<Document>> writing = there ? own_client_->update(resource_ids::kSecrets, key, secret) : own_client_->create(resource_ids::kSecrets, key.ns, secret);
  auto written = co_await writing;
  co_return written.ok() ? ok() : Status(written.error());
}

void ControlPlane::start() {
  tasks_.start(bootstrap());
  if (oidc_) oidc_->start();
  tasks_.start(registry_->run_event_expiry());
  store_care_->start();
  if (options_.controllers) {
    ControllerOptions o;
    o.ca_pem = ca_pem_;
    o.advertise_address = options_.advertise_address;
    o.api_port = options_.port;
    o.api_cluster_ip = options_.api_service_address;
    o.pod_network = options_.pod_range;
    o.node_range_bits = options_.node_range_bits;
    o.dns_address = options_.cluster_dns ? options_.dns_address : "";
    o.service_lb = options_.service_lb;
    o.authorities = authorities_;
    o.node_certificates.server_names = options_.server_names;
    o.node_certificates.may = [this](const Identity& user, std::string_view subresource) {
      Attributes what;
      what.verb = "create", what.group = "certificates.k8s.io", what.version = "*", what.resource = "certificatesigningrequests";
      what.subresource = subresource;
      return api_->authorizer().allows(user, what);
    };
    controllers_ = std::make_unique<Controllers>([this](Identity i) { return api_->client(std::move(i)); }, clock_, o, loop_alarms(), quarantine_.get());
    controllers_->start();
  }
  if (options_.scheduler) {
    scheduler_ = std::make_unique<Scheduler>(api_->client(scheduler_identity()), clock_, random_, SchedulerOptions{options_.host},
                                             loop_alarms(), quarantine_.get());
    scheduler_->start();
  }
}

Status ControlPlane::use_certificates(const Credentials& c) {
  TRY_ASSIGN(auto to_kubelets, kubelet_tls(c));
  ways_->use_tls(std::move(to_kubelets));
  return tls_->reload(c.api_server.certificate_pem, c.api_server.key_pem, c.client_ca_pem);
}

void ControlPlane::close_ports() {
  http_.reset();
  store_care_.reset();
  access_.reset();
}

Task<void> ControlPlane::flush_audit() {
  if (audit_) co_await audit_->flush();
}

Task<Status> ControlPlane::close() {
  scheduler_.reset();
  controllers_.reset();
  own_events_.reset();
  tasks_.cancel_all();
  if (audit_) audit_->finish();
  auto closed = co_await store_->close();
  co_return closed;
}

}  // namespace bramble

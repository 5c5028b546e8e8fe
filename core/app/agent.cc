#include "core/app/agent.h"

#include <algorithm>
#include <utility>

#include "core/app/control_plane.h"
#include "core/app/host_facts.h"
#include "core/app/version.h"
#include "core/base/files.h"
#include "core/base/limits.h"
#include "core/base/limits_client.h"
#include "core/base/log.h"
#include "core/crypto/hash.h"
#include "images/local_store.h"

namespace bramble {

namespace {

using How = RemoteApi::Scope::How;

// What the Node authorizer lets a node read, and how.
std::map<ResourceId, RemoteApi::Scope> node_scopes(const std::string& name) {
  const ResourceId volumes{"", "v1", "persistentvolumes"};
  return {
      {resource_ids::kPods, {How::kWhole, "", cat("spec.nodeName=", name)}},
      {resource_ids::kNodes, {How::kWhole, "", cat("metadata.name=", name)}},
      {resource_ids::kSecrets, {How::kByObject, "", ""}},
      {resource_ids::kConfigMaps, {How::kByObject, "", ""}},
      {resource_ids::kLeases, {How::kByGet, "", ""}},
      {resource_ids::kPersistentVolumeClaims, {How::kByGet, "", ""}},
      {volumes, {How::kByGet, "", ""}},
  };
}

std::string user_agent(std::string_view part) { return cat(part, "/", kubernetes_version(), " (linux/", node_architecture(), ") bramble/", version_text()); }

Credentials credentials_of_node(const NodeCredentials& c) {
  Credentials out;
  out.server_ca_pem = c.server_ca_pem;
  out.client_ca_pem = c.client_ca_pem;
  out.kubelet_server = c.kubelet_serving;
  return out;
}

}  // namespace

Agent::Agent(AgentSetup setup, Clock& clock, Random& random) : setup_(std::move(setup)), clock_(clock), random_(random) {}
Agent::~Agent() = default;

JoinOptions Agent::join_options() const {
  JoinOptions o;
  o.server_url = setup_.server.text();
  o.token = setup_.token;
  o.node_name = setup_.node.name;
  o.node_addresses = {setup_.node.address};
  o.data_dir = setup_.node.data_dir;
  o.time_floor_s = build_time_s();
  o.resolv_conf = setup_.node.resolv_conf;
  return o;
}

// Who has joined needs no server to begin; a server that is not there yet is waited for.
Task<Result<NodeCredentials>> Agent::join_cluster() {
  auto there = load_node_credentials(setup_.node.data_dir);
  if (there.ok() && *there && node_of(**there) == setup_.node.name && clock_.wall_us() / 1000000 < (*there)->renew_at_s) co_return **there;
  bool told = false;
  for (int64_t wait_ms = limits::kApiConnectMsMin;; wait_ms = std::min(limits::kApiConnectMsMax, 2 * wait_ms)) {
    JoinOptions options = join_options();
    auto joined = co_await join(std::move(options), clock_);
    if (joined.ok()) co_return joined;
    Code code = joined.error().code();
    if (code != Code::kUnavailable && code != Code::kTimeout && code != Code::kTooManyRequests) co_return joined;
    if (!std::exchange(told, true)) log_warning("join: ", joined.error().message(), "; tried again until it is there");
    co_await sleep_ms(wait_ms / 2 + static_cast<int64_t>(random_.below(static_cast<uint64_t>(wait_ms))));
  }
}

Result<std::shared_ptr<TlsClientContext>> Agent::tls_of(const CertifiedKey& key, std::string alpn) const {
  return TlsClientContext::create({credentials_.server_ca_pem, key.certificate_pem, key.key_pem, {std::move(alpn)}, true});
}

// Connections from now on; those that stand go on with what they began with.
Status Agent::use(const NodeCredentials& renewed) {
  credentials_ = renewed;
  TRY_ASSIGN(auto kubelet, tls_of(credentials_.kubelet, "h2"));
  TRY_ASSIGN(auto proxy, tls_of(credentials_.kube_proxy, "h2"));
  TRY_ASSIGN(auto tunnel, tls_of(credentials_.kubelet, "http/1.1"));
  api_->use_tls(kubelet);
  heartbeats_->use_tls(std::move(kubelet));
  proxy_transport_->use_tls(std::move(proxy));
  tunnel_->use_tls(std::move(tunnel));
  return node_->use_certificates(credentials_of_node(credentials_));
}

Status Agent::open_transports() {
  auto make = [this](const CertifiedKey& key, std::string_view part, bool told) -> Result<std::unique_ptr<ApiTransport>> {
    ApiTransport::Options o;
    o.servers = [server = setup_.server] { return std::vector<Url>{server}; };
    TRY_ASSIGN(o.tls, tls_of(key, "h2"));
    o.user_agent = user_agent(part);
    o.names.resolv_conf = setup_.node.resolv_conf;
    o.connected_log = told;
    return std::make_unique<ApiTransport>(std::move(o), random_);
  };
  TRY_ASSIGN(api_, make(credentials_.kubelet, "kubelet", true));
  TRY_ASSIGN(heartbeats_, make(credentials_.kubelet, "kubelet", false));
  TRY_ASSIGN(proxy_transport_, make(credentials_.kube_proxy, "kube-proxy", false));
  return ok();
}

Task<Result<ClusterFacts>> Agent::ask_for_facts() {
  HttpClientRequest request;
  request.target = kClusterFactsPath;
  auto answer = co_await api_->request(std::move(request), limits::kNodeRequestBytesMax, limits::kApiRequestMs);
  CO_TRY(answer);
  if (answer->status != 200) co_return error_of_answer(answer->status, answer->body);
  co_return parse_cluster_facts(answer->body);
}

// From the server; while it is away, as they were when it was there; before that, waits.
Task<Result<ClusterFacts>> Agent::learn_facts() {
  std::string path = setup_.node.data_dir + "/agent/cluster.json";
  auto kept = read_file(path);
  for (;;) {
    auto asked = co_await ask_for_facts();
    if (asked.ok()) {
      std::string text = cluster_facts_text(*asked);
      if (!kept.ok() || *kept != text) {
        Status written = replace_file_durably(path, text, 0600);
        if (!written.ok()) co_return written.error();
      }
      co_return asked;
    }
    bool away = asked.error().code() == Code::kUnavailable || asked.error().code() == Code::kTimeout;
    if (!away) co_return asked.error().prefixed(cat("server ", setup_.server.text()));
    if (kept.ok()) co_return parse_cluster_facts(*kept);
    co_await api_->until_connected(limits::kApiConnectMsMax);
  }
}

void Agent::open_apis() {
  RemoteApi::Options node;
  node.api = api_.get();
  node.heartbeats = heartbeats_.get();
  node.scopes = node_scopes(setup_.node.name);
  node.follows_pods = true;
  node.manager = "kubelet";
  node_api_ = std::make_unique<RemoteApi>(std::move(node), clock_, random_);
  RemoteApi::Options proxy;
  proxy.api = proxy_transport_.get();
  proxy.manager = "kube-proxy";
  proxy_api_ = std::make_unique<RemoteApi>(std::move(proxy), clock_, random_);
}

Status Agent::open_node() {
  NodeOptions node = setup_.node;
  node.quarantine = quarantine_.get();
  node.store_mark = cat("authority ", sha256_hex(credentials_.server_ca_pem), "\n");
  node.pods_known = [this] { return node_api_->synced({resource_ids::kPods}); };
  node.services_known = [this] { return proxy_api_->synced({resource_ids::kServices, resource_ids::kEndpointSlices}); };
  Credentials credentials = credentials_of_node(credentials_);
  // The proxy, network policies and the DNS read as one, and the kubelet Services too: they share one copy.
  auto clients = [this](Identity i) -> std::unique_ptr<Client> {
    return i.user.starts_with("system:node:") ? std::make_unique<RemoteClient>(*node_api_, *proxy_api_) : std::make_unique<RemoteClient>(*proxy_api_);
  };
  TRY_ASSIGN(node_, Node::open(std::move(node), credentials, clients, clock_, random_));
  return ok();
}

Task<Status> Agent::start() {
  Status made = make_folders(setup_.node.run_dir, 0700);
  CO_TRY(made);
  auto credentials = co_await join_cluster();
  CO_TRY(credentials);
  credentials_ = std::move(*credentials);
  auto quarantine = Quarantine::open(quarantine_path(setup_.node.run_dir));
  CO_TRY(quarantine);
  quarantine_ = std::move(*quarantine);
  for (const Quarantine::Entry& e : quarantine_->set_aside()) log_warning("quarantine: ", Quarantine::text_of(e));
  quarantine_->watch_for_crashes();
  quarantine_->on_skip([](const Quarantine::Entry& entry, const Document&) { log_warning("quarantine: ", Quarantine::text_of(entry)); });
  Status opened = open_transports();
  CO_TRY(opened);
  auto facts = co_await learn_facts();
  CO_TRY(facts);
  NodeOptions& n = setup_.node;
  n.pod_range = facts->pod_range;
  n.service_range = facts->service_range;
  n.dns_address = facts->dns_address;
  n.domain = facts->domain;
  n.dns = facts->dns;
  n.flannel_backend = facts->flannel_backend;
  n.flannel_external_ip = facts->flannel_external_ip;
  n.network_policy = facts->network_policy;
  open_apis();
  const int64_t begun_us = clock_.monotonic_us();
  std::vector<ResourceId> of_node = {resource_ids::kPods, resource_ids::kNodes}, of_proxy = {resource_ids::kServices, resource_ids::kEndpointSlices};
  for (const ResourceId& r : of_proxy) proxy_api_->follow(r);
  bool there = co_await node_api_->until_synced(of_node, limits::kAgentSyncMs);
  int64_t left_ms = limits::kAgentSyncMs - (clock_.monotonic_us() - begun_us) / 1000;
  if (there && left_ms > 0) co_await proxy_api_->until_synced(of_proxy, left_ms);
  if (!there) log_warning("server: away; the node goes on with what it has");
  Status node_up = open_node();
  CO_TRY(node_up);
  co_return open_tunnel();
}

// Of this machine the server reaches the kubelet's port alone.
Task<Result<std::unique_ptr<Stream>>> Agent::dial(std::string name) {
  if (name != "kubelet") co_return Error(Code::kPermissionDenied, cat(go_quote(name), " is not reached by this node's tunnel"));
  auto address = SocketAddress::ip("127.0.0.1", setup_.node.kubelet_port);
  CO_TRY(address);
  auto stream = co_await Stream::connect(*address, limits::kConnectMs);
  co_return stream;
}

Status Agent::open_tunnel() {
  TunnelClient::Options o;
  o.servers = [server = setup_.server] { return std::vector<Url>{server}; };
  TRY_ASSIGN(o.tls, tls_of(credentials_.kubelet, "http/1.1"));
  o.user_agent = user_agent("kubelet");
  o.names.resolv_conf = setup_.node.resolv_conf;
  o.dial = [this](std::string name) { return dial(std::move(name)); };
  tunnel_ = std::make_unique<TunnelClient>(std::move(o), random_);
  renewal_ = std::make_unique<NodeRenewal>(credentials_, join_options(), clock_, [this](const NodeCredentials& renewed) { return use(renewed); });
  // The kubelet's certificate is of an address that it had: asked for again, once the API knows the one that it has.
  auto serving = parse_certificate(credentials_.kubelet_serving.certificate_pem);
  const std::string& address = setup_.node.address;
  if (serving.ok() && std::find(serving->subject.ip_addresses.begin(), serving->subject.ip_addresses.end(), address) == serving->subject.ip_addresses.end()) renewal_->use_addresses({address});
  return ok();
}

void Agent::close_ports() {
  renewal_.reset();
  tunnel_.reset();
  if (node_) node_->close_ports();
}

}  // namespace bramble

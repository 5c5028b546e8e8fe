#include "core/app/node.h"

#include <filesystem>

#include "cni/netlink/rtnetlink.h"
#include "cni/plugin/plugin_network.h"
#include "core/app/carried_runtime.h"
#include "core/app/host_facts.h"
#include "core/app/image_folder.h"
#include "core/app/late_network.h"
#include "core/app/local_api.h"
#include "core/app/process_metrics.h"
#include "core/app/version.h"
#include "core/base/files.h"
#include "core/base/limits.h"
#include "core/crypto/tls.h"
#include "core/dns/dns_server.h"
#include "core/http/server.h"
#include "core/kubelet/kubelet.h"
#include "core/kubelet/kubelet_port.h"
#include "core/loop/file_watch.h"
#include "core/network/firewall_watch.h"
#include "core/network/node_network.h"
#include "core/proxy/network_policies.h"
#include "core/proxy/proxy.h"
#include "core/proxy/taken_ports.h"
#include "core/runtime/carried_runc.h"
#include "core/runtime/cgroups.h"
#include "core/runtime/pod_runtime.h"
#include "images/local_store.h"
#include "images/pull/image_puller.h"

namespace bramble {
namespace {

Identity node_identity(const std::string& name) {
  return {cat("system:node:", name), "", {"system:nodes", "system:authenticated"}, {}};
}

// Reads what names resolve to; upstream's DNS pods run as this account.
Identity dns_identity() {
  return {"system:serviceaccount:kube-system:kube-dns", "", {"system:serviceaccounts", "system:serviceaccounts:kube-system", "system:authenticated"}, {}};
}

// The cluster DNS address is an address of lo: every pod of this node reaches this node's resolver by it.
Status add_dns_address(const std::string& address) {
  TRY_ASSIGN(Rtnetlink rt, Rtnetlink::open());
  TRY_ASSIGN(auto lo, rt.find_link("lo"));
  auto prefix = IpPrefix::parse(address);
  if (!lo || !prefix) return Error(Code::kInvalidArgument, cat("dns address ", address, ": cannot be added to lo"));
  return rt.add_address(lo->index, *prefix);
}

KubeletOptions kubelet_options(const NodeOptions& o) {
  KubeletOptions k;
  k.node_name = o.name;
  k.node_ip = o.address;
  k.external_ips = o.external_addresses;
  k.cluster_dns = o.dns_address;
  k.cluster_domain = o.domain;
  k.root_dir = o.root_dir;
  k.data_dir = o.data_dir + "/agent";
  k.run_dir = o.run_dir;
  k.log_dir = o.log_dir + "/pods";
  k.container_log_dir = o.log_dir + "/containers";
  if (!o.cgroup_root.empty()) {
    k.cgroup_root = o.cgroup_root + "/kubepods";
    k.shim_cgroup = o.cgroup_root + "/shims";
  }
  k.runtime = o.runtime;
  k.open_files = o.open_files;
  k.resolv_conf = o.resolv_conf;
  k.kubelet_version = kubernetes_version();
  k.kubelet_port = o.kubelet_port;
  k.labels = o.labels;
  k.taints = o.taints;
  k.image_gc = o.image_gc;
  k.settings = o.settings;
  k.watch_kernel_log = true;
  k.metrics = print_process_metrics;
  k.quarantine = o.quarantine;
  k.store_mark = o.store_mark;
  k.pods_known = o.pods_known;
  return k;
}

}  // namespace

struct Node::Parts {
  NodeOptions options;
  Clock& clock;
  Parts(NodeOptions o, Clock& c) : options(std::move(o)), clock(c) {}
  std::unique_ptr<Client> client;        // as the node
  std::unique_ptr<Client> proxy_client;  // as the proxy
  std::unique_ptr<Client> policy_client; // as k3s's controller of each node, who reads policies, pods and namespaces
  std::unique_ptr<Client> dns_client;    // as the cluster DNS
  std::unique_ptr<LocalImageStore> images;
  std::unique_ptr<ImagePuller> puller;
  std::unique_ptr<LateNetwork> network;
  std::unique_ptr<NodeNetwork> node_network;  // null: --flannel-backend=none
  std::unique_ptr<FirewallWatch> firewall;
  std::unique_ptr<FileWatch> cni_folder;  // --flannel-backend=none
  std::unique_ptr<Proxy> proxy;
  std::unique_ptr<TakenPorts> taken_ports;
  std::unique_ptr<NetworkPolicies> policies;
  std::unique_ptr<DnsServer> dns;
  std::unique_ptr<Kubelet> kubelet;
  std::shared_ptr<TlsServerContext> kubelet_tls;
  std::unique_ptr<KubeletPort> kubelet_access;
  std::unique_ptr<HttpServer> kubelet_port;
  std::unique_ptr<LocalApi> local_api;
  std::unique_ptr<ImageFolder> image_folder;
  std::unique_ptr<Subscription> own_node;

  Status open_network();
  Status open_kubelet_port(const Credentials& credentials);
  Status follow_nodes();
  Status follow_plugins(const PluginNetworkOptions& plugins);
  void use_pod_range(const Document& node);
};

Status Node::Parts::open_network() {
  PodNetwork::Options network_options;
  network_options.state_dir = options.data_dir + "/agent/cni";
  PluginNetworkOptions plugins;
  plugins.state_dir = network_options.state_dir + "/attachments";
  plugins.plugin_dirs = {"/opt/cni/bin", "/usr/lib/cni", network_options.state_dir + "/bin"};
  const bool own = options.flannel_backend != "none";
  auto open = [own, plugins](PodNetwork::Options o) -> Result<std::unique_ptr<PodNetwork>> {
    if (!own) return open_plugin_network(plugins);
    TRY_ASSIGN(auto bridge, PodNetwork::open(std::move(o)));
    return with_attachments(std::move(bridge), plugins);
  };
  network = std::make_unique<LateNetwork>(network_options, open, loop_alarms(), [this] {
    if (kubelet) kubelet->network_changed();
  });
  if (!own) TRY(follow_plugins(plugins));
  TRY(follow_nodes());
  if (auto pods = IpPrefix::parse(options.pod_range)) {
    firewall = std::make_unique<FirewallWatch>(options.name, *pods, *client, clock, loop_alarms());
    TRY(firewall->start());
  }
  if (options.dns) TRY(add_dns_address(options.dns_address));
  if (options.proxy) {
    Proxy::Options proxy_options;
    proxy_options.network.pod_range = options.pod_range;
    if (options.dns) proxy_options.network.own_address = options.dns_address;
    proxy_options.network.node_port_ranges = options.node_port_addresses;
    proxy_options.service_range = options.service_range;
    proxy_options.quarantine = options.quarantine;
    proxy_options.node_name = options.name;
    proxy_options.clock = &clock;
    proxy_options.known = options.services_known;
    proxy = std::make_unique<Proxy>(std::move(proxy_options), *proxy_client);
    TRY(proxy->start());
    taken_ports = std::make_unique<TakenPorts>(TakenPorts::Options{options.name, options.service_range}, *client);
    taken_ports->start();
  }
  if (options.network_policy) {
    policies = std::make_unique<NetworkPolicies>(NetworkPolicies::Options{"bramble-policy", options.name, options.quarantine}, *policy_client, proxy ? proxy->table_watch() : nullptr);
    TRY(policies->start());
    network->tell_added([this](const PodNetworkRequest& request, const PodNetworkResult& result) {
      Document pod = policy_client->snapshot().get(resource_ids::kPods, request.pod_namespace, request.pod_name);
      if (pod && uid_of(pod) == request.pod_uid) policies->pod_networked(pod, result.addresses);
    });
  }
  if (!options.dns) return ok();
  DnsServer::Options dns_options;
  dns_options.address = options.dns_address;
  dns_options.domain = options.domain;
  dns_options.resolv_conf = options.resolv_conf;
  dns_options.quarantine = options.quarantine;
  dns_options.known = options.services_known;
  dns = std::make_unique<DnsServer>(dns_options, *dns_client);
  return dns->start();
}

Status Node::Parts::open_kubelet_port(const Credentials& credentials) {
  HttpServer::Options http;
  http.address = "0.0.0.0";
  http.port = options.kubelet_port;
  http.connection_threads = 0;
  TRY_ASSIGN(kubelet_tls, TlsServerContext::create({credentials.kubelet_server.certificate_pem,
                                                    credentials.kubelet_server.key_pem,
                                                    credentials.client_ca_pem,
                                                    {"http/1.1"}}));
  http.tls = kubelet_tls;
  kubelet_access = std::make_unique<KubeletPort>(*client, options.name);
  http.body_bytes_max = limits::kNodeRequestBytesMax;
  auto listening = HttpServer::listen(std::move(http), [this](auto request, auto responder) {
    return kubelet_access->handle(std::move(request), std::move(responder), kubelet ? &kubelet->pages() : nullptr, kubelet.get());
  });
  if (!listening.ok()) {
    std::string owner = port_owner(options.kubelet_port);
    if (listening.error().code() != Code::kAlreadyExists || owner.empty()) return listening.error();
    return Error(Code::kAlreadyExists,
                 cat("port ", options.kubelet_port, " is taken by ", owner, "; stop it, or give --kubelet-port"));
  }
  kubelet_port = std::move(*listening);
  return ok();
}

// The folder is there from now on, so that a configuration that comes later is seen.
Status Node::Parts::follow_plugins(const PluginNetworkOptions& plugins) {
  std::error_code unreadable;
  std::string program = std::filesystem::read_symlink("/proc/self/exe", unreadable).string();
  if (!unreadable) TRY(link_own_plugins(plugins.plugin_dirs.back(), program));
  TRY(make_folders(plugins.conf_dir, 0755));
  TRY_ASSIGN(cni_folder, FileWatch::start(plugins.conf_dir, [this](const std::string&) { network->look_again(); }));
  return ok();
}

// Pods get their network once other nodes can be reached from it. Without a backend of ours that is somebody else's business.
Status Node::Parts::follow_nodes() {
  if (options.flannel_backend != "none") {
    NodeNetwork::Options o;
    o.node_name = options.name;
    o.interface = options.flannel_interface;
    if (o.interface.empty()) o.address = options.address;
    if (options.flannel_external_ip && !options.external_addresses.empty()) o.public_address = options.external_addresses.front();
    o.vxlan = options.flannel_backend == "vxlan";
    auto ready = [this](const std::string& range, int mtu) { network->use(range, mtu); };
    node_network = std::make_unique<NodeNetwork>(std::move(o), *client, *proxy_client, clock, loop_alarms(), ready);
    return node_network->start();
  }
  own_node = client->subscribe({resource_ids::kNodes}, [this](const Change& c) {
    if (c.after && name_of(c.after) == options.name) use_pod_range(c.after);
  });
  use_pod_range(client->snapshot().get(resource_ids::kNodes, "", options.name));
  return ok();
}

void Node::Parts::use_pod_range(const Document& node) {
  std::string range = node["spec"]["podCIDR"].text();
  if (!range.empty()) network->use(range);
}

Status Node::check_host(const NodeOptions& options) {
  if (!options.runtime.empty() || carried_runc().empty()) TRY(find_runtime(options.runtime.empty() ? "runc" : options.runtime));
  TRY_ASSIGN(Cgroups cgroups, Cgroups::open({}));
  return cgroups.check_memory();
}

Result<std::unique_ptr<Node>> Node::open(NodeOptions options, const Credentials& credentials, const Clients& clients,
                                         Clock& clock, Random& random) {
  auto parts = std::make_unique<Parts>(std::move(options), clock);
  const NodeOptions& o = parts->options;
  TRY(make_folders(o.data_dir + "/agent", 0700));
  TRY_ASSIGN(parts->options.runtime, node_runtime(o.runtime, o.data_dir));
  TRY(make_folders(o.run_dir, 0700));
  parts->client = clients(node_identity(o.name));
  parts->proxy_client = clients({"system:kube-proxy", "", {"system:authenticated"}, {}});
  parts->policy_client = clients({"system:bramble-controller", "", {"system:authenticated"}, {}});
  parts->dns_client = clients(dns_identity());
  TRY(parts->open_kubelet_port(credentials));
  TRY(Registries::load(o.registries_path));  // a mistake in it is told now, not at the first pull
  TRY_ASSIGN(parts->images, LocalImageStore::open(o.data_dir + "/agent/image-store"));
  ImagePuller::Options pulls;
  pulls.registries_path = o.registries_path;
  pulls.parallel_max = o.image_pulls_max;
  pulls.engine.use_default_endpoint = o.default_registry_endpoint;
  pulls.engine.surroundings.resolve.resolv_conf = o.resolv_conf;
  // The cluster's own addresses and names are behind no proxy.
  ProxySettings& proxies = pulls.engine.surroundings.proxies;
  proxies = ProxySettings::of_environment();
  proxies.no_proxy += cat(",", o.pod_range, ",", o.service_range, ",.svc,.", o.domain);
  Parts* all = parts.get();
  pulls.pulled = [all] {
    if (all->kubelet) all->kubelet->image_pulled();
  };
  parts->puller = std::make_unique<ImagePuller>(std::move(pulls), *parts->images);
  TRY(parts->open_network());
  KubeletOptions kubelet_is = kubelet_options(o);
  kubelet_is.image_source = parts->puller.get();
  TRY_ASSIGN(parts->kubelet, Kubelet::open(std::move(kubelet_is), *parts->client, *parts->images, *parts->network, clock, random));
  Kubelet* kubelet = parts->kubelet.get();
  LocalApi::Hooks hooks;
  hooks.changed = [kubelet] { kubelet->images_changed(); };
  hooks.in_use = [kubelet] { return kubelet->images_in_use(); };
  parts->local_api = std::make_unique<LocalApi>(*parts->images, *parts->puller, hooks, o.quarantine);
  TRY(parts->local_api->listen(o.run_dir + "/bramble.sock"));
  parts->image_folder = std::make_unique<ImageFolder>(o.data_dir + "/agent/images", *parts->images, *parts->puller, hooks.changed, o.quarantine);
  kubelet->start();  // last: from here on offloaded work points to the parts, and nothing may fail any more
  return std::unique_ptr<Node>(new Node(std::move(parts)));
}

Node::Node(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Node::~Node() = default;
Status Node::use_certificates(const Credentials& c) {
  return parts_->kubelet_tls->reload(c.kubelet_server.certificate_pem, c.kubelet_server.key_pem, c.client_ca_pem);
}
void Node::close_ports() {
  parts_->image_folder.reset();
  parts_->local_api.reset();
  parts_->kubelet_port.reset();
  parts_->puller->stop();
}
void Node::look_again() {
  parts_->kubelet->look_again();
  if (parts_->node_network) parts_->node_network->look_again();
}
NodeReadings* Node::readings() { return &parts_->kubelet->pages(); }
NodeStreams* Node::streams() { return parts_->kubelet.get(); }

}  // namespace bramble

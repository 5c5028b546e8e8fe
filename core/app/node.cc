#include "core/app/node.h"

#include "cni/netlink/rtnetlink.h"
#include "core/app/late_network.h"
#include "core/app/local_api.h"
#include "core/app/small_files.h"
#include "core/base/log.h"
#include "core/dns/dns_server.h"
#include "core/proxy/proxy.h"
#include "images/image_store.h"

namespace bramble {
namespace {

Identity node_identity(const std::string& name) { return {cat("system:node:", name), "", {"system:nodes", "system:authenticated"}, {}}; }

// The cluster DNS address is an address of lo: every pod of this node reaches this node's resolver by it.
Status add_dns_address(const std::string& address) {
  TRY_ASSIGN(Rtnetlink rt, Rtnetlink::open());
  TRY_ASSIGN(auto lo, rt.find_link("lo"));
  auto prefix = IpPrefix::parse(address);
  if (!lo || !prefix) return Error(Code::kInvalidArgument, cat("dns address ", address, ": cannot be added to lo"));
  return rt.add_address(lo->index, *prefix);
}

}  // namespace

struct Node::Parts {
  NodeOptions options;
  std::unique_ptr<Client> client;        // as the node
  std::unique_ptr<Client> proxy_client;  // as the proxy
  std::unique_ptr<ImageStore> images;
  std::unique_ptr<LateNetwork> network;
  std::unique_ptr<Proxy> proxy;
  std::unique_ptr<DnsServer> dns;
  std::unique_ptr<LocalApi> local_api;
  std::unique_ptr<Subscription> own_node;

  Status open_network();
  void follow_own_node();
  void use_pod_range(const Document& node);
};

Status Node::Parts::open_network() {
  PodNetwork::Options network_options;
  network_options.state_dir = options.data_dir + "/agent/cni";
  network = std::make_unique<LateNetwork>(network_options);
  follow_own_node();
  TRY(add_dns_address(options.dns_address));
  if (options.proxy) {
    proxy = std::make_unique<Proxy>(Proxy::Options{{"bramble", options.pod_range}, options.service_range}, *proxy_client);
    TRY(proxy->start());
  }
  DnsServer::Options dns_options;
  dns_options.address = options.dns_address;
  dns_options.domain = options.domain;
  dns_options.resolv_conf = options.resolv_conf;
  dns = std::make_unique<DnsServer>(dns_options, *client);
  return dns->start();
}

void Node::Parts::follow_own_node() {
  own_node = client->subscribe({resource_ids::kNodes}, [this](const Change& c) {
    if (c.after && name_of(c.after) == options.name) use_pod_range(c.after);
  });
  use_pod_range(client->snapshot().get(resource_ids::kNodes, "", options.name));
}

void Node::Parts::use_pod_range(const Document& node) {
  std::string range = node["spec"]["podCIDR"].text();
  if (range.empty()) return;
  Status opened = network->use(range);
  if (!opened.ok()) log_error("network: ", opened.error().message());
}

Result<std::unique_ptr<Node>> Node::open(NodeOptions options, const Credentials& credentials, const Clients& clients, Clock& clock, Random& random) {
  (void)credentials;
  (void)clock;
  (void)random;
  auto parts = std::make_unique<Parts>();
  parts->options = std::move(options);
  const NodeOptions& o = parts->options;
  TRY(make_directories(o.data_dir + "/agent", 0700));
  TRY(make_directories(o.run_dir, 0700));
  parts->client = clients(node_identity(o.name));
  parts->proxy_client = clients({"system:kube-proxy", "", {"system:authenticated"}, {}});
  TRY_ASSIGN(parts->images, ImageStore::open(o.data_dir + "/agent/images-store"));
  TRY(parts->open_network());
  parts->local_api = std::make_unique<LocalApi>(*parts->images, [] {});
  TRY(parts->local_api->listen(o.run_dir + "/bramble.sock"));
  return std::unique_ptr<Node>(new Node(std::move(parts)));
}

Node::Node(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Node::~Node() = default;
NodeStreams* Node::streams() { return nullptr; }

}  // namespace bramble

// Node: this machine's half of the process: images, network, proxy, DNS, container runtime, kubelet, and the socket that local
// commands use. Built by constructor arguments, in order. Owner's loop thread. Destroying it leaves the pods, the packet
// filter and the links as they are; they are found again at the next start.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/app/credentials.h"
#include "core/base/clock.h"
#include "core/base/random.h"
#include "core/client/client.h"
#include "core/client/node_readings.h"
#include "core/client/node_streams.h"
#include "core/kubelet/image_gc_plan.h"
#include "core/kubelet/node_settings.h"
#include "core/quarantine/quarantine.h"

namespace bramble {

struct NodeOptions {
  std::string name, address;
  std::string data_dir, run_dir, root_dir, log_dir;
  std::string cgroup_root, runtime, resolv_conf, domain;
  std::string pod_range, service_range, dns_address;
  std::vector<std::string> external_addresses;
  std::string flannel_backend = "vxlan";  // "vxlan" "host-gw" "none": how pods of other nodes are reached
  std::string flannel_interface;     // the link to other nodes; empty: the one with the address
  bool flannel_external_ip = false;  // others reach this node by its external address
  std::vector<std::string> labels, taints;
  std::string registries_path;       // registries.yaml; need not be there
  bool default_registry_endpoint = true;
  size_t image_pulls_max = 1;        // at once
  ImageGcPolicy image_gc;
  NodeSettings settings;             // evictions, reserves, swap, shutdown
  uint16_t kubelet_port = 10250;
  bool proxy = true;
  bool dns = true;                   // serves the cluster's DNS at dns_address
  bool network_policy = true;
  std::vector<std::string> node_port_addresses;  // ranges; empty: all addresses of the node
  uint64_t open_files = 0;           // the soft limit of shims; 0: this process's
  Quarantine* quarantine = nullptr;  // outlives the node; may be null
  std::string store_mark;            // see KubeletOptions
  std::function<bool()> pods_known, services_known;  // false: the server, elsewhere, has not told of them yet; empty: they are
};

class Node {
 public:
  using Clients = std::function<std::unique_ptr<Client>(Identity)>;
  // What a machine may lack for a node: asked before anything is made on it. The Error is one line that says what to do.
  static Status check_host(const NodeOptions& options);
  // Errors are one line that says what and what to do.
  static Result<std::unique_ptr<Node>> open(NodeOptions options, const Credentials& credentials, const Clients& clients, Clock& clock,
                                            Random& random);
  // Offloaded work points into the Node: destroy it once an OffloadHalt is quiet, or not at all.
  ~Node();
  NodeStreams* streams();
  NodeReadings* readings();
  // Connections to the kubelet's port from now on see this certificate.
  Status use_certificates(const Credentials& credentials);
  // No more requests: the kubelet's port and the socket of local commands are closed, requests in flight are dropped.
  void close_ports();
  void look_again();  // see Kubelet

 private:
  struct Parts;
  explicit Node(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace bramble

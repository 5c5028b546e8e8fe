// PodNetwork: addresses and links of pods on this node, by the CNI specification 1.0: the bundled bridge, host-local,
// portmap and loopback plugins. ADD and DEL are idempotent. Knows links and addresses, no Kubernetes kind. Blocking calls:
// run them in offload().
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/base/result.h"

namespace bramble {

struct PortMapping {
  std::string protocol;  // "tcp" "udp" "sctp"
  uint16_t host_port = 0;
  uint16_t container_port = 0;
  std::string host_ip;
};

struct PodNetworkRequest {
  std::string container_id;  // the pod's uid
  std::string netns_path;    // "/run/bramble/pods/<uid>/ns/net"
  std::string pod_namespace, pod_name, pod_uid;
  std::vector<PortMapping> host_ports;
};

struct PodNetworkResult {
  std::vector<std::string> addresses;  // "10.42.0.5", the pod's IPs, IPv4 first
};

class PodNetwork {
 public:
  struct Options {
    std::string state_dir;         // leases of addresses live here ("<data-dir>/agent/cni")
    std::string pod_cidr;          // "10.42.0.0/24"
    std::string bridge = "cni0";
    int mtu = 0;                   // 0: of the default route's link
  };
  static Result<std::unique_ptr<PodNetwork>> open(Options options);
  virtual ~PodNetwork() = default;
  virtual Status ready() { return ok(); }  // an error says why no ADD can succeed now; does not block
  virtual Result<PodNetworkResult> add(const PodNetworkRequest& request) = 0;
  virtual Status del(const PodNetworkRequest& request) = 0;
  virtual Status collect(const std::vector<std::string>& live_container_ids) = 0;  // gives back what crashed pods left
  virtual Status down() = 0;                                                        // removes the bridge and its rules
};

// Makes a network namespace (with lo up) bind-mounted at path, or removes it. Idempotent.
Status make_netns(const std::string& path);
Status remove_netns(const std::string& path);

}  // namespace bramble

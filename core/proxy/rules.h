// Rules: the one nftables table of this node ("bramble"), and the changes that bring it from one set of ServicePorts to
// another. Every packet meets two look-ups by map, however many Services there are; a Service's endpoints are a map of its
// own with a random index, and its clients' choices another, with timeouts, that survives changes of the endpoints. Nothing
// outside of the table is touched. Pure but for the batch that they fill.
//
// Of one service port, by the hash of its key:
//   internal-ID  what comes to its cluster addresses: an endpoint of the internal policy
//   external-ID  what comes to its other addresses and node ports: by the external policy on to one of the next two
//   service-ID   an endpoint of the whole cluster
//   local-ID     an endpoint of this node
//   firewall-ID  who may use the load balancer's addresses
#pragma once

#include <string>
#include <vector>

#include "cni/nft/batch.h"
#include "core/proxy/service_ports.h"

namespace bramble {

struct ProxyNetwork {
  std::string table = "bramble";
  std::string pod_range;      // "10.42.0.0/16"
  std::string service_range;  // "10.43.0.0/16"; empty: an address that no Service has is none of our business
  std::string own_address;    // within service_range, served by this host itself: the cluster's DNS; may be empty
  std::vector<std::string> node_port_ranges;  // --nodeport-addresses; empty: every address of the host but those of loopback
};

// The table's frame: base chains, masquerading of pods that leave the cluster, maps without elements. Replaces an old table.
Status add_frame(const ProxyNetwork& network, NftBatch* batch);

// What turns `before` into `after` for one service port; either may be null. A transaction first releases the entries of all its
// ports, then changes all, then adds the entries of all: so an address may move from one Service to another.
void release_entries(const std::string& key, const ServicePort* before, const ServicePort* after, NftBatch* batch);
void change_port(const std::string& key, const ServicePort* before, const ServicePort* after, const ProxyNetwork& network, NftBatch* batch);
void add_entries(const std::string& key, const ServicePort* before, const ServicePort* after, NftBatch* batch);

// Endpoint addresses that enter or leave the set by which a pod reaches itself through its Service.
void change_hairpins(const std::vector<std::string>& added, const std::vector<std::string>& removed, NftBatch* batch);
// Cluster addresses that enter or leave the set of those whose other ports are refused.
void change_cluster_addresses(const std::vector<std::string>& added, const std::vector<std::string>& removed, NftBatch* batch);

}  // namespace bramble

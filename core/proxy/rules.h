// Rules: the one nftables table of this node ("bramble"), and the changes that bring it from one set of ServicePorts to
// another. Every packet meets two look-ups by map, however many Services there are; a Service's endpoints are a map of its
// own with a random index. Nothing outside of the table is touched. Pure but for the batch that they fill.
#pragma once

#include <string>

#include "cni/nft/batch.h"
#include "core/proxy/service_ports.h"

namespace bramble {

struct ProxyNetwork {
  std::string table = "bramble";
  std::string pod_range;  // "10.42.0.0/16"
};

// The table's frame: base chains, masquerading of pods that leave the cluster, maps without elements. Replaces an old table.
Status add_frame(const ProxyNetwork& network, NftBatch* batch);
// Adds to the batch what turns `before` into `after` for one service port; either may be null.
void change_port(const std::string& key, const ServicePort* before, const ServicePort* after, const ProxyNetwork& network, NftBatch* batch);

// Endpoint addresses that enter or leave the set by which a pod reaches itself through its Service.
void change_hairpins(const std::vector<std::string>& added, const std::vector<std::string>& removed, NftBatch* batch);

}  // namespace bramble

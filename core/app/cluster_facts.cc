#include "core/app/cluster_facts.h"

#include "cni/netlink/rtnetlink.h"
#include "core/json/builder.h"

namespace bramble {

std::string cluster_facts_text(const ClusterFacts& facts) {
  Builder b;
  b.root().set("clusterCIDR", facts.pod_range);
  b.root().set("serviceCIDR", facts.service_range);
  b.root().set("clusterDNS", facts.dns_address);
  b.root().set("clusterDomain", facts.domain);
  b.root().set("dns", facts.dns);
  b.root().set("networkPolicy", facts.network_policy);
  b.root().set("flannelBackend", facts.flannel_backend);
  b.root().set("flannelExternalIP", facts.flannel_external_ip);
  return b.dump();
}

Result<ClusterFacts> parse_cluster_facts(std::string_view text) {
  TRY_ASSIGN(Document d, Document::parse(text));
  ClusterFacts out{d["clusterCIDR"].text(), d["serviceCIDR"].text(), d["clusterDNS"].text(), d["clusterDomain"].text(), d["dns"].boolean(true), d["networkPolicy"].boolean(true), d["flannelBackend"].text("vxlan"), d["flannelExternalIP"].boolean()};
  for (const std::string* range : {&out.pod_range, &out.service_range, &out.dns_address})
    if (!IpPrefix::parse(*range)) return Error(Code::kInvalidArgument, cat("facts of the cluster: ", go_quote(*range), " is no address"));
  if (out.domain.empty()) return Error(Code::kInvalidArgument, "facts of the cluster: it has no domain");
  return out;
}

}  // namespace bramble

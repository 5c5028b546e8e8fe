#include "core/proxy/rules.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>

#include "cni/netlink/rtnetlink.h"

namespace bramble {
namespace {

using R = NftRegister;

constexpr uint32_t kMasqueradeMark = 0x4000;  // as kube-proxy's, so that users' own rules that know it go on working

const NftMap kServiceMap{"service-ips", NftKeyType::kAddressProtocolPort, NftDataType::kVerdict};
const NftMap kNodePortMap{"service-nodeports", NftKeyType::kProtocolPort, NftDataType::kVerdict};
const NftMap kNoEndpointMap{"no-endpoint-services", NftKeyType::kAddressProtocolPort, NftDataType::kVerdict};
const NftMap kNoEndpointNodePortMap{"no-endpoint-nodeports", NftKeyType::kProtocolPort, NftDataType::kVerdict};
const NftMap kHairpinSet{"hairpin-connections", NftKeyType::kAddressAddress, NftDataType::kNone};

std::string raw_address(std::string_view text) {
  auto p = IpPrefix::parse(text);
  return p ? std::string(reinterpret_cast<const char*>(p->bytes), 4) : std::string(4, '\0');
}

std::string raw_port(uint16_t port) { return {static_cast<char>(port >> 8), static_cast<char>(port & 255), 0, 0}; }

std::string raw_protocol(std::string_view name) {
  return {static_cast<char>(name == "UDP" ? IPPROTO_UDP : name == "SCTP" ? IPPROTO_SCTP : IPPROTO_TCP), 0, 0, 0};
}

std::string raw_index(uint32_t i) { return {reinterpret_cast<const char*>(&i), sizeof i}; }  // numgen counts in host order

// Chains and maps of one service port carry a hash of its key: nftables names are short.
std::string id_of(const std::string& key) {
  uint64_t h = 14695981039346656037ull;  // FNV-1a, 64 bits
  for (char c : key) h = (h ^ static_cast<unsigned char>(c)) * 1099511628211ull;
  std::string raw;
  for (int i = 56; i >= 0; i -= 8) raw.push_back(static_cast<char>(h >> i));
  return hex(raw);
}

std::string service_chain(const std::string& id) { return "service-" + id; }
std::string external_chain(const std::string& id) { return "external-" + id; }
NftMap endpoint_map(const std::string& id) { return {"endpoints-" + id, NftKeyType::kInteger, NftDataType::kAddressPort}; }

struct Elements {
  std::vector<NftElement> services, node_ports, no_endpoints, no_endpoint_node_ports, endpoints;
};

// What one port has in the shared maps and in its own.
Elements elements_of(const std::string& id, const ServicePort& p) {
  Elements out;
  bool served = !p.endpoints.empty();
  for (const std::string& address : p.addresses) {
    std::string key = raw_address(address) + raw_protocol(p.protocol) + raw_port(p.port);
    if (served) out.services.push_back({key, "", service_chain(id)});
    else out.no_endpoints.push_back({key, "", "reject"});
  }
  if (p.node_port) {
    std::string key = raw_protocol(p.protocol) + raw_port(p.node_port);
    if (served) out.node_ports.push_back({key, "", external_chain(id)});
    else out.no_endpoint_node_ports.push_back({key, "", "reject"});
  }
  for (size_t i = 0; i < p.endpoints.size(); i++)
    out.endpoints.push_back({raw_index(static_cast<uint32_t>(i)), raw_address(p.endpoints[i].address) + raw_port(p.endpoints[i].port), ""});
  return out;
}

NftRule look_up(const char* chain, const NftMap& map) {
  NftRule r(chain);
  if (map.key == NftKeyType::kAddressProtocolPort) {
    r.load_destination_address(R::kR0).load_protocol(R::kR1).load_destination_port(R::kR2);
  } else {
    r.match_local_destination().load_protocol(R::kR0).load_destination_port(R::kR1);
  }
  r.verdict_from(map.name, R::kR0);
  return r;
}

}  // namespace

Status add_frame(const ProxyNetwork& network, NftBatch* batch) {
  auto pods = IpPrefix::parse(network.pod_range);
  if (!pods || pods->v6) return Error(Code::kInvalidArgument, cat("pod addresses ", network.pod_range, ": not an IPv4 range"));
  std::string pod_bytes(reinterpret_cast<const char*>(pods->bytes), 4);

  batch->add_table();
  batch->delete_table();
  batch->add_table();
  for (const NftMap* m : {&kServiceMap, &kNodePortMap, &kNoEndpointMap, &kNoEndpointNodePortMap, &kHairpinSet}) batch->add_map(*m);
  batch->add_chain("services");
  batch->add_chain("no-endpoints");
  batch->add_chain("reject");
  batch->add_chain("nat-prerouting", NftHook{NF_INET_PRE_ROUTING, NF_IP_PRI_NAT_DST, "nat"});
  batch->add_chain("nat-output", NftHook{NF_INET_LOCAL_OUT, NF_IP_PRI_NAT_DST, "nat"});
  batch->add_chain("nat-postrouting", NftHook{NF_INET_POST_ROUTING, NF_IP_PRI_NAT_SRC, "nat"});
  batch->add_chain("filter-input", NftHook{NF_INET_LOCAL_IN, NF_IP_PRI_FILTER - 10, "filter"});
  batch->add_chain("filter-forward", NftHook{NF_INET_FORWARD, NF_IP_PRI_FILTER - 10, "filter"});
  batch->add_chain("filter-output", NftHook{NF_INET_LOCAL_OUT, NF_IP_PRI_FILTER - 10, "filter"});

  for (const char* chain : {"nat-prerouting", "nat-output"}) {
    NftRule r(chain);
    r.jump("services");
    batch->add_rule(std::move(r));
  }
  batch->add_rule(look_up("services", kServiceMap));
  batch->add_rule(look_up("services", kNodePortMap));
  for (const char* chain : {"filter-input", "filter-forward", "filter-output"}) {
    NftRule r(chain);
    r.match_new_connection().jump("no-endpoints");
    batch->add_rule(std::move(r));
  }
  batch->add_rule(look_up("no-endpoints", kNoEndpointMap));
  batch->add_rule(look_up("no-endpoints", kNoEndpointNodePortMap));
  NftRule reset("reject");
  reset.match_protocol(IPPROTO_TCP).reject_with_reset();
  batch->add_rule(std::move(reset));
  NftRule reject("reject");
  reject.reject();
  batch->add_rule(std::move(reject));

  // A pod that reaches itself through its Service must see another source than itself.
  NftRule hairpin("nat-postrouting");
  hairpin.load_source_address(R::kR0).load_destination_address(R::kR1).in_set(kHairpinSet.name, R::kR0).masquerade();
  batch->add_rule(std::move(hairpin));
  NftRule marked("nat-postrouting");
  marked.match_mark(kMasqueradeMark).masquerade();
  batch->add_rule(std::move(marked));
  // Pods leave the cluster under the node's address; multicast stays as it is.
  NftRule leaving("nat-postrouting");
  leaving.match_source(pod_bytes, pods->length, true)
      .match_destination(pod_bytes, pods->length, false)
      .match_destination(raw_address("224.0.0.0"), 4, false)
      .masquerade();
  batch->add_rule(std::move(leaving));
  return ok();
}

void change_port(const std::string& key, const ServicePort* before, const ServicePort* after, const ProxyNetwork& network, NftBatch* batch) {
  if (before && after && *before == *after) return;
  std::string id = id_of(key);
  NftMap own = endpoint_map(id);
  if (before) {
    Elements e = elements_of(id, *before);
    batch->delete_elements(kServiceMap, e.services);
    batch->delete_elements(kNodePortMap, e.node_ports);
    batch->delete_elements(kNoEndpointMap, e.no_endpoints);
    batch->delete_elements(kNoEndpointNodePortMap, e.no_endpoint_node_ports);
    if (!before->endpoints.empty()) {
      batch->flush_chain(external_chain(id));
      batch->flush_chain(service_chain(id));
      batch->delete_chain(external_chain(id));
      batch->delete_chain(service_chain(id));
      batch->delete_map(own.name);
    }
  }
  if (!after) return;
  Elements e = elements_of(id, *after);
  if (!after->endpoints.empty()) {
    auto pods = IpPrefix::parse(network.pod_range);
    batch->add_map(own);
    batch->add_elements(own, e.endpoints);
    batch->add_chain(service_chain(id));
    batch->add_chain(external_chain(id));
    // Who is no pod of the cluster gets this node's address as source, so that the answer comes back through here.
    NftRule stranger(service_chain(id));
    stranger.match_source({reinterpret_cast<const char*>(pods->bytes), 4}, pods->length, false).add_mark(kMasqueradeMark);
    batch->add_rule(std::move(stranger));
    NftRule pick(service_chain(id));
    // The protocol stands first because dnat with a port needs to know that there are ports.
    pick.load_protocol(R::kR0).load_random(R::kR0, static_cast<uint32_t>(after->endpoints.size()));
    pick.load_from(own.name, R::kR0, R::kR1).dnat(R::kR1, R::kR2);
    batch->add_rule(std::move(pick));
    NftRule outside(external_chain(id));
    outside.add_mark(kMasqueradeMark).go_to(service_chain(id));
    batch->add_rule(std::move(outside));
  }
  batch->add_elements(kServiceMap, e.services);
  batch->add_elements(kNodePortMap, e.node_ports);
  batch->add_elements(kNoEndpointMap, e.no_endpoints);
  batch->add_elements(kNoEndpointNodePortMap, e.no_endpoint_node_ports);
}

void change_hairpins(const std::vector<std::string>& added, const std::vector<std::string>& removed, NftBatch* batch) {
  std::vector<NftElement> in, out;
  for (const std::string& a : added) in.push_back({raw_address(a) + raw_address(a), "", ""});
  for (const std::string& a : removed) out.push_back({raw_address(a) + raw_address(a), "", ""});
  batch->delete_elements(kHairpinSet, out);
  batch->add_elements(kHairpinSet, in);
}

}  // namespace bramble

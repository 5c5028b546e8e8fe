#include "core/proxy/rules.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>

#include <array>
#include <functional>

#include "cni/netlink/rtnetlink.h"
#include "core/proxy/table_part.h"

namespace bramble {
namespace {

using R = NftRegister;

constexpr uint32_t kMasqueradeMark = 0x4000;  // as kube-proxy's, so that users' own rules that know it go on working
constexpr int kBeforeDnat = NF_IP_PRI_NAT_DST - 10;

const NftMap kServiceMap{"service-ips", NftKeyType::kAddressProtocolPort, NftDataType::kVerdict};
const NftMap kNodePortMap{"service-nodeports", NftKeyType::kProtocolPort, NftDataType::kVerdict};
const NftMap kNoEndpointMap{"no-endpoint-services", NftKeyType::kAddressProtocolPort, NftDataType::kVerdict};
const NftMap kNoEndpointNodePortMap{"no-endpoint-nodeports", NftKeyType::kProtocolPort, NftDataType::kVerdict};
const NftMap kFirewallMap{"firewall-ips", NftKeyType::kAddressProtocolPort, NftDataType::kVerdict};
const NftMap kFirewallPortMap{"firewall-ports", NftKeyType::kProtocolPort, NftDataType::kVerdict};
const NftMap kHairpinSet{"hairpin-connections", NftKeyType::kAddressAddress, NftDataType::kNone};
const NftMap kClusterAddressSet{"cluster-ips", NftKeyType::kAddress, NftDataType::kNone};

const std::array kSharedMaps{&kServiceMap, &kNodePortMap, &kNoEndpointMap, &kNoEndpointNodePortMap, &kFirewallMap, &kFirewallPortMap};

std::string raw_address(std::string_view text) {
  auto p = IpPrefix::parse(text);
  return p ? std::string(reinterpret_cast<const char*>(p->bytes), 4) : std::string(4, '\0');
}

std::string raw_port(uint16_t port) { return {static_cast<char>(port >> 8), static_cast<char>(port & 255), 0, 0}; }

std::string raw_protocol(std::string_view name) {
  return {static_cast<char>(name == "UDP" ? IPPROTO_UDP : name == "SCTP" ? IPPROTO_SCTP : IPPROTO_TCP), 0, 0, 0};
}

std::string raw_index(uint32_t i) { return {reinterpret_cast<const char*>(&i), sizeof i}; }  // numgen counts in host order

// Chains and maps of one service port carry a hash of its key.
std::string id_of(const std::string& key) { return short_name(key); }

// ---- what one port has in the maps that all share

using Entries = std::map<const NftMap*, std::map<std::string, std::string>>;  // key -> chain

Entries entries_of(const std::string& id, const ServicePort* port) {
  Entries out;
  if (!port) return out;
  const ServicePort& p = *port;
  const std::string protocol = raw_protocol(p.protocol), number = raw_port(p.port);
  // `to`: the chain of those who can be served; `refuse`: of the others.
  auto address = [&](const std::string& a, const std::string& to, const char* refuse) {
    std::string key = raw_address(a) + protocol + number;
    if (!to.empty()) out[&kServiceMap][key] = to;
    if (refuse) out[&kNoEndpointMap][key] = refuse;
  };
  const char* internal_refusal = !p.served ? "reject" : p.internal_endpoints().empty() ? "drop" : nullptr;
  for (const std::string& a : p.cluster_addresses) address(a, internal_refusal ? "" : "internal-" + id, internal_refusal);
  // With the policy Local pods and the host itself are still served where there is no local endpoint: what passes the external
  // chain without having been led anywhere is dropped.
  const char* external_refusal = !p.served ? "reject" : p.external_local && p.local_endpoints.empty() ? "drop" : nullptr;
  const std::string external = p.served ? "external-" + id : "";
  for (const auto* list : {&p.external_addresses, &p.balancer_addresses})
    for (const std::string& a : *list) address(a, external, external_refusal);
  auto host_port = [&](uint16_t n) {
    std::string key = protocol + raw_port(n);
    if (!external.empty()) out[&kNodePortMap][key] = external;
    if (external_refusal) out[&kNoEndpointNodePortMap][key] = external_refusal;
  };
  if (p.node_port) host_port(p.node_port);
  if (p.on_host) host_port(p.port);
  if (!p.source_ranges.empty()) {
    for (const std::string& a : p.balancer_addresses) out[&kFirewallMap][raw_address(a) + protocol + number] = "firewall-" + id;
    if (p.on_host) out[&kFirewallPortMap][protocol + number] = "firewall-" + id;
  }
  return out;
}

// Of `of` what `others` has not.
std::vector<NftElement> missing(const Entries& of, const Entries& others, const NftMap* map) {
  std::vector<NftElement> out;
  auto mine = of.find(map), theirs = others.find(map);
  if (mine == of.end()) return out;
  for (const auto& [key, chain] : mine->second) {
    if (theirs != others.end()) {
      auto it = theirs->second.find(key);
      if (it != theirs->second.end() && it->second == chain) continue;
    }
    out.push_back({key, "", chain});
  }
  return out;
}

// ---- its own maps

void add_endpoint_maps(const std::string& name, const ServicePort& p, const std::vector<ProxyEndpoint>& endpoints, TablePart* out) {
  TablePart::Map& indexed = out->maps[name];
  indexed.map = {name, NftKeyType::kInteger, NftDataType::kAddressPort};
  for (size_t i = 0; i < endpoints.size(); i++)
    indexed.elements[raw_index(static_cast<uint32_t>(i))] = raw_address(endpoints[i].address) + raw_port(endpoints[i].port);
  if (p.affinity_s == 0) return;
  // By this a client's choice is known to be an endpoint still.
  TablePart::Map& alive = out->maps["alive-" + name];
  alive.map = {"alive-" + name, NftKeyType::kAddressPort, NftDataType::kNone};
  for (const ProxyEndpoint& e : endpoints) alive.elements[raw_address(e.address) + raw_port(e.port)];
}

void add_maps(const std::string& id, const ServicePort& p, TablePart* out) {
  if (!p.endpoints.empty()) add_endpoint_maps("endpoints-" + id, p, p.endpoints, out);
  if (!p.local_endpoints.empty()) add_endpoint_maps("locals-" + id, p, p.local_endpoints, out);
  if (p.affinity_s) out->maps["clients-" + id].map = {"clients-" + id, NftKeyType::kAddress, NftDataType::kAddressPort, true};
}

// ---- its own chains

using Rules = std::vector<NftRule>;

// An endpoint of the map: the client's last one if it is alive, else any. Done as dnat.
void add_choice(const std::string& chain, const std::string& id, const std::string& map, size_t endpoints, uint32_t affinity_s, Rules* out) {
  const std::string clients = "clients-" + id;
  const uint64_t timeout_ms = uint64_t{affinity_s} * 1000;
  // The protocol stands first because dnat with a port needs to know that there are ports.
  if (affinity_s) {
    NftRule again(chain);
    again.load_protocol(R::kR0).load_source_address(R::kR0).load_from(clients, R::kR0, R::kR1).in_set("alive-" + map, R::kR1);
    again.update_in(clients, R::kR0, R::kR1, timeout_ms).dnat(R::kR1, R::kR2);
    out->push_back(std::move(again));
  }
  NftRule any(chain);
  any.load_protocol(R::kR0).load_random(R::kR0, static_cast<uint32_t>(endpoints)).load_from(map, R::kR0, R::kR1);
  if (affinity_s) any.load_source_address(R::kR0).remove_from(clients, R::kR0, R::kR1).add_to(clients, R::kR0, R::kR1, timeout_ms);
  any.dnat(R::kR1, R::kR2);
  out->push_back(std::move(any));
}

void add_firewall(const std::string& name, const std::vector<std::string>& ranges, bool with_node, Rules* rules) {
  for (const std::string& r : ranges) {
    NftRule allowed(name);
    allowed.match_source(raw_address(r), IpPrefix::parse(r)->length, true).accept();
    rules->push_back(std::move(allowed));
  }
  if (with_node) {  // it may come to its own load balancer under that one's address
    NftRule own(name);
    own.match_local_source().accept();
    rules->push_back(std::move(own));
  }
  NftRule rest(name);
  rest.drop();
  rules->push_back(std::move(rest));
}

TablePart part_of(const std::string& id, const ServicePort* port, const ProxyNetwork& network) {
  TablePart part;
  if (!port) return part;
  auto& out = part.chains;
  const ServicePort& p = *port;
  if (!p.source_ranges.empty()) {
    out["firewall-" + id] = {cat(join(p.source_ranges, " "), int{p.ranges_have_node}), [ranges = p.source_ranges, node = p.ranges_have_node](const std::string& name, Rules* rules) {
                               add_firewall(name, ranges, node, rules);
                             }};
  }
  if (!p.served) return part;
  add_maps(id, p, &part);
  const auto pods = IpPrefix::parse(network.pod_range);
  const std::string pod_bytes(reinterpret_cast<const char*>(pods->bytes), 4);
  auto choice = [&, id](bool local) {
    std::string map = (local ? "locals-" : "endpoints-") + id;
    size_t n = local ? p.local_endpoints.size() : p.endpoints.size();
    return TablePart::Chain{cat(local ? "local " : "any ", n, " ", p.affinity_s),
                 [=, affinity_s = p.affinity_s](const std::string& name, Rules* rules) { add_choice(name, id, map, n, affinity_s, rules); }};
  };
  if (!p.internal_endpoints().empty() && !p.cluster_addresses.empty()) {
    TablePart::Chain c = choice(p.internal_local);
    // Who is no pod of the cluster gets this node's address as source, so that the answer comes back through here.
    c.make = [=, rest = c.make, length = pods->length](const std::string& name, Rules* rules) {
      NftRule stranger(name);
      stranger.match_source(pod_bytes, length, false).add_mark(kMasqueradeMark);
      rules->push_back(std::move(stranger));
      rest(name, rules);
    };
    out["internal-" + id] = std::move(c);
  }
  if (!p.is_external()) return part;
  const bool any = !p.endpoints.empty(), local = !p.local_endpoints.empty();
  if (any) out["service-" + id] = choice(false);
  if (p.external_local && local) out["local-" + id] = choice(true);
  TablePart::Chain& external = out["external-" + id];
  external.text = cat(int{p.external_local}, int{any}, int{local});
  external.make = [=, length = pods->length, to_local = p.external_local](const std::string& name, Rules* rules) {
    const std::string service = "service-" + id;
    if (!to_local) {
      NftRule all(name);
      all.add_mark(kMasqueradeMark).go_to(service);
      return rules->push_back(std::move(all));
    }
    // Pods and the host itself are no clients from outside: for them the policy is that of the cluster.
    if (any) {
      NftRule pod(name);
      pod.match_source(pod_bytes, length, true).go_to(service);
      rules->push_back(std::move(pod));
      NftRule host(name);
      host.match_local_source().add_mark(kMasqueradeMark).go_to(service);
      rules->push_back(std::move(host));
    }
    if (!local) return;
    NftRule outside(name);
    outside.go_to("local-" + id);
    rules->push_back(std::move(outside));
  };
  return part;
}

// ---- the frame

NftRule address_look_up(const char* chain, const NftMap& map) {
  NftRule r(chain);
  r.load_destination_address(R::kR0).load_protocol(R::kR1).load_destination_port(R::kR2).verdict_from(map.name, R::kR0);
  return r;
}

// What comes to ports of the host's own addresses.
void add_port_look_ups(const char* chain, const NftMap& map, const ProxyNetwork& network, NftBatch* batch) {
  auto add = [&](const IpPrefix& range, bool inside) {
    NftRule r(chain);
    r.match_local_destination().match_destination({reinterpret_cast<const char*>(range.bytes), 4}, range.length, inside);
    if (!network.own_address.empty()) r.match_destination(raw_address(network.own_address), 32, false);
    r.load_protocol(R::kR0).load_destination_port(R::kR1).verdict_from(map.name, R::kR0);
    batch->add_rule(std::move(r));
  };
  if (network.node_port_ranges.empty()) return add(*IpPrefix::parse("127.0.0.0/8"), false);
  for (const std::string& text : network.node_port_ranges)
    if (auto range = IpPrefix::parse(text); range && !range->v6) add(range->network(), true);
}

void add_base_chains(NftBatch* batch) {
  struct Base {
    const char* name;
    NftHook hook;
  } bases[] = {
      {"filter-prerouting", {NF_INET_PRE_ROUTING, kBeforeDnat, "filter"}},
      {"filter-output-nat", {NF_INET_LOCAL_OUT, kBeforeDnat, "filter"}},
      {"nat-prerouting", {NF_INET_PRE_ROUTING, NF_IP_PRI_NAT_DST, "nat"}},
      {"nat-output", {NF_INET_LOCAL_OUT, NF_IP_PRI_NAT_DST, "nat"}},
      {"nat-postrouting", {NF_INET_POST_ROUTING, NF_IP_PRI_NAT_SRC, "nat"}},
      {"filter-input", {NF_INET_LOCAL_IN, NF_IP_PRI_FILTER - 10, "filter"}},
      {"filter-forward", {NF_INET_FORWARD, NF_IP_PRI_FILTER - 10, "filter"}},
      {"filter-output", {NF_INET_LOCAL_OUT, NF_IP_PRI_FILTER - 10, "filter"}},
  };
  for (const Base& b : bases) batch->add_chain(b.name, b.hook);
}

void jump_from(const char* base, const char* chain, bool new_only, NftBatch* batch) {
  NftRule r(base);
  if (new_only) r.match_new_connection();
  r.jump(chain);
  batch->add_rule(std::move(r));
}

// What would have been translated and was not: Services without endpoints, ports that a Service has not, addresses that no Service has.
void add_refusals(const ProxyNetwork& network, NftBatch* batch) {
  batch->add_rule(address_look_up("no-endpoints", kNoEndpointMap));
  add_port_look_ups("no-endpoints", kNoEndpointNodePortMap, network, batch);
  NftRule other_port("no-endpoints");
  other_port.load_destination_address(R::kR0).in_set(kClusterAddressSet.name, R::kR0).go_to("reject");
  batch->add_rule(std::move(other_port));
  if (auto services = IpPrefix::parse(network.service_range)) {
    NftRule nobody("no-endpoints");
    nobody.match_destination({reinterpret_cast<const char*>(services->bytes), 4}, services->length, true);
    if (!network.own_address.empty()) nobody.match_destination(raw_address(network.own_address), 32, false);
    nobody.drop();
    batch->add_rule(std::move(nobody));
  }
  NftRule reset("reject");
  reset.match_protocol(IPPROTO_TCP).reject_with_reset();
  batch->add_rule(std::move(reset));
  NftRule reject("reject");
  reject.reject();
  batch->add_rule(std::move(reject));
  NftRule drop("drop");
  drop.drop();
  batch->add_rule(std::move(drop));
}

void add_masquerading(const IpPrefix& pods, NftBatch* batch) {
  const std::string pod_bytes(reinterpret_cast<const char*>(pods.bytes), 4);
  // A pod that reaches itself through its Service must see another source than itself.
  NftRule hairpin("nat-postrouting");
  hairpin.load_source_address(R::kR0).load_destination_address(R::kR1).in_set(kHairpinSet.name, R::kR0).masquerade();
  batch->add_rule(std::move(hairpin));
  NftRule marked("nat-postrouting");
  marked.match_mark(kMasqueradeMark).masquerade();
  batch->add_rule(std::move(marked));
  // Pods leave the cluster under the node's address; multicast stays as it is.
  NftRule leaving("nat-postrouting");
  leaving.match_source(pod_bytes, pods.length, true)
      .match_destination(pod_bytes, pods.length, false)
      .match_destination(raw_address("224.0.0.0"), 4, false)
      .masquerade();
  batch->add_rule(std::move(leaving));
}

void change_addresses(const NftMap& set, const std::vector<std::string>& added, const std::vector<std::string>& removed, size_t times, NftBatch* batch) {
  auto elements = [&](const std::vector<std::string>& list) {
    std::vector<NftElement> out;
    for (const std::string& a : list) out.push_back({times == 2 ? raw_address(a) + raw_address(a) : raw_address(a), "", ""});
    return out;
  };
  batch->delete_elements(set, elements(removed));
  batch->add_elements(set, elements(added));
}

}  // namespace

Status add_frame(const ProxyNetwork& network, NftBatch* batch) {
  auto pods = IpPrefix::parse(network.pod_range);
  if (!pods || pods->v6) return Error(Code::kInvalidArgument, cat("pod addresses ", network.pod_range, ": not an IPv4 range"));
  batch->add_table();
  batch->delete_table();
  batch->add_table();
  for (const NftMap* m : kSharedMaps) batch->add_map(*m);
  batch->add_map(kHairpinSet);
  batch->add_map(kClusterAddressSet);
  for (const char* chain : {"services", "no-endpoints", "firewall", "reject", "drop"}) batch->add_chain(chain);
  add_base_chains(batch);
  for (const char* base : {"filter-prerouting", "filter-output-nat"}) jump_from(base, "firewall", true, batch);
  for (const char* base : {"nat-prerouting", "nat-output"}) jump_from(base, "services", false, batch);
  for (const char* base : {"filter-input", "filter-forward", "filter-output"}) jump_from(base, "no-endpoints", true, batch);
  batch->add_rule(address_look_up("firewall", kFirewallMap));
  add_port_look_ups("firewall", kFirewallPortMap, network, batch);
  batch->add_rule(address_look_up("services", kServiceMap));
  add_port_look_ups("services", kNodePortMap, network, batch);
  add_refusals(network, batch);
  add_masquerading(*pods, batch);
  return ok();
}

void release_entries(const std::string& key, const ServicePort* before, const ServicePort* after, NftBatch* batch) {
  std::string id = id_of(key);
  Entries old = entries_of(id, before), next = entries_of(id, after);
  for (const NftMap* map : kSharedMaps) batch->delete_elements(*map, missing(old, next, map));
}

void add_entries(const std::string& key, const ServicePort* before, const ServicePort* after, NftBatch* batch) {
  std::string id = id_of(key);
  Entries old = entries_of(id, before), next = entries_of(id, after);
  for (const NftMap* map : kSharedMaps) batch->add_elements(*map, missing(next, old, map));
}

void change_port(const std::string& key, const ServicePort* before, const ServicePort* after, const ProxyNetwork& network, NftBatch* batch) {
  std::string id = id_of(key);
  change_part(part_of(id, before, network), part_of(id, after, network), batch);
}

void change_hairpins(const std::vector<std::string>& added, const std::vector<std::string>& removed, NftBatch* batch) {
  change_addresses(kHairpinSet, added, removed, 2, batch);
}

void change_cluster_addresses(const std::vector<std::string>& added, const std::vector<std::string>& removed, NftBatch* batch) {
  change_addresses(kClusterAddressSet, added, removed, 1, batch);
}

}  // namespace bramble

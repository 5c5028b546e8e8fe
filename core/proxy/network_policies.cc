#include "core/proxy/network_policies.h"

#include <algorithm>

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>

#include <algorithm>

#include "cni/netlink/rtnetlink.h"
#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/resources/pod_view.h"

namespace bramble {
namespace {

using R = NftRegister;
using resource_ids::kNamespaces;
using resource_ids::kPods;

const ResourceId kPolicies{"networking.k8s.io", "v1", "networkpolicies"};

const NftMap kIngressPods{"ingress-pods", NftKeyType::kAddress, NftDataType::kVerdict};
const NftMap kEgressPods{"egress-pods", NftKeyType::kAddress, NftDataType::kVerdict};
const NftMap kSelfSet{"self-connections", NftKeyType::kAddressAddress, NftDataType::kNone};

std::string raw_address(std::string_view text) {
  auto p = IpPrefix::parse(text);
  return p && !p->v6 ? std::string(reinterpret_cast<const char*>(p->bytes), 4) : std::string();
}
std::string raw_number(uint32_t n) {
  uint32_t big = htonl(n);
  return {reinterpret_cast<const char*>(&big), 4};
}
std::string raw_port(uint16_t port) { return {static_cast<char>(port >> 8), static_cast<char>(port & 255), 0, 0}; }
uint8_t protocol_number(std::string_view name) { return name == "UDP" ? IPPROTO_UDP : name == "SCTP" ? IPPROTO_SCTP : IPPROTO_TCP; }
std::string raw_protocol(std::string_view name) { return {static_cast<char>(protocol_number(name)), 0, 0, 0}; }

ObjectKey key_of(const Document& d) { return {std::string(namespace_of(d)), std::string(name_of(d))}; }

// ---- the frame

void add_frame(NftBatch* batch) {
  batch->add_table();
  batch->delete_table();
  batch->add_table();
  for (const NftMap* m : {&kIngressPods, &kEgressPods, &kSelfSet}) batch->add_map(*m);
  batch->add_chain("refuse");
  NftRule refuse("refuse");
  refuse.reject();
  batch->add_rule(std::move(refuse));
  // Behind the proxy's filter: addresses of Services have been translated, the client's is still its own.
  struct Direction {
    const char* chain;
    int priority;
    const NftMap* pods;
  } directions[] = {{"forward-egress", NF_IP_PRI_FILTER - 8, &kEgressPods}, {"forward-ingress", NF_IP_PRI_FILTER - 7, &kIngressPods}};
  for (const Direction& d : directions) {
    batch->add_chain(d.chain, NftHook{NF_INET_FORWARD, d.priority, "filter"});
    NftRule known(d.chain);
    known.match_known_connection().accept();
    batch->add_rule(std::move(known));
    NftRule self(d.chain);  // a pod that reaches itself through its Service
    self.load_source_address(R::kR0).load_destination_address(R::kR1).in_set(kSelfSet.name, R::kR0).accept();
    batch->add_rule(std::move(self));
    NftRule pod(d.chain);
    if (d.pods == &kEgressPods) pod.load_source_address(R::kR0);
    else pod.load_destination_address(R::kR0);
    pod.verdict_from(d.pods->name, R::kR0);
    batch->add_rule(std::move(pod));
  }
}

// ---- a policy's chains

// What a rule asks of a packet, one after the other; each is a name of a set, or a range of ports.
struct Match {
  std::string pods, ranges, ports, targets;
  std::optional<PolicyPorts> range;
};

NftRule rule_of(const std::string& chain, const Match& m, bool ingress) {
  NftRule r(chain);
  auto load_peer = [&] { ingress ? r.load_source_address(R::kR0) : r.load_destination_address(R::kR0); };
  for (const std::string* set : {&m.pods, &m.ranges}) {
    if (set->empty()) continue;
    load_peer();
    r.in_set(*set, R::kR0);
  }
  if (!m.ports.empty()) r.load_protocol(R::kR0).load_destination_port(R::kR1).in_set(m.ports, R::kR0);
  if (!m.targets.empty()) r.load_destination_address(R::kR0).load_protocol(R::kR1).load_destination_port(R::kR2).in_set(m.targets, R::kR0);
  if (m.range) {
    r.match_protocol(protocol_number(m.range->protocol));
    if (m.range->first != 0 || m.range->last != 65535) r.match_destination_ports(m.range->first, m.range->last);
  }
  r.accept();
  return r;
}

// A set of ranges is named by what it holds: it is made anew and not changed.
std::string add_ranges(const std::string& id, const std::vector<PolicyRange>& ranges, TablePart* part) {
  std::vector<NftElement> elements;
  std::string content;
  for (const PolicyRange& r : ranges) {
    elements.push_back({raw_number(r.first), "", "", false});
    if (r.last != UINT32_MAX) elements.push_back({raw_number(r.last + 1), "", "", true});
    content += cat(r.first, "-", r.last, " ");
  }
  std::string name = cat("ranges-", short_name(id + content));
  TablePart::Map& map = part->maps[name];
  map.map = {name, NftKeyType::kAddress, NftDataType::kNone, false, true};
  map.intervals = std::move(elements);
  return name;
}

void add_rule(const std::string& id, const TrafficRule& rule, bool ingress, TablePart* part, std::vector<Match>* out) {
  auto set = [&](const char* what, NftKeyType key) -> TablePart::Map& {
    std::string name = cat(what, "-", id);
    TablePart::Map& map = part->maps[name];
    map.map = {name, key, NftDataType::kNone};
    return map;
  };
  std::vector<Match> peers;
  if (rule.any_peer) peers.push_back({});
  if (!rule.pods.empty()) {
    TablePart::Map& pods = set("pods", NftKeyType::kAddress);
    for (const std::string& a : rule.pods) pods.elements[a];
    peers.push_back({pods.map.name, "", "", "", {}});
  }
  if (!rule.ranges.empty()) peers.push_back({"", add_ranges(id, rule.ranges, part), "", "", {}});
  std::vector<Match> ports;
  if (rule.any_port) ports.push_back({});
  std::string single;
  for (const PolicyPorts& p : rule.ports) {
    if (p.first != p.last) {
      ports.push_back({"", "", "", "", p});
      continue;
    }
    TablePart::Map& numbers = set("ports", NftKeyType::kProtocolPort);
    numbers.elements[raw_protocol(p.protocol) + raw_port(p.first)];
    single = numbers.map.name;
  }
  if (!single.empty()) ports.push_back({"", "", single, "", {}});
  std::string targets;
  if (!rule.targets.empty()) {
    TablePart::Map& named = set("named", NftKeyType::kAddressProtocolPort);
    for (const PolicyTarget& t : rule.targets) named.elements[t.address + raw_protocol(t.protocol) + raw_port(t.port)];
    targets = named.map.name;
    // On the way out the targets are the peers.
    if (!ingress) out->push_back({"", "", "", targets, {}});
    else ports.push_back({"", "", "", targets, {}});
  }
  for (const Match& peer : peers)
    for (Match m : ports) {
      m.pods = peer.pods;
      m.ranges = peer.ranges;
      out->push_back(std::move(m));
    }
}

std::string policy_chain(const ObjectKey& key, bool ingress) { return cat(ingress ? "in-" : "out-", short_name(key.text())); }

void add_direction(const ObjectKey& key, const std::vector<TrafficRule>& rules, bool ingress, TablePart* part) {
  const std::string chain = policy_chain(key, ingress);
  std::vector<Match> matches;
  for (size_t i = 0; i < rules.size(); i++) add_rule(short_name(cat(chain, " ", i)), rules[i], ingress, part, &matches);
  std::string text;
  for (const Match& m : matches)
    text += cat(m.pods, " ", m.ranges, " ", m.ports, " ", m.targets, " ", m.range ? cat(m.range->protocol, m.range->first, "-", m.range->last) : "", ";");
  part->chains[chain] = {std::move(text), [matches = std::move(matches), ingress](const std::string& name, std::vector<NftRule>* out) {
                           for (const Match& m : matches) out->push_back(rule_of(name, m, ingress));
                         }};
}

TablePart part_of(const ObjectKey& key, const PolicyPlan& plan) {
  TablePart part;
  if (plan.pods.empty()) return part;
  if (plan.ingress) add_direction(key, plan.in, true, &part);
  if (plan.egress) add_direction(key, plan.out, false, &part);
  return part;
}

// A group's chain: what one of its policies allows passes, the rest is refused.
TablePart part_of_group(const std::string& chain, const std::set<ObjectKey>& policies, bool ingress) {
  std::vector<std::string> chains;
  for (const ObjectKey& key : policies) chains.push_back(policy_chain(key, ingress));
  TablePart part;
  part.chains[chain] = {join(chains, " "), [chains](const std::string& name, std::vector<NftRule>* out) {
                          for (const std::string& c : chains) {
                            NftRule r(name);
                            r.jump(c);
                            out->push_back(std::move(r));
                          }
                          NftRule rest(name);
                          rest.go_to("refuse");
                          out->push_back(std::move(rest));
                        }};
  return part;
}

std::string group_chain(const std::set<ObjectKey>& policies, bool ingress) {
  std::string text;
  for (const ObjectKey& key : policies) text += key.text() + " ";
  return cat(ingress ? "ingress-" : "egress-", short_name(text));
}

std::vector<NftElement> entries_missing(const std::map<std::string, std::string>& of, const std::map<std::string, std::string>& other) {
  std::vector<NftElement> out;
  for (const auto& [address, chain] : of) {
    auto it = other.find(address);
    if (it == other.end() || it->second != chain) out.push_back({address, "", chain});
  }
  return out;
}

std::set<std::string> self_of(const std::map<std::string, std::string>& in, const std::map<std::string, std::string>& out) {
  std::set<std::string> all;
  for (const auto* side : {&in, &out})
    for (const auto& [address, chain] : *side) all.insert(address + address);
  return all;
}

std::vector<NftElement> self_missing(const std::set<std::string>& of, const std::set<std::string>& other) {
  std::vector<NftElement> out;
  for (const std::string& pair : of)
    if (!other.contains(pair)) out.push_back({pair, "", ""});
  return out;
}

}  // namespace

NetworkPolicies::NetworkPolicies(Options options, Client& client, NftWatch* beside)
    : options_(std::move(options)), client_(client), beside_(beside), timer_(std::make_unique<Timer>([this] { sync(); })) {}
NetworkPolicies::~NetworkPolicies() = default;

Status NetworkPolicies::start() {
  policy_watch_ = client_.subscribe({kPolicies}, [this](const Change& c) { on_policy(c); });
  TRY_ASSIGN(NftWatch table, NftWatch::open(options_.table));
  table_.emplace(std::move(table));
  if (beside_) table_->join(beside_);
  client_.snapshot().each(kPolicies, "", [&](const Document& d) {
    policies_[key_of(d)] = read_policy(d);
    return true;
  });
  table_watch_ = std::make_unique<FdWatch>(table_->fd(), FdWatch::kReadable, [this](int) { look_at_table(); });
  TRY(bring_up_to_date());
  look_at_table();
  return ok();
}

Status NetworkPolicies::down() {
  policy_watch_.reset();
  pod_watch_.reset();
  table_watch_.reset();
  table_.reset();
  timer_->disarm();
  NftBatch batch(options_.table);
  batch.add_table();
  batch.delete_table();
  return batch.commit();
}

void NetworkPolicies::look_at_table() {
  if (!table_->changed()) return;
  rewrite_ = true;
  log_warning("network policies: somebody changed the nftables table ", options_.table, "; it is written again");
  if (!timer_->armed()) timer_->arm_ms(backoff_ms_ = backoff_ms_ == 0 ? 1 : std::min(std::max(2 * backoff_ms_, limits::kProxyRetryMsMin), limits::kProxyRetryMsMax));
}

void NetworkPolicies::watch_pods(bool on) {
  if (on == (pod_watch_ != nullptr)) return;
  if (!on) return pod_watch_.reset();
  pod_watch_ = client_.subscribe({kPods, kNamespaces}, [this](const Change& c) {
    if (!c.before && !c.after) return;
    if (c.resource == kPods) on_pod(c.before, c.after);
    else on_namespace(c);
  });
}

void NetworkPolicies::on_policy(const Change& change) {
  if (!change.before && !change.after) return soon();
  ObjectKey key = key_of(change.after ? change.after : change.before);
  if (change.after) policies_[key] = read_policy(change.after);
  else policies_.erase(key);
  dirty_.insert(std::move(key));
  soon();
}

void NetworkPolicies::on_namespace(const Change& change) {
  if (equal(change.before["metadata"]["labels"], change.after["metadata"]["labels"])) return;
  for (const auto& [key, policy] : policies_)
    if (policy_reads_namespaces(policy)) dirty_.insert(key);
  soon();
}

void NetworkPolicies::on_pod(const Document& before, const Document& after) {
  PolicyPod old = pod_of(before), now = pod_of(after);
  if (after && early_.contains(std::string(uid_of(after))) && !PodView(after).pod_ip().empty()) early_.erase(std::string(uid_of(after)));
  if (!after && before) early_.erase(std::string(uid_of(before)));
  bool same = before && after && old.address == now.address && old.here == now.here && equal(before["metadata"]["labels"], after["metadata"]["labels"]);
  if (same || (old.address.empty() && now.address.empty())) return;
  PolicyWorld w = world();
  for (const auto& [key, policy] : policies_)
    if (policy_concerns(policy, before, w) || policy_concerns(policy, after, w)) dirty_.insert(key);
  if (!dirty_.empty()) soon();
}

void NetworkPolicies::pod_networked(const Document& pod, const std::vector<std::string>& addresses) {
  for (const std::string& a : addresses)
    if (std::string raw = raw_address(a); !raw.empty()) early_[std::string(uid_of(pod))] = raw;
  PolicyWorld w = world();
  for (const auto& [key, policy] : policies_)
    if (policy_concerns(policy, pod, w)) dirty_.insert(key);
  if (!dirty_.empty()) sync();
}

PolicyPod NetworkPolicies::pod_of(const Document& pod) const {
  PolicyPod out;
  PodView view(pod);
  if (!pod || view.is_terminal() || view.spec()["hostNetwork"].boolean()) return out;
  out.pod = pod;
  out.here = !options_.node_name.empty() && view.node_name() == options_.node_name;
  out.address = raw_address(view.pod_ip());
  if (out.address.empty())
    for (Value ip : view.status()["podIPs"].items())
      if (out.address.empty()) out.address = raw_address(ip["ip"].str());
  auto early = early_.find(std::string(uid_of(pod)));
  if (out.address.empty() && early != early_.end()) out.address = early->second;
  return out;
}

PolicyWorld NetworkPolicies::world() {
  PolicyWorld w;
  w.pods = [this](std::string_view ns, const std::function<void(const PolicyPod&)>& fn) {
    for (const PolicyPod& p : pods_in(ns)) fn(p);
  };
  w.namespace_labels = [this, held = Document()](std::string_view ns) mutable -> Value {
    held = client_.snapshot().get(kNamespaces, "", ns);
    return held["metadata"]["labels"];
  };
  return w;
}

const std::vector<PolicyPod>& NetworkPolicies::pods_in(std::string_view ns) {
  auto it = pass_pods_.find(ns);
  if (it != pass_pods_.end()) return it->second;
  std::vector<PolicyPod>& out = pass_pods_[std::string(ns)];
  client_.snapshot().each(kPods, ns, [&](const Document& d) {
    if (PolicyPod p = pod_of(d); p.pod) out.push_back(std::move(p));
    return true;
  });
  return out;
}

PolicyPlan NetworkPolicies::plan_of(const ObjectKey& key) {
  auto it = policies_.find(key);
  if (it == policies_.end()) return {};
  const Document& d = it->second.policy;
  auto about = [&d] { return Quarantine::about(d); };
  Quarantine::Step step(options_.quarantine, "proxy", Quarantine::key_of("networkpolicies", d), about);
  return step.allowed() ? plan_policy(it->second, world()) : PolicyPlan();
}

void NetworkPolicies::soon() {
  if (!timer_->armed()) timer_->arm_ms(0);
}

void NetworkPolicies::sync() {
  Status s = bring_up_to_date();
  if (s.ok()) {
    backoff_ms_ = 0;
    return look_at_table();
  }
  rewrite_ = true;
  backoff_ms_ = std::min(std::max(2 * backoff_ms_, limits::kProxyRetryMsMin), limits::kProxyRetryMsMax);
  log_warning("network policies: ", s.error().message(), "; again in ", backoff_ms_, " ms");
  timer_->arm_ms(backoff_ms_);
}

Status NetworkPolicies::bring_up_to_date() {
  const bool any = !policies_.empty();
  watch_pods(any);
  NftBatch batch(options_.table);
  if (!any && !there_ && !rewrite_) return ok();
  if (rewrite_ || !any) {
    plans_.clear(), in_.clear(), out_.clear(), groups_.clear(), dirty_.clear();
    for (const auto& [key, policy] : policies_) dirty_.insert(key);
    if (any) {
      add_frame(&batch);
    } else {  // without a policy no packet meets a rule
      batch.add_table();
      batch.delete_table();
    }
  } else if (!there_) {
    add_frame(&batch);
  }
  // The policies that changed, then what follows for the pods of this node: their number is small.
  TablePart before, after;
  std::map<ObjectKey, PolicyPlan> next;
  pass_pods_.clear();
  for (const ObjectKey& key : dirty_) next[key] = plan_of(key);
  pass_pods_.clear();
  for (const auto& [key, plan] : next) {
    auto old = plans_.find(key);
    if (old != plans_.end() && old->second == plan) continue;
    if (old != plans_.end()) before.merge(part_of(key, old->second));
    after.merge(part_of(key, plan));
  }
  std::map<std::string, std::set<ObjectKey>> in_of, out_of;  // address -> policies
  auto collect = [&](const ObjectKey& key, const PolicyPlan& plan) {
    for (const std::string& address : plan.pods) {
      if (plan.ingress) in_of[address].insert(key);
      if (plan.egress) out_of[address].insert(key);
    }
  };
  for (const auto& [key, plan] : plans_)
    if (!next.contains(key)) collect(key, plan);
  for (const auto& [key, plan] : next) collect(key, plan);
  std::map<std::string, std::string> in, out;
  std::map<std::string, std::set<ObjectKey>> groups;
  for (bool ingress : {true, false}) {
    for (const auto& [address, policies] : ingress ? in_of : out_of) {
      std::string chain = group_chain(policies, ingress);
      (ingress ? in : out)[address] = chain;
      groups[chain] = policies;
    }
  }
  for (const auto& [chain, policies] : groups_)
    if (!groups.contains(chain)) before.merge(part_of_group(chain, policies, chain.starts_with("ingress-")));
  for (const auto& [chain, policies] : groups)
    if (!groups_.contains(chain)) after.merge(part_of_group(chain, policies, chain.starts_with("ingress-")));
  const auto self_before = self_of(in_, out_), self_after = self_of(in, out);
  batch.delete_elements(kIngressPods, entries_missing(in_, in));
  batch.delete_elements(kEgressPods, entries_missing(out_, out));
  batch.delete_elements(kSelfSet, self_missing(self_before, self_after));
  change_part(before, after, &batch);
  batch.add_elements(kSelfSet, self_missing(self_after, self_before));
  batch.add_elements(kIngressPods, entries_missing(in, in_));
  batch.add_elements(kEgressPods, entries_missing(out, out_));
  TRY(table_->commit(&batch));
  dirty_.clear();
  for (auto& [key, plan] : next) {
    if (plan.pods.empty()) plans_.erase(key);
    else plans_[key] = std::move(plan);
  }
  in_ = std::move(in), out_ = std::move(out), groups_ = std::move(groups);
  there_ = any;
  rewrite_ = false;
  return ok();
}

}  // namespace bramble

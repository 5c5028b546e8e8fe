#include "core/proxy/policy_plan.h"

#include <algorithm>

#include "cni/netlink/rtnetlink.h"

namespace bramble {
namespace {

// A selector that cannot be read selects nothing; the API lets none such in.
LabelSelector selector_of(Value selector) {
  auto s = LabelSelector::from_object(selector);
  return s.ok() ? *s : *LabelSelector::from_object(Value());
}

Value labels_of(const Document& object) { return object["metadata"]["labels"]; }

bool is_target(const ReadPolicy& policy, const Document& pod) {
  return namespace_of(policy.policy) == namespace_of(pod) && policy.targets.matches(labels_of(pod));
}

bool is_peer(const ReadPolicy& policy, const ReadPolicy::Peer& peer, const Document& pod, const PolicyWorld& world) {
  if (!peer.namespaces && !peer.pods) return false;
  if (peer.pods && !peer.pods->matches(labels_of(pod))) return false;
  if (!peer.namespaces) return namespace_of(policy.policy) == namespace_of(pod);
  return peer.namespaces->empty() || peer.namespaces->matches(world.namespace_labels(namespace_of(pod)));
}

template <class F>
void each_peer(const ReadPolicy& policy, F fn) {
  for (const auto* rules : {&policy.in, &policy.out})
    for (const ReadPolicy::Rule& rule : *rules)
      for (const ReadPolicy::Peer& peer : rule.peers) fn(peer);
}

std::optional<uint16_t> port_of_name(const Document& pod, std::string_view name, std::string_view protocol) {
  for (const char* list : {"containers", "initContainers"}) {
    for (Value c : pod["spec"][list].items()) {
      if (list == std::string_view("initContainers") && c["restartPolicy"].str() != "Always") continue;
      for (Value p : c["ports"].items())
        if (p["name"].str() == name && p["protocol"].str("TCP") == protocol) return static_cast<uint16_t>(p["containerPort"].integer());
    }
  }
  return std::nullopt;
}

std::vector<PolicyRange> joined(std::vector<PolicyRange> all) {
  std::sort(all.begin(), all.end(), [](const PolicyRange& a, const PolicyRange& b) { return a.first < b.first; });
  std::vector<PolicyRange> out;
  for (const PolicyRange& r : all) {
    bool touches = !out.empty() && (out.back().last == UINT32_MAX || r.first <= out.back().last + 1);
    if (touches) out.back().last = std::max(out.back().last, r.last);
    else out.push_back(r);
  }
  return out;
}

std::optional<PolicyRange> range_of(std::string_view cidr) {
  auto p = IpPrefix::parse(cidr);
  if (!p || p->v6 || p->length < 0 || p->length > 32) return std::nullopt;
  uint32_t base = 0;
  for (int i = 0; i < 4; i++) base = base << 8 | p->bytes[i];
  uint32_t mask = p->length == 0 ? 0 : UINT32_MAX << (32 - p->length);
  return PolicyRange{base & mask, (base & mask) | ~mask};
}

std::vector<ReadPolicy::Rule> read_rules(Value rules, const char* peers) {
  std::vector<ReadPolicy::Rule> out;
  for (Value rule : rules.items()) {
    ReadPolicy::Rule& r = out.emplace_back();
    r.ports = rule["ports"];
    for (Value peer : rule[peers].items()) {
      ReadPolicy::Peer& p = r.peers.emplace_back();
      if (Value block = peer["ipBlock"]; block.exists()) {
        std::vector<std::string> except;
        for (Value e : block["except"].items()) except.push_back(e.text());
        p.ranges = ranges_of(block["cidr"].str(), except);
        continue;
      }
      if (peer["namespaceSelector"].exists()) p.namespaces = selector_of(peer["namespaceSelector"]);
      if (peer["podSelector"].exists()) p.pods = selector_of(peer["podSelector"]);
    }
  }
  return out;
}

struct Planner {
  const ReadPolicy& policy;
  const PolicyWorld& world;
  std::vector<const PolicyPod*> targets;  // of this node

  void read_peers(const std::vector<ReadPolicy::Peer>& peers, TrafficRule* out) const {
    out->any_peer = peers.empty();
    std::vector<PolicyRange> ranges;
    for (const ReadPolicy::Peer& peer : peers) {
      ranges.insert(ranges.end(), peer.ranges.begin(), peer.ranges.end());
      if (!peer.namespaces && !peer.pods) continue;
      std::string_view ns = peer.namespaces ? std::string_view() : namespace_of(policy.policy);
      world.pods(ns, [&](const PolicyPod& p) {
        if (!p.address.empty() && is_peer(policy, peer, p.pod, world)) out->pods.insert(p.address);
      });
    }
    out->ranges = joined(std::move(ranges));
  }

  // Where a named port leads: to those whom the policy concerns, or from them to their peers.
  void read_named(const std::vector<ReadPolicy::Peer>& peers, std::string_view name, const std::string& protocol, bool ingress, TrafficRule* out) const {
    auto add = [&](const PolicyPod& p) {
      if (p.address.empty()) return;
      if (auto port = port_of_name(p.pod, name, protocol)) out->targets.insert({p.address, protocol, *port});
    };
    if (ingress) {
      for (const PolicyPod* p : targets) add(*p);
      return;
    }
    world.pods("", [&](const PolicyPod& p) {
      bool wanted = peers.empty();
      for (const ReadPolicy::Peer& peer : peers) wanted = wanted || is_peer(policy, peer, p.pod, world);
      if (wanted) add(p);
    });
  }

  std::vector<TrafficRule> read(const std::vector<ReadPolicy::Rule>& rules, bool ingress) const {
    std::vector<TrafficRule> out;
    for (const ReadPolicy::Rule& rule : rules) {
      TrafficRule r;
      read_peers(rule.peers, &r);
      r.any_port = rule.ports.size() == 0;
      for (Value p : rule.ports.items()) {
        std::string protocol = p["protocol"].text("TCP");
        Value port = p["port"];
        if (!port.exists()) r.ports.insert({protocol, 0, 65535});
        else if (port.is_string()) read_named(rule.peers, port.str(), protocol, ingress, &r);
        else r.ports.insert({protocol, static_cast<uint16_t>(port.integer()), static_cast<uint16_t>(p["endPort"].integer(port.integer()))});
      }
      out.push_back(std::move(r));
    }
    return out;
  }
};

}  // namespace

std::vector<PolicyRange> ranges_of(std::string_view cidr, const std::vector<std::string>& except) {
  auto whole = range_of(cidr);
  if (!whole) return {};
  std::vector<PolicyRange> holes;
  for (const std::string& e : except)
    if (auto r = range_of(e)) holes.push_back(*r);
  std::vector<PolicyRange> out;
  uint64_t next = whole->first;
  for (const PolicyRange& hole : joined(std::move(holes))) {
    if (hole.last < next || hole.first > whole->last) continue;
    if (hole.first > next) out.push_back({static_cast<uint32_t>(next), hole.first - 1});
    next = uint64_t{hole.last} + 1;
  }
  if (next <= whole->last) out.push_back({static_cast<uint32_t>(next), whole->last});
  return out;
}

ReadPolicy read_policy(Document policy) {
  ReadPolicy out;
  Value spec = policy["spec"];
  for (Value type : spec["policyTypes"].items()) {
    out.ingress = out.ingress || type.str() == "Ingress";
    out.egress = out.egress || type.str() == "Egress";
  }
  if (spec["policyTypes"].size() == 0) {  // as the API defaults it
    out.ingress = true;
    out.egress = spec["egress"].size() > 0;
  }
  // An absent podSelector is an empty one.
  out.targets = spec["podSelector"].exists() ? selector_of(spec["podSelector"]) : LabelSelector();
  out.in = read_rules(spec["ingress"], "from");
  out.out = read_rules(spec["egress"], "to");
  out.policy = std::move(policy);
  return out;
}

PolicyPlan plan_policy(const ReadPolicy& policy, const PolicyWorld& world) {
  PolicyPlan plan;
  plan.ingress = policy.ingress;
  plan.egress = policy.egress;
  Planner planner{policy, world, {}};
  world.pods(namespace_of(policy.policy), [&](const PolicyPod& p) {
    if (!p.here || p.address.empty() || !is_target(policy, p.pod)) return;
    plan.pods.insert(p.address);
    planner.targets.push_back(&p);
  });
  if (plan.pods.empty()) return plan;  // nothing here to protect: nothing to look up
  if (plan.ingress) plan.in = planner.read(policy.in, true);
  if (plan.egress) plan.out = planner.read(policy.out, false);
  return plan;
}

bool policy_concerns(const ReadPolicy& policy, const Document& pod, const PolicyWorld& world) {
  if (!pod) return false;
  if (is_target(policy, pod)) return true;
  bool concerns = false;
  each_peer(policy, [&](const ReadPolicy::Peer& peer) { concerns = concerns || is_peer(policy, peer, pod, world); });
  // A named port of egress without peers may be that of any pod.
  for (const ReadPolicy::Rule& rule : policy.out)
    for (Value p : rule.ports.items()) concerns = concerns || (rule.peers.empty() && p["port"].is_string());
  return concerns;
}

bool policy_reads_namespaces(const ReadPolicy& policy) {
  bool reads = false;
  each_peer(policy, [&](const ReadPolicy::Peer& peer) { reads = reads || peer.namespaces; });
  return reads;
}

}  // namespace bramble

#include "core/proxy/policy_plan.h"

#include <algorithm>

#include "cni/netlink/rtnetlink.h"

namespace bramble {
namespace {

// An absent or empty podSelector of a policy, and an empty one of a peer, select all.
bool selects(Value selector, Value labels) {
  auto s = LabelSelector::from_object(selector);
  return s.ok() && s->matches(labels);
}

Value labels_of(const Document& object) { return object["metadata"]["labels"]; }

bool is_target(Value policy, const Document& pod) {
  return meta(policy, "namespace") == namespace_of(pod) && selects(policy["spec"]["podSelector"], labels_of(pod));
}

bool is_peer(Value policy, Value peer, const Document& pod, const PolicyWorld& world) {
  Value of_namespace = peer["namespaceSelector"], of_pod = peer["podSelector"];
  if (!of_namespace.exists() && !of_pod.exists()) return false;
  if (of_namespace.exists()) {
    Value labels = world.namespace_labels(namespace_of(pod));
    if (!selects(of_namespace, labels)) return false;
  } else if (meta(policy, "namespace") != namespace_of(pod)) {
    return false;
  }
  return !of_pod.exists() || selects(of_pod, labels_of(pod));
}

template <class F>
void each_peer(Value policy, F fn) {
  for (Value rule : policy["spec"]["ingress"].items())
    for (Value peer : rule["from"].items()) fn(peer);
  for (Value rule : policy["spec"]["egress"].items())
    for (Value peer : rule["to"].items()) fn(peer);
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

struct Planner {
  Value policy;
  const PolicyWorld& world;
  std::vector<PolicyPod> targets;  // of this node

  void read_peers(Value peers, PolicyRule* out) const {
    out->any_peer = peers.size() == 0;
    std::vector<PolicyRange> ranges;
    for (Value peer : peers.items()) {
      Value block = peer["ipBlock"];
      if (block.exists()) {
        std::vector<std::string> except;
        for (Value e : block["except"].items()) except.push_back(e.text());
        for (const PolicyRange& r : ranges_of(block["cidr"].str(), except)) ranges.push_back(r);
        continue;
      }
      std::string_view ns = peer["namespaceSelector"].exists() ? std::string_view() : meta(policy, "namespace");
      world.pods(ns, [&](const PolicyPod& p) {
        if (!p.address.empty() && is_peer(policy, peer, p.pod, world)) out->pods.insert(p.address);
      });
    }
    out->ranges = joined(std::move(ranges));
  }

  // Where a named port leads: to those whom the policy concerns, or from them to their peers.
  void read_named(Value peers, std::string_view name, const std::string& protocol, bool ingress, PolicyRule* out) const {
    auto add = [&](const PolicyPod& p) {
      if (p.address.empty()) return;
      if (auto port = port_of_name(p.pod, name, protocol)) out->targets.insert({p.address, protocol, *port});
    };
    if (ingress) {
      for (const PolicyPod& p : targets) add(p);
      return;
    }
    world.pods("", [&](const PolicyPod& p) {
      bool wanted = peers.size() == 0;
      for (Value peer : peers.items()) wanted = wanted || is_peer(policy, peer, p.pod, world);
      if (wanted) add(p);
    });
  }

  std::vector<PolicyRule> read(Value rules, bool ingress) const {
    std::vector<PolicyRule> out;
    for (Value rule : rules.items()) {
      PolicyRule r;
      Value peers = rule[ingress ? "from" : "to"];
      read_peers(peers, &r);
      r.any_port = rule["ports"].size() == 0;
      for (Value p : rule["ports"].items()) {
        std::string protocol = p["protocol"].text("TCP");
        Value port = p["port"];
        if (!port.exists()) r.ports.insert({protocol, 0, 65535});
        else if (port.is_string()) read_named(peers, port.str(), protocol, ingress, &r);
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

PolicyPlan plan_policy(Value policy, const PolicyWorld& world) {
  PolicyPlan plan;
  Value spec = policy["spec"];
  for (Value type : spec["policyTypes"].items()) {
    plan.ingress = plan.ingress || type.str() == "Ingress";
    plan.egress = plan.egress || type.str() == "Egress";
  }
  if (spec["policyTypes"].size() == 0) {  // as the API defaults it
    plan.ingress = true;
    plan.egress = spec["egress"].size() > 0;
  }
  Planner planner{policy, world, {}};
  world.pods(meta(policy, "namespace"), [&](const PolicyPod& p) {
    if (!p.here || p.address.empty() || !is_target(policy, p.pod)) return;
    plan.pods.insert(p.address);
    planner.targets.push_back(p);
  });
  if (plan.pods.empty()) return plan;  // nothing here to protect: nothing to look up
  if (plan.ingress) plan.in = planner.read(spec["ingress"], true);
  if (plan.egress) plan.out = planner.read(spec["egress"], false);
  return plan;
}

bool policy_concerns(Value policy, const Document& pod, const PolicyWorld& world) {
  if (!pod) return false;
  if (is_target(policy, pod)) return true;
  bool concerns = false;
  each_peer(policy, [&](Value peer) { concerns = concerns || is_peer(policy, peer, pod, world); });
  // A named port of egress without peers may be that of any pod.
  for (Value rule : policy["spec"]["egress"].items())
    for (Value p : rule["ports"].items()) concerns = concerns || (rule["to"].size() == 0 && p["port"].is_string());
  return concerns;
}

bool policy_reads_namespaces(Value policy) {
  bool reads = false;
  each_peer(policy, [&](Value peer) { reads = reads || peer["namespaceSelector"].exists(); });
  return reads;
}

}  // namespace bramble

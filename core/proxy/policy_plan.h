// PolicyPlan: what a NetworkPolicy (networking.k8s.io/v1) says on one node, as sets of addresses and ports. Pure functions of values; any
// thread. IPv4.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/client/client.h"
#include "core/resources/selector.h"

namespace bramble {

// Addresses are raw, 4 bytes in network order; protocols are "TCP" "UDP" "SCTP".
struct PolicyPorts {
  std::string protocol;
  uint16_t first = 0, last = 0;
  auto operator<=>(const PolicyPorts&) const = default;
};
struct PolicyTarget {  // a named port as one pod has it
  std::string address, protocol;
  uint16_t port = 0;
  auto operator<=>(const PolicyTarget&) const = default;
};
struct PolicyRange {
  uint32_t first = 0, last = 0;  // host order
  bool operator==(const PolicyRange&) const = default;
};

// One rule of a policy: traffic with one of the peers, to one of the ports.
struct TrafficRule {
  bool any_peer = false, any_port = false;
  std::set<std::string> pods;          // peers that are pods
  std::vector<PolicyRange> ranges;     // peers by ipBlock: sorted, apart from each other
  std::set<PolicyPorts> ports;
  std::set<PolicyTarget> targets;      // of named ports: where they lead
  bool operator==(const TrafficRule&) const = default;
};

struct PolicyPlan {
  bool ingress = false, egress = false;  // the types of the policy
  std::vector<TrafficRule> in, out;
  std::set<std::string> pods;            // of this node, whom it concerns
  bool operator==(const PolicyPlan&) const = default;
};

// A pod as policies see it.
struct PolicyPod {
  Document pod;
  std::string address;  // raw; "" while it has none
  bool here = false;    // on this node
};
// Where the pods of a namespace are found, and the labels of a namespace (absent: there is no such). Pods stay where they are while a
// policy is planned.
struct PolicyWorld {
  std::function<void(std::string_view ns, const std::function<void(const PolicyPod&)>&)> pods;        // ns empty: all
  std::function<Value(std::string_view ns)> namespace_labels;
};

// A policy with its selectors read once: a cluster asks them of each pod.
struct ReadPolicy {
  struct Peer {
    std::optional<LabelSelector> namespaces, pods;
    std::vector<PolicyRange> ranges;  // of an ipBlock
  };
  struct Rule {
    std::vector<Peer> peers;          // none: any
    Value ports;
  };
  Document policy;
  LabelSelector targets;
  bool ingress = false, egress = false;
  std::vector<Rule> in, out;
};
ReadPolicy read_policy(Document policy);

PolicyPlan plan_policy(const ReadPolicy& policy, const PolicyWorld& world);

// Whether the policy may say something else when this pod comes, changes or goes.
bool policy_concerns(const ReadPolicy& policy, const Document& pod, const PolicyWorld& world);
bool policy_reads_namespaces(const ReadPolicy& policy);

// The addresses of a range less those of others.
std::vector<PolicyRange> ranges_of(std::string_view cidr, const std::vector<std::string>& except);

}  // namespace bramble

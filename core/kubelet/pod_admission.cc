#include "core/kubelet/pod_admission.h"

#include "core/resources/node_affinity.h"
#include "core/resources/taints.h"

namespace bramble {

namespace {

PodRefusal out_of(std::string_view resource, int64_t requested, int64_t used, int64_t capacity) {
  return {cat("OutOf", resource), cat("Pod was rejected: Node didn't have enough resource: ", resource, ", requested: ", requested, ", used: ", used, ", capacity: ", capacity)};
}

PodRefusal predicate(std::string_view name, std::string_view why) { return {std::string(name), cat("Pod was rejected: Predicate ", name, " failed: ", why)}; }

}  // namespace

std::optional<PodRefusal> refuse_pod(Value pod_value, const AdmissionNode& node, const std::vector<Document>& others, bool of_manifest) {
  PodView pod(pod_value);
  const auto count = static_cast<int64_t>(others.size());
  if (count + 1 > node.max_pods) return out_of("pods", 1, count, node.max_pods);
  ResourceAmounts used;
  for (const auto& other : others) add_amounts(used, PodView(other).requests());
  for (const auto& [name, amount] : pod.requests()) {
    auto capacity = node.allocatable.find(name);
    Quantity have = capacity == node.allocatable.end() ? Quantity::of(0) : capacity->second;
    Quantity taken = used.contains(name) ? used.find(name)->second : Quantity::of(0);
    if (amount.is_zero() || amount + taken <= have) continue;
    auto number = [milli = name == "cpu"](const Quantity& q) { return milli ? q.milli() : q.value(); };
    return out_of(name, number(amount), number(taken), number(have));
  }
  if (node.node && !node_matches_pod(node.node, pod_value)) return predicate("NodeAffinity", "node(s) didn't match Pod's node affinity/selector");
  if (node.node && pod.node_name() != meta(node.node, "name")) return predicate("NodeName", "node(s) didn't match the requested node name");
  for (const auto& wanted : pod.host_ports())
    for (const auto& other : others)
      for (const auto& taken : PodView(other).host_ports())
        if (host_ports_conflict(wanted, taken)) return predicate("NodePorts", "node(s) didn't have free ports for the requested pod ports");
  if (!of_manifest && first_untolerated(node.node["spec"]["taints"], pod.tolerations(), false, true)) return predicate("TaintToleration", "node(s) had taints that the pod didn't tolerate");
  std::string_view os = pod.spec()["os"]["name"].str();
  if (!os.empty() && os != "linux") return PodRefusal{"PodOSNotSupported", "Pod was rejected: Failed to admit pod as the OS field doesn't match node OS"};
  return std::nullopt;
}

}  // namespace bramble

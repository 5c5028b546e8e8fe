#include "core/scheduler/node_info.h"

namespace bramble {

namespace {

constexpr int64_t kUnstatedMilliCpu = 100;
constexpr int64_t kUnstatedMemoryBytes = 200 * 1024 * 1024;

ResourceAmounts counted_requests(PodView pod, const ResourceAmounts& requests) {
  ResourceAmounts unstated;
  auto add = [&](std::string_view resource, const Quantity& q) {
    auto [it, fresh] = unstated.emplace(std::string(resource), q);
    if (!fresh) it->second = it->second + q;
  };
  for (Value c : pod.containers().items()) {
    Value asked = c["resources"]["requests"];
    if (!asked.has("cpu")) add("cpu", Quantity::of_milli(kUnstatedMilliCpu));
    if (!asked.has("memory")) add("memory", Quantity::of_bytes(kUnstatedMemoryBytes));
  }
  ResourceAmounts out = requests;
  add_amounts(out, unstated);
  return out;
}

Quantity amount(const ResourceAmounts& amounts, std::string_view resource) {
  auto it = amounts.find(resource);
  return it == amounts.end() ? Quantity() : it->second;
}

}  // namespace

PodFacts::PodFacts(const Document& pod)
    : doc(pod),
      requests(PodView(pod).requests()),
      counted(counted_requests(PodView(pod), requests)),
      ports(PodView(pod).host_ports()) {}

Quantity NodeInfo::allocatable_of(std::string_view resource) const { return amount(allocatable, resource); }
Quantity NodeInfo::requested_of(std::string_view resource) const { return amount(requested, resource); }

void ClusterState::set_node(const Document& node) {
  NodeInfo& info = nodes_[std::string(name_of(node))];
  info.node = node;
  Value status = node["status"];
  info.allocatable = resource_amounts(status["allocatable"].exists() ? status["allocatable"] : status["capacity"]);
  info.image_bytes.clear();
  for (Value image : status["images"].items()) {
    for (Value name : image["names"].items()) info.image_bytes[name.text()] = image["sizeBytes"].integer();
  }
}

void ClusterState::remove_node(std::string_view name) {
  auto it = nodes_.find(name);
  if (it == nodes_.end()) return;
  it->second.node = Document();
  if (it->second.pods.empty()) nodes_.erase(it);
}

void ClusterState::sum_up(NodeInfo& info) {
  info.requested.clear();
  info.counted.clear();
  for (const auto& [uid, facts] : info.pods) {
    add_amounts(info.requested, facts.requests);
    add_amounts(info.counted, facts.counted);
  }
}

void ClusterState::place(const PodFacts& facts, std::string_view node) {
  NodeInfo& info = nodes_[std::string(node)];
  info.pods.insert_or_assign(std::string(facts.view().uid()), facts);
  sum_up(info);
  node_of_[std::string(facts.view().uid())] = std::string(node);
}

void ClusterState::set_pod(const Document& pod) {
  PodView view(pod);
  if (!view.is_assigned() && assumed_.contains(view.uid())) return;  // the assignment is on its way
  remove_pod(view.uid());
  if (view.is_assigned() && !view.is_terminal()) place(PodFacts(pod), view.node_name());
}

void ClusterState::remove_pod(std::string_view uid) {
  if (auto it = assumed_.find(uid); it != assumed_.end()) assumed_.erase(it);
  auto at = node_of_.find(uid);
  if (at == node_of_.end()) return;
  auto node = nodes_.find(at->second);
  node_of_.erase(at);
  if (node == nodes_.end()) return;
  if (auto pod = node->second.pods.find(std::string(uid)); pod != node->second.pods.end()) node->second.pods.erase(pod);
  sum_up(node->second);
  if (!node->second.node && node->second.pods.empty()) nodes_.erase(node);
}

void ClusterState::assume(const Document& pod, std::string_view node) {
  place(PodFacts(pod), node);
  assumed_.insert(std::string(uid_of(pod)));
}

void ClusterState::forget(std::string_view uid) {
  if (assumed_.contains(uid)) remove_pod(uid);
}

size_t ClusterState::node_count() const {
  size_t n = 0;
  for (const auto& [name, info] : nodes_) n += info.node ? 1 : 0;
  return n;
}

}  // namespace bramble

#include "core/resources/node_labels.h"

#include <algorithm>
#include <iterator>

namespace bramble {

std::string_view label_domain(std::string_view key) {
  size_t slash = key.find('/');
  return slash == std::string_view::npos ? std::string_view() : key.substr(0, slash);
}

bool is_of_domain(std::string_view domain, std::string_view parent) {
  return domain == parent || (domain.size() > parent.size() && domain.ends_with(parent) && domain[domain.size() - parent.size() - 1] == '.');
}

bool is_kubernetes_label(std::string_view key) {
  std::string_view domain = label_domain(key);
  return is_of_domain(domain, "kubernetes.io") || is_of_domain(domain, "k8s.io");
}

bool is_kubelet_label(std::string_view key) {
  constexpr std::string_view kOwn[] = {"kubernetes.io/hostname", "kubernetes.io/arch", "kubernetes.io/os", "beta.kubernetes.io/arch", "beta.kubernetes.io/os",
                                       "beta.kubernetes.io/instance-type", "node.kubernetes.io/instance-type", "topology.kubernetes.io/region",
                                       "topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/region", "failure-domain.beta.kubernetes.io/zone"};
  std::string_view domain = label_domain(key);
  if (is_of_domain(domain, "kubelet.kubernetes.io") || is_of_domain(domain, "node.kubernetes.io")) return true;
  return std::find(std::begin(kOwn), std::end(kOwn), key) != std::end(kOwn);
}

bool is_restriction_label(std::string_view key) { return is_of_domain(label_domain(key), "node-restriction.kubernetes.io"); }

}  // namespace bramble

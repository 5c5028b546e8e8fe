// Labels that Kubernetes keeps for itself, and those among them that a node may give itself (k8s.io/kubelet, pkg/apis
// well_known_labels.go). Pure.
#pragma once

#include <string_view>

namespace bramble {

std::string_view label_domain(std::string_view key);  // "kubernetes.io" of "kubernetes.io/os"; "" without one
bool is_of_domain(std::string_view domain, std::string_view parent);  // the same, or below it
bool is_kubernetes_label(std::string_view key);  // of kubernetes.io or k8s.io, or below
bool is_kubelet_label(std::string_view key);
// node-restriction.kubernetes.io, or below: by these administrators keep pods from nodes that would like to have them.
bool is_restriction_label(std::string_view key);

}  // namespace bramble

// NodeRestriction: a node writes its own Node, Lease and CSINode, the status of its own pods, mirror pods of its own, and asks for
// tokens that are bound to its own pods and for audiences that they use; labels and taints by which others keep pods away from it
// it does not touch. Reads the watch cache. Owner's loop thread. Whoever is no node passes.
// Specification: Kubernetes "Admission Controllers Reference", NodeRestriction (plugin/pkg/admission/noderestriction).
#pragma once

#include "core/apiserver/admission.h"

namespace bramble {

class NodeRestriction {
 public:
  NodeRestriction(Registry& registry, const Authorizer& authorizer) : registry_(registry), authorizer_(authorizer) {}

  // kPermissionDenied, kNotFound with upstream's texts. `object`: what is written, absent for a delete; `old`: what is there.
  Status check(const AdmissionCall& call, Mut object, Value old) const;

 private:
  std::string pod_fault(const std::string& node, const AdmissionCall& call, Value pod, Value old, Status* missing) const;
  std::string new_pod_fault(const std::string& node, Value pod, Status* missing) const;
  std::string token_fault(const std::string& node, const AdmissionCall& call, Value request, Status* missing) const;
  bool uses_audience(Value pod, std::string_view audience) const;
  bool driver_wants_token(std::string_view driver, std::string_view audience) const;
  Document find(std::string_view group, std::string_view resource, std::string_view ns, std::string_view name) const;

  Registry& registry_;
  const Authorizer& authorizer_;
};

}  // namespace bramble

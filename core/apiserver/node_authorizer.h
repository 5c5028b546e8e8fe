// NodeAuthorizer: what a node (system:node:NAME of system:nodes) may, beside what RBAC grants it: the rules of the role system:node,
// but of Secrets, ConfigMaps, claims, volumes, service accounts and the like only what its pods refer to, and of Nodes, Leases,
// CSINodes, ResourceSlices and Pods its own. Relations are looked up in the cache at each question: a pod's namespace is walked, no
// graph is kept. Owner's loop thread.
// Specification: Kubernetes "Using Node Authorization" (plugin/pkg/auth/authorizer/node, with AuthorizeNodeWithSelectors).
#pragma once

#include <string>

#include "core/apiserver/attributes.h"
#include "core/json/value.h"
#include "core/registry/registry.h"

namespace bramble {

class NodeAuthorizer {
 public:
  explicit NodeAuthorizer(Registry& registry);

  struct Answer {
    bool allowed = false;
    std::string reason;  // why not, in upstream's words
  };
  Answer decide(const std::string& node, const Attributes& what) const;
  // The rules that do not depend on the node's pods.
  const Document& role() const { return role_; }

 private:
  using Refers = bool (*)(Value pod, std::string_view name);
  bool runs_pod(std::string_view node, std::string_view ns, const std::function<bool(Value pod)>& that) const;
  bool uses_claim(std::string_view node, std::string_view ns, std::string_view name) const;
  bool uses_secret(std::string_view node, std::string_view ns, std::string_view name) const;
  bool related(std::string_view node, const Attributes& what) const;
  Answer if_related(const std::string& node, const Attributes& what) const;
  Answer decide_get(const std::string& node, const Attributes& what) const;
  Answer decide_read(const std::string& node, const Attributes& what) const;
  Answer decide_account(const std::string& node, const Attributes& what) const;
  Answer decide_slice(const std::string& node, const Attributes& what) const;
  Answer decide_pod(const std::string& node, const Attributes& what) const;
  Document find(std::string_view group, std::string_view resource, std::string_view ns, std::string_view name) const;

  Registry& registry_;
  Document role_;
};

}  // namespace bramble

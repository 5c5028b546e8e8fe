// Stage 3, authz: whether they may. In order, as upstream's default: system:masters may all; a node (system:node:NAME in
// system:nodes) may what the role system:node lists; then RBAC. Reads the watch cache. Owner's loop thread.
// Specification: Kubernetes "Authorization", "Using RBAC Authorization".
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/apiserver/attributes.h"
#include "core/apiserver/rbac_bindings.h"

namespace bramble {

struct AuthzDecision {
  bool allowed = false;
  std::string reason;
};

class Authorizer {
 public:
  explicit Authorizer(Registry& registry);

  bool allows(const Identity& user, const Attributes& what) const;
  // The same with the words that a SubjectAccessReview shows.
  AuthzDecision decide(const Identity& user, const Attributes& what) const;
  // kPermissionDenied with upstream's text when they may not.
  Status authorize(const Identity& user, const Attributes& what) const;

  const RbacBindings& rbac() const { return rbac_; }

 private:
  // Whether it is allowed; `by` becomes the binding that allows it, and stays null when it needs none.
  bool evaluate(const Identity& user, const Attributes& what, const RbacBinding*& by, std::vector<std::string>* problems) const;

  RbacBindings rbac_;
  Document node_role_;
};

// system:masters: the API server's own and the administrator's; no role limits it.
bool is_privileged(const Identity& user);
bool is_node(const Identity& user);

// `User "x" cannot list resource "pods" in API group "" in the namespace "default"`, as the whole 403.
Error forbidden_error(const Identity& user, const Attributes& what, std::string_view reason);

// Several problems as one text, as upstream's aggregate: alone as it is, else `[a, b]`, each once.
std::string aggregate_text(const std::vector<std::string>& problems);

}  // namespace bramble

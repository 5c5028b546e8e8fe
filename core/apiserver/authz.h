// Stage 3, authz: whether they may. In order, as upstream's default: system:masters may all; a node what node_authorizer.h says;
// then RBAC. Besides, everybody may fetch the cluster's authority (/cacerts), and whoever joins by a token may read the requests
// for certificates that it made. Reads the watch cache. Owner's loop thread.
// Specification: Kubernetes "Authorization", "Using RBAC Authorization".
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/apiserver/attributes.h"
#include "core/apiserver/node_authorizer.h"
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
  // Whether it is allowed; `by` becomes the binding that allows it, and stays null when it needs none. `why_not` (may be null) gets
  // the node authorizer's words, and what RBAC lacked.
  bool evaluate(const Identity& user, const Attributes& what, const RbacBinding*& by, std::string* why_not) const;

  bool is_own_request(const Identity& user, const Attributes& what) const;

  Registry& registry_;
  RbacBindings rbac_;
  NodeAuthorizer nodes_;
};

// system:masters: the API server's own and the administrator's; no role limits it.
bool is_privileged(const Identity& user);
bool is_node(const Identity& user);  // system:node:NAME of system:nodes
std::string node_name_of(const Identity& user);  // of one that is_node()

// `User "x" cannot list resource "pods" in API group "" in the namespace "default"`, as the whole 403.
Error forbidden_error(const Identity& user, const Attributes& what, std::string_view reason);

// Several problems as one text, as upstream's aggregate: alone as it is, else `[a, b]`, each once.
std::string aggregate_text(const std::vector<std::string>& problems);

}  // namespace bramble

// Stage 3, authz: whether they may. Until roles are served: system:masters may all, a node (system:node:* in system:nodes)
// may all, every authenticated user may review itself, and anybody may see health and version. Pure.
#pragma once

#include "core/apiserver/route.h"
#include "core/client/client.h"

namespace bramble {

struct Attributes {
  bool resource_request = true;
  std::string verb, group, version, resource, subresource, ns, name, path;
  static Attributes of(const RequestInfo& info);
};

struct AuthzDecision {
  bool allowed = false;
  std::string reason;
};

AuthzDecision decide(const Identity& user, const Attributes& what);

// Error kPermissionDenied with upstream's text when they may not.
Status authorize(const Identity& user, const Attributes& what);
Status authorize_impersonation(const Identity& real, const Attributes& what);

}  // namespace bramble

// The roles and bindings that every cluster has, as objects. Pure; any thread. Written by role_reconcile.h.
// Specification: Kubernetes "Using RBAC Authorization", default roles and role bindings.
#pragma once

#include <string_view>
#include <vector>

#include "core/client/client.h"

namespace bramble {

extern const std::string_view kDefaultRolesText;

inline constexpr std::string_view kRbacGroup = "rbac.authorization.k8s.io";
inline constexpr std::string_view kAutoUpdateAnnotation = "rbac.authorization.kubernetes.io/autoupdate";

struct DefaultObject {
  ResourceId resource;
  ObjectKey key;
  Document object;
};

// All of them, bindings first.
std::vector<DefaultObject> default_rbac_objects();

// The rules of one default ClusterRole; an absent root when there is no such role.
Document default_cluster_role(std::string_view name);

}  // namespace bramble

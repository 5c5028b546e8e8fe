// The roles and bindings that every cluster has, as objects. Pure; any thread. Written by role_reconcile.h.
// Specification: Kubernetes "Using RBAC Authorization", default roles and role bindings.
#pragma once

#include <functional>
#include <string_view>

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

// All of them, one after the other: together they would take a megabyte at each start. A controller's binding comes right
// before its role.
void each_default_rbac_object(const std::function<void(DefaultObject)>& fn);

// The rules of one default ClusterRole; an absent root when there is no such role.
Document default_cluster_role(std::string_view name);

}  // namespace bramble

// Brings the default roles and bindings up to date at each start, as upstream does: what is missing is created; to what
// exists missing rules, subjects, labels and annotations are added, and nothing an administrator added is taken away. An
// object annotated rbac.authorization.kubernetes.io/autoupdate=false is left alone. A binding to another role is made anew.
// Specification: Kubernetes "Using RBAC Authorization", auto-reconciliation (k8s.io/component-helpers/auth/rbac/reconciliation).
#pragma once

#include "core/apiserver/default_roles.h"
#include "core/client/client.h"

namespace bramble {

struct Reconciliation {
  enum class Step { kNone, kCreate, kUpdate, kRecreate };
  Step step = Step::kNone;
  Document object;  // to create or to update to
};

// What `existing` (empty: there is none) needs to hold all of `wanted`. Pure.
Reconciliation reconcile_role(const Document& existing, const Document& wanted);
Reconciliation reconcile_binding(const Document& existing, const Document& wanted);

// Writes what all default objects need, many at a time, so that they share the disk's flush. The first error; the rest is
// tried all the same.
Task<Status> reconcile_default_roles(Client* client);

}  // namespace bramble

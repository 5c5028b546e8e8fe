// Nobody grants what he does not hold: writes of Roles and ClusterRoles need every permission that they list, or the verb
// `escalate`; writes of bindings need every permission of the role, or the verb `bind` on it. Part of admission. Owner's
// loop thread. Specification: Kubernetes "Using RBAC Authorization", privilege escalation prevention and bootstrapping.
#pragma once

#include "core/apiserver/admission.h"
#include "core/apiserver/authz.h"

namespace bramble {

// kPermissionDenied with upstream's words; kNotFound for a binding to a role that is not there. Other kinds pass.
Status check_escalation(const Authorizer& authorizer, const AdmissionCall& call, Mut object, Value old);

}  // namespace bramble

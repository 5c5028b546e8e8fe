// OwnerReferencesPermissionEnforcement: who changes the owners of an object that is there must be allowed to delete it, and who
// makes an owner wait for it (blockOwnerDeletion) to set that owner's finalizers. Part of stage 4, after validation; pure.
#pragma once

#include "core/apiserver/admission.h"
#include "core/apiserver/authz.h"

namespace bramble {

// Upstream's text, "" when they may.
std::string forbidden_owners(const Authorizer& authorizer, const AdmissionCall& call, Value object, Value old);

}  // namespace bramble

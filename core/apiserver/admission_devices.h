// Devices (resource.k8s.io): who may take one with administrator's access, who may say which a claim has got, and what of it a driver
// may tell. In upstream these are part of validation, hence the 422. Part of stage 4, after validation; pure.
#pragma once

#include "core/apiserver/admission.h"
#include "core/apiserver/authz.h"

namespace bramble {

// When a taint was added, where the driver left it out.
void stamp_device_taints(Mut slice, const std::string& now);
// A write of a ResourceClaim, of its status, or of a ResourceClaimTemplate. `ns` is its Namespace, absent when there is none.
void check_device_access(const Authorizer& authorizer, const AdmissionCall& call, Value ns, Value object, Value old, FieldErrors& errors);

}  // namespace bramble

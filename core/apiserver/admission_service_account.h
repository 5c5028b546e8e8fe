// ServiceAccount admission, its refusals: what a mirror pod may not refer to, and which secrets an account lets its pods mount
// (annotation kubernetes.io/enforce-mountable-secrets). Part of stage 4, after validation; pure. Upstream's texts, "" when fine.
#pragma once

#include <string>

#include "core/json/value.h"

namespace bramble {

std::string forbidden_in_mirror(Value pod);
// ephemeral_only: the pod gets ephemeral containers; the rest of it was looked at when it was made.
std::string forbidden_secrets(Value account, Value pod, bool ephemeral_only);

}  // namespace bramble

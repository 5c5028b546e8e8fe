// What a SubjectAccessReview and its kin must look like, with upstream's texts (pkg/apis/authorization/validation). Pure.
#pragma once

#include "core/json/value.h"
#include "core/resources/kind.h"

namespace bramble {

// `review` is canonical, its namespace agrees with the request's. kInvalidObject (422) when it breaks a rule.
Status validate_access_review(const Kind& kind, Value review);

// What is wrong with the selectors of the resource attributes, as status.evaluationError tells it; "" when nothing is. A
// selector that cannot be read makes the question broader, not wrong.
std::string selector_problems(Value resource_attributes);

}  // namespace bramble

// Which requests an admission webhook or policy looks at: rules of operations and resources
// (admissionregistration.k8s.io RuleWithOperations). Pure.
#pragma once

#include "core/json/builder.h"
#include "core/resources/field_error.h"

namespace bramble {

void default_rule_scopes(Mut rules);
void validate_operations(Value rule, const Path& at, FieldErrors& errors);

}  // namespace bramble

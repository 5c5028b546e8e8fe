// Which requests an admission webhook or policy looks at: rules of operations and resources, selectors, match conditions
// (admissionregistration.k8s.io). Pure.
#pragma once

#include "core/json/builder.h"
#include "core/resources/field_error.h"

namespace bramble {

void default_rule_scopes(Mut rules);
// RuleWithOperations.
void validate_operations(Value rule, const Path& at, FieldErrors& errors);
// MatchResources of a policy or a binding; absent is fine.
void validate_match_resources(Value match, const Path& at, FieldErrors& errors);
// Names and that there is an expression; the expressions themselves are not looked at.
void validate_match_conditions(Value conditions, const Path& at, FieldErrors& errors);

// Warns of a name that is kept for what is configured by files.
void static_name_warning(Value object, std::vector<std::string>& out);

}  // namespace bramble

#include "core/resources/admission_matching.h"

#include "core/resources/defaulting.h"
#include "core/resources/field_rules.h"

namespace bramble {

void default_rule_scopes(Mut rules) {
  for (Mut r : rules.items()) default_text(r, "scope", "*");
}

void validate_operations(Value rule, const Path& at, FieldErrors& errors) {
  for (const char* list : {"apiGroups", "apiVersions", "resources", "operations"})
    if (rule[list].size() == 0) errors.required(at.at(list));
  for (size_t i = 0; i < rule["operations"].size(); ++i)
    validate_one_of(rule["operations"].item(i).str(), {"*", "CONNECT", "CREATE", "DELETE", "UPDATE"},
                    at.at("operations").at(i), true, errors);
  validate_one_of(rule["scope"].str(), {"*", "Cluster", "Namespaced"}, at.at("scope"), false, errors);
}

}  // namespace bramble

// Role and ClusterRole: what may be done.
#include "core/resources/field_rules.h"
#include "core/resources/kinds.h"
#include "core/resources/selector.h"

namespace bramble {
namespace {

void validate_rule(Value rule, bool namespaced, const Path& at, FieldErrors& errors) {
  if (rule["verbs"].size() == 0) errors.required(at.at("verbs"), "verbs must contain at least one value");
  if (rule["nonResourceURLs"].size() > 0) {
    if (namespaced)
      errors.invalid(at.at("nonResourceURLs"), rule["nonResourceURLs"],
                     "namespaced rules cannot apply to non-resource URLs");
    if (rule["apiGroups"].size() + rule["resources"].size() + rule["resourceNames"].size() > 0)
      errors.invalid(at.at("nonResourceURLs"), rule["nonResourceURLs"],
                     "rules cannot apply to both regular resources and non-resource URLs");
    return;
  }
  if (rule["apiGroups"].size() == 0)
    errors.required(at.at("apiGroups"), "resource rules must supply at least one api group");
  if (rule["resources"].size() == 0)
    errors.required(at.at("resources"), "resource rules must supply at least one resource");
}

void validate_rules(Value o, bool namespaced, FieldErrors& errors) {
  for (size_t i = 0; i < o["rules"].size(); ++i)
    validate_rule(o["rules"].item(i), namespaced, Path("rules").at(i), errors);
}

void validate_role(Value o, FieldErrors& errors) { validate_rules(o, true, errors); }

void validate_cluster_role(Value o, FieldErrors& errors) {
  validate_rules(o, false, errors);
  const Value aggregation = o["aggregationRule"];
  if (!aggregation.is_object()) return;
  const Path at = Path("aggregationRule").at("clusterRoleSelectors");
  const Value selectors = aggregation["clusterRoleSelectors"];
  if (selectors.size() == 0)
    errors.required(at, "at least one clusterRoleSelector required if aggregationRule is non-nil");
  for (size_t i = 0; i < selectors.size(); ++i) {
    validate_label_selector(selectors.item(i), at.at(i), errors);
    if (!LabelSelector::from_object(selectors.item(i)).ok()) errors.invalid(at.at(i), Value(), "invalid label selector.");
  }
}

}  // namespace

void role_rules(Kind& k) {
  k.meta_again = Kind::MetaAgain::kAsBoth;
  k.validate = validate_role;
  k.validate_update = [](Value o, Value, FieldErrors& errors) { validate_role(o, errors); };
  k.validate_name = name_is_path_segment;
}

void clusterrole_rules(Kind& k) {
  k.meta_again = Kind::MetaAgain::kAsBoth;
  k.validate = validate_cluster_role;
  k.validate_update = [](Value o, Value, FieldErrors& errors) { validate_cluster_role(o, errors); };
  k.validate_name = name_is_path_segment;
}

}  // namespace bramble

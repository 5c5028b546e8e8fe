// Validating and mutating admission policies and their bindings: stored and shown; expressions are not evaluated yet.
#include "core/resources/admission_matching.h"
#include "core/resources/cells.h"
#include "core/resources/defaulting.h"
#include "core/resources/field_rules.h"
#include "core/resources/kinds.h"
#include "core/resources/transitions.h"

namespace bramble {
namespace {

void default_match(Mut match) {
  if (!match.is_object()) return;
  default_text(match, "matchPolicy", "Equivalent");
  default_object(match, "namespaceSelector");
  default_object(match, "objectSelector");
  for (const char* list : {"resourceRules", "excludeResourceRules"}) default_rule_scopes(match[list]);
}

void default_policy(Mut o) {
  Mut spec = o.object("spec");
  default_text(spec, "failurePolicy", "Fail");
  default_match(spec["matchConstraints"]);
}

void default_binding(Mut o) { default_match(o.object("spec")["matchResources"]); }

void validate_policy(Value o, FieldErrors& errors) {
  const Path at("spec");
  const Value spec = o["spec"];
  validate_one_of(spec["failurePolicy"].str(), {"Fail", "Ignore"}, at.at("failurePolicy"), true, errors);
  if (!spec["matchConstraints"].is_object()) errors.required(at.at("matchConstraints"));
  const Value rules = spec["matchConstraints"]["resourceRules"];
  if (spec["matchConstraints"].is_object() && rules.size() == 0)
    errors.required(at.at("matchConstraints").at("resourceRules"));
  for (size_t i = 0; i < rules.size(); ++i)
    validate_operations(rules.item(i), at.at("matchConstraints").at("resourceRules").at(i), errors);
  if (o["kind"].str() == "ValidatingAdmissionPolicy") {
    if (spec["validations"].size() + spec["auditAnnotations"].size() == 0) {
      errors.required(at.at("validations"), "validations or auditAnnotations must contain at least one item");
      errors.required(at.at("auditAnnotations"), "validations or auditAnnotations must contain at least one item");
    }
    for (size_t i = 0; i < spec["validations"].size(); ++i) {
      const Value v = spec["validations"].item(i);
      const Path here = at.at("validations").at(i);
      if (trim(v["expression"].str()).empty()) errors.required(here.at("expression"), "expression is not specified");
      if (v.has("reason"))
        validate_one_of(v["reason"].str(), {"Forbidden", "Invalid", "RequestEntityTooLarge"}, here.at("reason"), false,
                        errors);
    }
  }
}

void validate_policy_binding(Value o, FieldErrors& errors) {
  const Path at("spec");
  const Value spec = o["spec"];
  if (spec["policyName"].str().empty()) errors.required(at.at("policyName"));
  if (o["kind"].str() != "ValidatingAdmissionPolicyBinding") return;
  if (spec["validationActions"].size() == 0) errors.required(at.at("validationActions"));
  for (size_t i = 0; i < spec["validationActions"].size(); ++i)
    validate_one_of(spec["validationActions"].item(i).str(), {"Audit", "Deny", "Warn"},
                    at.at("validationActions").at(i), true, errors);
}

std::string param_kind(Value o) {
  const Value p = o["spec"]["paramKind"];
  return p.is_object() ? cat(p["apiVersion"].str(), "/", p["kind"].str()) : std::string("<unset>");
}

std::string param_ref(Value o) {
  const Value p = o["spec"]["paramRef"];
  if (!p.is_object()) return "<unset>";
  if (p["name"].str().empty()) return "*";
  return p["namespace"].str().empty() ? p["name"].text() : cat(p["namespace"].str(), "/", p["name"].str());
}

void policy_common(Kind& k) {
  k.set_defaults = default_policy;
  k.validate = validate_policy;
  k.validate_update = [](Value o, Value, FieldErrors& errors) { validate_policy(o, errors); };
}

void binding_common(Kind& k) {
  k.set_defaults = default_binding;
  k.validate = validate_policy_binding;
  k.validate_update = [](Value o, Value, FieldErrors& errors) { validate_policy_binding(o, errors); };
  k.columns = {
      name_column(),
      {"PolicyName", kText, [](Value o) { return o["spec"]["policyName"].str(); }},
      {"ParamRef", kText, [](Value o) { return param_ref(o); }},
      age_column(),
  };
}

}  // namespace

void validating_policy_rules(Kind& k) {
  policy_common(k);
  k.prepare_create = clear_status;
  k.prepare_update = keep_status;
  k.prepare_status_update = keep_spec;
  k.columns = {
      name_column(),
      {"Validations", kInteger, [](Value o) { return count_of(o["spec"]["validations"]); }},
      {"ParamKind", kText, [](Value o) { return param_kind(o); }},
      age_column(),
  };
}

void mutating_policy_rules(Kind& k) {
  policy_common(k);
  k.columns = {
      name_column(),
      {"Mutations", kInteger, [](Value o) { return count_of(o["spec"]["mutations"]); }},
      {"ParamKind", kText, [](Value o) { return param_kind(o); }},
      age_column(),
  };
}

void validating_policy_binding_rules(Kind& k) { binding_common(k); }

void mutating_policy_binding_rules(Kind& k) { binding_common(k); }

}  // namespace bramble

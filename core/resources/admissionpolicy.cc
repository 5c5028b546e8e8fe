// Validating and mutating admission policies and their bindings: expressions are not looked at.
#include <set>

#include "core/resources/admission_matching.h"
#include "core/resources/cells.h"
#include "core/resources/defaulting.h"
#include "core/resources/field_rules.h"
#include "core/resources/internal_form.h"
#include "core/resources/kinds.h"
#include "core/resources/names.h"
#include "core/resources/shared_rules.h"
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

void validate_version(std::string_view version, const Path& at, FieldErrors& errors) {
  if (version.empty()) return errors.required(at);
  const auto parts = split(version, '/');
  if (parts.size() > 2) return errors.invalid(at, version, cat("unexpected GroupVersion string: ", version));
  const std::string_view group = parts.size() == 2 ? parts[0] : std::string_view(), number = parts.back();
  if (const auto bad = check_dns1123_subdomain(group); !group.empty() && !bad.empty()) errors.invalid(at, group, join(bad, ","));
  if (number.empty())
    errors.invalid(at, version, "version must be specified");
  else if (const auto bad = check_dns1035_label(number); !bad.empty())
    errors.invalid(at, number, join(bad, ","));
}

void validate_param_kind(Value kind, const Path& at, FieldErrors& errors) {
  if (!kind.is_object()) return;
  validate_version(kind["apiVersion"].str(), at.at("apiVersion"), errors);
  const std::string_view name = kind["kind"].str();
  if (name.empty()) return errors.required(at.at("kind"));
  if (const auto bad = check_dns1035_label(lower(std::string(name))); !bad.empty())
    errors.invalid(at.at("kind"), name, cat("may have mixed case, but should otherwise match: ", join(bad, ",")));
}

// There is nothing to change in what is deleted.
void refuse_deletions(Value match, const Path& at, FieldErrors& errors) {
  for (Value rule : match["resourceRules"].items())
    for (Value op : rule["operations"].items())
      if (op.str() != "*" && op.str() != "CREATE" && op.str() != "UPDATE" && op.str() != "CONNECT")
        errors.not_supported(at.at("resourceRules").at("operations"), op.str(), {"*", "CONNECT", "CREATE", "UPDATE"});
}

bool blank(Value text) { return trim(text.str()).empty(); }

bool is_identifier(std::string_view s) {
  auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  if (s.empty() || !letter(s.front())) return false;
  for (char c : s)
    if (!letter(c) && (c < '0' || c > '9')) return false;
  return true;
}

void validate_variables(Value variables, const Path& at, FieldErrors& errors) {
  for (size_t i = 0; i < variables.size(); ++i) {
    const Value v = variables.item(i);
    if (blank(v["name"]))
      errors.required(at.at(i).at("name"), "name is not specified");
    else if (!is_identifier(v["name"].str()))
      errors.invalid(at.at(i).at("name"), v["name"].str(), "must be a valid CEL identifier");
    if (blank(v["expression"])) errors.required(at.at(i).at("expression"), "expression is not specified");
  }
}

// What policies of both sorts have. mutating: they see no deletions.
void validate_common(Value spec, bool mutating, FieldErrors& errors) {
  const Path at("spec"), match_at = at.at("matchConstraints");
  validate_one_of(spec["failurePolicy"].str(), {"Fail", "Ignore"}, at.at("failurePolicy"), true, errors);
  validate_param_kind(spec["paramKind"], at.at("paramKind"), errors);
  const Value match = spec["matchConstraints"];
  if (!match.is_object()) {
    errors.required(match_at);
  } else {
    validate_match_resources(match, match_at, errors);
    if (match["resourceRules"].size() == 0) errors.required(match_at.at("resourceRules"));
    if (mutating) refuse_deletions(match, match_at, errors);
  }
  validate_match_conditions(spec["matchConditions"], at.at("matchConditions"), errors);
  validate_variables(spec["variables"], at.at("variables"), errors);
}

void validate_validation(Value v, const Path& at, FieldErrors& errors) {
  if (blank(v["expression"])) errors.required(at.at("expression"), "expression is not specified");
  if (!v["messageExpression"].str().empty() && blank(v["messageExpression"]))
    errors.invalid(at.at("messageExpression"), v["messageExpression"].str(), "must be non-empty if specified");
  const std::string_view message = v["message"].str();
  if (!message.empty() && blank(v["message"]))
    errors.invalid(at.at("message"), message, "must be non-empty if specified");
  else if (trim(message).find_first_of("\n\r") != std::string_view::npos)
    errors.invalid(at.at("message"), message, "must not contain line breaks");
  if (v.has("reason"))
    validate_one_of(v["reason"].str(), {"Forbidden", "Invalid", "RequestEntityTooLarge"}, at.at("reason"), false, errors);
}

void validate_annotations_of(Value o, const Path& at, FieldErrors& errors) {
  constexpr size_t kAnnotationsMax = 20, kExpressionMax = 5 * 1024;
  const Value annotations = o["spec"]["auditAnnotations"];
  if (annotations.size() > kAnnotationsMax)
    errors.invalid(at, internal_list(annotations, "admissionregistration.v1.AuditAnnotation").root(),
                   cat("must not have more than ", kAnnotationsMax, " auditAnnotations"));
  std::set<std::string, std::less<>> keys;
  for (size_t i = 0; i < annotations.size(); ++i) {
    const Path here = at.at(i);
    const std::string_view key = annotations.item(i)["key"].str();
    const std::string full = cat(o["metadata"]["name"].str(), "/", key);
    if (o["metadata"]["name"].str().empty())
      errors.invalid(here.at("key"), key, "requires metadata.name be non-empty");
    else
      add_invalid(here.at("key"), full, check_qualified_name(full), errors);
    const std::string_view value = trim(annotations.item(i)["valueExpression"].str());
    if (value.empty()) errors.required(here.at("valueExpression"), "valueExpression is not specified");
    if (value.size() > kExpressionMax) errors.required(here.at("valueExpression"), cat("must not exceed ", kExpressionMax, " bytes in length"));
    if (!keys.insert(std::string(key)).second) errors.duplicate(here.at("key"), key);
  }
}

void validate_validating(Value o, FieldErrors& errors) {
  const Path at("spec");
  const Value spec = o["spec"];
  validate_common(spec, false, errors);
  if (spec["validations"].size() + spec["auditAnnotations"].size() == 0)
    for (const char* f : {"validations", "auditAnnotations"})
      errors.required(at.at(f), "validations or auditAnnotations must contain at least one item");
  for (size_t i = 0; i < spec["validations"].size(); ++i) validate_validation(spec["validations"].item(i), at.at("validations").at(i), errors);
  validate_annotations_of(o, at.at("auditAnnotations"), errors);
}

void validate_mutation(Value m, const Path& at, FieldErrors& errors) {
  const std::string_view type = m["patchType"].str();
  const bool patch = type == "JSONPatch";
  if (type.empty()) return errors.required(at.at("patchType"));
  if (!patch && type != "ApplyConfiguration") return errors.not_supported(at.at("patchType"), type, {"ApplyConfiguration", "JSONPatch"});
  const char *own = patch ? "jsonPatch" : "applyConfiguration", *other = patch ? "applyConfiguration" : "jsonPatch";
  if (!m[own].is_object()) errors.required(at.at(own), cat("must be specified when patchType is ", type));
  if (m[own].is_object() && blank(m[own]["expression"])) errors.required(at.at(own).at("expression"), "expression is not specified");
  if (m[other].is_object()) errors.invalid(at.at(other), cat("{", other, "}"), cat("must not be specified when patchType is ", type));
}

void validate_mutating(Value o, FieldErrors& errors) {
  const Path at("spec");
  const Value spec = o["spec"], mutations = spec["mutations"];
  validate_common(spec, true, errors);
  if (mutations.size() == 0) errors.required(at.at("mutations"), "mutations must contain at least one item");
  for (size_t i = 0; i < mutations.size(); ++i) validate_mutation(mutations.item(i), at.at("mutations").at(i), errors);
  validate_one_of(spec["reinvocationPolicy"].str(), {"IfNeeded", "Never"}, at.at("reinvocationPolicy"), true, errors);
}

void validate_param_ref(Value ref, const Path& at, FieldErrors& errors) {
  if (!ref.is_object()) return;
  constexpr std::string_view kExclusive = "name and selector are mutually exclusive";
  const std::string_view name = ref["name"].str(), missing = ref["parameterNotFoundAction"].str();
  const bool selects = ref["selector"].is_object();
  if (!name.empty()) {
    add_invalid(at.at("name"), name, check_path_segment(name), errors);
    if (selects) errors.forbidden(at.at("name"), kExclusive);
  }
  validate_label_selector(ref["selector"], at.at("selector"), errors);
  if (selects && !name.empty()) errors.forbidden(at.at("selector"), kExclusive);
  if (name.empty() && !selects) errors.required(at, "one of name or selector must be specified");
  validate_one_of(missing, {"Deny", "Allow"}, at.at("parameterNotFoundAction"), true, errors);
}

void validate_binding(Value spec, FieldErrors& errors) {
  const Path at("spec");
  const std::string_view policy = spec["policyName"].str();
  if (policy.empty())
    errors.required(at.at("policyName"));
  else
    add_invalid(at.at("policyName"), policy, check_dns1123_subdomain(policy), errors);
  validate_param_ref(spec["paramRef"], at.at("paramRef"), errors);
  validate_match_resources(spec["matchResources"], at.at("matchResources"), errors);
}

void validate_validating_binding(Value o, FieldErrors& errors) {
  validate_binding(o["spec"], errors);
  const Path at = Path("spec").at("validationActions");
  const Value actions = o["spec"]["validationActions"];
  std::set<std::string, std::less<>> seen;
  for (size_t i = 0; i < actions.size(); ++i) {
    const std::string_view action = actions.item(i).str();
    if (action != "Audit" && action != "Deny" && action != "Warn") errors.not_supported(at.at(i), action, {"Audit", "Deny", "Warn"});
    if (!seen.insert(std::string(action)).second) errors.duplicate(at.at(i), action);
  }
  if (seen.count("Deny") && seen.count("Warn"))
    errors.invalid(at, actions,
                   "must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers "
                   "serves no purpose)");
  if (seen.empty()) errors.required(at, "at least one validation action is required");
}

void validate_mutating_binding(Value o, FieldErrors& errors) {
  validate_binding(o["spec"], errors);
  if (o["spec"]["matchResources"].is_object()) refuse_deletions(o["spec"]["matchResources"], Path("spec").at("matchResources"), errors);
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

template <void (*validate)(Value, FieldErrors&)>
void checked_by(Kind& k) {
  k.meta_again = Kind::MetaAgain::kAsCreate;
  k.validate = validate;
  k.validate_update = [](Value o, Value, FieldErrors& errors) { validate(o, errors); };
}

void binding_common(Kind& k) {
  k.set_defaults = default_binding;
  k.columns = {
      name_column(),
      {"PolicyName", kText, [](Value o) { return o["spec"]["policyName"].str(); }},
      {"ParamRef", kText, [](Value o) { return param_ref(o); }},
      age_column(),
  };
}

}  // namespace

void validating_policy_rules(Kind& k) {
  k.warnings = static_name_warning;
  checked_by<validate_validating>(k);
  k.set_defaults = default_policy;
  k.validate_status_update = [](Value o, Value, FieldErrors& errors) {
    validate_observed_conditions(o["status"]["conditions"], Path("status").at("conditions"), errors);
  };
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
  k.warnings = static_name_warning;
  checked_by<validate_mutating>(k);
  k.set_defaults = default_policy;
  k.columns = {
      name_column(),
      {"Mutations", kInteger, [](Value o) { return count_of(o["spec"]["mutations"]); }},
      {"ParamKind", kText, [](Value o) { return param_kind(o); }},
      age_column(),
  };
}

void validating_policy_binding_rules(Kind& k) {
  k.warnings = static_name_warning;
  binding_common(k);
  checked_by<validate_validating_binding>(k);
}

void mutating_policy_binding_rules(Kind& k) {
  k.warnings = static_name_warning;
  binding_common(k);
  checked_by<validate_mutating_binding>(k);
}

}  // namespace bramble

// Webhook configurations and admission policies (admissionregistration.k8s.io): stored and shown; nothing is called yet.
#include <set>

#include "core/resources/cells.h"
#include "core/resources/defaulting.h"
#include "core/resources/kinds.h"
#include "core/resources/names.h"
#include "core/resources/rules.h"
#include "core/resources/transitions.h"

namespace bramble {
namespace {

void default_rule_scopes(Mut rules) {
  for (Mut r : rules.items()) default_text(r, "scope", "*");
}

void default_webhooks(Mut o, bool mutating) {
  for (Mut w : o["webhooks"].items()) {
    default_text(w, "failurePolicy", "Fail");
    default_text(w, "matchPolicy", "Equivalent");
    default_object(w, "namespaceSelector");
    default_object(w, "objectSelector");
    default_int(w, "timeoutSeconds", 10);
    if (mutating) default_text(w, "reinvocationPolicy", "Never");
    if (Mut service = w["clientConfig"]["service"]; service.is_object()) default_int(service, "port", 443);
    default_rule_scopes(w["rules"]);
  }
}
void default_validating(Mut o) { default_webhooks(o, false); }
void default_mutating(Mut o) { default_webhooks(o, true); }

void validate_operations(Value rule, const Path& at, FieldErrors& errors) {
  for (const char* list : {"apiGroups", "apiVersions", "resources", "operations"})
    if (rule[list].size() == 0) errors.required(at.at(list));
  for (size_t i = 0; i < rule["operations"].size(); ++i)
    validate_one_of(rule["operations"].item(i).str(), {"*", "CONNECT", "CREATE", "DELETE", "UPDATE"}, at.at("operations").at(i), true, errors);
  validate_one_of(rule["scope"].str(), {"*", "Cluster", "Namespaced"}, at.at("scope"), false, errors);
}

void validate_webhook(Value w, const Path& at, FieldErrors& errors) {
  const std::string_view name = w["name"].str();
  const auto bad = check_dns1123_subdomain(name);
  if (name.empty()) errors.required(at.at("name"));
  else if (!bad.empty()) add_invalid(at.at("name"), name, bad, errors);
  else if (split(name, '.').size() < 3)
    errors.invalid(at.at("name"), name, "should be a domain with at least three segments separated by dots");
  for (size_t i = 0; i < w["rules"].size(); ++i) validate_operations(w["rules"].item(i), at.at("rules").at(i), errors);
  validate_one_of(w["failurePolicy"].str(), {"Fail", "Ignore"}, at.at("failurePolicy"), false, errors);
  validate_one_of(w["matchPolicy"].str(), {"Equivalent", "Exact"}, at.at("matchPolicy"), false, errors);
  if (w["sideEffects"].str().empty()) errors.required(at.at("sideEffects"), "must specify one of None, NoneOnDryRun");
  else validate_one_of(w["sideEffects"].str(), {"None", "NoneOnDryRun"}, at.at("sideEffects"), true, errors);
  if (const int64_t t = w["timeoutSeconds"].integer(10); t < 1 || t > 30)
    errors.invalid(at.at("timeoutSeconds"), t, "the timeout value must be between 1 and 30 seconds");
  validate_label_selector(w["namespaceSelector"], at.at("namespaceSelector"), errors);
  validate_label_selector(w["objectSelector"], at.at("objectSelector"), errors);
  const Value versions = w["admissionReviewVersions"];
  if (versions.size() == 0) {
    errors.required(at.at("admissionReviewVersions"), "must specify one of v1, v1beta1");
  } else {
    bool known = false;
    for (Value v : versions.items()) known = known || v.str() == "v1" || v.str() == "v1beta1";
    if (!known) errors.invalid(at.at("admissionReviewVersions"), versions, "must include at least one of v1, v1beta1");
  }
  const Value config = w["clientConfig"];
  if (config.has("url") == config.has("service"))
    errors.required(at.at("clientConfig"), "exactly one of url or service is required");
}

void validate_webhooks(Value o, FieldErrors& errors) {
  std::set<std::string, std::less<>> names;
  for (size_t i = 0; i < o["webhooks"].size(); ++i) {
    const Value w = o["webhooks"].item(i);
    const Path at = Path("webhooks").at(i);
    validate_webhook(w, at, errors);
    if (!w["name"].str().empty() && !names.insert(w["name"].text()).second) errors.duplicate(at.at("name"), w["name"].str());
  }
}

void webhook_cells(Value o, int64_t now_us, Mut out) {
  out.append(first_name(o));
  out.append(static_cast<int64_t>(o["webhooks"].size()));
  append_age(o, now_us, out);
}

void webhook_common(Kind& k) {
  k.validate = validate_webhooks;
  k.validate_update = [](Value o, Value, FieldErrors& errors) { validate_webhooks(o, errors); };
  k.columns = columns_of("Name:name, Webhooks:integer, Age");
  k.cells = webhook_cells;
}

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
        validate_one_of(v["reason"].str(), {"Forbidden", "Invalid", "RequestEntityTooLarge"}, here.at("reason"), false, errors);
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
    validate_one_of(spec["validationActions"].item(i).str(), {"Audit", "Deny", "Warn"}, at.at("validationActions").at(i), true, errors);
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

void policy_cells(Value o, int64_t now_us, Mut out) {
  const bool mutating = o["spec"].has("mutations") || o["kind"].str() == "MutatingAdmissionPolicy";
  out.append(first_name(o));
  out.append(static_cast<int64_t>(o["spec"][mutating ? "mutations" : "validations"].size()));
  out.append(param_kind(o));
  append_age(o, now_us, out);
}
void binding_cells(Value o, int64_t now_us, Mut out) {
  out.append(first_name(o));
  out.append(o["spec"]["policyName"].str());
  out.append(param_ref(o));
  append_age(o, now_us, out);
}

void policy_common(Kind& k) {
  k.set_defaults = default_policy;
  k.validate = validate_policy;
  k.validate_update = [](Value o, Value, FieldErrors& errors) { validate_policy(o, errors); };
  k.cells = policy_cells;
}
void binding_common(Kind& k) {
  k.set_defaults = default_binding;
  k.validate = validate_policy_binding;
  k.validate_update = [](Value o, Value, FieldErrors& errors) { validate_policy_binding(o, errors); };
  k.columns = columns_of("Name:name, PolicyName, ParamRef, Age");
  k.cells = binding_cells;
}

}  // namespace

void validating_webhook_rules(Kind& k) {
  webhook_common(k);
  k.set_defaults = default_validating;
}
void mutating_webhook_rules(Kind& k) {
  webhook_common(k);
  k.set_defaults = default_mutating;
}
void validating_policy_rules(Kind& k) {
  policy_common(k);
  k.prepare_create = clear_status;
  k.prepare_update = keep_status;
  k.prepare_status_update = keep_spec;
  k.columns = columns_of("Name:name, Validations:integer, ParamKind, Age");
}
void mutating_policy_rules(Kind& k) {
  policy_common(k);
  k.columns = columns_of("Name:name, Mutations:integer, ParamKind, Age");
}
void validating_policy_binding_rules(Kind& k) { binding_common(k); }
void mutating_policy_binding_rules(Kind& k) { binding_common(k); }

}  // namespace bramble

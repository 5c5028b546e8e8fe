// Validating and mutating webhook configurations: stored and shown; nothing is called yet.
#include <set>

#include "core/resources/admission_matching.h"
#include "core/resources/cells.h"
#include "core/resources/defaulting.h"
#include "core/resources/field_rules.h"
#include "core/resources/kinds.h"
#include "core/resources/names.h"

namespace bramble {
namespace {

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

void validate_webhook(Value w, const Path& at, FieldErrors& errors) {
  const std::string_view name = w["name"].str();
  const auto bad = check_dns1123_subdomain(name);
  if (name.empty())
    errors.required(at.at("name"));
  else if (!bad.empty())
    add_invalid(at.at("name"), name, bad, errors);
  else if (split(name, '.').size() < 3)
    errors.invalid(at.at("name"), name, "should be a domain with at least three segments separated by dots");
  for (size_t i = 0; i < w["rules"].size(); ++i) validate_operations(w["rules"].item(i), at.at("rules").at(i), errors);
  validate_one_of(w["failurePolicy"].str(), {"Fail", "Ignore"}, at.at("failurePolicy"), false, errors);
  validate_one_of(w["matchPolicy"].str(), {"Equivalent", "Exact"}, at.at("matchPolicy"), false, errors);
  if (w["sideEffects"].str().empty())
    errors.required(at.at("sideEffects"), "must specify one of None, NoneOnDryRun");
  else
    validate_one_of(w["sideEffects"].str(), {"None", "NoneOnDryRun"}, at.at("sideEffects"), true, errors);
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
    if (!w["name"].str().empty() && !names.insert(w["name"].text()).second)
      errors.duplicate(at.at("name"), w["name"].str());
  }
}

void webhook_common(Kind& k) {
  k.validate = validate_webhooks;
  k.validate_update = [](Value o, Value, FieldErrors& errors) { validate_webhooks(o, errors); };
  k.columns = {
      name_column(),
      {"Webhooks", kInteger, [](Value o) { return count_of(o["webhooks"]); }},
      age_column(),
  };
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

}  // namespace bramble

// Validating and mutating webhook configurations.
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

// What was wrong before an update may stay so.
struct Leniency {
  bool side_effects = false, versions = false, repeated_names = false;
};

bool without_side_effects(Value w) { return w["sideEffects"].str() == "None" || w["sideEffects"].str() == "NoneOnDryRun"; }

bool has_known_version(Value w) {
  for (Value v : w["admissionReviewVersions"].items())
    if (v.str() == "v1" || v.str() == "v1beta1") return true;
  return false;
}

Leniency leniency(Value old) {
  Leniency may;
  std::set<std::string> names;
  for (Value w : old["webhooks"].items()) {
    may.side_effects = may.side_effects || !without_side_effects(w);
    may.versions = may.versions || !has_known_version(w);
    may.repeated_names = may.repeated_names || !names.insert(w["name"].text()).second;
  }
  return may;
}

void validate_full_name(std::string_view name, const Path& at, FieldErrors& errors) {
  if (name.empty()) return errors.required(at);
  if (const auto bad = check_dns1123_subdomain(name); !bad.empty()) return errors.invalid(at, name, join(bad, ","));
  if (split(name, '.').size() < 3) errors.invalid(at, name, "should be a domain with at least three segments separated by dots");
}

void validate_side_effects(Value w, bool lenient, const Path& at, FieldErrors& errors) {
  std::vector<std::string_view> allowed = {"None", "NoneOnDryRun"};
  if (lenient) allowed = {"None", "NoneOnDryRun", "Some", "Unknown"};
  if (w.has("sideEffects")) return validate_one_of(w["sideEffects"].str(), allowed, at, true, errors);
  errors.required(at, cat("must specify one of ", join(std::vector<std::string>(allowed.begin(), allowed.end()), ", ")));
}

// scheme://user@host/path?query#fragment, of which https, host and path may be.
void validate_url(std::string_view url, const Path& at, FieldErrors& errors) {
  constexpr std::string_view kForm = "; desired format: https://host[/path]";
  auto take = [](std::string_view& text, char mark) {
    const size_t place = text.find(mark);
    const std::string_view rest = place == std::string_view::npos ? std::string_view() : text.substr(place + 1);
    text = text.substr(0, place);
    return rest;
  };
  const std::string_view fragment = take(url, '#'), query = take(url, '?');
  const size_t colon = url.find(':'), slash = url.find('/');
  const bool has_scheme = colon != std::string_view::npos && colon > 0 && colon < slash;
  const std::string scheme = has_scheme ? lower(std::string(url.substr(0, colon))) : std::string();
  if (has_scheme) url.remove_prefix(colon + 1);
  std::string_view host, user;
  if (url.substr(0, 2) == "//") {
    host = url.substr(2, url.find('/', 2) == std::string_view::npos ? std::string_view::npos : url.find('/', 2) - 2);
    if (const size_t place = host.rfind('@'); place != std::string_view::npos) {
      user = host.substr(0, place);
      host.remove_prefix(place + 1);
    }
  }
  if (scheme != "https") errors.invalid(at, scheme, cat("'https' is the only allowed URL scheme", kForm));
  if (host.empty()) errors.invalid(at, host, cat("host must be specified", kForm));
  if (!user.empty()) errors.invalid(at, user, "user information is not permitted in the URL");
  if (!fragment.empty()) errors.invalid(at, fragment, "fragments are not permitted in the URL");
  if (!query.empty()) errors.invalid(at, query, "query parameters are not permitted in the URL");
}

void validate_service_path(std::string_view path, const Path& at, FieldErrors& errors) {
  if (path.empty() || path == "/") return;
  if (path == "//") return errors.invalid(at, path, "segment[0] may not be empty");
  if (path[0] != '/') errors.invalid(at, path, "must start with a '/'");
  std::string_view rest = path.substr(1);
  if (!rest.empty() && rest.back() == '/') rest.remove_suffix(1);
  const auto steps = split(rest, '/');
  for (size_t i = 0; i < steps.size(); ++i) {
    if (steps[i].empty()) {
      errors.invalid(at, path, cat("segment[", i, "] may not be empty"));
      continue;
    }
    for (const std::string& m : check_dns1123_subdomain(steps[i])) errors.invalid(at, path, cat("segment[", i, "]: ", m));
  }
}

// Upstream takes name and namespace for each other here, and clients see that.
void validate_service(Value service, const Path& at, FieldErrors& errors) {
  if (service["namespace"].str().empty()) errors.required(at.at("name"));
  if (service["name"].str().empty()) errors.required(at.at("namespace"));
  const int64_t port = service["port"].integer();
  if (const auto bad = check_port_number(port); !bad.empty()) errors.invalid(at.at("port"), port, cat("port is not valid: ", join(bad, ", ")));
  validate_service_path(service["path"].str(), at.at("path"), errors);
}

void validate_versions(Value versions, bool lenient, const Path& at, FieldErrors& errors) {
  if (versions.size() == 0) return errors.required(at, "must specify one of v1, v1beta1");
  std::set<std::string, std::less<>> seen;
  bool known = false;
  for (size_t i = 0; i < versions.size(); ++i) {
    const std::string_view v = versions.item(i).str();
    if (!seen.insert(std::string(v)).second) {
      errors.invalid(at.at(i), v, "duplicate version");
      continue;
    }
    add_invalid(at.at(i), v, check_dns1035_label(v), errors);
    known = known || v == "v1" || v == "v1beta1";
  }
  if (!known && !lenient) errors.invalid(at, versions, "must include at least one of v1, v1beta1");
}

void validate_webhook(Value w, const Leniency& may, const Path& at, FieldErrors& errors) {
  validate_full_name(w["name"].str(), at.at("name"), errors);
  for (size_t i = 0; i < w["rules"].size(); ++i) validate_operations(w["rules"].item(i), at.at("rules").at(i), errors);
  validate_one_of(w["failurePolicy"].str(), {"Fail", "Ignore"}, at.at("failurePolicy"), false, errors);
  validate_one_of(w["matchPolicy"].str(), {"Equivalent", "Exact"}, at.at("matchPolicy"), false, errors);
  validate_side_effects(w, may.side_effects, at.at("sideEffects"), errors);
  if (const int64_t t = w["timeoutSeconds"].integer(10); t < 1 || t > 30)
    errors.invalid(at.at("timeoutSeconds"), t, "the timeout value must be between 1 and 30 seconds");
  for (const char* f : {"namespaceSelector", "objectSelector"}) validate_label_selector(w[f], at.at(f), errors);
  validate_one_of(w["reinvocationPolicy"].str(), {"IfNeeded", "Never"}, at.at("reinvocationPolicy"), false, errors);
  const Value config = w["clientConfig"];
  const Path config_at = at.at("clientConfig");
  if (config.has("url") == config.has("service"))
    errors.required(config_at, "exactly one of url or service is required");
  else if (config.has("url"))
    validate_url(config["url"].str(), config_at.at("url"), errors);
  else
    validate_service(config["service"], config_at.at("service"), errors);
  validate_match_conditions(w["matchConditions"], at.at("matchConditions"), errors);
  validate_versions(w["admissionReviewVersions"], may.versions, at.at("admissionReviewVersions"), errors);
}

void validate_webhooks(Value o, const Leniency& may, FieldErrors& errors) {
  std::set<std::string, std::less<>> names;
  for (size_t i = 0; i < o["webhooks"].size(); ++i) {
    const Value w = o["webhooks"].item(i);
    const Path at = Path("webhooks").at(i);
    validate_webhook(w, may, at, errors);
    if (!w["name"].str().empty() && !names.insert(w["name"].text()).second && !may.repeated_names)
      errors.duplicate(at.at("name"), w["name"].str());
  }
}

void webhook_common(Kind& k) {
  k.meta_again = Kind::MetaAgain::kAsCreate;
  k.validate = [](Value o, FieldErrors& errors) { validate_webhooks(o, {}, errors); };
  k.validate_update = [](Value o, Value old, FieldErrors& errors) { validate_webhooks(o, leniency(old), errors); };
  k.columns = {
      name_column(),
      {"Webhooks", kInteger, [](Value o) { return count_of(o["webhooks"]); }},
      age_column(),
  };
}

}  // namespace

void validating_webhook_rules(Kind& k) {
  k.warnings = static_name_warning;
  webhook_common(k);
  k.set_defaults = default_validating;
}

void mutating_webhook_rules(Kind& k) {
  k.warnings = static_name_warning;
  webhook_common(k);
  k.set_defaults = default_mutating;
}

}  // namespace bramble

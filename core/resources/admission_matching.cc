#include "core/resources/admission_matching.h"

#include <set>

#include "core/base/strings.h"
#include "core/resources/defaulting.h"
#include "core/resources/field_rules.h"
#include "core/resources/names.h"

namespace bramble {
namespace {

using Texts = std::set<std::string, std::less<>>;

bool has_wildcard(Value list) {
  for (Value v : list.items())
    if (v.str() == "*") return true;
  return false;
}

// "*" stands alone. others: what may not be beside it.
void validate_wildcard(Value list, std::string_view others, const Path& at, FieldErrors& errors) {
  if (list.size() > 1 && has_wildcard(list)) errors.invalid(at, list, cat("if '*' is present, must not specify other ", others));
}

void validate_resources(Value resources, const Path& at, FieldErrors& errors) {
  if (resources.size() == 0) errors.required(at);
  Texts whole, everywhere;  // "x/*" and "*/x"
  bool all = false, top = false, named = false;
  for (size_t i = 0; i < resources.size(); ++i) {
    const std::string_view text = resources.item(i).str();
    if (text.empty()) {
      errors.required(at.at(i));
      continue;
    }
    all = all || text == "*/*";
    top = top || text == "*";
    const auto parts = cut(text, "/");
    if (!parts) {
      named = text != "*";
      continue;
    }
    const auto [resource, sub] = *parts;
    if (whole.count(resource)) errors.invalid(at.at(i), text, cat("if '", resource, "/*' is present, must not specify ", text));
    if (everywhere.count(sub)) errors.invalid(at.at(i), text, cat("if '*/", sub, "' is present, must not specify ", text));
    if (sub == "*") whole.insert(std::string(resource));
    if (resource == "*") everywhere.insert(std::string(sub));
  }
  if (resources.size() > 1 && all) errors.invalid(at, resources, "if '*/*' is present, must not specify other resources");
  if (top && named) errors.invalid(at, resources, "if '*' is present, must not specify other resources without subresources");
}

void validate_named_rule(Value rule, const Path& at, FieldErrors& errors) {
  Texts seen;
  const Value names = rule["resourceNames"];
  for (size_t i = 0; i < names.size(); ++i) {
    const std::string_view name = names.item(i).str();
    const Path here = at.at("resourceNames").at(i);
    add_invalid(here, name, check_path_segment(name), errors);
    if (!seen.insert(std::string(name)).second) errors.duplicate(here, name);
  }
  validate_operations(rule, at, errors);
}

}  // namespace

void default_rule_scopes(Mut rules) {
  for (Mut r : rules.items()) default_text(r, "scope", "*");
}

void validate_operations(Value rule, const Path& at, FieldErrors& errors) {
  const Value operations = rule["operations"], versions = rule["apiVersions"];
  if (operations.size() == 0) errors.required(at.at("operations"));
  validate_wildcard(operations, "operations", at.at("operations"), errors);
  for (size_t i = 0; i < operations.size(); ++i) {
    const std::string_view op = operations.item(i).str();
    if (op.empty())
      errors.not_supported(at.at("operations").at(i), op, {"*", "CONNECT", "CREATE", "DELETE", "UPDATE"});
    else
      validate_one_of(op, {"*", "CONNECT", "CREATE", "DELETE", "UPDATE"}, at.at("operations").at(i), true, errors);
  }
  if (rule["apiGroups"].size() == 0) errors.required(at.at("apiGroups"));
  validate_wildcard(rule["apiGroups"], "API groups", at.at("apiGroups"), errors);
  if (versions.size() == 0) errors.required(at.at("apiVersions"));
  validate_wildcard(versions, "API versions", at.at("apiVersions"), errors);
  for (size_t i = 0; i < versions.size(); ++i)
    if (versions.item(i).str().empty()) errors.required(at.at("apiVersions").at(i));
  validate_resources(rule["resources"], at.at("resources"), errors);
  validate_one_of(rule["scope"].str(), {"*", "Cluster", "Namespaced"}, at.at("scope"), false, errors);
}

void validate_match_resources(Value match, const Path& at, FieldErrors& errors) {
  if (!match.is_object()) return;
  validate_one_of(match["matchPolicy"].str(), {"Equivalent", "Exact"}, at.at("matchPolicy"), true, errors);
  for (const char* f : {"namespaceSelector", "objectSelector"}) {
    if (match[f].is_object())
      validate_label_selector(match[f], at.at(f), errors);
    else
      errors.required(at.at(f));
  }
  for (const char* f : {"resourceRules", "excludeResourceRules"})
    for (size_t i = 0; i < match[f].size(); ++i) validate_named_rule(match[f].item(i), at.at(f).at(i), errors);
}

void validate_match_conditions(Value conditions, const Path& at, FieldErrors& errors) {
  constexpr size_t kConditionsMax = 64;
  if (conditions.size() > kConditionsMax) errors.too_many(at, conditions.size(), kConditionsMax);
  Texts seen;
  for (size_t i = 0; i < conditions.size(); ++i) {
    const std::string_view name = conditions.item(i)["name"].str();
    const Path here = at.at(i);
    if (trim(conditions.item(i)["expression"].str()).empty()) errors.required(here.at("expression"));
    if (name.empty())
      errors.required(here.at("name"));
    else
      add_invalid(here.at("name"), name, check_qualified_name(name), errors);
    if (!name.empty() && !seen.insert(std::string(name)).second) errors.duplicate(here.at("name"), name);
  }
}

void static_name_warning(Value o, std::vector<std::string>& out) {
  constexpr std::string_view kSuffix = ".static.k8s.io";
  const std::string_view name = o["metadata"]["name"].str();
  if (name.size() >= kSuffix.size() && name.substr(name.size() - kSuffix.size()) == kSuffix)
    out.push_back(cat("metadata.name: names ending with ", go_quote(kSuffix),
                      " are reserved for static manifest-based configurations and cannot be managed via the API"));
}

}  // namespace bramble

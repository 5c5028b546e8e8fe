// Where a pod may run: affinity, node selectors, tolerations, topology spreading (core/v1 validateAffinity,
// ValidateTolerations, validateTopologySpreadConstraints).
#include <map>

#include "core/resources/field_rules.h"
#include "core/resources/names.h"
#include "core/resources/pod_spec.h"

namespace bramble {
namespace {

void validate_expression(Value e, const Path& at, FieldErrors& errors) {
  const std::string_view op = e["operator"].str();
  const size_t n = e["values"].size();
  if (op == "In" || op == "NotIn") {
    if (n == 0) errors.required(at.at("values"), "must be specified when `operator` is 'In' or 'NotIn'");
  } else if (op == "Exists" || op == "DoesNotExist") {
    if (n > 0) errors.forbidden(at.at("values"), "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
  } else if (op == "Gt" || op == "Lt") {
    if (n != 1) errors.required(at.at("values"), "must be specified single value when `operator` is 'Lt' or 'Gt'");
  } else {
    errors.invalid(at.at("operator"), op, "not a valid selector operator");
  }
  add_invalid(at.at("key"), e["key"].str(), check_qualified_name(e["key"].str()), errors);
  for (size_t i = 0; i < n; ++i) {
    const std::string_view v = e["values"].item(i).str();
    add_invalid(at.at("values").at(i), v, check_label_value(v), errors);
  }
}

void validate_field_expression(Value e, const Path& at, FieldErrors& errors) {
  const std::string_view op = e["operator"].str(), key = e["key"].str();
  if (op == "In" || op == "NotIn") {
    if (e["values"].size() != 1)
      errors.required(at.at("values"),
                      "must be only one value when `operator` is 'In' or 'NotIn' for node field selector");
  } else {
    errors.invalid(at.at("operator"), op, "not a valid selector operator");
  }
  if (key != "metadata.name") {
    errors.invalid(at.at("key"), key, "not a valid field selector key");
    return;
  }
  for (size_t i = 0; i < e["values"].size(); ++i) {
    const std::string_view v = e["values"].item(i).str();
    add_invalid(at.at("values").at(i), v, check_dns1123_subdomain(v), errors);
  }
}

void validate_weight(Value w, const Path& at, FieldErrors& errors) {
  if (w.integer() <= 0 || w.integer() > 100) errors.invalid(at, w.integer(), "must be in the range 1-100");
}

// Keys whose values of the pod itself are added to its selector.
void validate_label_keys(Value keys, Value selector, const Path& at, FieldErrors& errors) {
  if (keys.size() == 0) return;
  if (!selector.is_object()) return errors.forbidden(at, "must not be specified when labelSelector is not set");
  for (size_t i = 0; i < keys.size(); ++i) add_invalid(at.at(i), keys.item(i).str(), check_qualified_name(keys.item(i).str()), errors);
}

// What matchLabelKeys adds to the selector stands in its expressions already: a key that stands there twice was there before.
void validate_matching_keys(Value holder, const Path& at, FieldErrors& errors) {
  const Value keys = holder["matchLabelKeys"], others = holder["mismatchLabelKeys"], selector = holder["labelSelector"];
  validate_label_keys(keys, selector, at.at("matchLabelKeys"), errors);
  validate_label_keys(others, selector, at.at("mismatchLabelKeys"), errors);
  std::map<std::string, size_t, std::less<>> places;
  for (size_t i = 0; i < keys.size(); ++i) places.insert_or_assign(keys.item(i).text(), i);
  std::set<std::string, std::less<>> selected;
  for (auto [key, value] : selector["matchLabels"].members()) selected.insert(std::string(key));
  for (Value e : selector["matchExpressions"].items()) {
    const std::string_view key = e["key"].str();
    const auto place = places.find(key);
    if (place != places.end() && selected.count(key)) errors.invalid(at.at(place->second), key, "exists in both matchLabelKeys and labelSelector");
    selected.insert(std::string(key));
  }
  for (size_t i = 0; i < keys.size(); ++i)
    for (Value other : others.items())
      if (other.str() == keys.item(i).str()) {
        errors.invalid(at.at("matchLabelKeys").at(i), other.str(), "exists in both matchLabelKeys and mismatchLabelKeys");
        break;
      }
}

void validate_pod_term(Value term, const Path& at, FieldErrors& errors) {
  validate_label_selector(term["labelSelector"], at.at("labelSelector"), errors);
  validate_label_selector(term["namespaceSelector"], at.at("namespaceSelector"), errors);
  for (Value ns : term["namespaces"].items())
    add_invalid(at.at("namespace"), ns.str(), check_dns1123_label(ns.str()), errors);
  validate_matching_keys(term, at, errors);
  const std::string_view key = term["topologyKey"].str();
  if (key.empty()) errors.required(at.at("topologyKey"), "can not be empty");
  add_invalid(at.at("topologyKey"), key, check_qualified_name(key), errors);
}

void validate_pod_affinity(Value affinity, const Path& at, FieldErrors& errors) {
  const Value required = affinity["requiredDuringSchedulingIgnoredDuringExecution"];
  for (size_t i = 0; i < required.size(); ++i)
    validate_pod_term(required.item(i), at.at("requiredDuringSchedulingIgnoredDuringExecution").at(i), errors);
  const Value preferred = affinity["preferredDuringSchedulingIgnoredDuringExecution"];
  for (size_t i = 0; i < preferred.size(); ++i) {
    const Path here = at.at("preferredDuringSchedulingIgnoredDuringExecution").at(i);
    validate_weight(preferred.item(i)["weight"], here.at("weight"), errors);
    validate_pod_term(preferred.item(i)["podAffinityTerm"], here.at("podAffinityTerm"), errors);
  }
}

}  // namespace

void validate_node_selector_term(Value term, const Path& at, FieldErrors& errors) {
  for (size_t i = 0; i < term["matchExpressions"].size(); ++i)
    validate_expression(term["matchExpressions"].item(i), at.at("matchExpressions").at(i), errors);
  for (size_t i = 0; i < term["matchFields"].size(); ++i)
    validate_field_expression(term["matchFields"].item(i), at.at("matchFields").at(i), errors);
}

void validate_node_selector(Value node_selector, const Path& at, FieldErrors& errors) {
  const Value terms = node_selector["nodeSelectorTerms"];
  if (terms.size() == 0)
    return errors.required(at.at("nodeSelectorTerms"), "must have at least one node selector term");
  for (size_t i = 0; i < terms.size(); ++i)
    validate_node_selector_term(terms.item(i), at.at("nodeSelectorTerms").at(i), errors);
}

void validate_affinity(Value affinity, const Path& at, FieldErrors& errors) {
  if (!affinity.is_object()) return;
  if (const Value node = affinity["nodeAffinity"]; node.is_object()) {
    const Path here = at.at("nodeAffinity");
    if (node["requiredDuringSchedulingIgnoredDuringExecution"].is_object())
      validate_node_selector(node["requiredDuringSchedulingIgnoredDuringExecution"],
                             here.at("requiredDuringSchedulingIgnoredDuringExecution"), errors);
    const Value preferred = node["preferredDuringSchedulingIgnoredDuringExecution"];
    for (size_t i = 0; i < preferred.size(); ++i) {
      const Path item = here.at("preferredDuringSchedulingIgnoredDuringExecution").at(i);
      validate_weight(preferred.item(i)["weight"], item.at("weight"), errors);
      validate_node_selector_term(preferred.item(i)["preference"], item.at("preference"), errors);
    }
  }
  validate_pod_affinity(affinity["podAffinity"], at.at("podAffinity"), errors);
  validate_pod_affinity(affinity["podAntiAffinity"], at.at("podAntiAffinity"), errors);
}

void validate_taint_effect(std::string_view effect, bool allow_empty, const Path& at, FieldErrors& errors) {
  if (effect == "NoSchedule" || effect == "PreferNoSchedule" || effect == "NoExecute") return;
  if (effect.empty()) {
    if (!allow_empty) errors.required(at);
    return;
  }
  errors.not_supported(at, effect, {"NoSchedule", "PreferNoSchedule", "NoExecute"});
}

void validate_tolerations(Value tolerations, const Path& at, FieldErrors& errors) {
  for (size_t i = 0; i < tolerations.size(); ++i) {
    const Value t = tolerations.item(i);
    const Path here = at.at(i);
    const std::string_view key = t["key"].str(), op = t["operator"].str(), value = t["value"].str(),
                           effect = t["effect"].str();
    if (!key.empty()) add_invalid(here.at("key"), key, check_qualified_name(key), errors);
    if (key.empty() && op != "Exists")
      errors.invalid(here.at("operator"), op,
                     "operator must be Exists when `key` is empty, which means \"match all values and all keys\"");
    if (t.has("tolerationSeconds") && effect != "NoExecute")
      errors.invalid(here.at("effect"), effect, "effect must be 'NoExecute' when `tolerationSeconds` is set");
    if (op == "Equal" || op.empty()) {
      const auto bad = check_label_value(value);
      if (!bad.empty()) errors.invalid(here.at("operator"), value, join(bad, ";"));
    } else if (op == "Exists") {
      if (!value.empty()) errors.invalid(here.at("operator"), value, "value must be empty when `operator` is 'Exists'");
    } else if (op == "Lt" || op == "Gt") {
      errors.not_supported(here.at("operator"), op, {"Equal", "Exists", "Lt", "Gt"});
    } else {
      errors.not_supported(here.at("operator"), op, {"Equal", "Exists"});
    }
    if (!effect.empty()) validate_taint_effect(effect, true, here.at("effect"), errors);
  }
}

void validate_spread(Value constraints, const Path& at, FieldErrors& errors) {
  std::set<std::string> pairs;
  for (size_t i = 0; i < constraints.size(); ++i) {
    const Value c = constraints.item(i);
    const Path here = at.at(i);
    const std::string_view key = c["topologyKey"].str(), when = c["whenUnsatisfiable"].str();
    if (c["maxSkew"].integer() <= 0)
      errors.invalid(here.at("maxSkew"), c["maxSkew"].integer(), "must be greater than zero");
    if (key.empty())
      errors.required(here.at("topologyKey"), "can not be empty");
    else
      add_invalid(here.at("topologyKey"), key, check_qualified_name(key), errors);
    if (when != "DoNotSchedule" && when != "ScheduleAnyway")
      errors.not_supported(here.at("whenUnsatisfiable"), when, {"DoNotSchedule", "ScheduleAnyway"});
    if (!pairs.insert(cat("{", key, ", ", when, "}")).second)
      errors.duplicate(here.at("{topologyKey, whenUnsatisfiable}"), cat("{", key, ", ", when, "}"));
    if (c.has("minDomains")) {
      if (c["minDomains"].integer() <= 0)
        errors.invalid(here.at("minDomains"), c["minDomains"].integer(), "must be greater than zero");
      if (when != "DoNotSchedule")
        errors.invalid(here.at("minDomains"), c["minDomains"].integer(),
                       "can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ScheduleAnyway");
    }
    for (const char* policy : {"nodeAffinityPolicy", "nodeTaintsPolicy"})
      validate_one_of(c[policy].str(), {"Honor", "Ignore"}, here.at(policy), false, errors);
    validate_matching_keys(c, here, errors);
    validate_label_selector(c["labelSelector"], here.at("labelSelector"), errors);
  }
}

}  // namespace bramble

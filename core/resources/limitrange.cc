// LimitRange: bounds and defaults of requests and limits; admission applies them.
#include <set>

#include "core/resources/defaulting.h"
#include "core/resources/field_rules.h"
#include "core/resources/kinds.h"
#include "core/resources/names.h"
#include "core/resources/pod_spec.h"
#include "core/schema/quantity.h"

namespace bramble {
namespace {

Quantity amount_of(Value v) {
  auto q = Quantity::parse(v.is_string() ? v.str() : std::string_view("0"));
  return q.ok() ? q.value() : Quantity();
}

// What a container limit range leaves out follows from what it says: default from max, defaultRequest from default or
// min.
void default_limits(Mut o) {
  for (Mut item : o["spec"]["limits"].items()) {
    for (const char* list : {"max", "min", "default", "defaultRequest", "maxLimitRequestRatio"}) default_amounts(item[list]);
    if (item["type"].str() != "Container") continue;
    auto fill = [&](const char* to, const char* from) {
      for (auto [name, amount] : item[from].members())
        if (!item[to].has(name)) item.object(to).set(name, amount);
    };
    fill("default", "max");
    fill("defaultRequest", "default");
    fill("defaultRequest", "min");
  }
}

void validate_limit(Value item, const Path& at, FieldErrors& errors) {
  const std::string_view type = item["type"].str();
  std::set<std::string> names;
  for (const char* list : {"max", "min", "default", "defaultRequest", "maxLimitRequestRatio"})
    for (auto [name, amount] : item[list].members()) {
      validate_resource_name(name, at.at(list).key(name), errors);
      names.insert(std::string(name));
    }
  if (type == "Pod")
    for (const char* list : {"default", "defaultRequest"})
      if (item[list].size() > 0) errors.forbidden(at.at(list), "may not be specified when `type` is 'Pod'");
  if (type == "PersistentVolumeClaim" && !item["min"].has("storage") && !item["max"].has("storage"))
    errors.required(at.at("limits"), "either minimum or maximum storage value is required, but neither was provided");
  for (const std::string& name : names) {
    auto has = [&](const char* list) { return item[list].has(name); };
    auto text = [&](const char* list) { return item[list][name].str(); };
    auto above = [&](const char* a, const char* b) {
      return has(a) && has(b) && amount_of(item[a][name]) > amount_of(item[b][name]);
    };
    auto wrong = [&](const char* where, const char* shown, std::string_view a, const char* a_list, std::string_view b,
                     const char* b_list) {
      errors.invalid(at.at(where).key(name), text(shown),
                     cat(a, " value ", text(a_list), " is greater than ", b, " value ", text(b_list)));
    };
    if (above("min", "max")) wrong("min", "min", "min", "min", "max", "max");
    if (above("min", "defaultRequest"))
      wrong("defaultRequest", "defaultRequest", "min", "min", "default request", "defaultRequest");
    if (above("defaultRequest", "max"))
      wrong("defaultRequest", "defaultRequest", "default request", "defaultRequest", "max", "max");
    if (above("defaultRequest", "default"))
      wrong("defaultRequest", "defaultRequest", "default request", "defaultRequest", "default limit", "default");
    if (above("min", "default")) wrong("default", "min", "min", "min", "default", "default");
    if (above("default", "max")) wrong("default", "max", "default", "default", "max", "max");
    if (has("maxLimitRequestRatio") && amount_of(item["maxLimitRequestRatio"][name]) < Quantity::of(1))
      errors.invalid(at.at("maxLimitRequestRatio").key(name), text("maxLimitRequestRatio"),
                     cat("ratio ", text("maxLimitRequestRatio"), " is less than 1"));
  }
}

void validate_limits(Value o, FieldErrors& errors) {
  std::set<std::string, std::less<>> types;
  const Value limits = o["spec"]["limits"];
  for (size_t i = 0; i < limits.size(); ++i) {
    const Path at = Path("spec").at("limits").at(i);
    const std::string_view type = limits.item(i)["type"].str();
    add_invalid(at.at("type"), type, check_qualified_name(type), errors);
    if (!types.insert(std::string(type)).second) errors.duplicate(at.at("type"), type);
    validate_limit(limits.item(i), at, errors);
  }
}

}  // namespace

void limitrange_rules(Kind& k) {
  k.set_defaults = default_limits;
  k.validate = validate_limits;
  k.validate_update = [](Value o, Value, FieldErrors& errors) { validate_limits(o, errors); };
}

}  // namespace bramble

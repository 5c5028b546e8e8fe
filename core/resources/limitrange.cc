// LimitRange: bounds and defaults of requests and limits; admission applies them.
#include <set>

#include "core/resources/autoscaler_rules.h"
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

double as_number(Value v) { return static_cast<double>(amount_of(v).milli()) / 1000; }

void validate_limit(Value item, const Path& at, FieldErrors& errors) {
  const std::string_view type = item["type"].str();
  const bool pod = type == "Pod", container = type == "Container";
  std::set<std::string> names;
  auto gather = [&](const char* list) {
    for (auto [name, amount] : item[list].members()) {
      const Path here = at.at(list).key(name);
      pod || container ? validate_container_resource_name(name, here, errors) : validate_resource_name(name, here, errors);
      names.insert(std::string(name));
    }
  };
  gather("max");
  gather("min");
  for (const char* list : {"default", "defaultRequest"}) {
    if (!pod)
      gather(list);
    else if (item[list].size() > 0)
      errors.forbidden(at.at(list), "may not be specified when `type` is 'Pod'");
  }
  if (type == "PersistentVolumeClaim" && !item["min"].has("storage") && !item["max"].has("storage"))
    errors.required(at.at("limits"), "either minimum or maximum storage value is required, but neither was provided");
  gather("maxLimitRequestRatio");
  for (const std::string& name : names) {
    auto has = [&](const char* list) {
      return item[list].has(name) && !(pod && (std::string_view(list) == "default" || std::string_view(list) == "defaultRequest"));
    };
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
    if (has("maxLimitRequestRatio") && has("min") && has("max")) {
      const double ratio = as_number(item["maxLimitRequestRatio"][name]), most = as_number(item["max"][name]) / as_number(item["min"][name]);
      if (ratio > most)
        errors.invalid(at.at("maxLimitRequestRatio").key(name), text("maxLimitRequestRatio"),
                       cat("ratio ", text("maxLimitRequestRatio"), " is greater than max/min = ", std::to_string(most)));
    }
    if (!is_overcommit_allowed(name) && has("default") && has("defaultRequest") &&
        amount_of(item["default"][name]) != amount_of(item["defaultRequest"][name]))
      errors.invalid(at.at("defaultRequest").key(name), text("defaultRequest"),
                     cat("default value ", text("default"), " must equal to defaultRequest value ", text("defaultRequest"), " in ", name));
  }
}

void validate_limits(Value o, FieldErrors& errors) {
  std::set<std::string, std::less<>> types;
  const Value limits = o["spec"]["limits"];
  for (size_t i = 0; i < limits.size(); ++i) {
    const Path at = Path("spec").at("limits").at(i);
    const std::string_view type = limits.item(i)["type"].str();
    const auto faults = check_qualified_name(type);
    add_invalid(at.at("type"), type, faults, errors);
    if (faults.empty() && type.find('/') == std::string_view::npos && type != "Pod" && type != "Container" && type != "PersistentVolumeClaim")
      errors.invalid(at.at("type"), type, "must be a standard limit type or fully qualified");
    if (!types.insert(std::string(type)).second) errors.duplicate(at.at("type"), type);
    validate_limit(limits.item(i), at, errors);
  }
}

}  // namespace

void limitrange_rules(Kind& k) {
  k.set_defaults = default_limits;
  k.meta_again = Kind::MetaAgain::kAsCreate;
  k.validate = validate_limits;
  k.validate_update = [](Value o, Value, FieldErrors& errors) { validate_limits(o, errors); };
}

}  // namespace bramble

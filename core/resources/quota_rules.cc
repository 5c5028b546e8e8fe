// ResourceQuota and LimitRange: stored and shown; admission counts and enforces them.
#include <algorithm>
#include <set>

#include "core/resources/cells.h"
#include "core/resources/defaulting.h"
#include "core/resources/kinds.h"
#include "core/resources/names.h"
#include "core/resources/pod_spec.h"
#include "core/resources/rules.h"
#include "core/resources/transitions.h"
#include "core/schema/quantity.h"

namespace bramble {
namespace {

Quantity amount_of(Value v) {
  auto q = Quantity::parse(v.is_string() ? v.str() : std::string_view("0"));
  return q.ok() ? q.value() : Quantity();
}

bool starts(std::string_view s, std::string_view prefix) { return s.substr(0, prefix.size()) == prefix; }

// -- ResourceQuota

bool is_quota_resource(std::string_view name) {
  static constexpr std::string_view kNames[] = {
      "cpu", "memory", "ephemeral-storage", "requests.cpu", "requests.memory", "requests.storage", "requests.ephemeral-storage",
      "limits.cpu", "limits.memory", "limits.ephemeral-storage", "pods", "resourcequotas", "services", "replicationcontrollers",
      "secrets", "persistentvolumeclaims", "configmaps", "services.nodeports", "services.loadbalancers"};
  return std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames) || starts(name, "requests.hugepages-") ||
         starts(name, "hugepages-");
}

void validate_quota_name(std::string_view name, const Path& at, FieldErrors& errors) {
  const auto bad = check_qualified_name(name);
  add_invalid(at, name, bad, errors);
  if (!bad.empty() || name.find('/') != std::string_view::npos) return;
  if (!is_quota_resource(name)) {
    errors.invalid(at, name, "must be a standard resource type or fully qualified");
    errors.invalid(at, name, "must be a standard resource for quota");
  }
}

void validate_amounts(Value list, const Path& at, FieldErrors& errors) {
  for (auto [name, amount] : list.members()) {
    validate_quota_name(name, at.key(name), errors);
    validate_resource_amount(name, amount, at.key(name), errors);
  }
}

void validate_scopes(Value spec, FieldErrors& errors) {
  const Value scopes = spec["scopes"];
  const Path at = Path("spec").at("scopes");
  std::set<std::string, std::less<>> seen;
  for (Value s : scopes.items()) {
    static constexpr std::string_view kKnown[] = {"Terminating", "NotTerminating", "BestEffort", "NotBestEffort", "PriorityClass",
                                                  "CrossNamespacePodAffinity", "VolumeAttributesClass"};
    if (std::find(std::begin(kKnown), std::end(kKnown), s.str()) == std::end(kKnown))
      errors.invalid(at, scopes, "unsupported scope");
    for (auto [name, amount] : spec["hard"].members())
      if (s.str() == "BestEffort" && name != "pods")
        errors.invalid(at, scopes, "unsupported scope applied to resource");
    seen.insert(s.text());
  }
  for (const auto& [a, b] : {std::pair{"BestEffort", "NotBestEffort"}, {"Terminating", "NotTerminating"}})
    if (seen.count(std::string_view(a)) && seen.count(std::string_view(b))) errors.invalid(at, scopes, "conflicting scopes");
}

void validate_quota(Value o, FieldErrors& errors) {
  validate_amounts(o["spec"]["hard"], Path("spec").at("hard"), errors);
  validate_scopes(o["spec"], errors);
}
void update_quota(Value o, Value old, FieldErrors& errors) {
  validate_quota(o, errors);
  if (!equal(o["spec"]["scopes"], old["spec"]["scopes"]))
    errors.invalid(Path("spec").at("scopes"), o["spec"]["scopes"], kFieldImmutable);
}
void update_quota_status(Value o, Value, FieldErrors& errors) {
  validate_amounts(o["status"]["hard"], Path("status").at("hard"), errors);
  validate_amounts(o["status"]["used"], Path("status").at("used"), errors);
}

void quota_cells(Value o, int64_t now_us, Mut out) {
  std::vector<std::string> requests, limits;
  for (auto [name, hard] : o["status"]["hard"].members()) {
    const std::string used = o["status"]["used"].has(name) ? o["status"]["used"][name].text() : "0";
    const bool limit = starts(name, "limits");
    std::string text = cat(name, ": ", used, "/", hard.str());
    (limit ? limits : requests).push_back(std::move(text));
  }
  out.append(first_name(o));
  out.append(join(requests, ", "));
  out.append(join(limits, ", "));
  append_age(o, now_us, out);
}

// -- LimitRange

// What a container limit range leaves out follows from what it says: default from max, defaultRequest from default or min.
void default_limits(Mut o) {
  for (Mut item : o["spec"]["limits"].items()) {
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
    auto above = [&](const char* a, const char* b) { return has(a) && has(b) && amount_of(item[a][name]) > amount_of(item[b][name]); };
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

void resourcequota_rules(Kind& k) {
  k.prepare_create = clear_status;
  k.prepare_update = keep_status;
  k.prepare_status_update = keep_spec;
  k.validate = validate_quota;
  k.validate_update = update_quota;
  k.validate_status_update = update_quota_status;
  k.columns = columns_of("Name:name, Request, Limit, Age");
  k.cells = quota_cells;
}
void limitrange_rules(Kind& k) {
  k.set_defaults = default_limits;
  k.validate = validate_limits;
  k.validate_update = [](Value o, Value, FieldErrors& errors) { validate_limits(o, errors); };
}

}  // namespace bramble

// ResourceQuota: how much a namespace may have; admission counts.
#include <algorithm>
#include <set>

#include "core/resources/cells.h"
#include "core/resources/defaulting.h"
#include "core/resources/field_rules.h"
#include "core/resources/kinds.h"
#include "core/resources/names.h"
#include "core/resources/pod_spec.h"
#include "core/resources/transitions.h"
#include "core/schema/quantity.h"

namespace bramble {
namespace {

bool starts(std::string_view s, std::string_view prefix) { return s.substr(0, prefix.size()) == prefix; }

bool is_quota_resource(std::string_view name) {
  static constexpr std::string_view kNames[] = {"cpu",
                                                "memory",
                                                "ephemeral-storage",
                                                "requests.cpu",
                                                "requests.memory",
                                                "requests.storage",
                                                "requests.ephemeral-storage",
                                                "limits.cpu",
                                                "limits.memory",
                                                "limits.ephemeral-storage",
                                                "pods",
                                                "resourcequotas",
                                                "services",
                                                "replicationcontrollers",
                                                "secrets",
                                                "persistentvolumeclaims",
                                                "configmaps",
                                                "services.nodeports",
                                                "services.loadbalancers"};
  return std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames) ||
         starts(name, "requests.hugepages-") || starts(name, "hugepages-");
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

using Names = std::initializer_list<std::string_view>;
bool among(std::string_view name, Names names) { return std::find(names.begin(), names.end(), name) != names.end(); }

bool is_scope(std::string_view s) {
  return among(s, {"Terminating", "NotTerminating", "BestEffort", "NotBestEffort", "PriorityClass", "CrossNamespacePodAffinity", "VolumeAttributesClass"});
}

// Whether a quota of that scope may have this name among its hard limits. Names with a domain are nobody's business.
bool may_limit(std::string_view scope, std::string_view name) {
  if (!is_quota_resource(name)) return true;
  if (scope == "BestEffort") return name == "pods";
  if (scope == "VolumeAttributesClass") return among(name, {"persistentvolumeclaims", "requests.storage"});
  if (!is_scope(scope)) return true;
  return among(name, {"pods", "cpu", "memory", "limits.cpu", "limits.memory", "requests.cpu", "requests.memory"});
}

void refuse_conflicts(const std::set<std::string_view>& scopes, const Path& at, Value shown, FieldErrors& errors) {
  for (const auto& [a, b] : {std::pair<std::string_view, std::string_view>{"BestEffort", "NotBestEffort"}, {"Terminating", "NotTerminating"}}) {
    if (scopes.count(a) && scopes.count(b)) errors.invalid_raw(at, shown ? shown.dump() : "null", "conflicting scopes");
  }
}

// As upstream goes through them: names in order.
std::set<std::string_view> hard_names(Value spec) {
  std::set<std::string_view> out;
  for (auto [name, amount] : spec["hard"].members()) out.insert(name);
  return out;
}

void validate_scopes(Value spec, FieldErrors& errors) {
  const Value scopes = spec["scopes"];
  const Path at = Path("spec").at("scopes");
  std::set<std::string_view> seen;
  for (Value s : scopes.items()) {
    if (!is_scope(s.str())) errors.invalid(at, scopes, "unsupported scope");
    for (std::string_view name : hard_names(spec)) {
      if (!may_limit(s.str(), name)) errors.invalid(at, scopes, "unsupported scope applied to resource");
    }
    seen.insert(s.str());
  }
  refuse_conflicts(seen, at, scopes, errors);
}

// As Go prints the selector, whose type names no JSON fields.
std::string go_selector(Value selector) {
  std::vector<std::string> out;
  for (Value r : selector["matchExpressions"].items()) {
    out.push_back(cat(R"({"ScopeName":)", go_quote(r["scopeName"].str()), R"(,"Operator":)", go_quote(r["operator"].str()), R"(,"Values":)",
                      r["values"].size() == 0 ? "null" : r["values"].dump(), "}"));
  }
  return cat(R"({"MatchExpressions":[)", join(out, ","), "]}");
}

void validate_requirement(Value spec, Value requirement, const Path& at, FieldErrors& errors) {
  const std::string_view scope = requirement["scopeName"].str(), op = requirement["operator"].str();
  if (!is_scope(scope)) errors.invalid(at.at("scopeName"), scope, "unsupported scope");
  for (std::string_view name : hard_names(spec)) {
    if (!may_limit(scope, name)) errors.invalid_raw(at, go_selector(spec["scopeSelector"]), "unsupported scope applied to resource");
  }
  const bool only_exists = among(scope, {"BestEffort", "NotBestEffort", "Terminating", "NotTerminating", "CrossNamespacePodAffinity"});
  if (only_exists && op != "Exists") {
    errors.invalid(at.at("operator"), op,
                   "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, "
                   "ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity");
  }
  const Value values = requirement["values"];
  if (op == "In" || op == "NotIn") {
    if (values.size() == 0) errors.required(at.at("values"), "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector");
  } else if (op == "Exists" || op == "DoesNotExist") {
    if (values.size() != 0) errors.invalid(at.at("values"), values, "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector");
  } else {
    errors.invalid(at.at("operator"), op, "not a valid selector operator");
  }
}

void validate_scope_selector(Value spec, FieldErrors& errors) {
  const Path at = Path("spec").at("scopeSelector").at("matchExpressions");
  std::set<std::string_view> seen;
  for (Value r : spec["scopeSelector"]["matchExpressions"].items()) {
    validate_requirement(spec, r, at, errors);
    seen.insert(r["scopeName"].str());
  }
  refuse_conflicts(seen, at, spec["scopes"], errors);
}

void validate_quota(Value o, FieldErrors& errors) {
  validate_amounts(o["spec"]["hard"], Path("spec").at("hard"), errors);
  validate_scopes(o["spec"], errors);
  validate_scope_selector(o["spec"], errors);
}

void update_quota(Value o, Value old, FieldErrors& errors) {
  validate_quota(o, errors);
  auto scopes = [](Value quota) {
    std::set<std::string_view> out;
    for (Value s : quota["spec"]["scopes"].items()) out.insert(s.str());
    return out;
  };
  if (scopes(o) != scopes(old))
    errors.invalid(Path("spec").at("scopes"), o["spec"]["scopes"], kFieldImmutable);
}

void update_quota_status(Value o, Value, FieldErrors& errors) {
  validate_amounts(o["status"]["hard"], Path("status").at("hard"), errors);
  validate_amounts(o["status"]["used"], Path("status").at("used"), errors);
}

// "cpu: 1/2, pods: 3/10": what is used of what there is, of limits or of all else.
std::string used_text(Value o, bool limits) {
  std::vector<std::string> out;
  for (auto [name, hard] : o["status"]["hard"].members())
    if (starts(name, "limits") == limits) out.push_back(cat(name, ": ", o["status"]["used"][name].str("0"), "/", hard.str()));
  return join(out, ", ");
}

void default_quota(Mut o) {
  default_amounts(o["spec"]["hard"]);
  default_amounts(o["status"]["hard"]);
  default_amounts(o["status"]["used"]);
}

// More may be requested than may be used.
void warnings(Value o, std::vector<std::string>& out) {
  const Value hard = o["spec"]["hard"];
  for (std::string_view resource : {"cpu", "memory", "storage", "ephemeral-storage"}) {
    std::string request = cat("requests.", resource);
    const std::string limit = cat("limits.", resource);
    if (!hard.has(request) && (resource == "cpu" || resource == "memory")) request = resource;
    const auto wanted = Quantity::parse(hard[request].str()), most = Quantity::parse(hard[limit].str());
    if (wanted.ok() && most.ok() && *wanted > *most)
      out.push_back(cat("ResourceQuota ", request, " (", hard[request].str(), ") should be less than ", limit, " (", hard[limit].str(), ")"));
  }
}

}  // namespace

void resourcequota_rules(Kind& k) {
  k.warnings = warnings;
  k.set_defaults = default_quota;
  k.prepare_create = clear_status;
  k.prepare_update = keep_status;
  k.prepare_status_update = keep_spec;
  k.validate = validate_quota;
  k.validate_update = update_quota;
  k.validate_status_update = update_quota_status;
  k.columns = {
      name_column(),
      {"Request", kText, [](Value o) { return used_text(o, false); }},
      {"Limit", kText, [](Value o) { return used_text(o, true); }},
      age_column(),
  };
}

}  // namespace bramble

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

void validate_scopes(Value spec, FieldErrors& errors) {
  const Value scopes = spec["scopes"];
  const Path at = Path("spec").at("scopes");
  std::set<std::string, std::less<>> seen;
  for (Value s : scopes.items()) {
    static constexpr std::string_view kKnown[] = {"Terminating",          "NotTerminating", "BestEffort",
                                                  "NotBestEffort",        "PriorityClass",  "CrossNamespacePodAffinity",
                                                  "VolumeAttributesClass"};
    if (std::find(std::begin(kKnown), std::end(kKnown), s.str()) == std::end(kKnown))
      errors.invalid(at, scopes, "unsupported scope");
    for (auto [name, amount] : spec["hard"].members())
      if (s.str() == "BestEffort" && name != "pods")
        errors.invalid(at, scopes, "unsupported scope applied to resource");
    seen.insert(s.text());
  }
  for (const auto& [a, b] : {std::pair{"BestEffort", "NotBestEffort"}, {"Terminating", "NotTerminating"}})
    if (seen.count(std::string_view(a)) && seen.count(std::string_view(b)))
      errors.invalid(at, scopes, "conflicting scopes");
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

}  // namespace

void resourcequota_rules(Kind& k) {
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

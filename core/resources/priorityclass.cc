// PriorityClass: names for priorities.
#include "core/resources/cells.h"
#include "core/resources/defaulting.h"
#include "core/resources/field_rules.h"
#include "core/resources/kinds.h"

namespace bramble {
namespace {

constexpr int64_t kUserPriorityMax = 1000000000;

struct SystemPriority {
  std::string_view name;
  int64_t value;
};

constexpr SystemPriority kSystem[] = {{"system-node-critical", 2000001000}, {"system-cluster-critical", 2000000000}};

void validate_priority(Value o, FieldErrors& errors) {
  const std::string_view name = o["metadata"]["name"].str();
  const Path at = Path("metadata").at("name");
  if (name.substr(0, 7) == "system-") {
    std::string fault = cat(name, " is not a known system priority class");
    for (const SystemPriority& s : kSystem) {
      if (s.name != name) continue;
      fault = o["value"].integer() != s.value ? cat("value of ", name, " PriorityClass must be ", s.value)
              : o["globalDefault"].boolean() ? cat("globalDefault of ", name, " PriorityClass must be false")
                                             : std::string();
    }
    if (!fault.empty())
      errors.forbidden(at, cat("priority class names with 'system-' prefix are reserved for system use only. error: ", fault));
  } else if (o["value"].integer() > kUserPriorityMax) {
    errors.forbidden(Path("value"), cat("maximum allowed value of a user defined priority is ", kUserPriorityMax));
  }
  validate_one_of(o["preemptionPolicy"].str(), {"PreemptLowerPriority", "Never"}, Path("preemptionPolicy"), false,
                  errors);
}

void update_priority(Value o, Value old, FieldErrors& errors) {
  if (o["value"].integer() != old["value"].integer())
    errors.forbidden(Path("value"), "may not be changed in an update.");
  validate_immutable(o["preemptionPolicy"], old["preemptionPolicy"], Path("preemptionPolicy"), errors);
}

}  // namespace

void priorityclass_rules(Kind& k) {
  k.set_defaults = [](Mut o) { default_text(o, "preemptionPolicy", "PreemptLowerPriority"); };
  k.validate = validate_priority;
  k.validate_update = update_priority;
  k.columns = {
      name_column(),
      {"Value", kInteger, [](Value o) { return o["value"].integer(); }},
      {"Global-Default", kBoolean, [](Value o) { return o["globalDefault"].boolean(); }},
      age_column(),
      {"PreemptionPolicy", kText, [](Value o) { return o["preemptionPolicy"].str(); }},
  };
}

}  // namespace bramble

// PodDisruptionBudget: how many pods must stay.
#include "core/resources/cells.h"
#include "core/resources/field_rules.h"
#include "core/resources/kinds.h"
#include "core/resources/transitions.h"

namespace bramble {
namespace {

std::string go_value(Value v) { return v.exists() ? v.dump() : std::string("null"); }

void validate_pdb(Value o, FieldErrors& errors) {
  const Path at("spec");
  const Value spec = o["spec"];
  if (spec.has("minAvailable") && spec.has("maxUnavailable"))
    errors.invalid_raw(at,
                       cat("{\"MinAvailable\":", go_value(spec["minAvailable"]), ",\"Selector\":",
                           go_value(spec["selector"]), ",\"MaxUnavailable\":", go_value(spec["maxUnavailable"]),
                           ",\"UnhealthyPodEvictionPolicy\":", go_value(spec["unhealthyPodEvictionPolicy"]), "}"),
                       "minAvailable and maxUnavailable cannot be both set");
  for (const char* f : {"minAvailable", "maxUnavailable"}) {
    validate_number_or_percent(spec[f], at.at(f), errors);
    if (percent_over_100(spec[f])) errors.invalid(at.at(f), spec[f], "must not be greater than 100%");
  }
  validate_label_selector(spec["selector"], at.at("selector"), errors);
  validate_one_of(spec["unhealthyPodEvictionPolicy"].str(), {"AlwaysAllow", "IfHealthyBudget"},
                  at.at("unhealthyPodEvictionPolicy"), false, errors);
}

void create_pdb(Mut o) {
  clear_status(o);
  for (const char* f : {"disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"})
    o.object("status").set(f, 0);
}

std::string amount_text(Value v) { return !v.exists() ? std::string("N/A") : v.is_string() ? v.text() : v.dump(); }

}  // namespace

void pdb_rules(Kind& k) {
  k.prepare_create = create_pdb;
  k.prepare_update = keep_status;
  k.prepare_status_update = keep_spec;
  k.validate = validate_pdb;
  k.validate_update = [](Value o, Value, FieldErrors& errors) { validate_pdb(o, errors); };
  k.columns = {
      name_column(),
      {"Min Available", kText, [](Value o) { return amount_text(o["spec"]["minAvailable"]); }},
      {"Max Unavailable", kText, [](Value o) { return amount_text(o["spec"]["maxUnavailable"]); }},
      {"Allowed Disruptions", kInteger, [](Value o) { return o["status"]["disruptionsAllowed"].integer(); }},
      age_column(),
  };
}

}  // namespace bramble

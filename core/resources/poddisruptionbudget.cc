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

void pdb_cells(Value o, int64_t now_us, Mut out) {
  auto shown = [](Value v) { return !v.exists() ? std::string("N/A") : v.is_string() ? v.text() : v.dump(); };
  out.append(first_name(o));
  out.append(shown(o["spec"]["minAvailable"]));
  out.append(shown(o["spec"]["maxUnavailable"]));
  out.append(o["status"]["disruptionsAllowed"].integer());
  append_age(o, now_us, out);
}

}  // namespace

void pdb_rules(Kind& k) {
  k.prepare_create = create_pdb;
  k.prepare_update = keep_status;
  k.prepare_status_update = keep_spec;
  k.validate = validate_pdb;
  k.validate_update = [](Value o, Value, FieldErrors& errors) { validate_pdb(o, errors); };
  k.columns = columns_of("Name:name, Min Available, Max Unavailable, Allowed Disruptions:integer, Age");
  k.cells = pdb_cells;
}

}  // namespace bramble

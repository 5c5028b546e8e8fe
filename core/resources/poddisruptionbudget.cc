// PodDisruptionBudget: how many pods must stay.
#include "core/resources/cells.h"
#include "core/resources/conditions.h"
#include "core/resources/disruption_budget.h"
#include "core/resources/field_rules.h"
#include "core/resources/internal_form.h"
#include "core/resources/kinds.h"
#include "core/resources/shared_rules.h"
#include "core/resources/transitions.h"

namespace bramble {
namespace {

void validate_pdb(Value o, FieldErrors& errors) {
  const Path at("spec");
  const Value spec = o["spec"];
  if (spec.has("minAvailable") && spec.has("maxUnavailable"))
    errors.invalid(at, internal_form(spec, "policy.v1.PodDisruptionBudgetSpec").root(), "minAvailable and maxUnavailable cannot be both set");
  for (const char* f : {"minAvailable", "maxUnavailable"}) {
    validate_number_or_percent(spec[f], at.at(f), errors);
    if (percent_over_100(spec[f])) errors.invalid(at.at(f), spec[f], "must not be greater than 100%");
  }
  validate_label_selector(spec["selector"], at.at("selector"), errors);
  validate_one_of(spec["unhealthyPodEvictionPolicy"].str(), {"AlwaysAllow", "IfHealthyBudget"},
                  at.at("unhealthyPodEvictionPolicy"), false, errors);
}

void validate_pdb_status(Value o, Value, FieldErrors& errors) {
  const Path at("status");
  validate_observed_conditions(o["status"]["conditions"], at.at("conditions"), errors);
  for (const char* f : {"disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"})
    validate_nonnegative(o["status"][f], at.at(f), errors);
}

void create_pdb(Mut o) {
  clear_status(o);
  for (const char* f : {"disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"})
    o.object("status").set(f, 0);
}

std::string amount_text(Value v) { return !v.exists() ? std::string("N/A") : v.is_string() ? v.text() : v.dump(); }

constexpr std::string_view kAllowed = "DisruptionAllowed";

Condition allowed_condition(int64_t disruptions) {
  if (disruptions > 0) return {kAllowed, "True", "SufficientPods", ""};
  return {kAllowed, "False", "InsufficientPods", ""};
}

}  // namespace

void write_disruption_allowed(Mut status, std::string_view now) {
  const Condition c = allowed_condition(status["disruptionsAllowed"].integer());
  set_observed_condition(status.array("conditions"), c, status["observedGeneration"].integer(), now);
}

void write_disruption_sync_failed(Mut status, std::string_view why, std::string_view now) {
  status.set("disruptionsAllowed", 0);
  set_observed_condition(status.array("conditions"), {kAllowed, "False", "SyncFailed", why}, status["observedGeneration"].integer(), now);
}

bool disruption_condition_fits(Value budget) {
  const Value status = budget["status"], c = find_condition(status["conditions"], kAllowed);
  if (!c || status["observedGeneration"].integer() != budget["metadata"]["generation"].integer()) return false;
  const Condition fit = allowed_condition(status["disruptionsAllowed"].integer());
  return c["status"].str() == fit.status && c["reason"].str() == fit.reason;
}

void pdb_rules(Kind& k) {
  k.prepare_create = create_pdb;
  k.prepare_update = keep_status;
  k.prepare_status_update = keep_spec;
  k.validate = validate_pdb;
  k.validate_update = [](Value o, Value, FieldErrors& errors) { validate_pdb(o, errors); };
  k.validate_status_update = validate_pdb_status;
  k.meta_again = Kind::MetaAgain::kNever;
  k.validate_name = name_is_path_segment;
  k.columns = {
      name_column(),
      {"Min Available", kText, [](Value o) { return amount_text(o["spec"]["minAvailable"]); }},
      {"Max Unavailable", kText, [](Value o) { return amount_text(o["spec"]["maxUnavailable"]); }},
      {"Allowed Disruptions", kInteger, [](Value o) { return o["status"]["disruptionsAllowed"].integer(); }},
      age_column(),
  };
}

}  // namespace bramble

// Deployment: replica sets that follow a template's changes.
#include "core/resources/cells.h"
#include "core/resources/defaulting.h"
#include "core/resources/field_rules.h"
#include "core/resources/kinds.h"
#include "core/resources/spec_warnings.h"
#include "core/resources/transitions.h"
#include "core/resources/workload_rules.h"
#include "core/resources/workload_versions.h"

namespace bramble {
namespace {

const std::vector<const char*> kCounts = {"updatedReplicas", "readyReplicas", "availableReplicas",
                                          "unavailableReplicas"};

// The internal struct, as upstream prints it.
std::string printed_strategy(Value strategy) {
  const Value rolling = strategy["rollingUpdate"];
  auto share = [](Value v) { return v.exists() ? v.dump() : std::string("0"); };
  return cat("{\"Type\":", go_quote(strategy["type"].str()), ",\"RollingUpdate\":",
             rolling.exists() ? cat("{\"MaxUnavailable\":", share(rolling["maxUnavailable"]),
                                    ",\"MaxSurge\":", share(rolling["maxSurge"]), "}")
                              : std::string("null"),
             "}");
}

void validate_strategy(Value strategy, const Path& at, FieldErrors& errors) {
  const std::string_view type = strategy["type"].str();
  const Value rolling = strategy["rollingUpdate"];
  const Path here = at.at("rollingUpdate");
  if (type == "Recreate") {
    if (rolling.exists()) errors.forbidden(here, "may not be specified when strategy `type` is 'Recreate'");
  } else if (type == "RollingUpdate") {
    if (!rolling.exists()) return errors.required(here, "this should be defaulted and never be nil");
    const Value unavailable = rolling["maxUnavailable"], surge = rolling["maxSurge"];
    validate_share(unavailable, here.at("maxUnavailable"), errors);
    validate_share(surge, here.at("maxSurge"), errors);
    if (is_zero_share(unavailable) && is_zero_share(surge))
      errors.invalid(here.at("maxUnavailable"), unavailable, "may not be 0 when `maxSurge` is 0");
    if (percent_over_100(unavailable))
      errors.invalid(here.at("maxUnavailable"), unavailable, "must not be greater than 100%");
  } else {
    errors.not_supported_raw(at, printed_strategy(strategy), {"Recreate", "RollingUpdate"});
  }
}

void validate(Value o, FieldErrors& errors) {
  const Path at("spec");
  const Value spec = o["spec"];
  validate_nonnegative(spec["replicas"], at.at("replicas"), errors);
  validate_selector_and_template(spec, "empty selector is invalid for deployment", at, errors);
  validate_strategy(spec["strategy"], at.at("strategy"), errors);
  validate_nonnegative(spec["minReadySeconds"], at.at("minReadySeconds"), errors);
  validate_nonnegative(spec["revisionHistoryLimit"], at.at("revisionHistoryLimit"), errors);
  if (const auto revision = parse_int64(o["metadata"]["annotations"][kRollbackTo].str()); revision && *revision < 0)
    errors.invalid(at.at("rollback").at("version"), *revision, kNotNegative);
  if (const Value deadline = spec["progressDeadlineSeconds"]; deadline.exists()) {
    validate_nonnegative(deadline, at.at("progressDeadlineSeconds"), errors);
    if (deadline.integer() <= spec["minReadySeconds"].integer())
      errors.invalid(at.at("progressDeadlineSeconds"), deadline.integer(), "must be greater than minReadySeconds");
  }
}

void validate_update(Value o, Value old, FieldErrors& errors) {
  validate(o, errors);
  validate_immutable(o["spec"]["selector"], old["spec"]["selector"], Path("spec").at("selector"), errors);
}

void validate_status_update(Value o, Value old, FieldErrors& errors) {
  const Path at("status");
  validate_replica_counts(o["status"], kCounts, at, errors);
  const Value now = o["status"]["collisionCount"], was = old["status"]["collisionCount"];
  validate_nonnegative(now, at.at("collisionCount"), errors);
  if (was.exists() && now.integer() < was.integer())
    errors.invalid(at.at("collisionCount"), now.integer(), "cannot be decremented");
}

void warnings(Value o, std::vector<std::string>& out) {
  name_warning(o, "Pod names and hostnames", out);
  template_warnings(o["spec"]["template"], Path("spec").at("template"), out);
}

}  // namespace

void default_deployment(Mut o) {
  Mut spec = o.object("spec");
  default_int(spec, "replicas", 1);
  default_template(spec);
  Mut strategy = spec.object("strategy");
  default_text(strategy, "type", "RollingUpdate");
  if (strategy["type"].str() == "RollingUpdate") {
    Mut rolling = strategy.object("rollingUpdate");
    if (!rolling.has("maxUnavailable")) rolling.set("maxUnavailable", "25%");
    if (!rolling.has("maxSurge")) rolling.set("maxSurge", "25%");
  }
  default_int(spec, "revisionHistoryLimit", 10);
  default_int(spec, "progressDeadlineSeconds", 600);
}

void deployment_rules(Kind& k) {
  k.set_defaults = default_deployment;
  k.prepare_create = clear_status;
  k.prepare_update = keep_status;
  k.prepare_status_update = [](Mut o, Value old) {
    keep_spec(o, old);
    keep_meta(o, old, "labels");
  };
  k.validate = validate;
  k.validate_update = validate_update;
  k.validate_status_update = validate_status_update;
  k.warnings = warnings;
  // It hands its annotations on to its ReplicaSets.
  k.counts_as_spec = [](Mut o, Value old) { return !equal(o["metadata"]["annotations"], old["metadata"]["annotations"]); };
  k.columns = {
      name_column(),
      {"Ready", kText, [](Value o) { return cat(o["status"]["readyReplicas"].integer(), "/", o["spec"]["replicas"].integer()); }},
      {"Up-to-date", kText, [](Value o) { return o["status"]["updatedReplicas"].integer(); }},
      {"Available", kText, [](Value o) { return o["status"]["availableReplicas"].integer(); }},
      age_column(),
      {"Containers", kWide, [](Value o) { return containers_text(o["spec"]["template"]["spec"]); }},
      {"Images", kWide, [](Value o) { return images_text(o["spec"]["template"]["spec"]); }},
      {"Selector", kWide, [](Value o) { return selector_text(o["spec"]["selector"]); }},
  };
}

}  // namespace bramble

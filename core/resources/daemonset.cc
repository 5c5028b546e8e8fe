// DaemonSet: one pod on each node.
#include "core/resources/cells.h"
#include "core/resources/defaulting.h"
#include "core/resources/field_rules.h"
#include "core/resources/internal_form.h"
#include "core/resources/kinds.h"
#include "core/resources/pod_spec.h"
#include "core/resources/selector.h"
#include "core/resources/spec_warnings.h"
#include "core/resources/transitions.h"
#include "core/resources/workload_rules.h"
#include "core/resources/workload_versions.h"

namespace bramble {
namespace {

void prepare_create(Mut o) {
  clear_status(o);
  for (const char* f : {"currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady"})
    o.object("status").set(f, 0);
  Mut annotations = o.object("metadata").object("annotations");
  if (parse_int64(annotations[kTemplateGeneration].str()).value_or(0) < 1) annotations.set(kTemplateGeneration, "1");
}

// The template's generation counts its changes and cannot be set by a client.
void prepare_update(Mut o, Value old) {
  keep_status(o, old);
  int64_t generation = parse_int64(old["metadata"]["annotations"][kTemplateGeneration].str()).value_or(1);
  Builder b;
  b.root().set("template", o["spec"]["template"]);
  const Document now = b.finish();
  if (!equal(now["template"], old["spec"]["template"])) ++generation;
  o.object("metadata").object("annotations").set(kTemplateGeneration, cat(generation));
}

void validate_strategy(Value strategy, const Path& at, FieldErrors& errors) {
  const std::string_view type = strategy["type"].str();
  if (type == "OnDelete") return;
  if (type != "RollingUpdate") {
    return errors.not_supported_raw(at, internal_form(strategy, "apps.v1.DaemonSetUpdateStrategy").root().dump(),
                                    {"RollingUpdate", "OnDelete"});
  }
  const Path here = at.at("rollingUpdate");
  const Value rolling = strategy["rollingUpdate"];
  if (!rolling.exists()) return errors.required(here);
  const Value unavailable = rolling["maxUnavailable"], surge = rolling["maxSurge"];
  validate_share(unavailable, here.at("maxUnavailable"), errors);
  validate_share(surge, here.at("maxSurge"), errors);
  for (const char* f : {"maxUnavailable", "maxSurge"})
    if (percent_over_100(rolling[f])) errors.invalid(here.at(f), rolling[f], "must not be greater than 100%");
  if (!is_zero_share(unavailable) && !is_zero_share(surge))
    errors.invalid(here.at("maxSurge"), surge, "may not be set when maxUnavailable is non-zero");
  if (is_zero_share(unavailable) && is_zero_share(surge))
    errors.required(here.at("maxUnavailable"), "cannot be 0 when maxSurge is 0");
}

void validate(Value o, FieldErrors& errors) {
  const Path at("spec");
  const Value spec = o["spec"];
  const Value selector = spec["selector"], labels = spec["template"]["metadata"]["labels"];
  validate_label_selector(selector, at.at("selector"), errors);
  const auto parsed = LabelSelector::from_object(selector);
  if (parsed.ok() && !parsed->matches(labels))
    errors.invalid(at.at("template").at("metadata").at("labels"), labels, "`selector` does not match template `labels`");
  if (selector.is_object() && selects_nothing_or_all(selector))
    errors.invalid(at.at("selector"), selector, "empty selector is invalid for daemonset");
  const Document everything = Builder().finish();
  validate_owned_template(spec["template"], everything.root(), "DaemonSet", at.at("template"), errors);
  validate_nonnegative(spec["minReadySeconds"], at.at("minReadySeconds"), errors);
  validate_strategy(spec["updateStrategy"], at.at("updateStrategy"), errors);
  validate_nonnegative(spec["revisionHistoryLimit"], at.at("revisionHistoryLimit"), errors);
}

void validate_update(Value o, Value old, FieldErrors& errors) {
  validate_immutable(o["spec"]["selector"], old["spec"]["selector"], Path("spec").at("selector"), errors);
  validate(o, errors);
}

void validate_status_update(Value o, Value old, FieldErrors& errors) {
  for (const char* f : {"currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady",
                        "observedGeneration", "updatedNumberScheduled", "numberAvailable", "numberUnavailable", "collisionCount"})
    validate_nonnegative(o["status"][f], Path("status").at(f), errors);
  validate_collision_count(o["status"], old["status"], errors);
}

void warnings(Value o, std::vector<std::string>& out) {
  template_warnings(o["spec"]["template"], Path("spec").at("template"), out);
}

}  // namespace

void default_daemonset(Mut o) {
  Mut spec = o.object("spec");
  default_template(spec);
  Mut strategy = spec.object("updateStrategy");
  default_text(strategy, "type", "RollingUpdate");
  if (strategy["type"].str() == "RollingUpdate") {
    Mut rolling = strategy.object("rollingUpdate");
    if (!rolling.has("maxUnavailable")) rolling.set("maxUnavailable", 1);
    if (!rolling.has("maxSurge")) rolling.set("maxSurge", 0);
  }
  default_int(spec, "revisionHistoryLimit", 10);
  // A field that upstream keeps in an annotation: never absent.
  Mut annotations = o.object("metadata").object("annotations");
  if (!annotations.has(kTemplateGeneration)) annotations.set(kTemplateGeneration, "0");
}

void daemonset_rules(Kind& k) {
  k.set_defaults = default_daemonset;
  k.prepare_create = prepare_create;
  k.prepare_update = prepare_update;
  k.prepare_status_update = keep_spec;
  k.validate = validate;
  k.validate_update = validate_update;
  k.validate_status_update = validate_status_update;
  k.warnings = warnings;
  k.columns = {
      name_column(),
      {"Desired", kInteger, [](Value o) { return o["status"]["desiredNumberScheduled"].integer(); }},
      {"Current", kInteger, [](Value o) { return o["status"]["currentNumberScheduled"].integer(); }},
      {"Ready", kInteger, [](Value o) { return o["status"]["numberReady"].integer(); }},
      {"Up-to-date", kInteger, [](Value o) { return o["status"]["updatedNumberScheduled"].integer(); }},
      {"Available", kInteger, [](Value o) { return o["status"]["numberAvailable"].integer(); }},
      {"Node Selector", kText, [](Value o) { return map_text(o["spec"]["template"]["spec"]["nodeSelector"]); }},
      age_column(),
      {"Containers", kWide, [](Value o) { return containers_text(o["spec"]["template"]["spec"]); }},
      {"Images", kWide, [](Value o) { return images_text(o["spec"]["template"]["spec"]); }},
      {"Selector", kWide, [](Value o) { return selector_text(o["spec"]["selector"]); }},
  };
}

}  // namespace bramble

// StatefulSet: pods with names and volumes of their own.
#include "core/resources/cells.h"
#include "core/resources/defaulting.h"
#include "core/resources/field_rules.h"
#include "core/resources/kinds.h"
#include "core/resources/names.h"
#include "core/resources/transitions.h"
#include "core/resources/workload_rules.h"

namespace bramble {
namespace {

const std::vector<const char*> kCounts = {"readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas"};

void prepare_create(Mut o) {
  clear_status(o);
  o.object("status").set("replicas", 0);
  o.object("status").set("availableReplicas", 0);
}

void validate(Value o, FieldErrors& errors) {
  const Path at("spec");
  const Value spec = o["spec"];
  const std::string_view policy = spec["podManagementPolicy"].str();
  if (policy.empty())
    errors.required(at.at("podManagementPolicy"));
  else if (policy != "OrderedReady" && policy != "Parallel")
    errors.invalid(at.at("podManagementPolicy"), policy, "must be 'OrderedReady' or 'Parallel'");
  const std::string_view type = spec["updateStrategy"]["type"].str();
  if (type.empty())
    errors.required(at.at("updateStrategy"));
  else if (type != "RollingUpdate" && type != "OnDelete")
    errors.invalid_raw(at.at("updateStrategy"), cat("{\"Type\":", go_quote(type), ",\"RollingUpdate\":null}"),
                       "must be 'RollingUpdate' or 'OnDelete'");
  else if (type == "RollingUpdate") {
    const Path here = at.at("updateStrategy").at("rollingUpdate");
    validate_nonnegative(spec["updateStrategy"]["rollingUpdate"]["partition"], here.at("partition"), errors);
    const Value unavailable = spec["updateStrategy"]["rollingUpdate"]["maxUnavailable"];
    if (unavailable.exists()) {
      validate_share(unavailable, here.at("maxUnavailable"), errors);
      if (is_zero_share(unavailable)) errors.invalid(here.at("maxUnavailable"), unavailable, "cannot be 0");
      if (percent_over_100(unavailable))
        errors.invalid(here.at("maxUnavailable"), unavailable, "must not be greater than 100%");
    }
  }
  const Value retention = spec["persistentVolumeClaimRetentionPolicy"];
  for (const char* f : {"whenDeleted", "whenScaled"})
    validate_one_of(retention[f].str(), {"Delete", "Retain"}, at.at("persistentVolumeClaimRetentionPolicy").at(f),
                    false, errors);
  validate_nonnegative(spec["replicas"], at.at("replicas"), errors);
  validate_nonnegative(spec["minReadySeconds"], at.at("minReadySeconds"), errors);
  validate_nonnegative(spec["ordinals"]["start"], at.at("ordinals").at("start"), errors);
  if (const std::string_view service = spec["serviceName"].str(); !service.empty())
    add_invalid(at.at("serviceName"), service, check_dns1123_label(service), errors);
  validate_selector_and_template(spec, "empty selector is invalid for statefulset", at, errors);
}

// Everything but these stays as it was.
void validate_update(Value o, Value old, FieldErrors& errors) {
  validate(o, errors);
  Builder munged(o["spec"]);
  for (const char* f : {"replicas", "template", "updateStrategy", "minReadySeconds", "ordinals", "revisionHistoryLimit",
                        "persistentVolumeClaimRetentionPolicy"})
    munged.root().set(f, old["spec"][f]);
  if (!equal(munged.finish().root(), old["spec"]))
    errors.forbidden(
        Path("spec"),
        "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', "
        "'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden");
}

void validate_status_update(Value o, Value, FieldErrors& errors) {
  validate_replica_counts(o["status"], kCounts, Path("status"), errors);
}

void warnings(Value o, std::vector<std::string>& out) {
  template_warnings(o["spec"]["template"], Path("spec").at("template"), out);
}

}  // namespace

void default_statefulset(Mut o) {
  Mut spec = o.object("spec");
  default_text(spec, "podManagementPolicy", "OrderedReady");
  Mut strategy = spec.object("updateStrategy");
  if (strategy["type"].str().empty()) {
    strategy.set("type", "RollingUpdate");
    default_object(strategy, "rollingUpdate");
  }
  if (strategy["type"].str() == "RollingUpdate" && strategy["rollingUpdate"].is_object())
    default_int(strategy["rollingUpdate"], "partition", 0);
  Mut retention = spec.object("persistentVolumeClaimRetentionPolicy");
  default_text(retention, "whenDeleted", "Retain");
  default_text(retention, "whenScaled", "Retain");
  default_int(spec, "replicas", 1);
  default_int(spec, "revisionHistoryLimit", 10);
  default_template(spec);
  for (Mut c : spec["volumeClaimTemplates"].items()) {
    default_claim_spec(c.object("spec"));
    default_text(c.object("status"), "phase", "Pending");
  }
}

void statefulset_rules(Kind& k) {
  k.set_defaults = default_statefulset;
  k.prepare_create = prepare_create;
  k.prepare_update = keep_status;
  k.prepare_status_update = keep_spec;
  k.validate = validate;
  k.validate_update = validate_update;
  k.validate_status_update = validate_status_update;
  k.validate_name = name_is_label;
  k.warnings = warnings;
  k.columns = {
      name_column(),
      {"Ready", kText, [](Value o) { return cat(o["status"]["readyReplicas"].integer(), "/", o["spec"]["replicas"].integer()); }},
      age_column(),
      {"Containers", kWide, [](Value o) { return containers_text(o["spec"]["template"]["spec"]); }},
      {"Images", kWide, [](Value o) { return images_text(o["spec"]["template"]["spec"]); }},
  };
}

}  // namespace bramble

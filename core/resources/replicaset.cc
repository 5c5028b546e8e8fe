// ReplicaSet: so many pods of one template.
#include "core/resources/cells.h"
#include "core/resources/defaulting.h"
#include "core/resources/field_rules.h"
#include "core/resources/kinds.h"
#include "core/resources/spec_warnings.h"
#include "core/resources/transitions.h"
#include "core/resources/workload_rules.h"

namespace bramble {
namespace {

const std::vector<const char*> kCounts = {"fullyLabeledReplicas", "readyReplicas", "availableReplicas"};

void prepare_create(Mut o) {
  clear_status(o);
  o.object("status").set("replicas", 0);
}

void validate(Value o, FieldErrors& errors) {
  const Path at("spec");
  const Value spec = o["spec"];
  validate_nonnegative(spec["replicas"], at.at("replicas"), errors);
  validate_nonnegative(spec["minReadySeconds"], at.at("minReadySeconds"), errors);
  validate_selector_and_template(spec, "empty selector is invalid for deployment", at, errors);
}

void validate_update(Value o, Value old, FieldErrors& errors) {
  validate(o, errors);
  validate_immutable(o["spec"]["selector"], old["spec"]["selector"], Path("spec").at("selector"), errors);
}

void validate_status_update(Value o, Value, FieldErrors& errors) {
  validate_replica_counts(o["status"], kCounts, Path("status"), errors);
}

void warnings(Value o, std::vector<std::string>& out) {
  name_warning(o, "Pod names and hostnames", out);
  template_warnings(o["spec"]["template"], Path("spec").at("template"), out);
}

}  // namespace

void default_replicaset(Mut o) {
  Mut spec = o.object("spec");
  default_int(spec, "replicas", 1);
  default_template(spec);
}

void replicaset_rules(Kind& k) {
  k.set_defaults = default_replicaset;
  k.prepare_create = prepare_create;
  k.prepare_update = keep_status;
  k.prepare_status_update = keep_spec;
  k.validate = validate;
  k.validate_update = validate_update;
  k.validate_status_update = validate_status_update;
  k.warnings = warnings;
  k.columns = {
      name_column(),
      {"Desired", kInteger, [](Value o) { return o["spec"]["replicas"].integer(); }},
      {"Current", kInteger, [](Value o) { return o["status"]["replicas"].integer(); }},
      {"Ready", kInteger, [](Value o) { return o["status"]["readyReplicas"].integer(); }},
      age_column(),
      {"Containers", kWide, [](Value o) { return containers_text(o["spec"]["template"]["spec"]); }},
      {"Images", kWide, [](Value o) { return images_text(o["spec"]["template"]["spec"]); }},
      {"Selector", kWide, [](Value o) { return selector_text(o["spec"]["selector"]); }},
  };
}

}  // namespace bramble

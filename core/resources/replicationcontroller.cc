// ReplicationController: the old ReplicaSet, its selector a plain map.
#include "core/resources/cells.h"
#include "core/resources/defaulting.h"
#include "core/resources/field_rules.h"
#include "core/resources/kinds.h"
#include "core/resources/pod_spec.h"
#include "core/resources/selector.h"
#include "core/resources/spec_warnings.h"
#include "core/resources/transitions.h"
#include "core/resources/workload_rules.h"

namespace bramble {
namespace {

const std::vector<const char*> kCounts = {"fullyLabeledReplicas", "readyReplicas", "availableReplicas"};

void set_defaults(Mut o) {
  Mut spec = o.object("spec");
  Mut labels = spec["template"]["metadata"]["labels"];
  if (labels.size() > 0) {
    if (spec["selector"].size() == 0) spec.set("selector", labels);
    if (o["metadata"]["labels"].size() == 0) o.object("metadata").set("labels", labels);
  }
  default_int(spec, "replicas", 1);
  if (spec["template"].is_object()) default_template(spec);
}

void prepare_create(Mut o) {
  clear_status(o);
  o.object("status").set("replicas", 0);
}

void validate(Value o, FieldErrors& errors) {
  const Path at("spec");
  const Value spec = o["spec"];
  validate_nonnegative(spec["minReadySeconds"], at.at("minReadySeconds"), errors);
  if (spec["selector"].size() == 0) errors.required(at.at("selector"));
  validate_nonnegative(spec["replicas"], at.at("replicas"), errors);
  if (!spec["template"].is_object()) return errors.required(at.at("template"));
  const Value labels = spec["template"]["metadata"]["labels"];
  if (spec["selector"].size() > 0 && !LabelSelector::from_map(spec["selector"]).matches(labels))
    errors.invalid(at.at("template").at("metadata").at("labels"), labels,
                   "`selector` does not match template `labels`");
  Builder everything;
  validate_owned_template(spec["template"], everything.finish().root(), "ReplicationController", at.at("template"), errors);
}
void validate_update(Value o, Value, FieldErrors& errors) { validate(o, errors); }
void validate_status_update(Value o, Value, FieldErrors& errors) {
  validate_replica_counts(o["status"], kCounts, Path("status"), errors);
}

void warnings(Value o, std::vector<std::string>& out) {
  name_warning(o, "Pod names and hostnames", out);
  template_warnings(o["spec"]["template"], Path("spec").at("template"), out);
}

}  // namespace

void replicationcontroller_rules(Kind& k) {
  k.set_defaults = set_defaults;
  k.prepare_create = prepare_create;
  k.prepare_update = keep_status;
  k.prepare_status_update = keep_spec;
  k.validate = validate;
  k.validate_update = validate_update;
  k.validate_status_update = validate_status_update;
  k.warnings = warnings;
  k.orphans_by_default = true;
  k.scale.selector_is_map = true;
  k.columns = {
      name_column(),
      {"Desired", kInteger, [](Value o) { return o["spec"]["replicas"].integer(); }},
      {"Current", kInteger, [](Value o) { return o["status"]["replicas"].integer(); }},
      {"Ready", kInteger, [](Value o) { return o["status"]["readyReplicas"].integer(); }},
      age_column(),
      {"Containers", kWide, [](Value o) { return containers_text(o["spec"]["template"]["spec"]); }},
      {"Images", kWide, [](Value o) { return images_text(o["spec"]["template"]["spec"]); }},
      {"Selector", kWide, [](Value o) { return map_text(o["spec"]["selector"]); }},
  };
  k.selectable = {{"status.replicas", [](Value o) { return cat(o["status"]["replicas"].integer()); }}};
}

}  // namespace bramble

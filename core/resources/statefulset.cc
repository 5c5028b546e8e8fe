// StatefulSet: pods with names and volumes of their own.
#include <set>

#include "core/resources/cells.h"
#include "core/resources/defaulting.h"
#include "core/resources/field_rules.h"
#include "core/resources/internal_form.h"
#include "core/resources/kinds.h"
#include "core/resources/names.h"
#include "core/resources/pod_spec.h"
#include "core/resources/sameness.h"
#include "core/resources/selector.h"
#include "core/resources/spec_warnings.h"
#include "core/resources/transitions.h"
#include "core/resources/volume_access.h"
#include "core/resources/workload_rules.h"

namespace bramble {
namespace {

// How many pods may be away during an update comes with a feature that is off.
void drop_max_unavailable(Mut o, Value old) {
  constexpr const char* kField = "maxUnavailable";
  Mut rolling = o["spec"]["updateStrategy"]["rollingUpdate"];
  if (rolling.is_object() && !old["spec"]["updateStrategy"]["rollingUpdate"].has(kField)) rolling.remove(kField);
}

void prepare_create(Mut o) {
  clear_status(o);
  o.object("status").set("replicas", 0);
  o.object("status").set("availableReplicas", 0);
  drop_max_unavailable(o, Value());
}

void prepare_update(Mut o, Value old) {
  keep_status(o, old);
  drop_max_unavailable(o, old);
}

void validate_strategy(Value strategy, const Path& at, FieldErrors& errors) {
  const std::string_view type = strategy["type"].str();
  const Path here = at.at("rollingUpdate");
  const Value rolling = strategy["rollingUpdate"];
  if (type.empty()) return errors.required(at);
  if (type == "OnDelete") {
    if (rolling.is_object())
      errors.invalid(here, internal_form(rolling, "apps.v1.RollingUpdateStatefulSetStrategy").root(),
                     "only allowed for updateStrategy 'RollingUpdate'");
    return;
  }
  if (type != "RollingUpdate")
    return errors.invalid(at, internal_form(strategy, "apps.v1.StatefulSetUpdateStrategy").root(), "must be 'RollingUpdate' or 'OnDelete'");
  validate_nonnegative(rolling["partition"], here.at("partition"), errors);
  const Value unavailable = rolling["maxUnavailable"];
  if (!unavailable.exists()) return;
  validate_share(unavailable, here.at("maxUnavailable"), errors);
  if (is_zero_share(unavailable)) errors.invalid(here.at("maxUnavailable"), unavailable, "cannot be 0");
  if (percent_over_100(unavailable)) errors.invalid(here.at("maxUnavailable"), unavailable, "must not be greater than 100%");
}

// What an update leaves unchecked: what was wrong before, and what cannot change.
struct Leniency {
  bool service_name = false, pod_template = false, claims = false;
};

// The template as its pods will have it: the claims are volumes, the names are the controller's.
Document effective_template(Value spec) {
  Builder b(spec["template"]);
  Mut pod = b.root().is_object() ? b.root().object("spec") : Mut();
  if (!pod) return b.finish();
  pod.remove("subdomain");
  pod.remove("hostname");
  const Value claims = spec["volumeClaimTemplates"];
  if (claims.size() == 0) return b.finish();
  std::set<std::string, std::less<>> names;
  pod.remove("volumes");
  Mut volumes = pod.array("volumes");
  for (Value c : claims.items()) {
    const std::string name = c["metadata"]["name"].text();
    if (!names.insert(name).second) continue;
    Mut v = volumes.append_object();
    v.set("name", name);
    v.object("persistentVolumeClaim").set("claimName", name);
  }
  for (Value v : spec["template"]["spec"]["volumes"].items())
    if (!names.count(v["name"].str())) volumes.append(v);
  return b.finish();
}

void validate_template(Value spec, const LabelSelector& selector, const Path& at, const Leniency& may, FieldErrors& errors) {
  const Document own = effective_template(spec);
  const Value meta = own["metadata"];
  if (!selector.empty() && !selector.matches(meta["labels"]))
    errors.invalid(at.at("metadata").at("labels"), meta["labels"], "`selector` does not match template `labels`");
  if (!may.pod_template) validate_pod_template(own.root(), at, errors);
  validate_labels(meta["labels"], at.at("labels"), errors);
  validate_annotations(meta["annotations"], at.at("annotations"), errors);
  validate_pod_annotations(meta["annotations"], own["spec"], at.at("annotations"), errors);
}

void validate_spec(Value spec, const Leniency& may, FieldErrors& errors) {
  const Path at("spec");
  const std::string_view policy = spec["podManagementPolicy"].str();
  if (policy.empty())
    errors.required(at.at("podManagementPolicy"));
  else if (policy != "OrderedReady" && policy != "Parallel")
    errors.invalid(at.at("podManagementPolicy"), policy, "must be 'OrderedReady' or 'Parallel'");
  validate_strategy(spec["updateStrategy"], at.at("updateStrategy"), errors);
  const Value retention = spec["persistentVolumeClaimRetentionPolicy"];
  for (const char* f : {"whenDeleted", "whenScaled"})
    validate_one_of(retention[f].str(), {"Retain", "Delete"}, at.at("persistentVolumeClaimRetentionPolicy").at(f), false, errors);
  const Value claims = spec["volumeClaimTemplates"];
  for (size_t i = 0; !may.claims && i < claims.size(); ++i)
    validate_claim_spec(claims.item(i)["spec"], at.at("volumeClaimTemplates").at(i).at("spec"), errors);
  validate_nonnegative(spec["replicas"], at.at("replicas"), errors);
  validate_nonnegative(spec["minReadySeconds"], at.at("minReadySeconds"), errors);
  validate_nonnegative(spec["ordinals"]["start"], at.at("ordinals").at("start"), errors);
  if (const std::string_view service = spec["serviceName"].str(); !service.empty() && !may.service_name)
    add_invalid(at.at("serviceName"), service, check_dns1123_label(service), errors);
  const Value selector = spec["selector"];
  if (!selector.is_object()) {
    errors.required(at.at("selector"));
  } else {
    validate_label_selector(selector, at.at("selector"), errors);
    if (selects_nothing_or_all(selector)) errors.invalid(at.at("selector"), selector, "empty selector is invalid for statefulset");
  }
  const auto parsed = LabelSelector::from_object(selector);
  if (parsed.ok())
    validate_template(spec, *parsed, at.at("template"), may, errors);
  else
    errors.invalid(at.at("selector"), selector, "");
  const Value pod = spec["template"]["spec"];
  const Path pod_at = at.at("template").at("spec");
  if (pod["restartPolicy"].str() != "Always") errors.not_supported(pod_at.at("restartPolicy"), pod["restartPolicy"].str(), {"Always"});
  if (pod.has("activeDeadlineSeconds"))
    errors.forbidden(pod_at.at("activeDeadlineSeconds"), "activeDeadlineSeconds in StatefulSet is not Supported");
}

void validate(Value o, FieldErrors& errors) { validate_spec(o["spec"], {}, errors); }

// Everything but these stays as it was.
void validate_update(Value o, Value old, FieldErrors& errors) {
  Leniency may{true, false, true};
  FieldErrors before;
  validate_spec(old["spec"], may, before);
  may.pod_template = !before.empty();
  validate_spec(o["spec"], may, errors);
  if (!same_except(o["spec"], old["spec"], {"replicas", "template", "updateStrategy", "minReadySeconds", "ordinals", "revisionHistoryLimit",
                                            "persistentVolumeClaimRetentionPolicy"}))
    errors.forbidden(
        Path("spec"),
        "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', "
        "'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden");
}

void validate_status_update(Value o, Value old, FieldErrors& errors) {
  const Path at("status");
  const Value status = o["status"];
  constexpr const char* kCounts[] = {"readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas"};
  validate_nonnegative(status["replicas"], at.at("replicas"), errors);
  for (const char* f : kCounts) validate_nonnegative(status[f], at.at(f), errors);
  for (const char* f : {"observedGeneration", "collisionCount"}) validate_nonnegative(status[f], at.at(f), errors);
  for (const char* f : kCounts)
    if (status[f].integer() > status["replicas"].integer())
      errors.invalid(at.at(f), status[f].integer(), "cannot be greater than status.replicas");
  if (status["availableReplicas"].integer() > status["readyReplicas"].integer())
    errors.invalid(at.at("availableReplicas"), status["availableReplicas"].integer(), "cannot be greater than status.readyReplicas");
  validate_collision_count(status, old["status"], errors);
}

void warnings(Value o, std::vector<std::string>& out) {
  template_warnings(o["spec"]["template"], Path("spec").at("template"), out);
  const Value claims = o["spec"]["volumeClaimTemplates"];
  for (size_t i = 0; i < claims.size(); ++i) {
    const Path at = Path("spec").at("volumeClaimTemplates").at(i);
    claim_spec_warnings(claims.item(i)["spec"], is_new(o) ? at : at.at("Spec"), out);
  }
  if (o["spec"]["revisionHistoryLimit"].integer() < 0)
    out.push_back("spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended");
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
  k.prepare_update = prepare_update;
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

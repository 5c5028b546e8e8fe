// PersistentVolumeClaim: a wish for storage; its rules.
#include <algorithm>

#include "core/resources/cells.h"
#include "core/resources/defaulting.h"
#include "core/resources/field_rules.h"
#include "core/resources/internal_form.h"
#include "core/resources/kinds.h"
#include "core/resources/names.h"
#include "core/resources/pod_spec.h"
#include "core/resources/sameness.h"
#include "core/resources/spec_warnings.h"
#include "core/resources/text_diff.h"
#include "core/resources/transitions.h"
#include "core/resources/volume_access.h"
#include "core/schema/quantity.h"

namespace bramble {
namespace {

void default_claim(Mut o) {
  Mut spec = o.object("spec");
  default_claim_spec(spec);
  default_text(o.object("status"), "phase", "Pending");
  default_amounts(o["status"]["capacity"]);
  default_amounts(o["status"]["allocatedResources"]);
}

bool names_claim_or_snapshot(Mut source) {
  const std::string_view group = source["apiGroup"].str(), kind = source["kind"].str();
  return (group.empty() && kind == "PersistentVolumeClaim") || (group == "snapshot.storage.k8s.io" && kind == "VolumeSnapshot");
}

// dataSource and dataSourceRef of the same namespace say the same. Not a default: nobody owns what comes of it. The older of
// the two fields alone stands for claims and snapshots only; a source in another namespace is a feature that is off.
void join_data_sources(Mut spec, Value old_spec) {
  if (!spec["dataSourceRef"]["namespace"].str().empty() && !old_spec.has("dataSourceRef")) spec.remove("dataSourceRef");
  if (!old_spec.has("dataSource") && !old_spec.has("dataSourceRef") && !spec.has("dataSourceRef") && !names_claim_or_snapshot(spec["dataSource"]))
    spec.remove("dataSource");
  if (spec.has("dataSource") && !spec.has("dataSourceRef"))
    spec.set("dataSourceRef", spec["dataSource"]);
  else if (spec.has("dataSourceRef") && !spec.has("dataSource") && spec["dataSourceRef"]["namespace"].str().empty()) {
    spec.set("dataSource", spec["dataSourceRef"]);
    spec["dataSource"].remove("namespace");
  }
}

void create_claim(Mut o) {
  join_data_sources(o.object("spec"), Value());
  clear_status(o);
  o.object("status").set("phase", "Pending");
  ensure_finalizer(o, "kubernetes.io/pvc-protection");
}

void update_claim(Mut o, Value old) {
  join_data_sources(o.object("spec"), old["spec"]);
  keep_status(o, old);
}

void validate_storage_amount(Value requests, const Path& at, FieldErrors& errors) {
  if (!requests.has("storage")) return errors.required(at.key("storage"));
  const auto q = Quantity::parse(requests["storage"].str());
  if (q.ok() && (q->negative() || q->is_zero()))
    errors.invalid(at.key("storage"), requests["storage"].str(), "must be greater than zero");
}

void validate_data_source(Value source, bool group_too, const Path& at, FieldErrors& errors) {
  if (!source.is_object()) return;
  for (const char* f : {"name", "kind"})
    if (source[f].str().empty()) errors.required(at.at(f));
  const std::string_view group = source["apiGroup"].str(), kind = source["kind"].str();
  if (group.empty() && kind != "PersistentVolumeClaim")
    errors.invalid(at, kind, "must be 'PersistentVolumeClaim' when referencing the default apiGroup");
  if (!group.empty() && group_too) add_invalid(at.at("apiGroup"), group, check_dns1123_subdomain(group), errors);
  if (const std::string_view ns = source["namespace"].str(); !ns.empty()) add_invalid(at.at("namespace"), ns, check_dns1123_label(ns), errors);
}

// A dataSource says nothing else than the dataSourceRef beside it.
void validate_data_sources(Value spec, bool groups_too, const Path& at, FieldErrors& errors) {
  const Value source = spec["dataSource"], ref = spec["dataSourceRef"];
  validate_data_source(source, groups_too, at.at("dataSource"), errors);
  validate_data_source(ref, groups_too, at.at("dataSourceRef"), errors);
  if (!source.is_object() || !ref.is_object()) return;
  if (!ref["namespace"].str().empty())
    errors.invalid_raw(at, "{}", "may not be specified when dataSourceRef.namespace is specified");
  else if (!same_except(source, ref, {"namespace"}))
    errors.invalid_raw(at, "{}", "must match dataSourceRef");
}

void validate_claim(Value o, FieldErrors& errors) { validate_claim_spec(o["spec"], Path("spec"), errors); }

std::string printed_claim_spec(Value spec) {
  const Document d = internal_form(spec, "core.v1.PersistentVolumeClaimSpec");
  return go_indented(d.root());
}

constexpr std::string_view kOldClass = "volume.beta.kubernetes.io/storage-class";

// The class may be set where there was none, or where only the old annotation named the same one.
bool class_may_be_set(Value o, Value old) {
  const Value was = old["metadata"]["annotations"][kOldClass], now = o["spec"]["storageClassName"];
  return now.exists() && !old["spec"].has("storageClassName") && (!was.exists() || now.str() == was.str());
}

void validate_claim_update(Value o, Value old, FieldErrors& errors) {
  const Value spec = o["spec"], old_spec = old["spec"];
  const bool had_group = old_spec["dataSource"].has("apiGroup") || old_spec["dataSourceRef"].has("apiGroup");
  validate_claim_spec(spec, Path("spec"), errors, !had_group);
  Builder now(spec), was(old_spec);
  const Value annotation = o["metadata"]["annotations"][kOldClass], old_annotation = old["metadata"]["annotations"][kOldClass];
  const bool upgraded = class_may_be_set(o, old) && old_annotation.exists() && (!annotation.exists() || annotation.str() == old_annotation.str());
  if (!upgraded && annotation.str() != old_annotation.str())
    errors.invalid(Path("metadata").at("annotations").at(kOldClass), annotation.str(), kFieldImmutable);
  if (upgraded || class_may_be_set(o, old)) now.root().remove("storageClassName");
  // A claim is bound by setting volumeName once; a bound claim may grow.
  if (old_spec["volumeName"].str().empty()) was.root().set("volumeName", spec["volumeName"]);
  if (o["status"]["phase"].str() == "Bound") {
    if (now["resources"]["requests"].is_object()) now["resources"]["requests"].set("storage", old_spec["resources"]["requests"]["storage"]);
    now.root().set("volumeAttributesClassName", old_spec["volumeAttributesClassName"]);
  }
  const Document a = now.finish(), b = was.finish();
  if (!equal(a.root(), b.root()))
    errors.forbidden(
        Path("spec"),
        cat("spec is immutable after creation except resources.requests and volumeAttributesClassName for bound "
            "claims\n",
            unified_diff(printed_claim_spec(b.root()), printed_claim_spec(a.root()))));
  auto amount = [](Value v) { return Quantity::parse(v.str("0")); };
  const auto want = amount(spec["resources"]["requests"]["storage"]), had = amount(old_spec["resources"]["requests"]["storage"]),
             have = amount(old["status"]["capacity"]["storage"]);
  if (want.ok() && had.ok() && have.ok() && *want < *had && *want <= *have)
    errors.forbidden(Path("spec").at("resources").at("requests").at("storage"), "field can not be less than status.capacity");
  validate_immutable(spec["volumeMode"], old_spec["volumeMode"], Path("volumeMode"), errors);
  const Path attributes("spec.volumeAttributesClassName");
  if (equal(spec["volumeAttributesClassName"], old_spec["volumeAttributesClassName"]) || !old["status"].has("currentVolumeAttributesClassName"))
    return;
  if (!spec.has("volumeAttributesClassName"))
    errors.forbidden(attributes, "update to nil is forbidden when status.currentVolumeAttributesClassName is not nil");
  else if (spec["volumeAttributesClassName"].str().empty())
    errors.forbidden(attributes, "update to empty string is forbidden when status.currentVolumeAttributesClassName is not nil");
}

// Of the native resources a claim has storage alone.
bool validate_claim_resource(std::string_view name, const Path& at, FieldErrors& errors) {
  const auto faults = check_qualified_name(name);
  add_invalid(at, name, faults, errors);
  if (!faults.empty()) return false;
  if (!is_native_resource(name) || name == "storage") return true;
  errors.not_supported(at, name, {"storage"});
  return false;
}

void validate_claim_status(Value o, Value, FieldErrors& errors) {
  static const std::vector<std::string_view> kResizing = {"ControllerResizeInProgress", "ControllerResizeInfeasible", "NodeResizeInProgress",
                                                          "NodeResizeInfeasible", "NodeResizePending"};
  const Value status = o["status"];
  if (o["spec"]["accessModes"].size() == 0) errors.required(Path("Spec").at("accessModes"));
  auto negative = [&errors](Value amount, const Path& at) {
    const auto q = Quantity::parse(amount.str());
    const bool bad = q.ok() && q->value() < 0;
    if (bad) errors.invalid(at, q->value(), "must be a valid resource quantity");
    return bad;
  };
  for (auto [name, amount] : status["capacity"].members()) negative(amount, Path("status").at("capacity").key(name));
  const Path states("status.allocatedResourceStatuses"), amounts("status.allocatedResources");
  for (auto [name, state] : status["allocatedResourceStatuses"].members()) {
    validate_claim_resource(name, states, errors);
    if (std::find(kResizing.begin(), kResizing.end(), state.str()) == kResizing.end()) errors.not_supported(states, name, kResizing);
  }
  for (auto [name, amount] : status["allocatedResources"].members())
    if (validate_claim_resource(name, amounts, errors)) negative(amount, amounts.key(name));
}

void claim_warnings(Value o, std::vector<std::string>& out) {
  if (o["metadata"]["annotations"].has(kOldClass))
    out.push_back(cat("metadata.annotations[", kOldClass, "]: deprecated since v1.8; use \"storageClassName\" attribute instead"));
  claim_spec_warnings(o["spec"], Path("spec"), out);
}

bool has_volume(Value o) { return !o["spec"]["volumeName"].str().empty(); }

}  // namespace

void validate_claim_spec(Value spec, const Path& at, FieldErrors& errors, bool groups_too) {
  if (spec["accessModes"].size() == 0) errors.required(at.at("accessModes"), "at least 1 access mode is required");
  validate_label_selector(spec["selector"], at.at("selector"), errors);
  validate_known_modes(spec["accessModes"], at.at("accessModes"), errors);
  validate_storage_amount(spec["resources"]["requests"], at.at("resources"), errors);
  if (const std::string_view name = spec["storageClassName"].str(); !name.empty())
    add_invalid(at.at("storageClassName"), name, check_dns1123_subdomain(name), errors);
  validate_one_of(spec["volumeMode"].str(), {"Block", "Filesystem"}, at.at("volumeMode"), false, errors);
  validate_data_sources(spec, groups_too, at, errors);
  if (const std::string_view name = spec["volumeAttributesClassName"].str(); !name.empty())
    add_invalid(at.at("volumeAttributesClassName"), name, check_dns1123_subdomain(name), errors);
}

void pvc_rules(Kind& k) {
  k.meta_again = Kind::MetaAgain::kAsBoth;
  k.validate_status_update = validate_claim_status;
  k.warnings = claim_warnings;
  k.set_defaults = default_claim;
  k.prepare_create = create_claim;
  k.prepare_update = update_claim;
  k.prepare_status_update = keep_spec;
  k.validate = validate_claim;
  k.validate_update = validate_claim_update;
  k.columns = {
      name_column(),
      {"Status", kText, [](Value o) { return o["metadata"].has("deletionTimestamp") ? std::string_view("Terminating") : o["status"]["phase"].str(); }},
      {"Volume", kText, [](Value o) { return o["spec"]["volumeName"].str(); }},
      {"Capacity", kText, [](Value o) { return has_volume(o) ? o["status"]["capacity"]["storage"].str("0") : std::string_view(); }},
      {"Access Modes", kText, [](Value o) { return has_volume(o) ? modes_text(o["status"]["accessModes"]) : std::string(); }},
      {"StorageClass", kText, [](Value o) { return class_text(o); }},
      {"VolumeAttributesClass", kText, [](Value o) { return o["spec"]["volumeAttributesClassName"].str("<unset>"); }},
      age_column(),
      {"VolumeMode", kWide, [](Value o) { return o["spec"]["volumeMode"].str("<unset>"); }},
  };
}

}  // namespace bramble

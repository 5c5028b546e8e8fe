// PersistentVolume: a piece of storage; its rules.
#include "core/resources/cells.h"
#include "core/resources/defaulting.h"
#include "core/resources/field_rules.h"
#include "core/resources/internal_form.h"
#include "core/resources/kinds.h"
#include "core/resources/label_warnings.h"
#include "core/resources/names.h"
#include "core/resources/pod_spec.h"
#include "core/resources/text_diff.h"
#include "core/resources/transitions.h"
#include "core/resources/volume_access.h"
#include "core/resources/volume_source_rules.h"
#include "core/schema/quantity.h"

namespace bramble {
namespace {

void default_volume_object(Mut o) {
  Mut spec = o.object("spec");
  default_amounts(spec["capacity"]);
  default_text(spec, "persistentVolumeReclaimPolicy", "Retain");
  default_text(spec, "volumeMode", "Filesystem");
  default_text(o.object("status"), "phase", "Pending");
  Mut host = spec["hostPath"];
  if (host.is_object() && !host.has("type")) host.set("type", "");
}

void create_volume(Mut o) {
  clear_status(o);
  o.object("status").set("phase", "Pending");
  o.object("status").set("lastPhaseTransitionTime", o["metadata"]["creationTimestamp"].text());
  if (o["metadata"]["creationTimestamp"].str().empty()) o.object("status").remove("lastPhaseTransitionTime");
  ensure_finalizer(o, "kubernetes.io/pv-protection");
}

constexpr const char* kVolumeSources[] = {"hostPath",
                                          "gcePersistentDisk",
                                          "awsElasticBlockStore",
                                          "glusterfs",
                                          "flocker",
                                          "nfs",
                                          "rbd",
                                          "quobyte",
                                          "cephfs",
                                          "iscsi",
                                          "cinder",
                                          "fc",
                                          "flexVolume",
                                          "azureFile",
                                          "vsphereVolume",
                                          "photonPersistentDisk",
                                          "portworxVolume",
                                          "azureDisk",
                                          "scaleIO",
                                          "local",
                                          "storageos",
                                          "csi"};

void validate_capacity(Value capacity, const Path& at, FieldErrors& errors) {
  if (capacity.size() == 0) errors.required(at);
  if (!capacity.has("storage") || capacity.size() > 1)
    errors.not_supported_raw(at, capacity.exists() ? capacity.dump() : "null", {"storage"});
  for (auto [name, amount] : capacity.members()) {
    const auto q = Quantity::parse(amount.str());
    if (!q.ok()) continue;
    if (q->value() < 0) errors.invalid(at.key(name), q->value(), "must be a valid resource quantity");
    if (q->negative() || q->is_zero()) errors.invalid(at.key(name), amount.str(), "must be greater than zero");
  }
}

void validate_sources(Value o, const Path& at, FieldErrors& errors) {
  const Value spec = o["spec"];
  bool found = false;
  for (const char* source : kVolumeSources) {
    const std::string_view name(source);
    if (!spec.has(source)) continue;
    if (found && name != "flexVolume") {
      errors.forbidden(at.at(name == "cephfs" ? "cephFS" : source), "may not specify more than 1 volume type");
      continue;
    }
    found = true;
    validate_volume_source(source, spec[source], o["metadata"]["name"].str("-"), at.at(name == "gcePersistentDisk" ? "persistentDisk" : source),
                           errors);
    if (name == "local" && !spec["nodeAffinity"].is_object()) errors.required(at.at("nodeAffinity"), "Local volume requires node affinity");
  }
  if (!found) errors.required(at, "must specify a volume type");
}

bool is_root(std::string_view path) { return !path.empty() && path[0] == '/' && path.find_first_not_of("/.") == std::string_view::npos; }

void validate_spec(Value o, FieldErrors& errors) {
  const Path at("spec");
  const Value spec = o["spec"];
  validate_modes(spec["accessModes"], at.at("accessModes"), "", errors);
  validate_capacity(spec["capacity"], at.at("capacity"), errors);
  validate_one_of(spec["persistentVolumeReclaimPolicy"].str(), {"Delete", "Recycle", "Retain"},
                  at.at("persistentVolumeReclaimPolicy"), false, errors);
  if (spec["nodeAffinity"].is_object()) {
    if (spec["nodeAffinity"]["required"].is_object())
      validate_node_selector(spec["nodeAffinity"]["required"], at.at("nodeAffinity").at("required"), errors);
    else
      errors.required(at.at("nodeAffinity").at("required"), "must specify required node constraints");
  }
  validate_sources(o, at, errors);
  if (is_root(spec["hostPath"]["path"].str()) && spec["persistentVolumeReclaimPolicy"].str() == "Recycle")
    errors.forbidden(at.at("persistentVolumeReclaimPolicy"), "may not be 'recycle' for a hostPath mount of '/'");
  if (const std::string_view name = spec["storageClassName"].str(); !name.empty())
    add_invalid(at.at("storageClassName"), name, check_dns1123_subdomain(name), errors);
  validate_one_of(spec["volumeMode"].str(), {"Block", "Filesystem"}, at.at("volumeMode"), false, errors);
  if (!spec.has("volumeAttributesClassName")) return;
  const std::string_view attributes = spec["volumeAttributesClassName"].str();
  if (attributes.empty())
    errors.required(at.at("volumeAttributesClassName"), "an empty string is disallowed");
  else
    add_invalid(at.at("volumeAttributesClassName"), attributes, check_dns1123_subdomain(attributes), errors);
  if (!spec.has("csi")) errors.required(at.at("csi"), "has to be specified when using volumeAttributesClassName");
}

// Not every sort of volume is mounted with options.
void validate_volume(Value o, FieldErrors& errors) {
  validate_spec(o, errors);
  for (const char* source : {"gcePersistentDisk", "awsElasticBlockStore", "glusterfs", "nfs", "rbd", "quobyte", "iscsi", "cinder", "cephfs",
                             "azureFile", "vsphereVolume", "azureDisk", "photonPersistentDisk"})
    if (o["spec"].has(source)) return;
  if (o["metadata"]["annotations"].has("volume.beta.kubernetes.io/mount-options"))
    errors.forbidden(Path("metadata").at("annotations").at("volume.beta.kubernetes.io/mount-options"),
                     "may not specify mount options for this volume type");
}

// The sources alone, as Go prints them.
std::string printed_source(Value spec) {
  const Document whole = internal_form(spec, "core.v1.PersistentVolumeSpec");
  Builder b;
  for (auto [name, value] : whole.root().members())
    for (const char* source : kVolumeSources)
      if (equals_ignore_case(name, source)) b.root().set(name, value);
  return go_indented(b.finish().root());
}

// A secret for growing the volume may be added.
Document without_added_secret(Value spec, Value old_spec) {
  constexpr const char* kSecret = "controllerExpandSecretRef";
  Builder b(spec);
  if (old_spec["csi"].is_object() && !old_spec["csi"].has(kSecret) && b["csi"].is_object()) b["csi"].remove(kSecret);
  return b.finish();
}

// Labels of zones and instance types under the names that they have now.
Document with_new_labels(Value affinity) {
  static constexpr std::pair<std::string_view, std::string_view> kNames[] = {
      {"failure-domain.beta.kubernetes.io/zone", "topology.kubernetes.io/zone"},
      {"failure-domain.beta.kubernetes.io/region", "topology.kubernetes.io/region"},
      {"beta.kubernetes.io/instance-type", "node.kubernetes.io/instance-type"}};
  Builder b(affinity);
  for (Mut term : b["required"]["nodeSelectorTerms"].items())
    for (Mut e : term["matchExpressions"].items())
      for (const auto& [beta, ga] : kNames)
        if (e["key"].str() == beta) e.set("key", ga);
  return b.finish();
}

void validate_volume_update(Value o, Value old, FieldErrors& errors) {
  validate_volume(o, errors);
  validate_spec(o, errors);
  const Value spec = o["spec"], was = old["spec"];
  const Document kept = without_added_secret(spec, was);
  bool same = true;
  for (const char* source : kVolumeSources) same = same && equal(kept[source], was[source]);
  if (!same)
    errors.forbidden(Path("spec").at("persistentvolumesource"),
                     cat("spec.persistentvolumesource is immutable after creation\n",
                         unified_diff(printed_source(was), printed_source(kept.root()))));
  validate_immutable(spec["volumeMode"], was["volumeMode"], Path("volumeMode"), errors);
  const Value affinity = spec["nodeAffinity"];
  if (was["nodeAffinity"].is_object() &&
      !(affinity.is_object() && equal(with_new_labels(affinity).root(), with_new_labels(was["nodeAffinity"]).root())))
    errors.invalid(Path("nodeAffinity"), internal_form(affinity, "core.v1.VolumeNodeAffinity").root(),
                   "field is immutable, except for updating from beta label to GA");
  if (was.has("volumeAttributesClassName") && !spec.has("volumeAttributesClassName"))
    errors.forbidden(Path("spec").at("volumeAttributesClassName"), "update from non-nil value to nil is forbidden");
}

void stamp_phase(Mut o, Value old, std::string_view now) {
  Mut status = o.object("status");
  const Value before = old["status"]["lastPhaseTransitionTime"];
  const bool given = status["lastPhaseTransitionTime"].is_string();
  if (status["phase"].str() == old["status"]["phase"].str()) {
    if (!given) status.set("lastPhaseTransitionTime", before);
  } else if (!given || status["lastPhaseTransitionTime"].str() == before.str()) {
    status.set("lastPhaseTransitionTime", now);
  }
}

void volume_warnings(Value o, std::vector<std::string>& out) {
  const Value annotations = o["metadata"]["annotations"], spec = o["spec"];
  if (annotations.has("volume.beta.kubernetes.io/storage-class"))
    out.push_back("metadata.annotations[volume.beta.kubernetes.io/storage-class]: deprecated since v1.8; use \"storageClassName\" attribute instead");
  if (annotations.has("volume.beta.kubernetes.io/mount-options"))
    out.push_back("metadata.annotations[volume.beta.kubernetes.io/mount-options]: deprecated since v1.31; use \"mountOptions\" attribute instead");
  if (spec["persistentVolumeReclaimPolicy"].str() == "Recycle")
    out.push_back("spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended "
                  "approach is to use dynamic provisioning.");
  const Value terms = spec["nodeAffinity"]["required"]["nodeSelectorTerms"];
  for (size_t i = 0; i < terms.size(); ++i) {
    Builder term;
    term.root().set("matchExpressions", terms.item(i)["matchExpressions"]);
    const Document expressions = term.finish();
    node_selector_warnings(expressions.root(), Path("spec").at("nodeAffinity").at("required").at("nodeSelectorTerms").at(i), out);
  }
  static constexpr struct {
    const char *field, *text;
  } kGone[] = {{"cephfs", "spec.cephfs: deprecated in v1.28, non-functional in v1.31+"},
               {"photonPersistentDisk", "spec.photonPersistentDisk: deprecated in v1.11, non-functional in v1.16+"},
               {"scaleIO", "spec.scaleIO: deprecated in v1.16, non-functional in v1.22+"},
               {"storageos", "spec.storageOS: deprecated in v1.22, non-functional in v1.25+"},
               {"glusterfs", "spec.glusterfs: deprecated in v1.25, non-functional in v1.26+"},
               {"rbd", "spec.rbd: deprecated in v1.28, non-functional in v1.31+"}};
  for (const auto& g : kGone)
    if (spec.has(g.field)) out.push_back(g.text);
}

std::string claim_text(Value o) {
  const Value claim = o["spec"]["claimRef"];
  return claim.is_object() ? cat(claim["namespace"].str(), "/", claim["name"].str()) : std::string();
}

}  // namespace

void pv_rules(Kind& k) {
  k.meta_again = Kind::MetaAgain::kAsCreate;
  k.set_defaults = default_volume_object;
  k.prepare_create = create_volume;
  k.prepare_update = keep_status;
  k.prepare_status_update = keep_spec;
  k.stamp_status = stamp_phase;
  k.warnings = volume_warnings;
  k.validate = validate_volume;
  k.validate_update = validate_volume_update;
  k.columns = {
      name_column(),
      {"Capacity", kText, [](Value o) { return o["spec"]["capacity"]["storage"].str("0"); }},
      {"Access Modes", kText, [](Value o) { return modes_text(o["spec"]["accessModes"]); }},
      {"Reclaim Policy", kText, [](Value o) { return o["spec"]["persistentVolumeReclaimPolicy"].str(); }},
      {"Status", kText, [](Value o) { return o["metadata"].has("deletionTimestamp") ? std::string_view("Terminating") : o["status"]["phase"].str(); }},
      {"Claim", kText, [](Value o) { return claim_text(o); }},
      {"StorageClass", kText, [](Value o) { return class_text(o); }},
      {"VolumeAttributesClass", kText, [](Value o) { return o["spec"]["volumeAttributesClassName"].str("<unset>"); }},
      {"Reason", kText, [](Value o) { return o["status"]["reason"].str(); }},
      age_column(),
      {"VolumeMode", kWide, [](Value o) { return o["spec"]["volumeMode"].str("<unset>"); }},
  };
}

}  // namespace bramble

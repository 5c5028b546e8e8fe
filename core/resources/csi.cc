// CSIDriver, CSINode, CSIStorageCapacity, VolumeAttachment, VolumeAttributesClass.
#include <set>

#include "core/resources/cells.h"
#include "core/resources/defaulting.h"
#include "core/resources/field_rules.h"
#include "core/resources/internal_form.h"
#include "core/resources/kinds.h"
#include "core/resources/label_warnings.h"
#include "core/resources/names.h"
#include "core/resources/sameness.h"
#include "core/resources/transitions.h"
#include "core/resources/volume_access.h"
#include "core/resources/volume_source_rules.h"
#include "core/schema/quantity.h"

namespace bramble {
namespace {

void default_driver(Mut o) {
  Mut spec = o.object("spec");
  default_bool(spec, "attachRequired", true);
  default_bool(spec, "podInfoOnMount", false);
  default_bool(spec, "storageCapacity", false);
  default_text(spec, "fsGroupPolicy", "ReadWriteOnceWithFSType");
  if (spec["volumeLifecycleModes"].size() == 0) spec.array("volumeLifecycleModes").append("Persistent");
  default_bool(spec, "requiresRepublish", false);
  default_bool(spec, "seLinuxMount", false);
}

// The generation of a driver counts from 0.
void update_driver(Mut o, Value old) {
  Builder spec;
  spec.root().set("spec", o["spec"]);
  const Document now = spec.finish();
  if (!equal(now["spec"], old["spec"])) o.object("metadata").set("generation", old["metadata"]["generation"].integer() + 1);
}

void validate_tokens(Value tokens, const Path& at, FieldErrors& errors) {
  std::set<std::string, std::less<>> audiences;
  for (size_t i = 0; i < tokens.size(); ++i) {
    const std::string_view audience = tokens.item(i)["audience"].str();
    const Value seconds = tokens.item(i)["expirationSeconds"];
    const Path here = at.at(i).at("expirationSeconds");
    if (!audiences.insert(std::string(audience)).second) {
      errors.duplicate(at.at(i).at("audience"), audience);
      continue;
    }
    if (seconds.exists() && seconds.integer() < 600) errors.invalid(here, seconds.integer(), "may not specify a duration less than 10 minutes");
    if (seconds.integer() > (int64_t{1} << 32)) errors.invalid(here, seconds.integer(), "may not specify a duration larger than 2^32 seconds");
  }
}

void validate_driver(Value o, FieldErrors& errors) {
  const Path at("spec");
  const Value spec = o["spec"];
  if (!spec.has("attachRequired")) errors.required(at.at("attachedRequired"));
  for (const char* f : {"podInfoOnMount", "storageCapacity"})
    if (!spec.has(f)) errors.required(at.at(f));
  validate_one_of(spec["fsGroupPolicy"].str(), {"File", "None", "ReadWriteOnceWithFSType"}, at.at("fsGroupPolicy"), false, errors);
  validate_tokens(spec["tokenRequests"], at.at("tokenRequests"), errors);
  for (Value mode : spec["volumeLifecycleModes"].items())
    if (mode.str() != "Persistent" && mode.str() != "Ephemeral")
      errors.not_supported(at.at("volumeLifecycleModes"), mode.str(), {"Persistent", "Ephemeral"});
  if (!spec.has("seLinuxMount")) errors.required(at.at("seLinuxMount"));
  if (const Value period = spec["nodeAllocatableUpdatePeriodSeconds"]; period.exists() && period.integer() < 10)
    errors.invalid(at.at("nodeAllocatableUpdatePeriodSeconds"), period.integer(), "must be greater than or equal to 10 seconds");
  if (spec.has("serviceAccountTokenInSecrets") && spec["tokenRequests"].size() == 0)
    errors.invalid(at.at("serviceAccountTokenInSecrets"), spec["serviceAccountTokenInSecrets"],
                   "serviceAccountTokenInSecrets is set but no tokenRequests are specified");
}

void validate_driver_update(Value o, Value old, FieldErrors& errors) {
  validate_driver(o, errors);
  const Path at("spec");
  validate_immutable(o["spec"]["attachRequired"], old["spec"]["attachRequired"], at.at("attachedRequired"), errors);
  validate_immutable(o["spec"]["volumeLifecycleModes"], old["spec"]["volumeLifecycleModes"], at.at("volumeLifecycleModes"), errors);
}

void driver_warnings(Value o, std::vector<std::string>& out) {
  if (o["spec"]["tokenRequests"].size() > 0 && !o["spec"].has("serviceAccountTokenInSecrets"))
    out.push_back(
        "spec.serviceAccountTokenInSecrets is unset; if supported by this CSI driver, set to true to prevent possible "
        "logging of tokens in volume attributes");
}

void validate_csinode(Value o, FieldErrors& errors) {
  constexpr size_t kNodeIdMax = 256;
  std::set<std::string, std::less<>> names;
  const Value drivers = o["spec"]["drivers"];
  for (size_t i = 0; i < drivers.size(); ++i) {
    const Value d = drivers.item(i);
    const Path at = Path("spec").at("drivers").at(i);
    const std::string_view name = d["name"].str(), id = d["nodeID"].str();
    validate_driver_name(name, at.at("name"), errors);
    if (id.empty()) errors.required(at.at("nodeID"));
    if (id.size() > kNodeIdMax) errors.invalid(at.at("nodeID"), id, cat("must be ", kNodeIdMax, " characters or less"));
    validate_nonnegative(d["allocatable"]["count"], at.at("allocatable").at("count"), errors);
    if (!names.insert(std::string(name)).second) errors.duplicate(at.at("name"), name);
    std::set<std::string, std::less<>> keys;
    for (Value k : d["topologyKeys"].items()) {
      if (k.str().empty()) errors.required(at);
      if (!keys.insert(k.text()).second) errors.duplicate(at, k.str());
      add_invalid(at, k.str(), check_qualified_name(k.str()), errors);
    }
  }
}

// Of a driver that was there only the count of volumes may change.
void validate_csinode_update(Value o, Value old, FieldErrors& errors) {
  validate_csinode(o, errors);
  for (Value was : old["spec"]["drivers"].items())
    for (Value now : o["spec"]["drivers"].items()) {
      if (was["name"].str() != now["name"].str() || same_except(now, was, {"allocatable"})) continue;
      Builder shown(now);
      shown.root().remove("allocatable");
      const Document d = shown.finish();
      errors.invalid(Path("spec").at("drivers"), internal_form(d.root(), "storage.v1.CSINodeDriver").root(), kFieldImmutable);
    }
}

void validate_capacity(Value o, FieldErrors& errors) {
  validate_label_selector(o["nodeTopology"], Path("nodeTopology"), errors);
  const std::string_view name = o["storageClassName"].str();
  add_invalid(Path("storageClassName"), name, check_dns1123_subdomain(name), errors);
  const auto q = Quantity::parse(o["capacity"].str("0"));
  if (q.ok() && q->negative()) errors.invalid(Path("capacity"), o["capacity"], kNotNegative);
}

void validate_capacity_update(Value o, Value old, FieldErrors& errors) {
  validate_capacity(o, errors);
  for (const char* f : {"nodeTopology", "storageClassName"}) validate_immutable(o[f], old[f], Path(f), errors);
}

// A volume that stands in the attachment itself is a CSI volume without a life of its own.
void validate_inline_volume(Value spec, const Path& at, FieldErrors& errors) {
  constexpr std::string_view kNot = "may not be specified in the context of inline volumes";
  if (spec.has("claimRef")) errors.forbidden(at.at("claimRef"), kNot);
  if (spec["capacity"].size() > 0) errors.forbidden(at.at("capacity"), kNot);
  if (!spec.has("csi")) errors.required(at.at("csi"), "has to be specified in the context of inline volumes");
  validate_modes(spec["accessModes"], at.at("accessModes"), "", errors);
  if (const std::string_view policy = spec["persistentVolumeReclaimPolicy"].str(); !policy.empty() && policy != "Retain")
    errors.forbidden(at.at("persistentVolumeReclaimPolicy"), "may only be Retain in the context of inline volumes");
  if (spec.has("nodeAffinity")) errors.forbidden(at.at("nodeAffinity"), kNot);
  if (spec.has("csi"))
    validate_volume_source("csi", spec["csi"], "-", at.at("csi"), errors);
  else
    errors.required(at, "must specify a volume type");
  if (!spec["storageClassName"].str().empty()) errors.forbidden(at.at("storageClassName"), kNot);
  if (spec.has("volumeMode") && spec["volumeMode"].str() != "Filesystem")
    errors.forbidden(at.at("volumeMode"), "may not specify volumeMode other than Filesystem in the context of inline volumes");
}

void validate_attachment_error(Value e, const Path& at, FieldErrors& errors) {
  constexpr size_t kMessageMax = 1024, kShownMax = 256 * 1024;
  if (e["message"].str().size() > kMessageMax) errors.too_long(at.at("message"), kShownMax);
  if (e["errorCode"].integer() < 0) errors.invalid(at.at("errorCode"), e["errorCode"].integer(), "must be between 0 and 2147483647, inclusive");
}

void validate_attachment(Value o, FieldErrors& errors) {
  constexpr size_t kMetadataMax = 256 * 1024;
  const Path at("spec"), source_at = at.at("source");
  const Value spec = o["spec"], source = spec["source"], status = o["status"];
  validate_driver_name(spec["attacher"].str(), at.at("attacher"), errors);
  const bool by_name = source.has("persistentVolumeName"), in_place = source.has("inlineVolumeSpec");
  const std::string_view volume = source["persistentVolumeName"].str(), node = spec["nodeName"].str();
  if (by_name == in_place) {
    constexpr std::string_view kOne = "must specify exactly one of inlineVolumeSpec and persistentVolumeName";
    by_name ? errors.forbidden(source_at, kOne) : errors.required(source_at, kOne);
  } else if (by_name && volume.empty()) {
    errors.required(source_at.at("persistentVolumeName"), "must specify non empty persistentVolumeName");
  } else if (in_place) {
    validate_inline_volume(source["inlineVolumeSpec"], source_at.at("inlineVolumeSpec"), errors);
  }
  add_invalid(at.at("nodeName"), node, check_dns1123_subdomain(node), errors);
  size_t bytes = 0;
  for (auto [key, value] : status["attachmentMetadata"].members()) bytes += key.size() + value.str().size();
  if (bytes > kMetadataMax) errors.too_long(Path("status").at("attachmentMetadata"), kMetadataMax);
  for (const char* f : {"attachError", "detachError"}) validate_attachment_error(status[f], Path("status").at(f), errors);
  if (by_name) add_invalid(source_at.at("persistentVolumeName"), volume, check_dns1123_subdomain(volume), errors);
}

void validate_attachment_update(Value o, Value old, FieldErrors& errors) {
  validate_attachment(o, errors);
  if (!equal(o["spec"], old["spec"]))
    errors.invalid(Path("spec"), internal_form(o["spec"], "storage.v1.VolumeAttachmentSpec").root(), kFieldImmutable);
}

void validate_attributes(Value o, FieldErrors& errors) {
  validate_provisioner(o["driverName"].str(), Path("driverName"), errors);
  validate_class_parameters(o["parameters"], false, Path("parameters"), errors);
}

void validate_attributes_update(Value o, Value old, FieldErrors& errors) {
  for (const char* f : {"driverName", "parameters"})
    if (!equal(o[f], old[f])) errors.forbidden(Path(f), cat("updates to ", f, " are forbidden."));
  validate_attributes(o, errors);
}

std::string audiences_text(Value o) {
  std::vector<std::string> out;
  for (Value t : o["spec"]["tokenRequests"].items()) out.push_back(t["audience"].text());
  return out.empty() ? std::string("<unset>") : join(out, ",");
}

std::string lifecycle_modes_text(Value o) {
  std::vector<std::string> out;
  for (Value m : o["spec"]["volumeLifecycleModes"].items()) out.push_back(m.text());
  return out.empty() ? std::string("<none>") : join(out, ",");
}

}  // namespace

void csidriver_rules(Kind& k) {
  k.set_defaults = default_driver;
  k.warnings = driver_warnings;
  k.prepare_update = update_driver;
  k.validate = validate_driver;
  k.validate_update = validate_driver_update;
  k.columns = {
      name_column(),
      {"AttachRequired", kBoolean, [](Value o) { return o["spec"]["attachRequired"].boolean(true); }},
      {"PodInfoOnMount", kBoolean, [](Value o) { return o["spec"]["podInfoOnMount"].boolean(); }},
      {"StorageCapacity", kBoolean, [](Value o) { return o["spec"]["storageCapacity"].boolean(); }},
      {"TokenRequests", kText, [](Value o) { return audiences_text(o); }},
      {"RequiresRepublish", kBoolean, [](Value o) { return o["spec"]["requiresRepublish"].boolean(); }},
      {"Modes", kText, [](Value o) { return lifecycle_modes_text(o); }},
      age_column(),
  };
}

void csinode_rules(Kind& k) {
  k.meta_again = Kind::MetaAgain::kAsCreate;
  k.validate = validate_csinode;
  k.validate_update = validate_csinode_update;
  k.columns = {
      name_column(),
      {"Drivers", kInteger, [](Value o) { return count_of(o["spec"]["drivers"]); }},
      age_column(),
  };
}

void csistoragecapacity_rules(Kind& k) {
  k.meta_again = Kind::MetaAgain::kAsBoth;
  k.validate = validate_capacity;
  k.validate_update = validate_capacity_update;
  k.warnings = [](Value o, std::vector<std::string>& out) { node_selector_warnings(o["nodeTopology"], Path("nodeTopology"), out); };
  k.columns = {
      name_column(),
      {"StorageClassName", kText, [](Value o) { return o["storageClassName"].str(); }},
      {"Capacity", kText, [](Value o) { return o["capacity"].str("<unset>"); }},
  };
}

void volumeattachment_rules(Kind& k) {
  k.meta_again = Kind::MetaAgain::kAsCreate;
  k.validate = validate_attachment;
  k.validate_update = validate_attachment_update;
  k.validate_status_update = validate_attachment_update;
  k.prepare_create = [](Mut o) {
    clear_status(o);
    o.object("status").set("attached", false);
  };
  k.prepare_update = keep_status;
  k.prepare_status_update = keep_spec;
  k.columns = {
      name_column(),
      {"Attacher", kName, [](Value o) { return o["spec"]["attacher"].str(); }},
      {"PV", kText, [](Value o) { return o["spec"]["source"]["persistentVolumeName"].str(); }},
      {"Node", kText, [](Value o) { return o["spec"]["nodeName"].str(); }},
      {"Attached", kBoolean, [](Value o) { return o["status"]["attached"].boolean(); }},
      age_column(),
  };
}

void volumeattributesclass_rules(Kind& k) {
  k.prepare_create = [](Mut o) { ensure_finalizer(o, "kubernetes.io/vac-protection"); };
  k.meta_again = Kind::MetaAgain::kAsBoth;
  k.validate = validate_attributes;
  k.validate_update = validate_attributes_update;
  k.columns = {
      name_column(),
      {"DriverName", kText, [](Value o) { return o["driverName"].str(); }},
      age_column(),
  };
}

}  // namespace bramble

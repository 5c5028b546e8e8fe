// PersistentVolume: a piece of storage; its controller comes later.
#include "core/resources/cells.h"
#include "core/resources/defaulting.h"
#include "core/resources/field_rules.h"
#include "core/resources/kinds.h"
#include "core/resources/names.h"
#include "core/resources/pod_spec.h"
#include "core/resources/text_diff.h"
#include "core/resources/transitions.h"
#include "core/resources/volume_access.h"
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
                                          "csi",
                                          "flocker"};

void validate_volume(Value o, FieldErrors& errors) {
  const Path at("spec");
  const Value spec = o["spec"];
  validate_modes(spec["accessModes"], at.at("accessModes"), "", errors);
  if (spec["capacity"].size() == 0)
    errors.required(at.at("capacity"));
  else if (!spec["capacity"].has("storage"))
    errors.not_supported_raw(at.at("capacity"), spec["capacity"].dump(), {"storage"});
  for (auto [name, amount] : spec["capacity"].members()) {
    validate_resource_name(name, at.at("capacity").key(name), errors);
    const auto q = Quantity::parse(amount.str());
    if (q.ok() && (q->negative() || q->is_zero()))
      errors.invalid(at.at("capacity").key(name), amount.str(), "must be greater than zero");
  }
  validate_one_of(spec["persistentVolumeReclaimPolicy"].str(), {"Delete", "Recycle", "Retain"},
                  at.at("persistentVolumeReclaimPolicy"), false, errors);
  if (spec["nodeAffinity"].is_object()) {
    if (spec["nodeAffinity"]["required"].is_object())
      validate_node_selector(spec["nodeAffinity"]["required"], at.at("nodeAffinity").at("required"), errors);
    else
      errors.required(at.at("nodeAffinity").at("required"), "must specify required node constraints");
  }
  int count = 0;
  for (const char* source : kVolumeSources) {
    if (!spec.has(source)) continue;
    if (count++ > 0)
      errors.forbidden(at.at(source), "may not specify more than 1 volume type");
    else if (std::string_view(source) == "hostPath") {
      const std::string_view path = spec["hostPath"]["path"].str();
      if (path.empty())
        errors.required(at.at("hostPath").at("path"));
      else if (path == "/" && spec["persistentVolumeReclaimPolicy"].str() == "Recycle")
        errors.forbidden(at.at("persistentVolumeReclaimPolicy"), "may not be 'recycle' for a hostPath mount of '/'");
    } else if (std::string_view(source) == "local") {
      if (spec["local"]["path"].str().empty()) errors.required(at.at("local").at("path"));
      if (!spec["nodeAffinity"].is_object())
        errors.required(Path("spec").at("nodeAffinity"), "Local volume requires node affinity");
    } else if (std::string_view(source) == "csi") {
      if (spec["csi"]["driver"].str().empty()) errors.required(at.at("csi").at("driver"));
      if (spec["csi"]["volumeHandle"].str().empty()) errors.required(at.at("csi").at("volumeHandle"));
    }
  }
  if (count == 0) errors.required(at, "must specify a volume type");
  if (const std::string_view name = spec["storageClassName"].str(); !name.empty())
    add_invalid(at.at("storageClassName"), name, check_dns1123_subdomain(name), errors);
  validate_one_of(spec["volumeMode"].str(), {"Block", "Filesystem"}, at.at("volumeMode"), false, errors);
}

// Go's view of the sources: the common ones in order, absent ones null.
std::string printed_source(Value spec) {
  static constexpr std::pair<const char*, const char*> kNames[] = {{"GCEPersistentDisk", "gcePersistentDisk"},
                                                                   {"AWSElasticBlockStore", "awsElasticBlockStore"},
                                                                   {"HostPath", "hostPath"},
                                                                   {"Glusterfs", "glusterfs"},
                                                                   {"NFS", "nfs"},
                                                                   {"RBD", "rbd"},
                                                                   {"Quobyte", "quobyte"},
                                                                   {"ISCSI", "iscsi"},
                                                                   {"FlexVolume", "flexVolume"},
                                                                   {"Cinder", "cinder"},
                                                                   {"CephFS", "cephfs"},
                                                                   {"FC", "fc"},
                                                                   {"Flocker", "flocker"},
                                                                   {"AzureFile", "azureFile"},
                                                                   {"VsphereVolume", "vsphereVolume"},
                                                                   {"AzureDisk", "azureDisk"},
                                                                   {"PhotonPersistentDisk", "photonPersistentDisk"},
                                                                   {"PortworxVolume", "portworxVolume"},
                                                                   {"ScaleIO", "scaleIO"},
                                                                   {"Local", "local"},
                                                                   {"StorageOS", "storageos"},
                                                                   {"CSI", "csi"}};
  std::string out = "{\n";
  for (size_t i = 0; i < std::size(kNames); ++i) {
    const Value v = spec[kNames[i].second];
    out += cat(" \"", kNames[i].first, "\": ");
    if (!v.is_object()) {
      out += "null";
    } else {
      out += "{\n";
      size_t left = v.size();
      for (auto [key, value] : v.members()) {
        std::string name(key);
        name[0] = static_cast<char>(name[0] - (name[0] >= 'a' && name[0] <= 'z' ? 32 : 0));
        out += cat("  \"", name, "\": ", value.dump(), --left > 0 ? ",\n" : "\n");
      }
      out += " }";
    }
    out += i + 1 < std::size(kNames) ? ",\n" : "\n";
  }
  return out + "}\n";
}

void validate_volume_update(Value o, Value old, FieldErrors& errors) {
  validate_volume(o, errors);
  bool same = true;
  for (const char* source : kVolumeSources) same = same && equal(o["spec"][source], old["spec"][source]);
  if (!same)
    errors.forbidden(Path("spec").at("persistentvolumesource"),
                     cat("spec.persistentvolumesource is immutable after creation\n",
                         unified_diff(printed_source(old["spec"]), printed_source(o["spec"]))));
  validate_immutable(o["spec"]["volumeMode"], old["spec"]["volumeMode"], Path("volumeMode"), errors);
  if (old["spec"]["nodeAffinity"].exists())
    validate_immutable(o["spec"]["nodeAffinity"], old["spec"]["nodeAffinity"], Path("nodeAffinity"), errors);
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
  const Value annotations = o["metadata"]["annotations"];
  if (annotations.has("volume.beta.kubernetes.io/storage-class"))
    out.push_back("metadata.annotations[volume.beta.kubernetes.io/storage-class]: deprecated since v1.8; use \"storageClassName\" attribute instead");
  if (annotations.has("volume.beta.kubernetes.io/mount-options"))
    out.push_back("metadata.annotations[volume.beta.kubernetes.io/mount-options]: deprecated since v1.31; use \"mountOptions\" attribute instead");
  if (o["spec"]["persistentVolumeReclaimPolicy"].str() == "Recycle")
    out.push_back("spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended "
                  "approach is to use dynamic provisioning.");
}

std::string claim_text(Value o) {
  const Value claim = o["spec"]["claimRef"];
  return claim.is_object() ? cat(claim["namespace"].str(), "/", claim["name"].str()) : std::string();
}

}  // namespace

void pv_rules(Kind& k) {
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
      {"Capacity", kText, [](Value o) { return o["spec"]["capacity"]["storage"].str(); }},
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

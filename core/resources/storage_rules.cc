// PersistentVolumeClaim, PersistentVolume, StorageClass and the kinds of CSI: stored and shown; their controllers come later.
#include "core/base/clock.h"
#include "core/resources/cells.h"
#include "core/resources/defaulting.h"
#include "core/resources/kinds.h"
#include "core/resources/names.h"
#include "core/resources/pod_spec.h"
#include "core/resources/rules.h"
#include "core/resources/text_diff.h"
#include "core/resources/transitions.h"
#include "core/schema/quantity.h"

namespace bramble {
namespace {

const std::vector<std::string_view> kAccessModes = {"ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"};
constexpr std::string_view kClassAnnotation = "volume.beta.kubernetes.io/storage-class";

void ensure_finalizer(Mut o, std::string_view name) {
  Mut list = o.object("metadata").array("finalizers");
  for (Mut f : list.items())
    if (f.str() == name) return;
  list.append(name);
}

std::string modes_text(Value modes) {
  std::vector<std::string> out;
  for (const auto& [name, shown] : {std::pair<std::string_view, const char*>{"ReadWriteOnce", "RWO"},
                                    {"ReadOnlyMany", "ROX"}, {"ReadWriteMany", "RWX"}, {"ReadWriteOncePod", "RWOP"}})
    for (Value m : modes.items())
      if (m.str() == name) {
        out.push_back(shown);
        break;
      }
  return join(out, ",");
}

std::string class_text(Value o) {
  const std::string_view old_way = o["metadata"]["annotations"][kClassAnnotation].str();
  return old_way.empty() ? o["spec"]["storageClassName"].text() : std::string(old_way);
}

void validate_modes(Value modes, const Path& at, std::string_view missing, FieldErrors& errors) {
  if (modes.size() == 0) errors.required(at, missing);
  bool once_pod = false;
  for (Value m : modes.items()) {
    bool known = false;
    for (std::string_view k : kAccessModes) known = known || k == m.str();
    if (!known) errors.not_supported(at, m.str(), kAccessModes);
    once_pod = once_pod || m.str() == "ReadWriteOncePod";
  }
  if (once_pod && modes.size() > 1) errors.forbidden(at, "may not use ReadWriteOncePod with other access modes");
}

// -- claims

void default_claim(Mut o) {
  Mut spec = o.object("spec");
  default_claim_spec(spec);
  default_text(o.object("status"), "phase", "Pending");
  // dataSource and dataSourceRef of the same namespace say the same.
  if (spec.has("dataSource") && !spec.has("dataSourceRef")) spec.set("dataSourceRef", spec["dataSource"]);
  else if (spec.has("dataSourceRef") && !spec.has("dataSource") && spec["dataSourceRef"]["namespace"].str().empty()) {
    spec.set("dataSource", spec["dataSourceRef"]);
    spec["dataSource"].remove("namespace");
  }
}
void create_claim(Mut o) {
  clear_status(o);
  o.object("status").set("phase", "Pending");
  ensure_finalizer(o, "kubernetes.io/pvc-protection");
}

void validate_storage_amount(Value requests, const Path& at, FieldErrors& errors) {
  if (!requests.has("storage")) return errors.required(at.key("storage"));
  const auto q = Quantity::parse(requests["storage"].str());
  if (q.ok() && (q->negative() || q->is_zero())) errors.invalid(at.key("storage"), requests["storage"].str(), "must be greater than zero");
}

void validate_claim(Value o, FieldErrors& errors) {
  const Path at("spec");
  const Value spec = o["spec"];
  validate_modes(spec["accessModes"], at.at("accessModes"), "at least 1 access mode is required", errors);
  validate_label_selector(spec["selector"], at.at("selector"), errors);
  validate_storage_amount(spec["resources"]["requests"], at.at("resources"), errors);
  if (const std::string_view name = spec["storageClassName"].str(); !name.empty())
    add_invalid(at.at("storageClassName"), name, check_dns1123_subdomain(name), errors);
  validate_one_of(spec["volumeMode"].str(), {"Block", "Filesystem"}, at.at("volumeMode"), false, errors);
}

// Go's field names of PersistentVolumeClaimSpec, in order, for the difference that upstream prints.
std::string printed_claim_spec(Value spec) {
  Builder b;
  Mut o = b.root();
  auto put = [&](const char* name, Value v, std::string_view absent) {
    if (v.exists()) o.set(name, v);
    else if (absent == "null") o.set_null(name);
    else o.set(name, absent);
  };
  put("AccessModes", spec["accessModes"], "null");
  put("Selector", spec["selector"], "null");
  Mut resources = o.object("Resources");
  for (const auto& [name, key] : {std::pair{"Limits", "limits"}, {"Requests", "requests"}}) {
    if (spec["resources"].has(key)) resources.set(name, spec["resources"][key]);
    else resources.set_null(name);
  }
  put("VolumeName", spec["volumeName"], "");
  put("StorageClassName", spec["storageClassName"], "null");
  put("VolumeMode", spec["volumeMode"], "null");
  put("DataSource", spec["dataSource"], "null");
  put("DataSourceRef", spec["dataSourceRef"], "null");
  put("VolumeAttributesClassName", spec["volumeAttributesClassName"], "null");
  // One space a level, as upstream prints it.
  const std::string pretty = b.snapshot().root().dump_pretty();
  std::string out;
  for (std::string_view line : split(pretty, '\n')) {
    size_t spaces = 0;
    while (spaces < line.size() && line[spaces] == ' ') ++spaces;
    if (!out.empty()) out += '\n';
    out += std::string(spaces / 2, ' ');
    out += line.substr(spaces);
  }
  return out + "\n";
}

void validate_claim_update(Value o, Value old, FieldErrors& errors) {
  validate_claim(o, errors);
  Builder now(o["spec"]), was(old["spec"]);
  // A claim is bound by setting volumeName once; a bound claim may grow.
  if (old["spec"]["volumeName"].str().empty()) now.root().set("volumeName", old["spec"]["volumeName"]);
  const bool bound = old["status"]["phase"].str() == "Bound";
  if (bound) {
    now.root().object("resources").set("requests", old["spec"]["resources"]["requests"]);
    now.root().set("volumeAttributesClassName", old["spec"]["volumeAttributesClassName"]);
  }
  const Document a = now.finish(), b = was.finish();
  if (!equal(a.root(), b.root())) {
    errors.forbidden(Path("spec"),
                     cat("spec is immutable after creation except resources.requests and volumeAttributesClassName for bound "
                         "claims\n",
                         unified_diff(printed_claim_spec(b.root()), printed_claim_spec(a.root()))));
    return;
  }
  const auto want = Quantity::parse(o["spec"]["resources"]["requests"]["storage"].str());
  const auto have = Quantity::parse(old["status"]["capacity"]["storage"].str());
  if (bound && want.ok() && have.ok() && *want < *have)
    errors.forbidden(Path("spec").at("resources").at("requests").at("storage"),
                     "field can not be less than status.capacity");
}

void claim_cells(Value o, int64_t now_us, Mut out) {
  const Value spec = o["spec"], status = o["status"];
  const bool has_volume = !spec["volumeName"].str().empty();
  out.append(first_name(o));
  out.append(o["metadata"].has("deletionTimestamp") ? std::string_view("Terminating") : status["phase"].str());
  out.append(spec["volumeName"].str());
  out.append(has_volume ? status["capacity"]["storage"].str("0") : std::string_view());
  out.append(has_volume ? modes_text(status["accessModes"]) : std::string());
  out.append(class_text(o));
  out.append(spec["volumeAttributesClassName"].str("<unset>"));
  append_age(o, now_us, out);
  out.append(spec["volumeMode"].str("<unset>"));
}

// -- volumes

void default_volume_object(Mut o) {
  Mut spec = o.object("spec");
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

constexpr const char* kVolumeSources[] = {
    "hostPath", "gcePersistentDisk", "awsElasticBlockStore", "glusterfs", "nfs", "rbd", "quobyte", "cephfs", "iscsi", "cinder",
    "fc", "flexVolume", "azureFile", "vsphereVolume", "photonPersistentDisk", "portworxVolume", "azureDisk", "scaleIO", "local",
    "storageos", "csi", "flocker"};

void validate_volume(Value o, FieldErrors& errors) {
  const Path at("spec");
  const Value spec = o["spec"];
  validate_modes(spec["accessModes"], at.at("accessModes"), "", errors);
  if (spec["capacity"].size() == 0) errors.required(at.at("capacity"));
  else if (!spec["capacity"].has("storage")) errors.not_supported_raw(at.at("capacity"), spec["capacity"].dump(), {"storage"});
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
    else errors.required(at.at("nodeAffinity").at("required"), "must specify required node constraints");
  }
  int count = 0;
  for (const char* source : kVolumeSources) {
    if (!spec.has(source)) continue;
    if (count++ > 0) errors.forbidden(at.at(source), "may not specify more than 1 volume type");
    else if (std::string_view(source) == "hostPath") {
      const std::string_view path = spec["hostPath"]["path"].str();
      if (path.empty()) errors.required(at.at("hostPath").at("path"));
      else if (path == "/" && spec["persistentVolumeReclaimPolicy"].str() == "Recycle")
        errors.forbidden(at.at("persistentVolumeReclaimPolicy"), "may not be 'recycle' for a hostPath mount of '/'");
    } else if (std::string_view(source) == "local") {
      if (spec["local"]["path"].str().empty()) errors.required(at.at("local").at("path"));
      if (!spec["nodeAffinity"].is_object()) errors.required(Path("spec").at("nodeAffinity"), "Local volume requires node affinity");
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
  static constexpr std::pair<const char*, const char*> kNames[] = {
      {"GCEPersistentDisk", "gcePersistentDisk"}, {"AWSElasticBlockStore", "awsElasticBlockStore"}, {"HostPath", "hostPath"},
      {"Glusterfs", "glusterfs"}, {"NFS", "nfs"}, {"RBD", "rbd"}, {"Quobyte", "quobyte"}, {"ISCSI", "iscsi"},
      {"FlexVolume", "flexVolume"}, {"Cinder", "cinder"}, {"CephFS", "cephfs"}, {"FC", "fc"}, {"Flocker", "flocker"},
      {"AzureFile", "azureFile"}, {"VsphereVolume", "vsphereVolume"}, {"AzureDisk", "azureDisk"},
      {"PhotonPersistentDisk", "photonPersistentDisk"}, {"PortworxVolume", "portworxVolume"}, {"ScaleIO", "scaleIO"},
      {"Local", "local"}, {"StorageOS", "storageos"}, {"CSI", "csi"}};
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

void volume_cells(Value o, int64_t now_us, Mut out) {
  const Value spec = o["spec"], status = o["status"];
  std::string claim;
  if (spec["claimRef"].is_object()) claim = cat(spec["claimRef"]["namespace"].str(), "/", spec["claimRef"]["name"].str());
  out.append(first_name(o));
  out.append(spec["capacity"]["storage"].str());
  out.append(modes_text(spec["accessModes"]));
  out.append(spec["persistentVolumeReclaimPolicy"].str());
  out.append(o["metadata"].has("deletionTimestamp") ? std::string_view("Terminating") : status["phase"].str());
  out.append(claim);
  out.append(class_text(o));
  out.append(spec["volumeAttributesClassName"].str("<unset>"));
  out.append(status["reason"].str());
  append_age(o, now_us, out);
  out.append(spec["volumeMode"].str("<unset>"));
}

// -- classes and CSI

void default_class(Mut o) {
  default_text(o, "reclaimPolicy", "Delete");
  default_text(o, "volumeBindingMode", "Immediate");
}
void validate_class(Value o, FieldErrors& errors) {
  const std::string_view provisioner = o["provisioner"].str();
  if (provisioner.empty()) errors.required(Path("provisioner"));
  else add_invalid(Path("provisioner"), provisioner, check_qualified_name(lower(provisioner)), errors);
  validate_one_of(o["reclaimPolicy"].str(), {"Delete", "Retain"}, Path("reclaimPolicy"), false, errors);
  validate_one_of(o["volumeBindingMode"].str(), {"Immediate", "WaitForFirstConsumer"}, Path("volumeBindingMode"), true, errors);
}
void validate_class_update(Value o, Value old, FieldErrors& errors) {
  for (const char* f : {"parameters", "provisioner", "reclaimPolicy", "volumeBindingMode"})
    validate_immutable(o[f], old[f], Path(f), errors);
}
void class_cells(Value o, int64_t now_us, Mut out) {
  std::string name = first_name(o);
  if (o["metadata"]["annotations"]["storageclass.kubernetes.io/is-default-class"].str() == "true") name += " (default)";
  out.append(name);
  out.append(o["provisioner"].str());
  out.append(o["reclaimPolicy"].str("Delete"));
  out.append(o["volumeBindingMode"].str("<unset>"));
  out.append(o["allowVolumeExpansion"].boolean());
  append_age(o, now_us, out);
}

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
void driver_warnings(Value o, std::vector<std::string>& out) {
  if (o["spec"]["tokenRequests"].size() > 0 && !o["spec"].has("serviceAccountTokenInSecrets"))
    out.push_back("spec.serviceAccountTokenInSecrets is unset; if supported by this CSI driver, set to true to prevent possible "
                  "logging of tokens in volume attributes");
}
void driver_cells(Value o, int64_t now_us, Mut out) {
  const Value spec = o["spec"];
  std::vector<std::string> audiences, modes;
  for (Value t : spec["tokenRequests"].items()) audiences.push_back(t["audience"].text());
  for (Value m : spec["volumeLifecycleModes"].items()) modes.push_back(m.text());
  out.append(first_name(o));
  out.append(spec["attachRequired"].boolean(true));
  out.append(spec["podInfoOnMount"].boolean());
  out.append(spec["storageCapacity"].boolean());
  out.append(audiences.empty() ? std::string("<unset>") : join(audiences, ","));
  out.append(spec["requiresRepublish"].boolean());
  out.append(modes.empty() ? std::string("<none>") : join(modes, ","));
  append_age(o, now_us, out);
}

void csinode_cells(Value o, int64_t now_us, Mut out) {
  out.append(first_name(o));
  out.append(static_cast<int64_t>(o["spec"]["drivers"].size()));
  append_age(o, now_us, out);
}
void capacity_cells(Value o, int64_t, Mut out) {
  out.append(first_name(o));
  out.append(o["storageClassName"].str());
  out.append(o["capacity"].str("0"));
}
void attachment_cells(Value o, int64_t now_us, Mut out) {
  out.append(first_name(o));
  out.append(o["spec"]["attacher"].str());
  out.append(o["spec"]["source"]["persistentVolumeName"].str());
  out.append(o["spec"]["nodeName"].str());
  out.append(o["status"]["attached"].boolean());
  append_age(o, now_us, out);
}
void attributes_cells(Value o, int64_t now_us, Mut out) {
  out.append(first_name(o));
  out.append(o["driverName"].str());
  append_age(o, now_us, out);
}

}  // namespace

void pvc_rules(Kind& k) {
  k.set_defaults = default_claim;
  k.prepare_create = create_claim;
  k.prepare_update = keep_status;
  k.prepare_status_update = keep_spec;
  k.validate = validate_claim;
  k.validate_update = validate_claim_update;
  k.columns = columns_of(
      "Name:name, Status, Volume, Capacity, Access Modes, StorageClass, VolumeAttributesClass, Age, VolumeMode:wide");
  k.cells = claim_cells;
}
void pv_rules(Kind& k) {
  k.set_defaults = default_volume_object;
  k.prepare_create = create_volume;
  k.prepare_update = keep_status;
  k.prepare_status_update = keep_spec;
  k.validate = validate_volume;
  k.validate_update = validate_volume_update;
  k.columns = columns_of(
      "Name:name, Capacity, Access Modes, Reclaim Policy, Status, Claim, StorageClass, VolumeAttributesClass, Reason, Age, "
      "VolumeMode:wide");
  k.cells = volume_cells;
}
void storageclass_rules(Kind& k) {
  k.set_defaults = default_class;
  k.validate = validate_class;
  k.validate_update = validate_class_update;
  k.columns = columns_of("Name:name, Provisioner, ReclaimPolicy, VolumeBindingMode, AllowVolumeExpansion, Age");
  k.cells = class_cells;
}
void csidriver_rules(Kind& k) {
  k.set_defaults = default_driver;
  k.warnings = driver_warnings;
  k.columns = columns_of(
      "Name:name, AttachRequired:boolean, PodInfoOnMount:boolean, StorageCapacity:boolean, TokenRequests, "
      "RequiresRepublish:boolean, Modes, Age");
  k.cells = driver_cells;
}
void csinode_rules(Kind& k) {
  k.columns = columns_of("Name:name, Drivers:integer, Age");
  k.cells = csinode_cells;
}
void csistoragecapacity_rules(Kind& k) {
  k.columns = columns_of("Name:name, StorageClassName, Capacity");
  k.cells = capacity_cells;
}
void volumeattachment_rules(Kind& k) {
  k.prepare_create = [](Mut o) { o.remove("status"); };
  k.prepare_update = keep_status;
  k.prepare_status_update = keep_spec;
  k.columns = columns_of("Name:name, Attacher:name, PV, Node, Attached:boolean, Age");
  k.cells = attachment_cells;
}
void volumeattributesclass_rules(Kind& k) {
  k.prepare_create = [](Mut o) { ensure_finalizer(o, "kubernetes.io/vac-protection"); };
  k.validate_update = [](Value o, Value old, FieldErrors& errors) {
    for (const char* f : {"driverName", "parameters"}) validate_immutable(o[f], old[f], Path(f), errors);
  };
  k.columns = columns_of("Name:name, DriverName, Age");
  k.cells = attributes_cells;
}

}  // namespace bramble

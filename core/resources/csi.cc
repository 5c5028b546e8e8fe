// CSIDriver, CSINode, CSIStorageCapacity, VolumeAttachment, VolumeAttributesClass: stored and shown.
#include "core/resources/cells.h"
#include "core/resources/defaulting.h"
#include "core/resources/field_rules.h"
#include "core/resources/kinds.h"
#include "core/resources/transitions.h"
#include "core/resources/volume_access.h"

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

void driver_warnings(Value o, std::vector<std::string>& out) {
  if (o["spec"]["tokenRequests"].size() > 0 && !o["spec"].has("serviceAccountTokenInSecrets"))
    out.push_back(
        "spec.serviceAccountTokenInSecrets is unset; if supported by this CSI driver, set to true to prevent possible "
        "logging of tokens in volume attributes");
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
  k.columns = {
      name_column(),
      {"Drivers", kInteger, [](Value o) { return count_of(o["spec"]["drivers"]); }},
      age_column(),
  };
}

void csistoragecapacity_rules(Kind& k) {
  k.columns = {
      name_column(),
      {"StorageClassName", kText, [](Value o) { return o["storageClassName"].str(); }},
      {"Capacity", kText, [](Value o) { return o["capacity"].str("0"); }},
  };
}

void volumeattachment_rules(Kind& k) {
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
  k.validate_update = [](Value o, Value old, FieldErrors& errors) {
    for (const char* f : {"driverName", "parameters"}) validate_immutable(o[f], old[f], Path(f), errors);
  };
  k.columns = {
      name_column(),
      {"DriverName", kText, [](Value o) { return o["driverName"].str(); }},
      age_column(),
  };
}

}  // namespace bramble

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

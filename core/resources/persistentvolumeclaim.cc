// PersistentVolumeClaim: a wish for storage; its controller comes later.
#include "core/resources/cells.h"
#include "core/resources/defaulting.h"
#include "core/resources/field_rules.h"
#include "core/resources/kinds.h"
#include "core/resources/names.h"
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

// dataSource and dataSourceRef of the same namespace say the same. Not a default: nobody owns what comes of it.
void join_data_sources(Mut spec) {
  if (spec.has("dataSource") && !spec.has("dataSourceRef"))
    spec.set("dataSourceRef", spec["dataSource"]);
  else if (spec.has("dataSourceRef") && !spec.has("dataSource") && spec["dataSourceRef"]["namespace"].str().empty()) {
    spec.set("dataSource", spec["dataSourceRef"]);
    spec["dataSource"].remove("namespace");
  }
}

void create_claim(Mut o) {
  join_data_sources(o.object("spec"));
  clear_status(o);
  o.object("status").set("phase", "Pending");
  ensure_finalizer(o, "kubernetes.io/pvc-protection");
}

void update_claim(Mut o, Value old) {
  join_data_sources(o.object("spec"));
  keep_status(o, old);
}

void validate_storage_amount(Value requests, const Path& at, FieldErrors& errors) {
  if (!requests.has("storage")) return errors.required(at.key("storage"));
  const auto q = Quantity::parse(requests["storage"].str());
  if (q.ok() && (q->negative() || q->is_zero()))
    errors.invalid(at.key("storage"), requests["storage"].str(), "must be greater than zero");
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
    if (v.exists())
      o.set(name, v);
    else if (absent == "null")
      o.set_null(name);
    else
      o.set(name, absent);
  };
  put("AccessModes", spec["accessModes"], "null");
  put("Selector", spec["selector"], "null");
  Mut resources = o.object("Resources");
  for (const auto& [name, key] : {std::pair{"Limits", "limits"}, {"Requests", "requests"}}) {
    if (spec["resources"].has(key))
      resources.set(name, spec["resources"][key]);
    else
      resources.set_null(name);
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
    errors.forbidden(
        Path("spec"),
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

bool has_volume(Value o) { return !o["spec"]["volumeName"].str().empty(); }

}  // namespace

void pvc_rules(Kind& k) {
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

// ControllerRevision: what a controller's template was.
#include "core/resources/cells.h"
#include "core/resources/field_rules.h"
#include "core/resources/kinds.h"
#include "core/resources/pod_spec.h"

namespace bramble {
namespace {

void validate_revision(Value o, FieldErrors& errors) {
  if (!o["data"].exists() || o["data"].is_null()) errors.required(Path("data"), "data is mandatory");
  validate_nonnegative(o["revision"], Path("revision"), errors);
}

void validate_revision_update(Value o, Value old, FieldErrors& errors) {
  validate_immutable(o["data"], old["data"], Path("data"), errors);
  validate_nonnegative(o["revision"], Path("revision"), errors);
}

void revision_cells(Value o, int64_t now_us, Mut out) {
  std::string controller = "<none>";
  for (Value r : o["metadata"]["ownerReferences"].items())
    if (r["controller"].boolean()) {
      const auto group = cut(r["apiVersion"].str(), "/");
      controller = group ? cat(lower(r["kind"].str()), ".", group->first, "/", r["name"].str())
                         : cat(lower(r["kind"].str()), "/", r["name"].str());
    }
  out.append(first_name(o));
  out.append(controller);
  out.append(o["revision"].integer());
  append_age(o, now_us, out);
}

}  // namespace

void controllerrevision_rules(Kind& k) {
  k.validate = validate_revision;
  k.validate_update = validate_revision_update;
  k.columns = columns_of("Name:name, Controller, Revision, Age");
  k.cells = revision_cells;
}

}  // namespace bramble

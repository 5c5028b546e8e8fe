// PodTemplate and ControllerRevision: stored shapes of pods and of controllers' past.
#include "core/resources/cells.h"
#include "core/resources/defaulting.h"
#include "core/resources/kinds.h"
#include "core/resources/pod_spec.h"
#include "core/resources/rules.h"
#include "core/resources/workload_rules.h"

namespace bramble {
namespace {

void set_defaults(Mut o) { default_template(o); }

void validate(Value o, FieldErrors& errors) { validate_pod_template(o["template"], Path("template"), errors); }
void validate_update(Value o, Value, FieldErrors& errors) { validate(o, errors); }

void warnings(Value o, std::vector<std::string>& out) { template_warnings(o["template"], Path("template"), out); }

void cells(Value o, int64_t, Mut out) {
  out.append(first_name(o));
  append_containers_and_images(o["template"]["spec"], out);
  out.append(map_text(o["template"]["metadata"]["labels"]));
}

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

void podtemplate_rules(Kind& k) {
  k.set_defaults = set_defaults;
  k.validate = validate;
  k.validate_update = validate_update;
  k.warnings = warnings;
  k.columns = columns_of("Name:name, Containers, Images, Pod Labels");
  k.cells = cells;
}

void controllerrevision_rules(Kind& k) {
  k.validate = validate_revision;
  k.validate_update = validate_revision_update;
  k.columns = columns_of("Name:name, Controller, Revision, Age");
  k.cells = revision_cells;
}

}  // namespace bramble

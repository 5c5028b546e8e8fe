// ControllerRevision: what a controller's template was.
#include "core/resources/cells.h"
#include "core/resources/field_rules.h"
#include "core/resources/kinds.h"
#include "core/resources/pod_spec.h"

namespace bramble {
namespace {

void validate_revision(Value o, FieldErrors& errors) {
  validate_nonnegative(o["revision"], Path("revision"), errors);
  if (!o["data"].exists() || o["data"].is_null())
    errors.required(Path("data"), "data is mandatory");
  else if (!o["data"].is_object())
    errors.required(Path("data"), "data must be a valid JSON object");
}

void validate_revision_update(Value o, Value old, FieldErrors& errors) {
  validate_nonnegative(o["revision"], Path("revision"), errors);
  validate_immutable(o["data"], old["data"], Path("data"), errors);
}

std::string controller_text(Value o) {
  std::string controller = "<none>";
  for (Value r : o["metadata"]["ownerReferences"].items())
    if (r["controller"].boolean()) {
      const auto group = cut(r["apiVersion"].str(), "/");
      controller = group ? cat(lower(r["kind"].str()), ".", group->first, "/", r["name"].str())
                         : cat(lower(r["kind"].str()), "/", r["name"].str());
    }
  return controller;
}

}  // namespace

void controllerrevision_rules(Kind& k) {
  k.meta_again = Kind::MetaAgain::kAsBoth;
  k.validate = validate_revision;
  k.validate_update = validate_revision_update;
  k.columns = {
      name_column(),
      {"Controller", kText, [](Value o) { return controller_text(o); }},
      {"Revision", kText, [](Value o) { return o["revision"].integer(); }},
      age_column(),
  };
}

}  // namespace bramble

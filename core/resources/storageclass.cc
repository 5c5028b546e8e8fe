// StorageClass: how volumes are made.
#include "core/resources/cells.h"
#include "core/resources/defaulting.h"
#include "core/resources/field_rules.h"
#include "core/resources/kinds.h"
#include "core/resources/names.h"

namespace bramble {
namespace {

void default_class(Mut o) {
  default_text(o, "reclaimPolicy", "Delete");
  default_text(o, "volumeBindingMode", "Immediate");
}

void validate_class(Value o, FieldErrors& errors) {
  const std::string_view provisioner = o["provisioner"].str();
  if (provisioner.empty())
    errors.required(Path("provisioner"));
  else
    add_invalid(Path("provisioner"), provisioner, check_qualified_name(lower(provisioner)), errors);
  validate_one_of(o["reclaimPolicy"].str(), {"Delete", "Retain"}, Path("reclaimPolicy"), false, errors);
  validate_one_of(o["volumeBindingMode"].str(), {"Immediate", "WaitForFirstConsumer"}, Path("volumeBindingMode"), true,
                  errors);
}

void validate_class_update(Value o, Value old, FieldErrors& errors) {
  for (const char* f : {"parameters", "provisioner", "reclaimPolicy", "volumeBindingMode"})
    validate_immutable(o[f], old[f], Path(f), errors);
}

std::string class_name_text(Value o) {
  const bool is_default = o["metadata"]["annotations"]["storageclass.kubernetes.io/is-default-class"].str() == "true";
  return cat(o["metadata"]["name"].str(), is_default ? " (default)" : "");
}

}  // namespace

void storageclass_rules(Kind& k) {
  k.set_defaults = default_class;
  k.validate = validate_class;
  k.validate_update = validate_class_update;
  k.columns = {
      {"Name", kName, [](Value o) { return class_name_text(o); }},
      {"Provisioner", kText, [](Value o) { return o["provisioner"].str(); }},
      {"ReclaimPolicy", kText, [](Value o) { return o["reclaimPolicy"].str("Delete"); }},
      {"VolumeBindingMode", kText, [](Value o) { return o["volumeBindingMode"].str("<unset>"); }},
      {"AllowVolumeExpansion", kText, [](Value o) { return o["allowVolumeExpansion"].boolean(); }},
      age_column(),
  };
}

}  // namespace bramble

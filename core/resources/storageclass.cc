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

}  // namespace

void storageclass_rules(Kind& k) {
  k.set_defaults = default_class;
  k.validate = validate_class;
  k.validate_update = validate_class_update;
  k.columns = columns_of("Name:name, Provisioner, ReclaimPolicy, VolumeBindingMode, AllowVolumeExpansion, Age");
  k.cells = class_cells;
}

}  // namespace bramble

// RuntimeClass: which runtime runs a pod, and what that costs.
#include "core/resources/cells.h"
#include "core/resources/defaulting.h"
#include "core/resources/field_rules.h"
#include "core/resources/kinds.h"
#include "core/resources/names.h"
#include "core/resources/pod_spec.h"

namespace bramble {
namespace {

void validate_runtimeclass(Value o, FieldErrors& errors) {
  const std::string_view handler = o["handler"].str();
  add_invalid(Path("handler"), handler, check_dns1123_label(handler), errors);
  for (auto [name, q] : o["overhead"]["podFixed"].members()) {
    const Path here = Path("overhead").at("podFixed").key(name);
    validate_resource_name(name, here, errors);
    validate_resource_amount(name, q, here, errors);
  }
  validate_labels(o["scheduling"]["nodeSelector"], Path("scheduling").at("nodeSelector"), errors);
  validate_tolerations(o["scheduling"]["tolerations"], Path("scheduling").at("tolerations"), errors);
}

void update_runtimeclass(Value o, Value old, FieldErrors& errors) {
  validate_immutable(o["handler"], old["handler"], Path("handler"), errors);
}

}  // namespace

void runtimeclass_rules(Kind& k) {
  k.set_defaults = [](Mut o) { default_amounts(o["overhead"]["podFixed"]); };
  k.validate = validate_runtimeclass;
  k.validate_update = update_runtimeclass;
  k.columns = {
      name_column(),
      {"Handler", kText, [](Value o) { return o["handler"].str(); }},
      age_column(),
  };
}

}  // namespace bramble

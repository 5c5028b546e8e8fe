// RuntimeClass: which runtime runs a pod, and what that costs.
#include "core/resources/cells.h"
#include "core/resources/defaulting.h"
#include "core/resources/field_rules.h"
#include "core/resources/internal_form.h"
#include "core/resources/kinds.h"
#include "core/resources/label_warnings.h"
#include "core/resources/names.h"
#include "core/resources/pod_spec.h"
#include "core/resources/sameness.h"

namespace bramble {
namespace {

void validate_runtimeclass(Value o, FieldErrors& errors) {
  const std::string_view handler = o["handler"].str();
  if (handler.empty())
    errors.required(Path("handler"));
  else
    add_invalid(Path("handler"), handler, check_dns1123_label(handler), errors);
  Builder overhead;
  overhead.root().set("limits", o["overhead"]["podFixed"]);
  const Document as_limits = overhead.finish();
  validate_requirements(as_limits.root(), Path("overhead"), PodSpecContext(), errors);
  validate_labels(o["scheduling"]["nodeSelector"], Path("scheduling").at("nodeSelector"), errors);
  const Path at = Path("scheduling").at("tolerations");
  const Value tolerations = o["scheduling"]["tolerations"];
  validate_tolerations(tolerations, at, errors);
  for (size_t i = 0; i < tolerations.size(); ++i)
    for (size_t j = 0; j < i; ++j)
      if (same_except(tolerations.item(i), tolerations.item(j), {"tolerationSeconds"})) {
        errors.duplicate_raw(at.at(i), internal_form(tolerations.item(i), "core.v1.Toleration").root().dump());
        break;
      }
}

void update_runtimeclass(Value o, Value old, FieldErrors& errors) {
  validate_immutable(o["handler"], old["handler"], Path("handler"), errors);
}

}  // namespace

void runtimeclass_rules(Kind& k) {
  k.set_defaults = [](Mut o) { default_amounts(o["overhead"]["podFixed"]); };
  k.warnings = [](Value o, std::vector<std::string>& out) {
    for (auto [key, value] : o["scheduling"]["nodeSelector"].members())
      if (const std::string_view text = deprecated_label(key); !text.empty()) out.push_back(cat("scheduling.nodeSelector: ", text));
  };
  k.validate = validate_runtimeclass;
  k.validate_update = update_runtimeclass;
  k.columns = {
      name_column(),
      {"Handler", kText, [](Value o) { return o["handler"].str(); }},
      age_column(),
  };
}

}  // namespace bramble

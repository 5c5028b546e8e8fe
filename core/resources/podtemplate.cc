// PodTemplate: a stored shape of pods.
#include "core/resources/cells.h"
#include "core/resources/defaulting.h"
#include "core/resources/kinds.h"
#include "core/resources/pod_spec.h"
#include "core/resources/workload_rules.h"

namespace bramble {
namespace {

void set_defaults(Mut o) { default_template(o); }

void validate(Value o, FieldErrors& errors) { validate_pod_template(o["template"], Path("template"), errors); }

void validate_update(Value o, Value, FieldErrors& errors) { validate(o, errors); }

void warnings(Value o, std::vector<std::string>& out) { template_warnings(o["template"], Path("template"), out); }

}  // namespace

void podtemplate_rules(Kind& k) {
  k.set_defaults = set_defaults;
  k.validate = validate;
  k.validate_update = validate_update;
  k.warnings = warnings;
  k.columns = {
      name_column(),
      {"Containers", kText, [](Value o) { return containers_text(o["template"]["spec"]); }},
      {"Images", kText, [](Value o) { return images_text(o["template"]["spec"]); }},
      {"Pod Labels", kText, [](Value o) { return map_text(o["template"]["metadata"]["labels"]); }},
  };
}

}  // namespace bramble

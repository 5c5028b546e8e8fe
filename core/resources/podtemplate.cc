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

void cells(Value o, int64_t, Mut out) {
  out.append(first_name(o));
  append_containers_and_images(o["template"]["spec"], out);
  out.append(map_text(o["template"]["metadata"]["labels"]));
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

}  // namespace bramble

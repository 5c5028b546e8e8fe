#include "core/resources/workload_rules.h"

#include "core/resources/defaulting.h"
#include "core/resources/field_rules.h"
#include "core/resources/pod_spec.h"
#include "core/resources/selector.h"

namespace bramble {

void default_template(Mut spec) {
  Mut pod_template = spec.object("template");
  default_object(pod_template, "metadata");
  default_pod_spec(pod_template.object("spec"));
}

void validate_selector_and_template(Value spec, std::string_view empty_text, const Path& at, FieldErrors& errors) {
  const Value selector = spec["selector"];
  const Path here = at.at("selector");
  if (!selector.is_object()) {
    errors.required(here);
  } else {
    validate_label_selector(selector, here, errors);
    if (selects_nothing_or_all(selector)) errors.invalid(here, selector, empty_text);
  }
  if (!LabelSelector::from_object(selector).ok())
    errors.invalid(here, selector, "invalid label selector");
  else
    validate_controller_template(spec["template"], selector, at.at("template"), errors);
}

void validate_replica_counts(Value status, const std::vector<const char*>& parts, const Path& at, FieldErrors& errors) {
  validate_nonnegative(status["replicas"], at.at("replicas"), errors);
  for (const char* p : parts) validate_nonnegative(status[p], at.at(p), errors);
  validate_nonnegative(status["observedGeneration"], at.at("observedGeneration"), errors);
  for (const char* p : parts)
    if (std::string_view(p) != "unavailableReplicas" && status[p].integer() > status["replicas"].integer())
      errors.invalid(at.at(p), status[p].integer(), "cannot be greater than status.replicas");
  if (status["availableReplicas"].integer() > status["readyReplicas"].integer())
    errors.invalid(at.at("availableReplicas"), status["availableReplicas"].integer(),
                   "cannot be greater than readyReplicas");
}

void template_warnings(Value pod_template, const Path& at, std::vector<std::string>& out) {
  pod_spec_warnings(pod_template["spec"], pod_template["metadata"], at.at("spec"), true, out);
}

bool is_decremented(Value now, Value was) { return was.exists() && now.integer() < was.integer(); }

void validate_collision_count(Value status, Value old_status, FieldErrors& errors) {
  if (is_decremented(status["collisionCount"], old_status["collisionCount"]))
    errors.invalid(Path("status").at("collisionCount"), status["collisionCount"].integer(), "cannot be decremented");
}

void validate_share(Value v, const Path& at, FieldErrors& errors) { validate_number_or_percent(v, at, errors); }

bool is_zero_share(Value v) { return v.is_string() ? v.str() == "0%" : v.integer() == 0; }

}  // namespace bramble

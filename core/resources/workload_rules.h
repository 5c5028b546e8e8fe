// What the kinds that own pods share: the template's defaults, the selector, counts in the status. Pure.
#pragma once

#include <string>
#include <vector>

#include "core/json/builder.h"
#include "core/resources/field_error.h"

namespace bramble {

void default_template(Mut spec);  // spec.template.spec
// The defaults of apps/v1, whole objects; those of older versions come before them (workload_versions.h).
void default_daemonset(Mut object);
void default_deployment(Mut object);
void default_replicaset(Mut object);
void default_statefulset(Mut object);
// spec.selector must be there, well-formed and not empty; then the template must fit it.
void validate_selector_and_template(Value spec, std::string_view empty_text, const Path& at, FieldErrors& errors);
// status.replicas and friends: not negative, not more than status.replicas, available not more than ready.
void validate_replica_counts(Value status, const std::vector<const char*>& parts, const Path& at, FieldErrors& errors);
// Warnings of a template.
void template_warnings(Value pod_template, const Path& at, std::vector<std::string>& out);
// validate_controller_template (pod_spec.h) for another owner than a ReplicaSet, which names itself.
void validate_owned_template(Value pod_template, Value label_selector, std::string_view owner_kind, const Path& at, FieldErrors& errors);
// status.collisionCount never shrinks.
void validate_collision_count(Value status, Value old_status, FieldErrors& errors);
// A positive number or percentage (maxUnavailable, maxSurge).
void validate_share(Value v, const Path& at, FieldErrors& errors);
bool is_zero_share(Value v);

}  // namespace bramble

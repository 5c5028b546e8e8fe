// Rules of pod specs, shared by Pods and all templates (core/v1 ValidatePodSpec and what hangs below it). One file a
// mechanism: pod_validation.cc (the order of checks), container_rules.cc, env_rules.cc, probe_rules.cc,
// volume_rules.cc, projected_rules.cc, pod_annotation_rules.cc, security_rules.cc, windows_rules.cc, placement_rules.cc (affinity, tolerations,
// spreading), amount_rules.cc (requests and limits), pod_consistency.cc (what one part says of another), pod_update.cc. Pure; any thread.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/resources/field_error.h"

namespace bramble {

struct PodSpecContext {
  bool is_template = false;
  std::string_view restart_policy;
  int64_t grace_seconds = 30;
  bool host_users = true;
  std::set<std::string, std::less<>> volumes;          // names of volumes without faults
  std::set<std::string, std::less<>> claim_volumes;    // of them, those of claims: block devices may be of these
  std::set<std::string, std::less<>> resource_claims;  // names in spec.resourceClaims
};

void validate_pod_spec(Value spec, const Path& at, bool is_template, FieldErrors& errors);
// metadata.labels, metadata.annotations and spec of a PodTemplateSpec.
void validate_pod_template(Value pod_template, const Path& at, FieldErrors& errors);
// The template of a controller: labels must match the selector, restartPolicy must be Always, no activeDeadlineSeconds.
void validate_controller_template(Value pod_template, Value label_selector, const Path& at, FieldErrors& errors);

// Annotations with a meaning, of a Pod or a template; and what an update of a Pod may change of them.
void validate_pod_annotations(Value annotations, Value spec, const Path& at, FieldErrors& errors);
void validate_pod_annotation_changes(Value now, Value was, const Path& at, FieldErrors& errors);

void validate_containers(Value spec, const Path& at, const PodSpecContext& context, FieldErrors& errors);
void validate_env(Value env, const Path& at, FieldErrors& errors);
void validate_env_from(Value env_from, const Path& at, FieldErrors& errors);
void validate_probes(Value container, const Path& at, const PodSpecContext& context, FieldErrors& errors);
void validate_lifecycle(Value lifecycle, const Path& at, const PodSpecContext& context, FieldErrors& errors);
void validate_port_or_name(Value port, const Path& at, FieldErrors& errors);
void validate_volumes(Value volumes, const Path& at, PodSpecContext& context, FieldErrors& errors);
void validate_field_ref(Value field_ref, const Path& at, bool env, FieldErrors& errors);
void validate_resource_field_ref(Value ref, const Path& at, bool volume, FieldErrors& errors);
void validate_relative_path(std::string_view path, const Path& at, FieldErrors& errors);

void validate_security_context(Value security, const Path& at, bool host_users, FieldErrors& errors);
void validate_pod_security(Value spec, const Path& at, FieldErrors& errors);

void validate_windows_options(Value options, const Path& at, FieldErrors& errors);
void validate_host_process(Value spec, const Path& at, FieldErrors& errors);
void refuse_windows_options(Value spec, const Path& at, FieldErrors& errors);  // of a pod for Linux
void refuse_linux_fields(Value spec, const Path& at, FieldErrors& errors);     // of a pod for Windows

void validate_pod_resources(Value spec, const Path& at, const PodSpecContext& context, FieldErrors& errors);
void validate_host_users(Value spec, const Path& at, FieldErrors& errors);
void validate_hostname_override(Value spec, const Path& at, FieldErrors& errors);
void validate_file_key_volumes(Value spec, const Path& at, FieldErrors& errors);
// Seccomp and AppArmor profiles that stand in an annotation too.
void validate_annotated_profiles(Value metadata, Value spec, const Path& at, FieldErrors& errors);

void validate_projected(Value projected, const Path& at, FieldErrors& errors);
void validate_projected_path(std::string_view path, const Path& at, FieldErrors& errors);
void validate_mode(Value mode, const Path& at, FieldErrors& errors);
void validate_items(Value items, const Path& at, FieldErrors& errors);
void validate_downward_items(Value items, const Path& at, FieldErrors& errors);

void validate_affinity(Value affinity, const Path& at, FieldErrors& errors);
void validate_node_selector(Value node_selector, const Path& at, FieldErrors& errors);
void validate_node_selector_term(Value term, const Path& at, FieldErrors& errors);
void validate_tolerations(Value tolerations, const Path& at, FieldErrors& errors);
void validate_taint_effect(std::string_view effect, bool allow_empty, const Path& at, FieldErrors& errors);
void validate_spread(Value constraints, const Path& at, FieldErrors& errors);

// ResourceRequirements of a container (or of a pod, when pod_level).
void validate_requirements(Value resources, const Path& at, const PodSpecContext& context, FieldErrors& errors);
void validate_resource_name(std::string_view name, const Path& at, FieldErrors& errors);
void validate_resource_amount(std::string_view resource, Value amount, const Path& at, FieldErrors& errors);
bool is_native_resource(std::string_view name);
bool is_extended_resource_name(std::string_view name);  // of a device, in a domain of its own
bool is_overcommit_allowed(std::string_view name);

// What an update of a Pod may change (ValidatePodUpdate); the new pod is validated as a whole besides.
void validate_pod_changes(Value pod, Value old, FieldErrors& errors);

// Warning texts for a pod spec (podutil.GetWarningsForPod).
void pod_spec_warnings(Value spec, Value metadata, const Path& at, bool is_template, std::vector<std::string>& out);

}  // namespace bramble

// What a pod refers to by name, in its own namespace (k8s.io/kubernetes, pkg/api/v1/pod and persistentvolume, the Visit functions).
// A fn that gives false ends the walk. Pure.
#pragma once

#include <functional>
#include <string_view>

#include "core/json/value.h"

namespace bramble {

using NameVisitor = std::function<bool(std::string_view name)>;

void visit_pod_secrets(Value pod, const NameVisitor& fn);
void visit_pod_config_maps(Value pod, const NameVisitor& fn);
// PersistentVolumeClaims, also those made for ephemeral volumes.
void visit_pod_claims(Value pod, const NameVisitor& fn);
// ResourceClaims that are there for it.
void visit_pod_resource_claims(Value pod, const NameVisitor& fn);
// Secrets that a node needs of a bound volume.
void visit_volume_secrets(Value volume, const std::function<bool(std::string_view ns, std::string_view name)>& fn);

bool refers_to(void (*visit)(Value pod, const NameVisitor& fn), Value pod, std::string_view name);

}  // namespace bramble

// The workloads (Deployment, ReplicaSet, DaemonSet, StatefulSet, ControllerRevision) live in the store as apps/v1 and are shown
// as that or as apps/v1beta2, apps/v1beta1 or extensions/v1beta1, which upstream served until 1.15 and whose manifests are
// still about. A version differs from apps/v1 in its defaults, in a selector that it may leave out and change, and in two
// fields that apps/v1 keeps in annotations. Pure; any thread.
// Specification: Kubernetes 1.15, pkg/apis/{apps,extensions}/<version>/{defaults,conversion}.go.
#pragma once

#include <string_view>

#include "core/json/builder.h"

namespace bramble {

// Annotations of apps/v1 and apps/v1beta2 that are fields in the versions before.
inline constexpr std::string_view kRollbackTo = "deprecated.deployment.rollback.to";                    // spec.rollbackTo.revision
inline constexpr std::string_view kTemplateGeneration = "deprecated.daemonset.template.generation";  // spec.templateGeneration

// One kind in one old version.
struct OldWorkload {
  std::string_view group, version, resource, kind;
  bool rollback_field = false, generation_field = false;  // what apps/v1 keeps in annotations
};

// An object of an old version as apps/v1 and the other way round, with apiVersion; one that has that version already is
// copied. The defaults of apps/v1 are set on the way there, as upstream sets them when it reads its store; none on the way back.
Document workload_as_stored(const OldWorkload& old, Value shown);
Document workload_as_shown(const OldWorkload& old, Value stored);

}  // namespace bramble

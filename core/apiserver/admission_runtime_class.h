// RuntimeClass admission: what a pod's RuntimeClass costs and where it may run (Kubernetes "Runtime Class", "Pod
// Overhead"). Part of stage 4; pure.
#pragma once

#include <string>

#include "core/json/builder.h"

namespace bramble {

// Writes overhead, nodeSelector and tolerations of the class into a new pod. Upstream's text when the pod contradicts it,
// else empty. An absent class: the pod names none.
std::string apply_runtime_class(const Document& runtime_class, Mut pod);

}  // namespace bramble

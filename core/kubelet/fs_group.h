// Giving a volume that was there before the pod to the pod's fsGroup. Blocking; any thread. (Kubernetes: "Configure volume permission
// and ownership change policy for Pods".)
#pragma once

#include <string>

#include "core/base/result.h"

namespace bramble {

// Everything below path gets the group and is readable and writable by it (read_only: readable), folders hand it on. With the policy
// OnRootMismatch nothing is done when the folder itself has them already. Links are not followed, other file systems not entered.
Status give_to_group(const std::string& path, uint32_t group, bool only_on_mismatch, bool read_only);

}  // namespace bramble

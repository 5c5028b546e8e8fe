// PodSecurity admission: what follows from the Pod Security Standards that a namespace asks for. Pods that break what it
// enforces are refused, what it warns of is told, of templates as well; labels must be readable, and who narrows a namespace is
// told which of its pods would be refused now. Nothing is exempt. Part of stage 4, after validation; pure but for the clock.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "core/base/clock.h"
#include "core/json/value.h"
#include "core/resources/kind.h"

namespace bramble {

struct PodSecurityAnswer {
  Status status = ok();
  std::vector<std::string> warnings;
  std::map<std::string, std::string> annotations;  // of the audit log: "pod-security.kubernetes.io/enforce-policy" ...
};

// Whether writes of this resource are looked at: pods, namespaces, and what has a template of pods.
bool has_pod_security(const Kind& kind);

// A write of a pod (or of a subresource of it) or of something with a template. `ns`: its Namespace. Absent old: a create.
PodSecurityAnswer check_pod_write(const Kind& kind, std::string_view subresource, std::string_view name, Value ns, Value object, Value old);

// A write of a Namespace. each_pod: the pods there are in it.
using EachPod = std::function<void(const std::function<void(const Document& pod)>&)>;
PodSecurityAnswer check_namespace_write(Value ns, Value old, const EachPod& each_pod, const Clock& clock);

}  // namespace bramble

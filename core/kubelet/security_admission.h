// What a node refuses of a pod that was bound to it, before anything is made of it: sysctls that are not namespaced or not safe,
// profiles that it cannot enforce. Pure. (Kubernetes: "Using sysctls in a Kubernetes Cluster", "Restrict a Container's Access to
// Resources with AppArmor".)
#pragma once

#include <optional>
#include <string>

#include "core/json/value.h"
#include "core/kubelet/host_security.h"
#include "core/kubelet/pod_admission.h"

namespace bramble {

std::optional<PodRefusal> refuse_by_security(Value pod, const HostSecurity& host);

// "net/ipv4/conf/eth0.1/x" as "net.ipv4.conf.eth0/1.x"; a name with dots stays as it is.
std::string sysctl_name(std::string_view name);

}  // namespace bramble

// What a container may do: who it runs as, its capabilities, profiles and labels. What the container's securityContext says goes
// before the pod's. Pure functions of values. (Kubernetes API: SecurityContext, PodSecurityContext; "Configure a Security Context".)
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>

#include "core/json/value.h"
#include "core/kubelet/container_spec.h"

namespace bramble {

// "RuntimeDefault", "Localhost" or "Unconfined", with the profile's name for Localhost.
struct ProfileChoice {
  std::string type, localhost;
};
// nullopt: nothing is said. AppArmor also by its old annotation.
std::optional<ProfileChoice> seccomp_choice(Value pod, Value container);
std::optional<ProfileChoice> apparmor_choice(Value pod, Value container);

// kInvalidArgument with upstream's words, when runAsNonRoot is asked for and broken, or cannot be verified.
Status verify_non_root(const ContainerPlan& plan);
// User, groups, capabilities, privileges, masks, profiles and labels. home: the user's. Errors as container_spec().
Status add_security(const ContainerPlan& plan, ContainerSpec& spec, std::string* home);

}  // namespace bramble

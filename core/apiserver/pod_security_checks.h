// What the Pod Security Standards forbid a pod, check by check, as each version of Kubernetes has it. The levels' checks are in
// pod_security_baseline.cc and pod_security_restricted.cc. Pure; any thread. Texts: k8s.io/pod-security-admission/policy.
#pragma once

#include <functional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "core/apiserver/pod_security.h"

namespace bramble {

// The finding of one check; none when the reason is empty.
struct SecurityFinding {
  std::string reason, detail;
};

using SecurityCheckFn = SecurityFinding (*)(Value metadata, Value spec);

// One check from one version on, until a later row of the same name takes its place.
struct SecurityCheck {
  std::string_view name;
  int64_t since_minor;
  SecurityCheckFn check;
  std::string_view overrides = {};  // the check of the baseline that this one makes superfluous
};

// In the order in which their findings are told; rows of one name one after another.
std::span<const SecurityCheck> baseline_checks();
std::span<const SecurityCheck> restricted_checks();

struct SecurityVerdict {
  std::vector<SecurityFinding> findings;
  bool allowed() const { return findings.empty(); }
  std::string reasons() const;  // "host namespaces, hostPort"
  std::string details() const;  // "host namespaces (hostNetwork=true), hostPort (...)"
};

// metadata and spec of a pod or of a template.
SecurityVerdict check_pod_security(const LevelVersion& level, Value metadata, Value spec);

// --- for the checks

// Init containers, containers, ephemeral containers.
void each_container(Value spec, const std::function<void(Value container)>& fn);
// `"a", "b"`
std::string quoted_list(const std::vector<std::string>& names);
std::string quoted_list(const std::set<std::string>& names);
// `container "a"`, `containers "a", "b"`
std::string named_containers(const std::vector<std::string>& names);
// Who set something that is forbidden: `pod and container "a"`; empty: nobody.
std::string setters(bool pod, const std::vector<std::string>& containers);
bool in_user_namespace(Value spec);  // hostUsers: false
bool is_windows(Value spec);
bool allowed_seccomp(Value profile);
SecurityFinding proc_mount_finding(Value metadata, Value spec);  // of both levels

}  // namespace bramble

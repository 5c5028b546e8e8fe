#include "core/kubelet/container_security.h"

#include <algorithm>

#include "core/kubelet/security_admission.h"
#include "core/resources/pod_view.h"
#include "core/runtime/passwd.h"
#include "core/runtime/seccomp.h"

namespace bramble {

namespace {

std::vector<std::string> strings(Value list) {
  std::vector<std::string> out;
  for (Value v : list.items()) out.push_back(v.text());
  return out;
}

// A member of the container's security context, or of the pod's.
Value security(Value pod, Value container, const char* key) {
  Value v = container["securityContext"][key];
  return v ? v : pod["spec"]["securityContext"][key];
}
Value security(const ContainerPlan& p, const char* key) { return security(p.pod, p.container, key); }

std::optional<ProfileChoice> choice_of(Value profile) {
  if (!profile) return std::nullopt;
  return ProfileChoice{profile["type"].text(), profile["localhostProfile"].text()};
}

Result<OciUser> user_of(const ContainerPlan& p, std::string* home) {
  Value run_as = security(p, "runAsUser"), run_as_group = security(p, "runAsGroup");
  std::string wanted = run_as ? cat(run_as.integer()) : p.image->user;
  auto resolved = resolve_user(wanted, p.passwd, p.group);
  if (!resolved.ok()) return Error(Code::kNotFound, resolved.error().message());
  OciUser user = resolved->user;
  *home = resolved->home;
  if (run_as_group) user.gid = static_cast<uint32_t>(run_as_group.integer());
  auto add = [&user](int64_t gid) {
    auto g = static_cast<uint32_t>(gid);
    if (std::find(user.additional_gids.begin(), user.additional_gids.end(), g) == user.additional_gids.end()) user.additional_gids.push_back(g);
  };
  Value pod_security = p.pod["spec"]["securityContext"];
  if (pod_security["supplementalGroupsPolicy"].str() == "Strict") user.additional_gids.clear();
  add(user.gid);
  for (Value g : pod_security["supplementalGroups"].items()) add(g.integer());
  if (Value g = pod_security["fsGroup"]) add(g.integer());
  return user;
}

// Without SELinux on the host nothing is asked of the runtime: it would refuse.
void add_selinux(const ContainerPlan& p, ContainerSpec& spec) {
  Value options = security(p, "seLinuxOptions");
  if (!p.host.selinux || !options || spec.privileged) return;
  spec.process.selinux_label = cat(options["user"].str("system_u"), ":", options["role"].str("system_r"), ":", options["type"].str("container_t"), ":", options["level"].str("s0"));
  spec.selinux_mount_label = cat(options["user"].str("system_u"), ":object_r:container_file_t:", options["level"].str("s0"));
}

Status add_profiles(const ContainerPlan& p, ContainerSpec& spec) {
  auto seccomp = seccomp_choice(p.pod, p.container);
  if (seccomp && !spec.privileged && seccomp->type != "Unconfined") {
    if (!p.host.seccomp) return Error(Code::kInternal, "failed to generate seccomp spec opts: seccomp is not supported");
    spec.seccomp = seccomp->type == "RuntimeDefault" ? default_seccomp_profile(seccomp_machine(), spec.process.capabilities) : p.seccomp_profile;
  }
  auto apparmor = apparmor_choice(p.pod, p.container);
  std::string type = apparmor ? apparmor->type : "RuntimeDefault";
  if (!p.host.apparmor) {
    if (apparmor && type != "Unconfined") return Error(Code::kInternal, "failed to generate apparmor spec opts: apparmor is not supported");
  } else if (type == "RuntimeDefault" && !spec.privileged) {
    if (apparmor && p.apparmor_default.empty()) return Error(Code::kInternal, "failed to generate apparmor spec opts: apparmor is not supported");
    spec.process.apparmor_profile = p.apparmor_default;
  } else if (type == "Localhost") {
    spec.process.apparmor_profile = apparmor->localhost;
  }
  return ok();
}

}  // namespace

std::optional<ProfileChoice> seccomp_choice(Value pod, Value container) { return choice_of(security(pod, container, "seccompProfile")); }

std::optional<ProfileChoice> apparmor_choice(Value pod, Value container) {
  if (Value own = container["securityContext"]["appArmorProfile"]) return choice_of(own);
  std::string_view old = pod["metadata"]["annotations"][cat("container.apparmor.security.beta.kubernetes.io/", container["name"].str())].str();
  if (old == "runtime/default") return ProfileChoice{"RuntimeDefault", {}};
  if (old == "unconfined") return ProfileChoice{"Unconfined", {}};
  if (old.starts_with("localhost/")) return ProfileChoice{"Localhost", std::string(old.substr(10))};
  return choice_of(pod["spec"]["securityContext"]["appArmorProfile"]);
}

Status verify_non_root(const ContainerPlan& p) {
  if (!security(p, "runAsNonRoot").boolean()) return ok();
  std::string who = cat("(pod: \"", meta(p.pod, "name"), "_", meta(p.pod, "namespace"), "(", meta(p.pod, "uid"), ")\", container: ", p.container["name"].str(), ")");
  if (Value run_as = security(p, "runAsUser")) {
    if (run_as.integer() == 0) return Error(Code::kInvalidArgument, cat("container's runAsUser breaks non-root policy ", who));
    return ok();
  }
  std::string_view user = split(p.image->user, ':')[0];
  auto number = parse_uint64(user);
  if (user.empty() || (number && *number == 0)) return Error(Code::kInvalidArgument, cat("container has runAsNonRoot and image will run as root ", who));
  if (!number) return Error(Code::kInvalidArgument, cat("container has runAsNonRoot and image has non-numeric user (", user, "), cannot verify user is non-root ", who));
  return ok();
}

Status add_security(const ContainerPlan& p, ContainerSpec& spec, std::string* home) {
  TRY(verify_non_root(p));
  TRY_ASSIGN(spec.process.user, user_of(p, home));
  Value context = p.container["securityContext"];
  spec.privileged = context["privileged"].boolean();
  spec.unmasked = context["procMount"].str() == "Unmasked";
  spec.readonly_root = context["readOnlyRootFilesystem"].boolean();
  if (Value v = context["allowPrivilegeEscalation"]) spec.process.no_new_privileges = !v.boolean();
  Value caps = context["capabilities"];
  spec.process.capabilities = spec.privileged ? all_capabilities() : adjust_capabilities(default_capabilities(), strings(caps["add"]), strings(caps["drop"]));
  for (Value s : p.pod["spec"]["securityContext"]["sysctls"].items()) spec.sysctls[sysctl_name(s["name"].str())] = s["value"].text();
  add_selinux(p, spec);
  return add_profiles(p, spec);
}

}  // namespace bramble

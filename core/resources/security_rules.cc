// Security contexts of pods and containers (core/v1 ValidateSecurityContext, validatePodSpecSecurityContext).
#include "core/resources/field_rules.h"
#include "core/resources/names.h"
#include "core/resources/pod_spec.h"

namespace bramble {
namespace {

constexpr int64_t kIdMax = 2147483647;
constexpr size_t kProfilePathMax = 4095;  // a path of Linux
constexpr std::string_view kIdRange = "must be between 0 and 2147483647, inclusive";

void validate_id(Value id, const Path& at, FieldErrors& errors) {
  if (id.exists() && (id.integer() < 0 || id.integer() > kIdMax)) errors.invalid(at, id.integer(), kIdRange);
}

void validate_profile(Value profile, std::string_view what, const Path& at, FieldErrors& errors) {
  if (!profile.is_object()) return;
  const std::string_view type = profile["type"].str(), local = profile["localhostProfile"].str();
  const bool has_local = profile.has("localhostProfile");
  if (type == "Localhost") {
    if (what == "apparmor" && trim(local).size() != local.size())
      errors.invalid(at.at("localhostProfile"), local, "must not be padded with whitespace");
    else if (!has_local || local.empty())
      errors.required(at.at("localhostProfile"), what == "seccomp" ? "must be set when seccomp type is Localhost"
                                                                   : "must be set when AppArmor type is Localhost");
    else if (what == "seccomp")
      validate_relative_path(local, at.at("localhostProfile"), errors);
    if (what == "apparmor" && local.size() > kProfilePathMax) errors.too_long(at.at("localhostProfile"), kProfilePathMax);
  } else {
    if (has_local)
      errors.invalid(at.at("localhostProfile"), local,
                     what == "seccomp" ? "can only be set when seccomp type is Localhost"
                                       : "can only be set when AppArmor type is Localhost");
    if (type.empty())
      errors.required(at.at("type"), what == "seccomp" ? "type is required when seccompProfile is set"
                                                       : "type is required when appArmorProfile is set");
    else if (type != "RuntimeDefault" && type != "Unconfined")
      errors.not_supported(at.at("type"), type, {"Localhost", "RuntimeDefault", "Unconfined"});
  }
}

bool is_sysctl_name(std::string_view s) {
  if (s.empty() || s.size() > 253) return false;
  // Segments of [a-z0-9] with - and _ inside, joined by '.' or '/'.
  auto edge = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  bool at_start = true;
  for (size_t i = 0; i < s.size(); ++i) {
    const char c = s[i];
    if (edge(c)) {
      at_start = false;
    } else if (c == '-' || c == '_') {
      if (at_start) return false;
    } else if (c == '.' || c == '/') {
      if (at_start || !edge(s[i - 1])) return false;
      at_start = true;
    } else {
      return false;
    }
  }
  return edge(s.back());
}

// The name with dots between its parts: slashes may be used instead, and then dots stand within a part (sysctl.d(5)).
std::string dotted(std::string_view name) {
  std::string out(name);
  size_t first = out.find_first_of("./");
  if (first == std::string::npos || out[first] == '.') return out;
  for (char& c : out) c = c == '/' ? '.' : c == '.' ? '/' : c;
  return out;
}

// A sysctl of a namespace that the pod shares with the node would change the node.
const char* shared_with_host(Value spec, std::string_view sysctl) {
  bool ipc = sysctl == "kernel.sem" || sysctl.starts_with("kernel.shm") || sysctl.starts_with("kernel.msg") || sysctl.starts_with("fs.mqueue.");
  if (ipc && spec["hostIPC"].boolean()) return "hostIPC";
  if (sysctl.starts_with("net.") && spec["hostNetwork"].boolean()) return "hostNetwork";
  return nullptr;
}

void validate_sysctls(Value spec, Value sysctls, const Path& at, FieldErrors& errors) {
  std::set<std::string, std::less<>> names;
  for (size_t i = 0; i < sysctls.size(); ++i) {
    const Path here = at.at(i).at("name");
    const std::string_view name = sysctls.item(i)["name"].str();
    if (name.empty())
      errors.required(here);
    else if (!is_sysctl_name(name))
      errors.invalid(here, name,
                     "must have at most 253 characters and match regex "
                     "^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$");
    else if (!names.insert(std::string(name)).second)
      errors.duplicate(here, name);
    if (const char* field = shared_with_host(spec, dotted(name))) errors.invalid(here, name, cat("may not be specified when '", field, "' is true"));
  }
}

// Upstream prints the whole internal struct.
std::string printed(Value s) {
  auto flag = [&](const char* f) { return s.has(f) ? s[f].dump() : std::string("null"); };
  auto list = [](Value v) { return v.is_array() ? v.dump() : std::string("null"); };
  std::string capabilities = "null";
  if (s["capabilities"].is_object())
    capabilities = cat("{\"Add\":", list(s["capabilities"]["add"]), ",\"Drop\":", list(s["capabilities"]["drop"]), "}");
  return cat("{\"Capabilities\":", capabilities, ",\"Privileged\":", flag("privileged"),
             ",\"SELinuxOptions\":", flag("seLinuxOptions"), ",\"WindowsOptions\":", flag("windowsOptions"),
             ",\"RunAsUser\":", flag("runAsUser"), ",\"RunAsGroup\":", flag("runAsGroup"),
             ",\"RunAsNonRoot\":", flag("runAsNonRoot"), ",\"ReadOnlyRootFilesystem\":", flag("readOnlyRootFilesystem"),
             ",\"AllowPrivilegeEscalation\":", flag("allowPrivilegeEscalation"), ",\"ProcMount\":", flag("procMount"),
             ",\"SeccompProfile\":", flag("seccompProfile"), ",\"AppArmorProfile\":", flag("appArmorProfile"), "}");
}

}  // namespace

void validate_security_context(Value s, const Path& at, bool host_users, FieldErrors& errors) {
  if (!s.is_object()) return;
  if (s.has("procMount")) {
    const std::string_view mount = s["procMount"].str();
    if (mount == "Unmasked" && host_users)
      errors.invalid(at.at("procMount"), mount, "`hostUsers` must be false to use `Unmasked`");
    else if (mount != "Default" && mount != "Unmasked")
      errors.not_supported(at.at("procMount"), mount, {"Default", "Unmasked"});
  }
  validate_id(s["runAsUser"], at.at("runAsUser"), errors);
  validate_id(s["runAsGroup"], at.at("runAsGroup"), errors);
  validate_profile(s["seccompProfile"], "seccomp", at.at("seccompProfile"), errors);
  if (s.has("allowPrivilegeEscalation") && !s["allowPrivilegeEscalation"].boolean()) {
    if (s["privileged"].boolean())
      errors.invalid_raw(at, printed(s), "cannot set `allowPrivilegeEscalation` to false and `privileged` to true");
    for (Value c : s["capabilities"]["add"].items())
      if (c.str() == "CAP_SYS_ADMIN")
        errors.invalid_raw(at, printed(s),
                           "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN");
  }
  validate_windows_options(s["windowsOptions"], at.at("windowsOptions"), errors);
  validate_profile(s["appArmorProfile"], "apparmor", at.at("appArmorProfile"), errors);
}

void validate_pod_security(Value spec, const Path& at, FieldErrors& errors) {
  const Value s = spec["securityContext"];
  if (!s.is_object()) return;
  validate_id(s["fsGroup"], at.at("fsGroup"), errors);
  validate_id(s["runAsUser"], at.at("runAsUser"), errors);
  validate_id(s["runAsGroup"], at.at("runAsGroup"), errors);
  for (size_t i = 0; i < s["supplementalGroups"].size(); ++i)
    validate_id(s["supplementalGroups"].item(i), at.at("supplementalGroups").at(i), errors);
  if (spec["shareProcessNamespace"].boolean() && spec["hostPID"].boolean())
    errors.invalid_raw(at.at("shareProcessNamespace"), "true",
                       "ShareProcessNamespace and HostPID cannot both be enabled");
  validate_sysctls(spec, s["sysctls"], at.at("sysctls"), errors);
  validate_one_of(s["fsGroupChangePolicy"].str(), {"Always", "OnRootMismatch"}, at.at("fsGroupChangePolicy"), false,
                  errors);
  validate_profile(s["seccompProfile"], "seccomp", at.at("seccompProfile"), errors);
  validate_windows_options(s["windowsOptions"], at.at("windowsOptions"), errors);
  validate_profile(s["appArmorProfile"], "apparmor", at.at("appArmorProfile"), errors);
  validate_one_of(s["supplementalGroupsPolicy"].str(), {"Merge", "Strict"}, at.at("supplementalGroupsPolicy"), false,
                  errors);
  validate_one_of(s["seLinuxChangePolicy"].str(), {"MountOption", "Recursive"}, at.at("seLinuxChangePolicy"), false,
                  errors);
}

}  // namespace bramble

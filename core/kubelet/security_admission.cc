#include "core/kubelet/security_admission.h"

#include <algorithm>

#include "core/kubelet/container_security.h"

namespace bramble {

namespace {

// Namespaced, and of no influence on other pods. All are there since Linux 4.15.
struct SafeSysctl {
  std::string_view name;
  bool ipc;  // else of the network namespace
};
constexpr SafeSysctl kSafeSysctls[] = {
    {"kernel.shm_rmid_forced", true},          {"net.ipv4.ip_local_port_range", false},        {"net.ipv4.tcp_syncookies", false},
    {"net.ipv4.ping_group_range", false},      {"net.ipv4.ip_unprivileged_port_start", false}, {"net.ipv4.ip_local_reserved_ports", false},
    {"net.ipv4.tcp_keepalive_time", false},    {"net.ipv4.tcp_fin_timeout", false},            {"net.ipv4.tcp_keepalive_intvl", false},
    {"net.ipv4.tcp_keepalive_probes", false},  {"net.ipv4.tcp_rmem", false},                   {"net.ipv4.tcp_wmem", false},
};

std::optional<std::string> forbidden_sysctl(Value spec) {
  for (Value s : spec["securityContext"]["sysctls"].items()) {
    std::string name = sysctl_name(s["name"].str());
    auto known = std::find_if(std::begin(kSafeSysctls), std::end(kSafeSysctls), [&](const SafeSysctl& k) { return k.name == name; });
    if (known == std::end(kSafeSysctls)) return cat("forbidden sysctl: ", go_quote(name), " not allowlisted");
    if (known->ipc && spec["hostIPC"].boolean()) return cat("forbidden sysctl: ", go_quote(name), " not allowed with host ipc enabled");
    if (!known->ipc && spec["hostNetwork"].boolean()) return cat("forbidden sysctl: ", go_quote(name), " not allowed with host net enabled");
  }
  return std::nullopt;
}

bool asks_for_apparmor(Value pod) {
  for (const char* list : {"initContainers", "containers"})
    for (Value c : pod["spec"][list].items())
      if (auto choice = apparmor_choice(pod, c); choice && choice->type != "Unconfined") return true;
  return false;
}

}  // namespace

std::string sysctl_name(std::string_view name) {
  std::string out(name);
  size_t first = out.find_first_of("./");
  if (first == out.npos || out[first] == '.') return out;
  for (char& c : out) c = c == '/' ? '.' : c == '.' ? '/' : c;
  return out;
}

std::optional<PodRefusal> refuse_by_security(Value pod, const HostSecurity& host) {
  if (auto why = forbidden_sysctl(pod["spec"])) return PodRefusal{"SysctlForbidden", cat("Pod was rejected: ", *why)};
  if (!host.apparmor && asks_for_apparmor(pod)) return PodRefusal{"AppArmor", "Pod was rejected: Cannot enforce AppArmor: AppArmor is not enabled on the host"};
  return std::nullopt;
}

}  // namespace bramble

// The baseline level: what makes a pod part of its node.
#include <algorithm>

#include "core/apiserver/pod_security_checks.h"
#include "core/base/strings.h"

namespace bramble {

namespace {

using Names = std::vector<std::string>;
using NameSet = std::set<std::string>;

bool starts(std::string_view s, std::string_view prefix) { return s.substr(0, prefix.size()) == prefix; }

std::string name_of_container(Value container) { return container["name"].text(); }

// Looks at one part of securityContext, of the pod and of each container: who sets it badly, and what they set.
struct BadSettings {
  bool pod = false;
  Names containers;
  bool any() const { return pod || !containers.empty(); }
  std::string who() const { return setters(pod, containers); }

  static BadSettings of(Value spec, const std::function<bool(Value security)>& fine) {
    BadSettings out;
    out.pod = !fine(spec["securityContext"]);
    each_container(spec, [&](Value c) {
      if (!fine(c["securityContext"])) out.containers.push_back(name_of_container(c));
    });
    return out;
  }
};

SecurityFinding app_armor(Value metadata, Value spec) {
  NameSet values;
  BadSettings bad = BadSettings::of(spec, [&](Value security) {
    Value profile = security["appArmorProfile"];
    std::string_view type = profile["type"].str();
    if (!profile || type == "RuntimeDefault" || type == "Localhost") return true;
    values.insert(std::string(type));
    return false;
  });
  NameSet annotations;
  for (auto [key, value] : metadata["annotations"].members()) {
    std::string_view profile = value.str();
    bool allowed = profile.empty() || profile == "runtime/default" || starts(profile, "localhost/");
    if (starts(key, "container.apparmor.security.beta.kubernetes.io/") && !allowed) annotations.insert(cat(key, "=", go_quote(profile)));
  }
  Names who, all(values.begin(), values.end());
  if (bad.any()) who.push_back(bad.who());
  if (!annotations.empty()) who.emplace_back(annotations.size() == 1 ? "annotation" : "annotations");
  all.insert(all.end(), annotations.begin(), annotations.end());
  if (who.empty()) return {};
  return {all.size() == 1 ? "forbidden AppArmor profile" : "forbidden AppArmor profiles",
          cat(join(who, " and "), " must not set AppArmor profile type to ", quoted_list(all))};
}

SecurityFinding capabilities(Value, Value spec) {
  static constexpr std::string_view kDefault[] = {"AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD",
                                                  "NET_BIND_SERVICE", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"};
  Names bad;
  NameSet more;
  each_container(spec, [&](Value c) {
    bool valid = true;
    for (Value added : c["securityContext"]["capabilities"]["add"].items()) {
      if (std::find(std::begin(kDefault), std::end(kDefault), added.str()) != std::end(kDefault)) continue;
      valid = false;
      more.insert(added.text());
    }
    if (!valid) bad.push_back(name_of_container(c));
  });
  if (bad.empty()) return {};
  return {"non-default capabilities",
          cat(named_containers(bad), " must not include ", quoted_list(more), " in securityContext.capabilities.add")};
}

SecurityFinding host_namespaces(Value, Value spec) {
  Names shared;
  for (const char* which : {"hostNetwork", "hostPID", "hostIPC"}) {
    if (spec[which].boolean()) shared.push_back(cat(which, "=true"));
  }
  if (shared.empty()) return {};
  return {"host namespaces", join(shared, ", ")};
}

SecurityFinding host_path_volumes(Value, Value spec) {
  Names bad;
  for (Value v : spec["volumes"].items()) {
    if (v.has("hostPath")) bad.push_back(v["name"].text());
  }
  if (bad.empty()) return {};
  return {"hostPath volumes", cat(bad.size() == 1 ? "volume " : "volumes ", quoted_list(bad))};
}

SecurityFinding host_ports(Value, Value spec) {
  Names bad;
  NameSet ports;
  each_container(spec, [&](Value c) {
    bool valid = true;
    for (Value p : c["ports"].items()) {
      if (p["hostPort"].integer() == 0) continue;
      valid = false;
      ports.insert(cat(p["hostPort"].integer()));
    }
    if (!valid) bad.push_back(name_of_container(c));
  });
  if (bad.empty()) return {};
  return {"hostPort", cat(named_containers(bad), bad.size() == 1 ? " uses " : " use ", ports.size() == 1 ? "hostPort " : "hostPorts ",
                          join(Names(ports.begin(), ports.end()), ", "))};
}

SecurityFinding probe_hosts(Value, Value spec) {
  NameSet bad, hosts;
  each_container(spec, [&](Value c) {
    for (Value handler : {c["livenessProbe"], c["readinessProbe"], c["startupProbe"], c["lifecycle"]["postStart"], c["lifecycle"]["preStop"]}) {
      for (const char* how : {"httpGet", "tcpSocket"}) {
        std::string host = handler[how]["host"].text();
        if (host.empty()) continue;
        bad.insert(name_of_container(c));
        hosts.insert(std::move(host));
      }
    }
  });
  if (bad.empty()) return {};
  return {"probe or lifecycle host",
          cat(named_containers(Names(bad.begin(), bad.end())), bad.size() == 1 ? " uses " : " use ",
              hosts.size() == 1 ? "probe or lifecycle host " : "probe or lifecycle hosts ", quoted_list(hosts))};
}

SecurityFinding privileged(Value, Value spec) {
  Names bad;
  each_container(spec, [&](Value c) {
    if (c["securityContext"]["privileged"].boolean()) bad.push_back(name_of_container(c));
  });
  if (bad.empty()) return {};
  return {"privileged", cat(named_containers(bad), " must not set securityContext.privileged=true")};
}

SecurityFinding se_linux(Value spec, bool engine_too) {
  NameSet types;
  bool user = false, role = false;
  BadSettings bad = BadSettings::of(spec, [&](Value security) {
    Value options = security["seLinuxOptions"];
    std::string_view type = options["type"].str();
    bool known = type.empty() || type == "container_t" || type == "container_init_t" || type == "container_kvm_t" ||
                 (engine_too && type == "container_engine_t");
    const bool sets_user = !options["user"].str().empty(), sets_role = !options["role"].str().empty();
    if (!known) types.insert(std::string(type));
    user = user || sets_user, role = role || sets_role;
    return known && !sets_user && !sets_role;
  });
  if (!bad.any()) return {};
  Names what;
  if (!types.empty()) what.push_back(cat(types.size() == 1 ? "type " : "types ", quoted_list(types)));
  if (user) what.emplace_back("user may not be set");
  if (role) what.emplace_back("role may not be set");
  return {"seLinuxOptions", cat(bad.who(), " set forbidden securityContext.seLinuxOptions: ", join(what, "; "))};
}
SecurityFinding se_linux_first(Value, Value spec) { return se_linux(spec, false); }
SecurityFinding se_linux_with_engine(Value, Value spec) { return se_linux(spec, true); }

SecurityFinding seccomp_annotations(Value metadata, Value spec) {
  NameSet bad;
  auto look = [&](const std::string& key) {
    Value value = metadata["annotations"][key];
    std::string_view v = value.str();
    if (value && v != "runtime/default" && v != "docker/default" && !starts(v, "localhost/")) bad.insert(cat(key, "=", go_quote(v)));
  };
  look("seccomp.security.alpha.kubernetes.io/pod");
  each_container(spec, [&](Value c) { look(cat("container.seccomp.security.alpha.kubernetes.io/", c["name"].str())); });
  if (bad.empty()) return {};
  return {"seccompProfile", cat(bad.size() == 1 ? "forbidden annotation " : "forbidden annotations ", join(Names(bad.begin(), bad.end()), ", "))};
}

SecurityFinding seccomp(Value, Value spec) {
  NameSet values;
  BadSettings bad = BadSettings::of(spec, [&](Value security) {
    Value profile = security["seccompProfile"];
    if (!profile || allowed_seccomp(profile)) return true;
    values.insert(profile["type"].text());
    return false;
  });
  if (!bad.any()) return {};
  return {"seccompProfile", cat(bad.who(), " must not set securityContext.seccompProfile.type to ", quoted_list(values))};
}

// Of growing lists, one a version: how many of them may be set.
SecurityFinding sysctls(Value spec, size_t allowed) {
  static constexpr std::string_view kSafe[] = {
      "kernel.shm_rmid_forced",       "net.ipv4.ip_local_port_range", "net.ipv4.tcp_syncookies",     "net.ipv4.ping_group_range",
      "net.ipv4.ip_unprivileged_port_start", "net.ipv4.ip_local_reserved_ports", "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout",
      "net.ipv4.tcp_keepalive_intvl", "net.ipv4.tcp_keepalive_probes", "net.ipv4.tcp_rmem",          "net.ipv4.tcp_wmem"};
  Names bad;
  for (Value s : spec["securityContext"]["sysctls"].items()) {
    if (std::find(std::begin(kSafe), std::begin(kSafe) + allowed, s["name"].str()) == std::begin(kSafe) + allowed) bad.push_back(s["name"].text());
  }
  if (bad.empty()) return {};
  return {"forbidden sysctls", join(bad, ", ")};
}
SecurityFinding sysctls_first(Value, Value spec) { return sysctls(spec, 5); }
SecurityFinding sysctls_1_27(Value, Value spec) { return sysctls(spec, 6); }
SecurityFinding sysctls_1_29(Value, Value spec) { return sysctls(spec, 10); }
SecurityFinding sysctls_1_32(Value, Value spec) { return sysctls(spec, 12); }

SecurityFinding windows_host_process(Value, Value spec) {
  BadSettings bad = BadSettings::of(spec, [](Value security) { return !security["windowsOptions"]["hostProcess"].boolean(); });
  if (!bad.any()) return {};
  return {"hostProcess", cat(bad.who(), " must not set securityContext.windowsOptions.hostProcess=true")};
}

SecurityFinding proc_mount_outside_user_namespaces(Value metadata, Value spec) {
  return in_user_namespace(spec) ? SecurityFinding() : proc_mount_finding(metadata, spec);
}

constexpr SecurityCheck kChecks[] = {
    {"appArmorProfile", 0, app_armor},
    {"capabilities_baseline", 0, capabilities},
    {"hostNamespaces", 0, host_namespaces},
    {"hostPathVolumes", 0, host_path_volumes},
    {"hostPorts", 0, host_ports},
    {"hostProbesAndHostLifecycle", 34, probe_hosts},
    {"privileged", 0, privileged},
    {"procMount", 0, proc_mount_finding},
    {"procMount", 35, proc_mount_outside_user_namespaces},
    {"seLinuxOptions", 0, se_linux_first},
    {"seLinuxOptions", 31, se_linux_with_engine},
    {"seccompProfile_baseline", 0, seccomp_annotations},
    {"seccompProfile_baseline", 19, seccomp},
    {"sysctls", 0, sysctls_first},
    {"sysctls", 27, sysctls_1_27},
    {"sysctls", 29, sysctls_1_29},
    {"sysctls", 32, sysctls_1_32},
    {"windowsHostProcess", 0, windows_host_process},
};

}  // namespace

SecurityFinding proc_mount_finding(Value, Value spec) {
  std::vector<std::string> bad;
  std::set<std::string> types;
  each_container(spec, [&](Value c) {
    Value mount = c["securityContext"]["procMount"];
    if (!mount || mount.str() == "Default") return;
    bad.push_back(c["name"].text());
    types.insert(mount.text());
  });
  if (bad.empty()) return {};
  return {"procMount", cat(named_containers(bad), " must not set securityContext.procMount to ", quoted_list(types))};
}

std::span<const SecurityCheck> baseline_checks() { return kChecks; }

}  // namespace bramble

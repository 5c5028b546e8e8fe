// The restricted level: what a hardened pod must give up beyond the baseline.
#include "core/apiserver/pod_security_checks.h"
#include "core/base/strings.h"

namespace bramble {

namespace {

using Names = std::vector<std::string>;
using NameSet = std::set<std::string>;

SecurityFinding privilege_escalation(Value, Value spec) {
  Names bad;
  each_container(spec, [&](Value c) {
    if (c["securityContext"]["allowPrivilegeEscalation"].boolean(true)) bad.push_back(c["name"].text());
  });
  if (bad.empty()) return {};
  return {"allowPrivilegeEscalation != false", cat(named_containers(bad), " must set securityContext.allowPrivilegeEscalation=false")};
}

SecurityFinding capabilities(Value, Value spec) {
  Names keeping, adding;
  NameSet added;
  each_container(spec, [&](Value c) {
    Value given = c["securityContext"]["capabilities"];
    bool drops_all = false, adds = false;
    for (Value d : given["drop"].items()) drops_all = drops_all || d.str() == "ALL";
    for (Value a : given["add"].items()) {
      if (a.str() == "NET_BIND_SERVICE") continue;
      adds = true;
      added.insert(a.text());
    }
    if (!drops_all) keeping.push_back(c["name"].text());
    if (adds) adding.push_back(c["name"].text());
  });
  Names details;
  if (!keeping.empty()) details.push_back(cat(named_containers(keeping), " must set securityContext.capabilities.drop=[\"ALL\"]"));
  if (!adding.empty()) {
    details.push_back(cat(named_containers(adding), " must not include ", quoted_list(added), " in securityContext.capabilities.add"));
  }
  if (details.empty()) return {};
  return {"unrestricted capabilities", join(details, "; ")};
}

SecurityFinding volumes(Value, Value spec) {
  static constexpr std::string_view kAllowed[] = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim", "projected", "secret"};
  static constexpr std::string_view kOthers[] = {"hostPath", "gcePersistentDisk", "awsElasticBlockStore", "gitRepo", "nfs", "iscsi", "glusterfs",
                                                 "rbd", "flexVolume", "cinder", "cephfs", "flocker", "fc", "azureFile", "vsphereVolume", "quobyte",
                                                 "azureDisk", "photonPersistentDisk", "portworxVolume", "scaleIO", "storageos"};
  Names bad;
  NameSet types;
  for (Value v : spec["volumes"].items()) {
    bool allowed = false;
    for (std::string_view type : kAllowed) allowed = allowed || v.has(type);
    if (allowed) continue;
    bad.push_back(v["name"].text());
    std::string_view found = "unknown";
    for (std::string_view type : kOthers) {
      if (found == "unknown" && v.has(type)) found = type;
    }
    types.insert(std::string(found));
  }
  if (bad.empty()) return {};
  return {"restricted volume types", cat(bad.size() == 1 ? "volume " : "volumes ", quoted_list(bad), bad.size() == 1 ? " uses " : " use ",
                                         types.size() == 1 ? "restricted volume type " : "restricted volume types ", quoted_list(types))};
}

SecurityFinding run_as_non_root(Value, Value spec) {
  Value of_pod = spec["securityContext"]["runAsNonRoot"];
  const bool pod_refuses = of_pod && !of_pod.boolean(), pod_requires = of_pod.boolean();
  Names refusing, silent;
  each_container(spec, [&](Value c) {
    Value own = c["securityContext"]["runAsNonRoot"];
    if (own && !own.boolean()) refusing.push_back(c["name"].text());
    if (!own && !pod_requires) silent.push_back(c["name"].text());
  });
  if (std::string who = setters(pod_refuses, refusing); !who.empty()) {
    return {"runAsNonRoot != true", cat(who, " must not set securityContext.runAsNonRoot=false")};
  }
  if (silent.empty()) return {};
  return {"runAsNonRoot != true", cat("pod or ", named_containers(silent), " must set securityContext.runAsNonRoot=true")};
}
SecurityFinding run_as_non_root_outside_user_namespaces(Value metadata, Value spec) {
  return in_user_namespace(spec) ? SecurityFinding() : run_as_non_root(metadata, spec);
}

SecurityFinding run_as_user(Value, Value spec) {
  auto is_root = [](Value security) { return security["runAsUser"] && security["runAsUser"].integer() == 0; };
  Names bad;
  each_container(spec, [&](Value c) {
    if (is_root(c["securityContext"])) bad.push_back(c["name"].text());
  });
  std::string who = setters(is_root(spec["securityContext"]), bad);
  if (who.empty()) return {};
  return {"runAsUser=0", cat(who, " must not set runAsUser=0")};
}
SecurityFinding run_as_user_outside_user_namespaces(Value metadata, Value spec) {
  return in_user_namespace(spec) ? SecurityFinding() : run_as_user(metadata, spec);
}

SecurityFinding seccomp(Value, Value spec) {
  Value of_pod = spec["securityContext"]["seccompProfile"];
  const bool pod_bad = of_pod && !allowed_seccomp(of_pod), pod_good = of_pod && !pod_bad;
  Names bad, silent;
  NameSet values;
  if (pod_bad) values.insert(of_pod["type"].text());
  each_container(spec, [&](Value c) {
    Value own = c["securityContext"]["seccompProfile"];
    if (own && !allowed_seccomp(own)) {
      bad.push_back(c["name"].text());
      values.insert(own["type"].text());
    }
    if (!own && !pod_good) silent.push_back(c["name"].text());
  });
  if (std::string who = setters(pod_bad, bad); !who.empty()) {
    return {"seccompProfile", cat(who, " must not set securityContext.seccompProfile.type to ", quoted_list(values))};
  }
  if (silent.empty()) return {};
  return {"seccompProfile", cat("pod or ", named_containers(silent), " must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\"")};
}

// From 1.25 on a pod says that it is for Windows, where these have no meaning.
template <SecurityCheckFn check>
SecurityFinding but_on_windows(Value metadata, Value spec) {
  return is_windows(spec) ? SecurityFinding() : check(metadata, spec);
}

constexpr SecurityCheck kChecks[] = {
    {"allowPrivilegeEscalation", 8, privilege_escalation},
    {"allowPrivilegeEscalation", 25, but_on_windows<privilege_escalation>},
    {"capabilities_restricted", 22, capabilities, "capabilities_baseline"},
    {"capabilities_restricted", 25, but_on_windows<capabilities>, "capabilities_baseline"},
    {"procMount_restricted", 35, proc_mount_finding, "procMount"},
    {"restrictedVolumes", 0, volumes, "hostPathVolumes"},
    {"runAsNonRoot", 0, run_as_non_root},
    {"runAsNonRoot", 35, run_as_non_root_outside_user_namespaces},
    {"runAsUser", 23, run_as_user},
    {"runAsUser", 35, run_as_user_outside_user_namespaces},
    {"seccompProfile_restricted", 19, seccomp, "seccompProfile_baseline"},
    {"seccompProfile_restricted", 25, but_on_windows<seccomp>, "seccompProfile_baseline"},
};

}  // namespace

std::span<const SecurityCheck> restricted_checks() { return kChecks; }

}  // namespace bramble

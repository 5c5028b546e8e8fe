#include "core/resources/pod_references.h"

#include "core/base/strings.h"

namespace bramble {
namespace {

constexpr const char* kContainerLists[] = {"initContainers", "containers", "ephemeralContainers"};
constexpr const char* kVolumesWithSecretRef[] = {"cephfs", "cinder", "flexVolume", "iscsi", "rbd", "scaleIO", "storageos"};

// Whether to go on.
bool tell(const NameVisitor& fn, Value name) { return name.str().empty() || fn(name.str()); }

bool visit_environment(Value pod, const char* from, const char* key, const NameVisitor& fn) {
  for (const char* list : kContainerLists) {
    for (Value c : pod["spec"][list].items()) {
      for (Value f : c["envFrom"].items())
        if (!tell(fn, f[from]["name"])) return false;
      for (Value e : c["env"].items())
        if (!tell(fn, e["valueFrom"][key]["name"])) return false;
    }
  }
  return true;
}

}  // namespace

void visit_pod_secrets(Value pod, const NameVisitor& fn) {
  Value spec = pod["spec"];
  for (Value s : spec["imagePullSecrets"].items())
    if (!tell(fn, s["name"])) return;
  if (!visit_environment(pod, "secretRef", "secretKeyRef", fn)) return;
  for (Value v : spec["volumes"].items()) {
    if (!tell(fn, v["secret"]["secretName"]) || !tell(fn, v["azureFile"]["secretName"]) || !tell(fn, v["csi"]["nodePublishSecretRef"]["name"])) return;
    for (const char* source : kVolumesWithSecretRef)
      if (!tell(fn, v[source]["secretRef"]["name"])) return;
    for (Value s : v["projected"]["sources"].items())
      if (!tell(fn, s["secret"]["name"])) return;
  }
}

void visit_pod_config_maps(Value pod, const NameVisitor& fn) {
  if (!visit_environment(pod, "configMapRef", "configMapKeyRef", fn)) return;
  for (Value v : pod["spec"]["volumes"].items()) {
    if (!tell(fn, v["configMap"]["name"])) return;
    for (Value s : v["projected"]["sources"].items())
      if (!tell(fn, s["configMap"]["name"])) return;
  }
}

void visit_pod_claims(Value pod, const NameVisitor& fn) {
  for (Value v : pod["spec"]["volumes"].items()) {
    if (!tell(fn, v["persistentVolumeClaim"]["claimName"])) return;
    if (v["ephemeral"] && !fn(cat(meta(pod, "name"), "-", v["name"].str()))) return;
  }
}

void visit_pod_resource_claims(Value pod, const NameVisitor& fn) {
  for (Value claim : pod["spec"]["resourceClaims"].items()) {
    if (!tell(fn, claim["resourceClaimName"])) return;
    if (claim["resourceClaimTemplateName"].str().empty()) continue;
    for (Value made : pod["status"]["resourceClaimStatuses"].items())
      if (made["name"].str() == claim["name"].str() && !tell(fn, made["resourceClaimName"])) return;
  }
  tell(fn, pod["status"]["extendedResourceClaimStatus"]["resourceClaimName"]);
}

void visit_volume_secrets(Value volume, const std::function<bool(std::string_view ns, std::string_view name)>& fn) {
  Value spec = volume["spec"];
  std::string_view claims = spec["claimRef"]["namespace"].str();
  auto visit = [&](Value ref, const char* name, const char* ns) {
    if (ref[name].str().empty()) return true;
    return fn(ref[ns].str().empty() ? claims : ref[ns].str(), ref[name].str());
  };
  if (!visit(spec["azureFile"], "secretName", "secretNamespace")) return;
  for (const char* source : kVolumesWithSecretRef)
    if (!visit(spec[source]["secretRef"], "name", "namespace")) return;
  for (const char* ref : {"nodePublishSecretRef", "nodeStageSecretRef", "nodeExpandSecretRef"})
    if (!visit(spec["csi"][ref], "name", "namespace")) return;
}

bool refers_to(void (*visit)(Value pod, const NameVisitor& fn), Value pod, std::string_view name) {
  bool found = false;
  visit(pod, [&](std::string_view n) {
    found = n == name;
    return !found;
  });
  return found;
}

}  // namespace bramble

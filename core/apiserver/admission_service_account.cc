#include "core/apiserver/admission_service_account.h"

#include <set>

#include "core/base/strings.h"

namespace bramble {

namespace {

bool refers_to_secrets(Value pod) {
  Value spec = pod["spec"];
  for (Value s : spec["imagePullSecrets"].items()) {
    if (!s["name"].str().empty()) return true;
  }
  for (const char* list : {"initContainers", "containers", "ephemeralContainers"}) {
    for (Value c : spec[list].items()) {
      for (Value from : c["envFrom"].items()) {
        if (from["secretRef"]) return true;
      }
      for (Value env : c["env"].items()) {
        if (env["valueFrom"]["secretKeyRef"]) return true;
      }
    }
  }
  for (Value v : spec["volumes"].items()) {
    if (v["secret"] || !v["azureFile"]["secretName"].str().empty() || v["csi"]["nodePublishSecretRef"]) return true;
    for (const char* source : {"cephfs", "cinder", "flexVolume", "iscsi", "rbd", "scaleIO", "storageos"}) {
      if (v[source]["secretRef"]) return true;
    }
    for (Value s : v["projected"]["sources"].items()) {
      if (s["secret"]) return true;
    }
  }
  return false;
}

std::string not_referenced(std::string_view what, std::string_view secret, std::string_view account) {
  return cat(what, " secret.secretName=\"", secret, "\" is not allowed because service account ", account, " does not reference that secret");
}

class Mountable {
 public:
  explicit Mountable(Value account) : account_(meta(account, "name")) {
    for (Value s : account["secrets"].items()) secrets_.insert(s["name"].str());
    for (Value s : account["imagePullSecrets"].items()) pull_.insert(s["name"].str());
  }

  std::string volumes(Value spec) const {
    for (Value v : spec["volumes"].items()) {
      if (v["secret"] && !secrets_.count(v["secret"]["secretName"].str())) return not_referenced("volume with", v["secret"]["secretName"].str(), account_);
    }
    return {};
  }
  std::string containers(Value list, std::string_view word) const {
    for (Value c : list.items()) {
      for (Value env : c["env"].items()) {
        Value ref = env["valueFrom"]["secretKeyRef"];
        if (ref && !secrets_.count(ref["name"].str())) {
          return not_referenced(cat(word, " ", c["name"].str(), " with envVar ", env["name"].str(), " referencing"), ref["name"].str(), account_);
        }
      }
      for (Value from : c["envFrom"].items()) {
        Value ref = from["secretRef"];
        if (ref && !secrets_.count(ref["name"].str())) {
          return not_referenced(cat(word, " ", c["name"].str(), " with envFrom referencing"), ref["name"].str(), account_);
        }
      }
    }
    return {};
  }
  std::string pull_secrets(Value spec) const {
    size_t i = 0;
    for (Value s : spec["imagePullSecrets"].items()) {
      if (!pull_.count(s["name"].str())) {
        return cat("imagePullSecrets[", i, "].name=\"", s["name"].str(), "\" is not allowed because service account ", account_,
                   " does not reference that imagePullSecret");
      }
      ++i;
    }
    return {};
  }

 private:
  std::string_view account_;
  std::set<std::string_view> secrets_, pull_;
};

bool is_enforced(Value account) {
  std::string_view v = account["metadata"]["annotations"]["kubernetes.io/enforce-mountable-secrets"].str();
  for (std::string_view yes : {"1", "t", "T", "true", "TRUE", "True"}) {
    if (v == yes) return true;
  }
  return false;
}

}  // namespace

std::string forbidden_in_mirror(Value pod) {
  if (!pod["spec"]["serviceAccountName"].str().empty()) return "a mirror pod may not reference service accounts";
  if (refers_to_secrets(pod)) return "a mirror pod may not reference secrets";
  for (Value v : pod["spec"]["volumes"].items()) {
    for (Value s : v["projected"]["sources"].items()) {
      if (s["serviceAccountToken"]) return "a mirror pod may not use ServiceAccountToken volume projections";
    }
  }
  return {};
}

std::string forbidden_secrets(Value account, Value pod, bool ephemeral_only) {
  if (!is_enforced(account)) return {};
  const Mountable mountable(account);
  Value spec = pod["spec"];
  if (ephemeral_only) return mountable.containers(spec["ephemeralContainers"], "ephemeral container");
  std::string why = mountable.volumes(spec);
  if (why.empty()) why = mountable.containers(spec["initContainers"], "init container");
  if (why.empty()) why = mountable.containers(spec["containers"], "container");
  return why.empty() ? mountable.pull_secrets(spec) : why;
}

}  // namespace bramble

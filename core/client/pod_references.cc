#include "core/client/pod_references.h"

namespace bramble {

namespace {

void add(std::set<ObjectKey>* to, const std::string& ns, Value name) {
  if (!name.str().empty()) to->insert(ObjectKey{ns, name.text()});
}

void add_volume(Value v, const std::string& ns, PodReferences* out) {
  add(&out->config_maps, ns, v["configMap"]["name"]);
  add(&out->secrets, ns, v["secret"]["secretName"]);
  for (Value s : v["projected"]["sources"].items()) {
    add(&out->secrets, ns, s["secret"]["name"]);
    add(&out->config_maps, ns, s["configMap"]["name"]);
  }
  for (const char* plugin : {"cephfs", "flexVolume", "rbd", "scaleIO", "iscsi", "storageos"}) add(&out->secrets, ns, v[plugin]["secretRef"]["name"]);
  add(&out->secrets, ns, v["azureFile"]["secretName"]);
  add(&out->secrets, ns, v["csi"]["nodePublishSecretRef"]["name"]);
}

}  // namespace

void add_references(const Document& pod, PodReferences* out) {
  if (pod["metadata"]["annotations"].has("kubernetes.io/config.mirror")) return;
  std::string ns(namespace_of(pod));
  Value spec = pod["spec"];
  for (Value s : spec["imagePullSecrets"].items()) add(&out->secrets, ns, s["name"]);
  for (Value v : spec["volumes"].items()) add_volume(v, ns, out);
  for (const char* list : {"initContainers", "containers", "ephemeralContainers"}) {
    for (Value c : spec[list].items()) {
      for (Value from : c["envFrom"].items()) {
        add(&out->secrets, ns, from["secretRef"]["name"]);
        add(&out->config_maps, ns, from["configMapRef"]["name"]);
      }
      for (Value e : c["env"].items()) {
        add(&out->secrets, ns, e["valueFrom"]["secretKeyRef"]["name"]);
        add(&out->config_maps, ns, e["valueFrom"]["configMapKeyRef"]["name"]);
      }
    }
  }
}

}  // namespace bramble

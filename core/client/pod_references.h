// Which Secrets and ConfigMaps a pod names: those that its node may read, and follows while the pod is there. As the Node
// authorizer's graph has them (Kubernetes: VisitPodSecretNames, VisitPodConfigmapNames). Pure.
#pragma once

#include <set>

#include "core/client/client.h"

namespace bramble {

struct PodReferences {
  std::set<ObjectKey> secrets, config_maps;
};

// Adds to what is there. A mirror pod names nothing.
void add_references(const Document& pod, PodReferences* out);

}  // namespace bramble

// Volumes that a pod names by a claim, as what the claim is bound to: a hostPath, a local folder, an NFS export. Pure.
// (Kubernetes: "Persistent Volumes".)
#pragma once

#include "core/client/client.h"

namespace bramble {

inline const ResourceId kPersistentVolumes{"", "v1", "persistentvolumes"};

// The pod with each persistentVolumeClaim and ephemeral volume put as its volume's source ("hostPath" | "local" | "nfs"), with
// "specName" (the PersistentVolume's name) and "readOnly". A pod without claims is given back as it is. Errors carry upstream's words:
// `Unable to attach or mount volumes: ... error processing PVC default/c: PVC is not bound`.
// begun: the pod has its volumes already, so that a claim may be on its way out.
Result<Document> resolve_claims(const Snapshot& snapshot, const Document& pod, bool begun);

}  // namespace bramble

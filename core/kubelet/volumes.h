// A pod's volumes on this node's disk: made, filled, found and taken away. Blocking file and mount work on values; run it in
// offload(). Layout as log shippers and drivers expect it: <root>/pods/<uid>/volumes/kubernetes.io~<plugin>/<name>.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/json/value.h"
#include "core/kubelet/atomic_writer.h"
#include "core/runtime/oci_spec.h"

namespace bramble {

// Where the volume of that name lives. hostPath: the path itself. "" for kinds this node cannot mount.
std::string volume_path(const std::string& pod_root, Value volume);

struct VolumeWork {
  std::string pod_root;                     // <root>/pods/<uid>
  Document pod;
  std::map<std::string, Payload> payloads;  // of the volumes that have one
  std::string stamp;                        // name of a new set of files
};
// Makes every volume of the pod; idempotent. The error says which: `MountVolume.SetUp failed for volume "x" : ...`.
Status set_up_volumes(const VolumeWork& work);

// The bind mounts of one container (volumeMounts with subPath), in order of their depth. expand: $(VAR) in subPathExpr.
Result<std::vector<OciMount>> container_mounts(const std::string& pod_root, Value pod, Value container,
                                               const std::function<std::string(std::string_view)>& expand);
// Unmounts and removes everything below <root>/pods/<uid>.
Status remove_volumes(const std::string& pod_root);

}  // namespace bramble

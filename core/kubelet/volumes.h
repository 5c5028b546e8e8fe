// A pod's volumes on this node's disk: made, filled, found and taken away. Blocking file and mount work on values; run it in
// offload(). Layout as log shippers and drivers expect it: <root>/pods/<uid>/volumes/kubernetes.io~<plugin>/<name>.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/json/value.h"
#include "core/kubelet/atomic_writer.h"
#include "core/kubelet/environment.h"
#include "core/loop/loop.h"
#include "core/runtime/oci_spec.h"

namespace bramble {

// Where the volume of that name lives. hostPath: the path itself. "" for kinds this node cannot mount.
std::string volume_path(const std::string& pod_root, Value volume);

// Where work at a pod's volumes may take long, for the size of a tree or for a server: not where everybody waits.
OffloadLane lane_of_volumes(const Document& pod);

struct VolumeWork {
  std::string pod_root;                     // <root>/pods/<uid>
  Document pod;                             // its claims are resolved
  std::map<std::string, Payload> payloads;  // of the volumes that have one
  std::string stamp;                        // name of a new set of files
  int64_t memory_bytes = 0;                 // at most so much for a volume in memory; 0: as much as the kernel gives
  bool payloads_only = false;               // the others are there
};
// Makes every volume of the pod; idempotent. The error says which: `MountVolume.SetUp failed for volume "x" : ...`.
Status set_up_volumes(const VolumeWork& work);

// The bind mounts of one container, in order of their depth. kInvalidArgument, with upstream's words, for what the container asks and
// cannot have; other errors are the machine's.
struct MountWork {
  std::string pod_root;
  Document pod, container;                         // the pod's claims are resolved
  Environment env;                                 // for subPathExpr
  std::map<std::string, std::string> image_paths;  // of image volumes, by name
  bool recursive_read_only = false;                // the runtime knows "rro"
};
Result<std::vector<OciMount>> container_mounts(const MountWork& work);
// Unmounts and removes everything below <root>/pods/<uid>.
Status remove_volumes(const std::string& pod_root);

}  // namespace bramble

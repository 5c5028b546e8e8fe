// Which pods hold more on the node's disk than they may: limits of emptyDir volumes, of containers, of pods (upstream's
// localStorageEviction; Kubernetes: "Local ephemeral storage"). Pure.
#pragma once

#include <optional>
#include <string>

#include "core/kubelet/node_usage.h"

namespace bramble {

// Whether it has any such limit: only then its files need counting.
bool has_storage_limit(const PodView& pod);

struct StorageExcess {
  std::string signal;   // of the metric: "emptydirfs.limit" "ephemeralpodfs.limit" "ephemeralcontainerfs.limit"
  std::string message;  // of the status and the Event
};
// reading: of this pod, its files counted. own_image_disk: as counted_files().
std::optional<StorageExcess> storage_excess(const PodView& pod, const PodReading& reading, bool own_image_disk);

// What the pod's files are together, as its summary tells.
uint64_t ephemeral_bytes(const PodReading& reading);

}  // namespace bramble

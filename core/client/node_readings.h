// NodeReadings: what the apiserver asks of a node about its use: samples for metrics.k8s.io, and the pages of the kubelet's own
// port (stats, metrics). The kubelet implements it; in one process it is called directly. Owner's loop thread.
#pragma once

#include "core/client/client.h"

namespace bramble {

// CPU over a window that ended when it was told, memory at that time.
struct UsageSample {
  uint64_t cpu_nano_cores = 0, memory_bytes = 0, swap_bytes = 0;
  bool has_swap = false;
};

struct ContainerSample {
  std::string name;
  UsageSample usage;
};

struct PodSample {
  ObjectKey pod;
  std::string uid;
  int64_t window_us = 0;
  std::vector<ContainerSample> containers;  // those that run
};

struct NodeSample {
  int64_t taken_us = 0, window_us = 0;  // wall time
  UsageSample usage;
  std::vector<PodSample> pods;
};

struct NodePage {
  int status = 200;
  std::string content_type, body;
};

class NodeReadings {
 public:
  virtual ~NodeReadings() = default;
  // Waits a second when nobody asked for a while: a rate needs two readings. kUnavailable: nothing can be told yet.
  virtual Task<Result<NodeSample>> sample() = 0;
  // A page of the kubelet's port by its path ("/stats/summary") and query, for somebody who may read it.
  virtual Task<NodePage> page(std::string method, std::string path, std::string query) = 0;
};

}  // namespace bramble

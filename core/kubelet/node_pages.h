// NodePages: the pages of the kubelet's port, and the samples that metrics.k8s.io is made of. Who may see them is asked before
// (kubelet_port.h, or the apiserver's pipeline). Loop thread; owned by Kubelet.
#pragma once

#include "core/client/node_readings.h"
#include "core/kubelet/kubelet_counts.h"
#include "core/kubelet/node_report.h"
#include "core/kubelet/node_usage.h"

namespace bramble {

class PodWorker;

class NodePages final : public NodeReadings {
 public:
  using Workers = std::function<void(const std::function<void(const PodWorker&)>&)>;
  // each_worker: calls a function with every pod's worker.
  NodePages(NodeParts& parts, const MachineFacts& machine, Workers each_worker);
  Task<Result<NodeSample>> sample() override;
  Task<NodePage> page(std::string method, std::string path, std::string query) override;
  NodeUsage& usage() { return usage_; }
  std::vector<PodReading> pods() const;  // those that have not ended, without counts
  // Evicted pods by signal, for /metrics; outlives it.
  void show_evictions(const std::map<std::string, uint64_t>* counts) { evictions_ = counts; }

 private:
  NodePage pod_list(bool running) const;
  NodePage configuration() const;
  std::string own_metrics(const NodeReading& reading) const;

  NodeParts& parts_;
  const MachineFacts& machine_;
  Workers each_worker_;
  const std::map<std::string, uint64_t>* evictions_ = nullptr;
  KubeletCounts counts_;
  NodeUsage usage_;
};

}  // namespace bramble

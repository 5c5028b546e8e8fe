// LateNetwork: the node's PodNetwork from the moment on when the cluster has given the node its range of pod addresses. Until
// then ADD answers kUnavailable and the kubelet tries again. Any thread (calls come from offload()).
#pragma once

#include <mutex>

#include "cni/pod_network.h"

namespace bramble {

class LateNetwork final : public PodNetwork {
 public:
  explicit LateNetwork(PodNetwork::Options options) : options_(std::move(options)) {}

  // Opens it with this range; asked again with the same range it does nothing.
  Status use(const std::string& pod_cidr);

  Result<PodNetworkResult> add(const PodNetworkRequest& request) override;
  Status del(const PodNetworkRequest& request) override;
  Status collect(const std::vector<std::string>& live_container_ids) override;
  Status down() override;

 private:
  std::shared_ptr<PodNetwork> opened();
  std::mutex mutex_;
  PodNetwork::Options options_;
  std::shared_ptr<PodNetwork> network_;
};

}  // namespace bramble

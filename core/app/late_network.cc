#include "core/app/late_network.h"

namespace bramble {

Status LateNetwork::use(const std::string& pod_cidr) {
  std::lock_guard lock(mutex_);
  if (network_ && options_.pod_cidr == pod_cidr) return ok();
  options_.pod_cidr = pod_cidr;
  TRY_ASSIGN(network_, PodNetwork::open(options_));
  return ok();
}

std::shared_ptr<PodNetwork> LateNetwork::opened() {
  std::lock_guard lock(mutex_);
  return network_;
}

Result<PodNetworkResult> LateNetwork::add(const PodNetworkRequest& request) {
  auto n = opened();
  if (!n) return Error(Code::kUnavailable, "network is not ready: the node has no range of pod addresses yet");
  return n->add(request);
}

Status LateNetwork::del(const PodNetworkRequest& request) {
  auto n = opened();
  return n ? n->del(request) : Status(Error(Code::kUnavailable, "network is not ready: the node has no range of pod addresses yet"));
}

Status LateNetwork::collect(const std::vector<std::string>& live_container_ids) {
  auto n = opened();
  return n ? n->collect(live_container_ids) : ok();
}

Status LateNetwork::down() {
  auto n = opened();
  return n ? n->down() : ok();
}

}  // namespace bramble

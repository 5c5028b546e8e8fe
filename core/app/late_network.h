// LateNetwork: the node's PodNetwork from the moment on when the cluster has given the node its range of pod addresses, and
// the machine has taken it. Until then ready() says why not, ADD answers kUnavailable, and the kubelet tries again. It is
// opened in offload(), again and again with back-off. use() and destruction: owner's loop thread; the rest any thread.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include "cni/pod_network.h"
#include "core/client/alarm.h"
#include "core/loop/loop.h"
#include "core/loop/task.h"

namespace bramble {

class LateNetwork final : public PodNetwork {
 public:
  using Open = std::function<Result<std::unique_ptr<PodNetwork>>(PodNetwork::Options)>;  // blocking, any thread
  // changed: called on the loop when ready() may answer differently.
  LateNetwork(PodNetwork::Options options, Open open, const AlarmFactory& alarms, std::function<void()> changed);

  // The node's range, and what pods can send at most (0: as much as the link of the default route), from now on. The same again
  // does nothing. With another MTU the network stays open: pods that come get it.
  void use(const std::string& pod_cidr, int mtu = 0);

  void look_again();  // what kept it from opening may have changed

  // Called on the loop, before whoever asked for it hears of it: a pod has its addresses. Before the first ADD.
  using Added = std::function<void(const PodNetworkRequest&, const PodNetworkResult&)>;
  void tell_added(Added added);

  Status ready() override;
  Result<PodNetworkResult> add(const PodNetworkRequest& request) override;
  Status del(const PodNetworkRequest& request) override;
  Status collect(const std::vector<std::string>& live_container_ids) override;  // not open yet: when it opens
  Status down() override;

 private:
  Task<void> follow_range();
  Task<Status> open_range(PodNetwork::Options options);
  std::optional<std::vector<std::string>> publish(std::shared_ptr<PodNetwork> network);
  Result<std::shared_ptr<PodNetwork>> opened();

  PodNetwork::Options options_;
  Open open_;
  std::function<void()> changed_;
  std::mutex mutex_;
  std::shared_ptr<PodNetwork> network_;  // null: not ready
  std::string why_not_ = "the node has no range of pod addresses yet";
  std::optional<std::vector<std::string>> to_collect_;  // what lives, told before there was a network
  std::string open_range_;                              // of network_
  int open_mtu_ = 0;
  int64_t retry_ms_ = 0;
  bool look_ = false;
  std::shared_ptr<const Added> added_;
  Loop::Remote loop_;                                   // of added_
  std::unique_ptr<Alarm> alarm_;
  Event woke_;
  TaskGroup tasks_;
};

}  // namespace bramble

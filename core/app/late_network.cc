#include "core/app/late_network.h"

#include <algorithm>

#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/loop/loop.h"

namespace bramble {

LateNetwork::LateNetwork(PodNetwork::Options options, Open open, const AlarmFactory& alarms, std::function<void()> changed)
    : options_(std::move(options)), open_(std::move(open)), changed_(std::move(changed)) {
  options_.pod_cidr.clear();
  auto fire = [this] {
    look_ = true;
    woke_.pulse();
  };
  alarm_ = alarms(fire);
  tasks_.start(follow_range());
}

void LateNetwork::use(const std::string& pod_cidr, int mtu) {
  if (options_.pod_cidr == pod_cidr && options_.mtu == mtu) return;
  options_.mtu = mtu;
  retry_ms_ = 0;
  if (options_.pod_cidr != pod_cidr) {
    options_.pod_cidr = pod_cidr;
    std::lock_guard lock(mutex_);
    network_.reset();  // addresses of the old range would be nobody's
    why_not_ = cat("the network of ", pod_cidr, " is not open yet");
  }
  look_ = true;
  woke_.pulse();
}

void LateNetwork::look_again() {
  retry_ms_ = 0;
  look_ = true;
  woke_.pulse();
}

Task<void> LateNetwork::follow_range() {
  for (;;) {
    while (!look_) co_await woke_.wait();
    look_ = false;
    alarm_->clear();
    PodNetwork::Options options = options_;
    bool same_range = options.pod_cidr == open_range_;
    if (same_range && options.mtu == open_mtu_) continue;
    Task<Status> opening = open_range(options);
    auto done = co_await opening;
    if (options.pod_cidr != options_.pod_cidr) continue;  // there is another one meanwhile
    if (done.ok()) {
      open_range_ = options.pod_cidr;
      open_mtu_ = options.mtu;
      retry_ms_ = 0;
    } else {
      if (!same_range) {
        std::lock_guard lock(mutex_);
        why_not_ = done.error().message();
        open_range_.clear();
      }
      retry_ms_ = std::min(limits::kNetworkRetryMsMax, std::max(limits::kNetworkRetryMsMin, 2 * retry_ms_));
      log_warning("network ", options.pod_cidr, ": ", done.error().message(), "; again in ", retry_ms_, " ms");
      alarm_->set_in_ms(retry_ms_);
    }
    changed_();
  }
}

Task<Status> LateNetwork::open_range(PodNetwork::Options options) {
  auto open = [open = open_, options]() -> Result<std::shared_ptr<PodNetwork>> {
    TRY_ASSIGN(std::unique_ptr<PodNetwork> network, open(options));
    return std::shared_ptr<PodNetwork>(std::move(network));
  };
  Task<Result<std::shared_ptr<PodNetwork>>> opening = offload(std::move(open));
  auto network = co_await opening;
  if (!network.ok()) co_return network.error();
  while (options.pod_cidr == options_.pod_cidr) {
    auto live = publish(*network);
    if (!live) break;
    Task<Status> collecting = offload([n = *network, list = std::move(*live)] { return n->collect(list); });
    auto collected = co_await collecting;
    if (!collected.ok()) log_warning("network ", options.pod_cidr, ": ", collected.error().message());
  }
  co_return ok();
}

// Only a network in which nothing is left to be collected: nobody may get an address before.
std::optional<std::vector<std::string>> LateNetwork::publish(std::shared_ptr<PodNetwork> network) {
  std::lock_guard lock(mutex_);
  auto live = std::exchange(to_collect_, std::nullopt);
  if (!live) network_ = std::move(network);
  return live;
}

Result<std::shared_ptr<PodNetwork>> LateNetwork::opened() {
  std::lock_guard lock(mutex_);
  if (!network_) return Error(Code::kUnavailable, cat("network is not ready: ", why_not_));
  return network_;
}

Status LateNetwork::ready() {
  std::lock_guard lock(mutex_);
  return network_ ? ok() : Status(Error(Code::kUnavailable, why_not_));
}

Result<PodNetworkResult> LateNetwork::add(const PodNetworkRequest& request) {
  TRY_ASSIGN(auto network, opened());
  TRY_ASSIGN(PodNetworkResult result, network->add(request));
  if (added_) {
    loop_.post([told = std::weak_ptr(added_), request, result] {
      if (auto added = told.lock()) (*added)(request, result);
    });
  }
  return result;
}

void LateNetwork::tell_added(Added added) {
  added_ = std::make_shared<const Added>(std::move(added));
  loop_ = Loop::current().remote();
}

Status LateNetwork::del(const PodNetworkRequest& request) {
  TRY_ASSIGN(auto network, opened());
  return network->del(request);
}

Status LateNetwork::collect(const std::vector<std::string>& live_container_ids) {
  std::shared_ptr<PodNetwork> network;
  {
    std::lock_guard lock(mutex_);
    network = network_;
    if (!network) to_collect_ = live_container_ids;
  }
  return network ? network->collect(live_container_ids) : ok();
}

Status LateNetwork::down() {
  auto network = opened();
  return network.ok() ? (*network)->down() : ok();
}

}  // namespace bramble

#include "core/network/firewall_watch.h"

#include "core/base/limits.h"
#include "core/base/limits_network.h"
#include "core/base/log.h"
#include "core/network/announcement.h"

namespace bramble {
namespace {

constexpr const char* kCondition = "ForeignFirewall";

}  // namespace

std::string firewall_message(const std::vector<ForeignDrop>& drops, const IpPrefix& pods) {
  std::string out;
  for (const ForeignDrop& d : drops) {
    out += cat(out.empty() ? "" : "; ", d.owner.empty() ? "" : cat(d.owner, ": "), "chain ", d.chain, " of the nftables table ", d.family, " ", d.table, " drops what pods send",
               d.forward ? "" : " to this node", "; mend it by: ", mending_commands(d, pods));
  }
  return out;
}

FirewallWatch::FirewallWatch(std::string node_name, IpPrefix pods, Client& own, const Clock& clock, const AlarmFactory& alarms)
    : node_name_(std::move(node_name)), pods_(pods), own_(own), clock_(clock), recorder_(own, clock, "bramble", node_name_) {
  auto fire = [this] {
    look_ = true;
    woke_.pulse();
  };
  alarm_ = alarms(fire);
}

Status FirewallWatch::start() {
  TRY_ASSIGN(NftWatch tables, NftWatch::open_others("bramble"));
  tables_.emplace(std::move(tables));
  auto told = [this](int) {
    if (tables_->changed()) alarm_->set_in_ms(limits::kFirewallSettleMs);
  };
  tables_watch_ = std::make_unique<FdWatch>(tables_->fd(), FdWatch::kReadable, told);
  auto registered = [this](const Change& c) {
    if (c.after && !c.before && name_of(c.after) == node_name_) alarm_->set_in_ms(0);
  };
  subscription_ = own_.subscribe({resource_ids::kNodes}, registered);
  tasks_.start(follow());
  return ok();
}

Task<void> FirewallWatch::follow() {
  for (;;) {
    while (!look_) co_await woke_.wait();
    look_ = false;
    Task<Status> looking = look();
    auto done = co_await looking;
    if (done.ok()) continue;
    log_warning("network: look for others' packet filters: ", done.error().message());
    if (!look_) alarm_->set_in_ms(limits::kNetworkRetryMsMax);
  }
}

Task<Status> FirewallWatch::look() {
  auto work = [pods = pods_] { return find_foreign_drops(pods, "cni0"); };
  Task<Result<std::vector<ForeignDrop>>> working = offload(std::move(work));
  auto drops = co_await working;
  if (!drops.ok()) co_return drops.error();
  Document node = own_.snapshot().get(resource_ids::kNodes, "", node_name_);
  if (!node) co_return ok();
  std::string message = firewall_message(*drops, pods_);
  bool drop = !message.empty(), was_told = find_condition(node["status"]["conditions"], kCondition).exists();
  if (!drop) told_.clear();
  if (!drop && !was_told) co_return ok();
  if (drop && message != told_) {
    told_ = message;
    log_warning("network: ", message);
    EventNote note;
    note.about = node;
    note.type = "Warning";
    note.reason = kCondition;
    note.message = message;
    recorder_.record(note);
  }
  Condition wanted{kCondition, drop ? "True" : "False", drop ? "PodTrafficDropped" : "NothingDropped", drop ? std::string_view(message) : "no packet filter of others drops what pods send"};
  auto condition = node_condition_patch(node, wanted, clock_.wall_us());
  if (!condition) co_return ok();
  ObjectKey key{"", node_name_};
  Document patch = *condition;
  WriteOptions status;
  status.subresource = "status";
  auto written = co_await own_.patch(resource_ids::kNodes, key, PatchType::kStrategic, patch, status);
  if (!written.ok()) co_return written.error();
  co_return ok();
}

}  // namespace bramble

// FirewallWatch: says, by the Node's condition ForeignFirewall and an Event, when somebody else's packet filter drops what pods send,
// and the commands that mend it. Woken by nftables' notifications about others' tables. Owner's loop thread; the kernel is asked in
// offload(). Nothing survives a restart but the condition.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "cni/nft/foreign_drops.h"
#include "cni/nft/watch.h"
#include "core/base/clock.h"
#include "core/client/alarm.h"
#include "core/client/recorder.h"
#include "core/loop/loop.h"

namespace bramble {

// What the condition and the Event say; empty: nothing drops. Pure.
std::string firewall_message(const std::vector<ForeignDrop>& drops, const IpPrefix& pods);

class FirewallWatch {
 public:
  // own writes this Node. client and clock outlive it.
  FirewallWatch(std::string node_name, IpPrefix pods, Client& own, const Clock& clock, const AlarmFactory& alarms);
  Status start();

 private:
  Task<void> follow();
  Task<Status> look();
  std::string node_name_;
  IpPrefix pods_;
  Client& own_;
  const Clock& clock_;
  Recorder recorder_;
  std::string told_;  // by an Event
  bool look_ = true;
  std::unique_ptr<Alarm> alarm_;
  std::unique_ptr<Subscription> subscription_;
  std::optional<NftWatch> tables_;
  std::unique_ptr<FdWatch> tables_watch_;
  Event woke_;
  TaskGroup tasks_;
};

}  // namespace bramble

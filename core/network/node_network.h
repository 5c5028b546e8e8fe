// NodeNetwork: keeps this node's way to the pods of all others as the cluster wants it: reads Nodes, raises the overlay
// (cni/overlay), announces this node by flannel's annotations, says by the condition NetworkUnavailable when a peer is out of reach,
// and tells what pods can send (MTU). Follows links and addresses that change, and puts right what somebody else changed, by
// netlink's events. Not the pods' own links: that is PodNetwork. Owner's loop thread; kernel calls run in offload(). What it made
// outlives it, so a restart cuts no connection; the next start compares and mends.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "cni/netlink/link_events.h"
#include "cni/overlay.h"
#include "core/base/clock.h"
#include "core/client/alarm.h"
#include "core/client/client.h"
#include "core/loop/loop.h"
#include "core/network/announcement.h"

namespace bramble {

class NodeNetwork {
 public:
  struct Options {
    std::string node_name;
    std::string address;         // the node's; empty with an interface: its first one
    std::string interface;       // --flannel-iface; empty: the one with the address
    std::string public_address;  // where peers reach this node, when it is not its address (--flannel-external-ip)
    bool vxlan = true;           // false: host-gw
  };
  // Called when pods can be given addresses of this range, and again when range or MTU changes.
  using Ready = std::function<void(const std::string& pod_range, int mtu)>;

  // own writes this Node; nodes reads all of them. Both outlive it, and so does the clock.
  NodeNetwork(Options options, Client& own, Client& nodes, const Clock& clock, const AlarmFactory& alarms, Ready ready);
  Status start();
  void look_again() { look_soon(0); }  // nodes that were in doubt are not any more

 private:
  void on_node(const Change& change);
  void look_soon(int64_t ms);
  Task<void> follow();
  Task<Status> pass();
  Task<Status> raise(IpPrefix pods);
  Task<Status> tell(NetworkTrouble trouble);
  void note(const Underlay& underlay, const OverlayState& state, const PeerPlan& plan);

  Options options_;
  Client& own_;
  Client& nodes_;
  const Clock& clock_;
  Ready ready_;
  bool vxlan_;                              // as asked for, until the kernel has none
  std::optional<Announcement> announced_;   // what is true of this node now
  std::vector<OverlayPeer> peers_;          // as the kernel has them
  NetworkTrouble trouble_;
  std::string told_;                        // the last line of the log
  std::string ready_range_;                 // what ready_ was called with
  int ready_mtu_ = 0;
  bool look_ = true, kernel_changed_ = false;
  int64_t retry_ms_ = 0;
  std::unique_ptr<Alarm> alarm_;
  std::unique_ptr<Subscription> subscription_;
  std::optional<LinkEvents> events_;
  std::unique_ptr<FdWatch> events_watch_;
  Event woke_;
  TaskGroup tasks_;
};

}  // namespace bramble

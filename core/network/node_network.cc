#include "core/network/node_network.h"

#include <algorithm>

#include "core/base/limits.h"
#include "core/base/limits_network.h"
#include "core/base/log.h"
#include "core/resources/conditions.h"

namespace bramble {
namespace {

using resource_ids::kNodes;

// What of a Node matters here: heartbeats come every few seconds and change none of it.
bool differs(const Document& a, const Document& b) {
  if (!a || !b) return true;
  for (const char* note : {kBackendTypeNote, kBackendDataNote, kBackendDataV6Note, kPublicIpNote, kPublicIpV6Note, kSubnetManagerNote, kMtuNote, kPublicIpOverwriteNote,
                           kPublicIpV6OverwriteNote})
    if (a["metadata"]["annotations"][note].str() != b["metadata"]["annotations"][note].str()) return true;
  return !equal(a["spec"]["podCIDRs"], b["spec"]["podCIDRs"]) || uid_of(a) != uid_of(b);
}

bool condition_differs(const Document& a, const Document& b) {
  Value x = find_condition(a["status"]["conditions"], "NetworkUnavailable"), y = find_condition(b["status"]["conditions"], "NetworkUnavailable");
  return x["status"].str() != y["status"].str() || x["message"].str() != y["message"].str();
}

struct Raised {
  Underlay underlay;
  PeerPlan peers;
  OverlayState state;
  Announcement own;
};

}  // namespace

NodeNetwork::NodeNetwork(Options options, Client& own, Client& nodes, const Clock& clock, const AlarmFactory& alarms, Ready ready)
    : options_(std::move(options)), own_(own), nodes_(nodes), clock_(clock), ready_(std::move(ready)), vxlan_(options_.vxlan) {
  auto fire = [this] {
    look_ = true;
    woke_.pulse();
  };
  alarm_ = alarms(fire);
}

Status NodeNetwork::start() {
  TRY_ASSIGN(LinkEvents events, LinkEvents::open(false));
  events_.emplace(std::move(events));
  auto told = [this](int) {
    if (!events_->changed()) return;
    kernel_changed_ = true;
    look_soon(limits::kLinkSettleMs);
  };
  events_watch_ = std::make_unique<FdWatch>(events_->fd(), FdWatch::kReadable, told);
  subscription_ = nodes_.subscribe({kNodes}, [this](const Change& c) { on_node(c); });
  tasks_.start(follow());
  return ok();
}

void NodeNetwork::on_node(const Change& change) {
  if (!change.before && !change.after) return look_soon(0);  // it is known now who is not there any more
  bool own = change.after && name_of(change.after) == options_.node_name;
  if (differs(change.before, change.after) || (own && condition_differs(change.before, change.after))) look_soon(0);
}

void NodeNetwork::look_soon(int64_t ms) { alarm_->set_in_ms(ms); }

Task<void> NodeNetwork::follow() {
  for (;;) {
    while (!look_) co_await woke_.wait();
    look_ = false;
    Task<Status> going = pass();
    auto done = co_await going;
    if (done.ok()) {
      retry_ms_ = 0;
      continue;
    }
    retry_ms_ = std::min(limits::kNetworkRetryMsMax, std::max(limits::kNetworkRetryMsMin, 2 * retry_ms_));
    log_warning("network: ", done.error().message(), "; again in ", retry_ms_, " ms");
    if (!look_) look_soon(retry_ms_);
  }
}

Task<Status> NodeNetwork::pass() {
  Document node = nodes_.snapshot().get(kNodes, "", options_.node_name);
  auto pods = node ? pod_range_of(node, false) : std::nullopt;
  if (!pods) co_return ok();
  Task<Status> raising = raise(*pods);
  auto raised = co_await raising;
  NetworkTrouble trouble = trouble_;
  if (!raised.ok()) trouble = {"FlannelIsDown", raised.error().message()};
  Task<Status> telling = tell(trouble);
  auto told = co_await telling;
  co_return raised.ok() ? told : raised;
}

Task<Status> NodeNetwork::raise(IpPrefix pods) {
  std::vector<Document> all;
  nodes_.snapshot().each(kNodes, "", [&](const Document& n) {
    all.push_back(n);
    return true;
  });
  bool mended = std::exchange(kernel_changed_, false);
  bool may_lack = nodes_.snapshot().may_be_lost(kNodes, "", "");
  auto work = [o = options_, vxlan = vxlan_, pods, all, may_lack]() -> Result<Raised> {
    Raised out;
    auto wanted = IpPrefix::parse(o.address);
    TRY_ASSIGN(out.underlay, find_underlay(o.interface, wanted, pods.v6));
    out.own = {vxlan, vxlan ? vxlan_mac(o.node_name, pods.v6) : std::string(), out.underlay.address.address_text(), overlay_mtu(out.underlay, vxlan)};
    if (!o.public_address.empty()) out.own.public_ip = o.public_address;
    out.peers = plan_peers(o.node_name, out.own, pods, out.underlay, all);
    OverlayPlan plan{vxlan, pods, out.own.mac, out.peers.mtu_max, out.peers.peers, may_lack};
    TRY_ASSIGN(out.state, raise_overlay(out.underlay, plan));
    return out;
  };
  Task<Result<Raised>> working = offload(std::move(work));
  auto raised = co_await working;
  if (!raised.ok()) {
    // Better pods that reach their own wire than none: peers see what is announced, and go by a direct route as well.
    bool no_vxlan = vxlan_ && raised.error().code() == Code::kUnavailable;
    if (!no_vxlan) co_return raised.error();
    log_warning("network: ", raised.error().message(), "; other nodes are reached by direct routes");
    vxlan_ = false;
    look_soon(0);
    co_return ok();
  }
  bool same_plan = std::exchange(peers_, raised->peers.peers) == raised->peers.peers && announced_;
  if (mended && same_plan && raised->state.changes > 0) log_info("network: links, addresses or routes had changed: ", raised->state.changes, " put right");
  Status watching = events_->watch({raised->underlay.index, raised->state.vxlan_index});
  if (!watching.ok()) co_return watching;
  announced_ = raised->own;
  trouble_ = {};
  if (!raised->peers.parted.empty()) trouble_ = {"NoRouteToPeer", join(raised->peers.parted, "; ")};
  note(raised->underlay, raised->state, raised->peers);
  std::string range = pods.text();
  if (range != ready_range_ || raised->state.mtu != ready_mtu_) {
    ready_range_ = range;
    ready_mtu_ = raised->state.mtu;
    ready_(range, ready_mtu_);
  }
  co_return ok();
}

void NodeNetwork::note(const Underlay& underlay, const OverlayState& state, const PeerPlan& plan) {
  std::string line = cat(vxlan_ ? "VXLAN" : "direct routes", " over ", underlay.name, " (", underlay.address.address_text(), "), MTU ", state.mtu, ", ", plan.peers.size(), " peers");
  if (line == told_) return;
  told_ = line;
  log_info("network: ", line);
}

Task<Status> NodeNetwork::tell(NetworkTrouble trouble) {
  Document node = nodes_.snapshot().get(kNodes, "", options_.node_name);
  if (!node) co_return ok();
  ObjectKey key{"", options_.node_name};
  auto notes = announced_ ? announcement_patch(node, announced_, std::nullopt) : std::nullopt;
  if (notes) {
    Document patch = *notes;
    auto written = co_await own_.patch(kNodes, key, PatchType::kMerge, patch);
    if (!written.ok()) co_return written.error().prefixed(cat("node ", key.name, ": announce"));
  }
  auto condition = condition_patch(node, trouble, clock_.wall_us());
  if (!condition) co_return ok();
  Document patch = *condition;
  WriteOptions status;
  status.subresource = "status";
  auto written = co_await own_.patch(kNodes, key, PatchType::kStrategic, patch, status);
  if (!written.ok()) co_return written.error().prefixed(cat("node ", key.name, ": condition"));
  co_return ok();
}

}  // namespace bramble

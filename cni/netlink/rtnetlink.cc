#include "cni/netlink/rtnetlink.h"

#include <arpa/inet.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "cni/netlink/message.h"
#include "core/base/strings.h"

namespace bramble {

using namespace netlink_message;

namespace {

VxlanFacts read_vxlan(const nlattr* data) {
  Attributes a;
  mnl_attr_parse_nested(data, collect, &a);
  VxlanFacts out;
  if (a.at[IFLA_VXLAN_ID]) out.vni = mnl_attr_get_u32(a.at[IFLA_VXLAN_ID]);
  if (a.at[IFLA_VXLAN_PORT]) out.port = ntohs(mnl_attr_get_u16(a.at[IFLA_VXLAN_PORT]));
  if (a.at[IFLA_VXLAN_LINK]) out.underlay = static_cast<int>(mnl_attr_get_u32(a.at[IFLA_VXLAN_LINK]));
  out.learning = a.at[IFLA_VXLAN_LEARNING] && mnl_attr_get_u8(a.at[IFLA_VXLAN_LEARNING]);
  out.local = read_address(a.at[IFLA_VXLAN_LOCAL], false, 32);
  if (!out.local) out.local = read_address(a.at[IFLA_VXLAN_LOCAL6], true, 128);
  return out;
}

Link read_link(const nlmsghdr* message) {
  auto* info = static_cast<const ifinfomsg*>(mnl_nlmsg_get_payload(message));
  Attributes a;
  mnl_attr_parse(message, sizeof *info, collect, &a);
  Link out;
  out.index = info->ifi_index;
  out.up = info->ifi_flags & IFF_UP;
  if (a.at[IFLA_IFNAME]) out.name = mnl_attr_get_str(a.at[IFLA_IFNAME]);
  if (a.at[IFLA_MTU]) out.mtu = static_cast<int>(mnl_attr_get_u32(a.at[IFLA_MTU]));
  if (a.at[IFLA_MASTER]) out.master = static_cast<int>(mnl_attr_get_u32(a.at[IFLA_MASTER]));
  out.mac = mac_text(a.at[IFLA_ADDRESS]);
  if (a.at[IFLA_LINKINFO]) {
    Attributes kind;
    mnl_attr_parse_nested(a.at[IFLA_LINKINFO], collect, &kind);
    if (kind.at[IFLA_INFO_KIND]) out.kind = mnl_attr_get_str(kind.at[IFLA_INFO_KIND]);
    if (out.kind == "vxlan" && kind.at[IFLA_INFO_DATA]) out.vxlan = read_vxlan(kind.at[IFLA_INFO_DATA]);
  }
  return out;
}

}  // namespace

Rtnetlink::Rtnetlink(mnl_socket* socket) : socket_(socket) {}
Rtnetlink::Rtnetlink(Rtnetlink&& o) noexcept : socket_(std::exchange(o.socket_, nullptr)), sequence_(o.sequence_) {}
Rtnetlink::~Rtnetlink() {
  if (socket_) mnl_socket_close(socket_);
}

Result<Rtnetlink> Rtnetlink::open() {
  mnl_socket* s = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
  if (!s) return Error::from_errno(errno, "netlink");
  Rtnetlink out(s);
  if (mnl_socket_bind(s, 0, MNL_SOCKET_AUTOPID) < 0) return Error::from_errno(errno, "netlink bind");
  return out;
}

Status Rtnetlink::talk(nlmsghdr* request, std::string_view what, int tolerated_errno) {
  request->nlmsg_flags |= NLM_F_ACK;
  request->nlmsg_seq = ++sequence_;
  if (mnl_socket_sendto(socket_, request, request->nlmsg_len) < 0) return Error::from_errno(errno, what);
  alignas(8) char buffer[kMessageBytes];
  for (;;) {
    ssize_t n = mnl_socket_recvfrom(socket_, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Error::from_errno(errno, what);
    int r = mnl_cb_run(buffer, static_cast<size_t>(n), sequence_, mnl_socket_get_portid(socket_), nullptr, nullptr);
    if (r < 0 && errno == EOPNOTSUPP) return Error(Code::kUnavailable, Error::from_errno(errno, what).message());  // not in this kernel
    if (r < 0) return errno == tolerated_errno ? ok() : Status(Error::from_errno(errno, what));
    if (r == MNL_CB_STOP) return ok();
  }
}

Result<std::vector<Link>> Rtnetlink::links() {
  Message m(RTM_GETLINK, 0);
  m.body<ifinfomsg>()->ifi_family = AF_UNSPEC;
  std::vector<Link> out;
  TRY(dump(m.header(), "list links", [&](const nlmsghdr* message) { out.push_back(read_link(message)); }));
  return out;
}

Result<std::optional<Link>> Rtnetlink::find_link(std::string_view name) {
  TRY_ASSIGN(std::vector<Link> all, links());
  for (Link& l : all)
    if (l.name == name) return std::optional<Link>(std::move(l));
  return std::optional<Link>();
}

Status Rtnetlink::add_bridge(std::string_view name, int mtu) {
  Message m(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  m.body<ifinfomsg>()->ifi_family = AF_UNSPEC;
  mnl_attr_put_strz(m.header(), IFLA_IFNAME, std::string(name).c_str());
  if (mtu > 0) mnl_attr_put_u32(m.header(), IFLA_MTU, static_cast<uint32_t>(mtu));
  nlattr* info = mnl_attr_nest_start(m.header(), IFLA_LINKINFO);
  mnl_attr_put_strz(m.header(), IFLA_INFO_KIND, "bridge");
  mnl_attr_nest_end(m.header(), info);
  return talk(m.header(), cat("bridge ", name, ": is the bridge module in this kernel?"), EEXIST);
}

Status Rtnetlink::add_veth(std::string_view name, std::string_view peer, int peer_netns_fd, int mtu) {
  Message m(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  nlmsghdr* h = m.header();
  m.body<ifinfomsg>()->ifi_family = AF_UNSPEC;
  mnl_attr_put_strz(h, IFLA_IFNAME, std::string(name).c_str());
  if (mtu > 0) mnl_attr_put_u32(h, IFLA_MTU, static_cast<uint32_t>(mtu));
  nlattr* info = mnl_attr_nest_start(h, IFLA_LINKINFO);
  mnl_attr_put_strz(h, IFLA_INFO_KIND, "veth");
  nlattr* data = mnl_attr_nest_start(h, IFLA_INFO_DATA);
  nlattr* other = mnl_attr_nest_start(h, VETH_INFO_PEER);
  auto* peer_info = static_cast<ifinfomsg*>(mnl_nlmsg_put_extra_header(h, sizeof(ifinfomsg)));
  peer_info->ifi_family = AF_UNSPEC;
  mnl_attr_put_strz(h, IFLA_IFNAME, std::string(peer).c_str());
  if (mtu > 0) mnl_attr_put_u32(h, IFLA_MTU, static_cast<uint32_t>(mtu));
  mnl_attr_put_u32(h, IFLA_NET_NS_FD, static_cast<uint32_t>(peer_netns_fd));
  mnl_attr_nest_end(h, other);
  mnl_attr_nest_end(h, data);
  mnl_attr_nest_end(h, info);
  return talk(h, cat("veth ", name, ": is the veth module in this kernel?"), 0);
}

Status Rtnetlink::add_vxlan(std::string_view name, const VxlanFacts& facts, std::string_view mac, int mtu) {
  Message m(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  nlmsghdr* h = m.header();
  m.body<ifinfomsg>()->ifi_family = AF_UNSPEC;
  mnl_attr_put_strz(h, IFLA_IFNAME, std::string(name).c_str());
  if (mtu > 0) mnl_attr_put_u32(h, IFLA_MTU, static_cast<uint32_t>(mtu));
  std::string address = mac_bytes(mac);
  if (!address.empty()) mnl_attr_put(h, IFLA_ADDRESS, address.size(), address.data());
  nlattr* info = mnl_attr_nest_start(h, IFLA_LINKINFO);
  mnl_attr_put_strz(h, IFLA_INFO_KIND, "vxlan");
  nlattr* data = mnl_attr_nest_start(h, IFLA_INFO_DATA);
  mnl_attr_put_u32(h, IFLA_VXLAN_ID, facts.vni);
  mnl_attr_put_u32(h, IFLA_VXLAN_LINK, static_cast<uint32_t>(facts.underlay));
  if (facts.local) put_address(h, facts.local->v6 ? IFLA_VXLAN_LOCAL6 : IFLA_VXLAN_LOCAL, *facts.local);
  mnl_attr_put_u16(h, IFLA_VXLAN_PORT, htons(facts.port));
  mnl_attr_put_u8(h, IFLA_VXLAN_LEARNING, facts.learning ? 1 : 0);
  mnl_attr_nest_end(h, data);
  mnl_attr_nest_end(h, info);
  return talk(h, cat("vxlan ", name, ": is the vxlan module in this kernel?"), 0);
}

Status Rtnetlink::remove_link(std::string_view name) {
  TRY_ASSIGN(auto link, find_link(name));
  if (!link) return ok();
  Message m(RTM_DELLINK, 0);
  auto* info = m.body<ifinfomsg>();
  info->ifi_family = AF_UNSPEC;
  info->ifi_index = link->index;
  return talk(m.header(), cat("remove link ", name), ENODEV);
}

Status Rtnetlink::set_up(int index) {
  Message m(RTM_NEWLINK, 0);
  auto* info = m.body<ifinfomsg>();
  info->ifi_index = index;
  info->ifi_flags = IFF_UP;
  info->ifi_change = IFF_UP;
  return talk(m.header(), cat("link ", index, " up"), 0);
}

Status Rtnetlink::set_mtu(int index, int mtu) {
  Message m(RTM_NEWLINK, 0);
  m.body<ifinfomsg>()->ifi_index = index;
  mnl_attr_put_u32(m.header(), IFLA_MTU, static_cast<uint32_t>(mtu));
  return talk(m.header(), cat("link ", index, " mtu ", mtu), 0);
}

Status Rtnetlink::set_master(int index, int master) {
  Message m(RTM_NEWLINK, 0);
  m.body<ifinfomsg>()->ifi_index = index;
  mnl_attr_put_u32(m.header(), IFLA_MASTER, static_cast<uint32_t>(master));
  return talk(m.header(), cat("link ", index, " master ", master), 0);
}

Status Rtnetlink::set_hairpin(int index, bool on) {
  Message m(RTM_SETLINK, 0);
  auto* info = m.body<ifinfomsg>();
  info->ifi_family = AF_BRIDGE;
  info->ifi_index = index;
  nlattr* port = mnl_attr_nest_start(m.header(), IFLA_PROTINFO);
  mnl_attr_put_u8(m.header(), IFLA_BRPORT_MODE, on ? 1 : 0);
  mnl_attr_nest_end(m.header(), port);
  return talk(m.header(), cat("link ", index, " hairpin"), 0);
}

Status Rtnetlink::set_bridge_netfilter(int index, bool on) {
  Message m(RTM_NEWLINK, 0);
  m.body<ifinfomsg>()->ifi_index = index;
  nlattr* info = mnl_attr_nest_start(m.header(), IFLA_LINKINFO);
  mnl_attr_put_strz(m.header(), IFLA_INFO_KIND, "bridge");
  nlattr* data = mnl_attr_nest_start(m.header(), IFLA_INFO_DATA);
  mnl_attr_put_u8(m.header(), IFLA_BR_NF_CALL_IPTABLES, on ? 1 : 0);
  mnl_attr_nest_end(m.header(), data);
  mnl_attr_nest_end(m.header(), info);
  return talk(m.header(), cat("bridge ", index, " netfilter"), 0);
}

Status Rtnetlink::add_address(int index, const IpPrefix& address) {
  Message m(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
  auto* body = m.body<ifaddrmsg>();
  body->ifa_family = address.v6 ? AF_INET6 : AF_INET;
  body->ifa_prefixlen = static_cast<uint8_t>(address.length);
  body->ifa_index = static_cast<uint32_t>(index);
  put_address(m.header(), IFA_LOCAL, address);
  put_address(m.header(), IFA_ADDRESS, address);
  return talk(m.header(), cat("address ", address.text()), EEXIST);
}

Status Rtnetlink::remove_address(int index, const IpPrefix& address) {
  Message m(RTM_DELADDR, 0);
  auto* body = m.body<ifaddrmsg>();
  body->ifa_family = address.v6 ? AF_INET6 : AF_INET;
  body->ifa_prefixlen = static_cast<uint8_t>(address.length);
  body->ifa_index = static_cast<uint32_t>(index);
  put_address(m.header(), IFA_LOCAL, address);
  return talk(m.header(), cat("remove address ", address.text()), EADDRNOTAVAIL);
}

Result<std::vector<std::pair<int, IpPrefix>>> Rtnetlink::addresses() {
  Message m(RTM_GETADDR, 0);
  m.body<ifaddrmsg>()->ifa_family = AF_UNSPEC;
  std::vector<std::pair<int, IpPrefix>> out;
  TRY(dump(m.header(), "list addresses", [&](const nlmsghdr* message) {
    auto* body = static_cast<const ifaddrmsg*>(mnl_nlmsg_get_payload(message));
    Attributes a;
    mnl_attr_parse(message, sizeof *body, collect, &a);
    bool v6 = body->ifa_family == AF_INET6;
    auto p = read_address(a.at[v6 ? IFA_ADDRESS : IFA_LOCAL], v6, body->ifa_prefixlen);
    if (p) out.emplace_back(static_cast<int>(body->ifa_index), *p);
  }));
  return out;
}

Status Rtnetlink::add_route(const IpPrefix& destination, const std::optional<IpPrefix>& via, int index) {
  Message m(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE);
  auto* body = m.body<rtmsg>();
  body->rtm_family = destination.v6 ? AF_INET6 : AF_INET;
  body->rtm_dst_len = static_cast<uint8_t>(destination.length);
  body->rtm_table = RT_TABLE_MAIN;
  body->rtm_protocol = RTPROT_STATIC;
  body->rtm_scope = via ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
  body->rtm_type = RTN_UNICAST;
  if (destination.length > 0) put_address(m.header(), RTA_DST, destination);
  if (via) put_address(m.header(), RTA_GATEWAY, *via);
  mnl_attr_put_u32(m.header(), RTA_OIF, static_cast<uint32_t>(index));
  return talk(m.header(), cat("route ", destination.text()), EEXIST);
}

Status Rtnetlink::remove_route(const IpPrefix& destination, int index) {
  Message m(RTM_DELROUTE, 0);
  auto* body = m.body<rtmsg>();
  body->rtm_family = destination.v6 ? AF_INET6 : AF_INET;
  body->rtm_dst_len = static_cast<uint8_t>(destination.length);
  body->rtm_table = RT_TABLE_MAIN;
  body->rtm_scope = RT_SCOPE_NOWHERE;
  if (destination.length > 0) put_address(m.header(), RTA_DST, destination);
  mnl_attr_put_u32(m.header(), RTA_OIF, static_cast<uint32_t>(index));
  return talk(m.header(), cat("remove route ", destination.text()), ESRCH);
}

Result<std::optional<Rtnetlink::DefaultRoute>> Rtnetlink::default_route() {
  Message m(RTM_GETROUTE, 0);
  m.body<rtmsg>()->rtm_family = AF_INET;
  std::optional<DefaultRoute> best;
  uint32_t best_metric = UINT32_MAX;
  TRY(dump(m.header(), "list routes", [&](const nlmsghdr* message) {
    auto* body = static_cast<const rtmsg*>(mnl_nlmsg_get_payload(message));
    if (body->rtm_family != AF_INET || body->rtm_dst_len != 0 || body->rtm_table != RT_TABLE_MAIN || body->rtm_type != RTN_UNICAST) return;
    Attributes a;
    mnl_attr_parse(message, sizeof *body, collect, &a);
    if (!a.at[RTA_OIF]) return;
    uint32_t metric = a.at[RTA_PRIORITY] ? mnl_attr_get_u32(a.at[RTA_PRIORITY]) : 0;
    if (best && metric >= best_metric) return;
    best_metric = metric;
    best = DefaultRoute{static_cast<int>(mnl_attr_get_u32(a.at[RTA_OIF])), read_address(a.at[RTA_GATEWAY], false, 32),
                        read_address(a.at[RTA_PREFSRC], false, 32)};
  }));
  return best;
}

}  // namespace bramble

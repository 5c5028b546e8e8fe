// Rtnetlink: routes and permanent neighbours, by which the pods of other nodes are reached.
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include "cni/netlink/message.h"

namespace bramble {

using namespace netlink_message;

Result<std::vector<Route>> Rtnetlink::routes(bool v6) {
  Message m(RTM_GETROUTE, 0);
  uint8_t family = v6 ? AF_INET6 : AF_INET;
  m.body<rtmsg>()->rtm_family = family;
  std::vector<Route> out;
  TRY(dump(m.header(), "list routes", [&](const nlmsghdr* message) {
    auto* body = static_cast<const rtmsg*>(mnl_nlmsg_get_payload(message));
    if (body->rtm_family != family || body->rtm_table != RT_TABLE_MAIN || body->rtm_type != RTN_UNICAST || body->rtm_flags & RTM_F_CLONED) return;
    Attributes a;
    mnl_attr_parse(message, sizeof *body, collect, &a);
    if (!a.at[RTA_OIF]) return;
    Route r;
    r.destination.v6 = v6;
    if (auto to = read_address(a.at[RTA_DST], v6, body->rtm_dst_len)) r.destination = *to;
    r.via = read_address(a.at[RTA_GATEWAY], v6, v6 ? 128 : 32);
    r.index = static_cast<int>(mnl_attr_get_u32(a.at[RTA_OIF]));
    r.on_link = body->rtm_flags & RTNH_F_ONLINK;
    r.protocol = body->rtm_protocol;
    out.push_back(std::move(r));
  }));
  return out;
}

static rtmsg* fill(Message* m, const Route& r) {
  auto* body = m->body<rtmsg>();
  body->rtm_family = r.destination.v6 ? AF_INET6 : AF_INET;
  body->rtm_dst_len = static_cast<uint8_t>(r.destination.length);
  body->rtm_table = RT_TABLE_MAIN;
  body->rtm_protocol = static_cast<uint8_t>(r.protocol);
  body->rtm_flags = r.on_link ? RTNH_F_ONLINK : 0;
  if (r.destination.length > 0) put_address(m->header(), RTA_DST, r.destination);
  if (r.via) put_address(m->header(), RTA_GATEWAY, *r.via);
  mnl_attr_put_u32(m->header(), RTA_OIF, static_cast<uint32_t>(r.index));
  return body;
}

Status Rtnetlink::put_route(const Route& r) {
  Message m(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE);
  rtmsg* body = fill(&m, r);
  body->rtm_scope = r.via ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
  body->rtm_type = RTN_UNICAST;
  return talk(m.header(), cat("route ", r.destination.text(), r.via ? cat(" via ", r.via->address_text()) : std::string()), EEXIST);
}

Status Rtnetlink::remove_route(const Route& r) {
  Message m(RTM_DELROUTE, 0);
  fill(&m, r)->rtm_scope = RT_SCOPE_NOWHERE;
  return talk(m.header(), cat("remove route ", r.destination.text()), ESRCH);
}

Result<std::vector<Neighbour>> Rtnetlink::neighbours(int index) {
  std::vector<Neighbour> out;
  for (int family : {AF_INET, AF_INET6, AF_BRIDGE}) {
    Message m(RTM_GETNEIGH, 0);
    m.body<ndmsg>()->ndm_family = static_cast<uint8_t>(family);
    TRY(dump(m.header(), "list neighbours", [&](const nlmsghdr* message) {
      auto* body = static_cast<const ndmsg*>(mnl_nlmsg_get_payload(message));
      if (body->ndm_ifindex != index || body->ndm_family != family || !(body->ndm_state & NUD_PERMANENT)) return;
      Attributes a;
      mnl_attr_parse(message, sizeof *body, collect, &a);
      Neighbour n;
      n.index = index;
      n.forwarding = family == AF_BRIDGE;
      n.mac = mac_text(a.at[NDA_LLADDR]);
      bool v6 = a.at[NDA_DST] && mnl_attr_get_payload_len(a.at[NDA_DST]) == 16;
      auto address = read_address(a.at[NDA_DST], v6, v6 ? 128 : 32);
      if (!address || n.mac.empty()) return;
      n.address = *address;
      out.push_back(std::move(n));
    }));
  }
  return out;
}

static ndmsg* fill(Message* m, const Neighbour& n) {
  auto* body = m->body<ndmsg>();
  body->ndm_family = static_cast<uint8_t>(n.forwarding ? AF_BRIDGE : n.address.v6 ? AF_INET6 : AF_INET);
  body->ndm_ifindex = n.index;
  body->ndm_state = NUD_PERMANENT;
  body->ndm_flags = n.forwarding ? NTF_SELF : 0;
  put_address(m->header(), NDA_DST, n.address);
  std::string mac = mac_bytes(n.mac);
  mnl_attr_put(m->header(), NDA_LLADDR, mac.size(), mac.data());
  return body;
}

Status Rtnetlink::put_neighbour(const Neighbour& n) {
  Message m(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE);
  ndmsg* body = fill(&m, n);
  if (!n.forwarding) body->ndm_type = RTN_UNICAST;
  return talk(m.header(), cat(n.forwarding ? "forwarding of " : "neighbour ", n.mac, " to ", n.address.address_text()), 0);
}

Status Rtnetlink::remove_neighbour(const Neighbour& n) {
  Message m(RTM_DELNEIGH, 0);
  fill(&m, n);
  return talk(m.header(), cat("remove neighbour ", n.mac), ENOENT);
}

}  // namespace bramble

#include "cni/netlink/conntrack.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>

#include <cerrno>
#include <vector>

namespace bramble {
namespace {

template <uint16_t kMax>
struct Attributes {
  const nlattr* at[kMax + 1] = {};
};

template <uint16_t kMax>
Attributes<kMax> read_nested(const nlattr* parent) {
  Attributes<kMax> out;
  if (!parent) return out;
  for (auto* a = static_cast<const nlattr*>(mnl_attr_get_payload(parent)); mnl_attr_ok(a, static_cast<int>(static_cast<const char*>(mnl_attr_get_payload(parent)) + mnl_attr_get_payload_len(parent) - reinterpret_cast<const char*>(a)));
       a = mnl_attr_next(a))
    if (mnl_attr_get_type(a) <= kMax) out.at[mnl_attr_get_type(a)] = a;
  return out;
}

Attributes<CTA_MAX> read_entry(const nlmsghdr* h) {
  Attributes<CTA_MAX> out;
  auto* end = static_cast<const char*>(mnl_nlmsg_get_payload_tail(h));
  for (auto* a = static_cast<const nlattr*>(mnl_nlmsg_get_payload_offset(h, sizeof(nfgenmsg))); mnl_attr_ok(a, static_cast<int>(end - reinterpret_cast<const char*>(a))); a = mnl_attr_next(a))
    if (mnl_attr_get_type(a) <= CTA_MAX) out.at[mnl_attr_get_type(a)] = a;
  return out;
}

bool has_bytes(const nlattr* a, size_t n) { return a && mnl_attr_get_payload_len(a) >= n; }

// One direction of a flow: an address and a port out of a tuple.
bool read_end(const nlattr* tuple, uint16_t address, uint16_t port, std::string* text, uint16_t* number) {
  auto parts = read_nested<CTA_TUPLE_MAX>(tuple);
  auto ip = read_nested<CTA_IP_MAX>(parts.at[CTA_TUPLE_IP]);
  auto protocol = read_nested<CTA_PROTO_MAX>(parts.at[CTA_TUPLE_PROTO]);
  if (!has_bytes(protocol.at[CTA_PROTO_NUM], 1) || mnl_attr_get_u8(protocol.at[CTA_PROTO_NUM]) != IPPROTO_UDP) return false;
  if (!has_bytes(ip.at[address], 4) || !has_bytes(protocol.at[port], 2)) return false;
  char out[INET_ADDRSTRLEN];
  *text = inet_ntop(AF_INET, mnl_attr_get_payload(ip.at[address]), out, sizeof out);
  *number = ntohs(mnl_attr_get_u16(protocol.at[port]));
  return true;
}

nlmsghdr* request(char* buffer, uint16_t message, uint16_t flags, uint32_t sequence) {
  nlmsghdr* h = mnl_nlmsg_put_header(buffer);
  h->nlmsg_type = static_cast<uint16_t>(NFNL_SUBSYS_CTNETLINK << 8 | message);
  h->nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | flags);
  h->nlmsg_seq = sequence;
  auto* family = static_cast<nfgenmsg*>(mnl_nlmsg_put_extra_header(h, sizeof(nfgenmsg)));
  family->nfgen_family = AF_INET;
  family->version = NFNETLINK_V0;
  return h;
}

// What identifies an entry: its first tuple and its number, so that a new one with the same addresses is left alone.
struct Doomed {
  std::string tuple, id;
};

struct Dump {
  const std::function<bool(const UdpFlow&)>* stale;
  std::vector<Doomed> doomed;
};

int read_flow(const nlmsghdr* h, void* data) {
  auto* dump = static_cast<Dump*>(data);
  auto entry = read_entry(h);
  UdpFlow flow;
  if (!read_end(entry.at[CTA_TUPLE_ORIG], CTA_IP_V4_DST, CTA_PROTO_DST_PORT, &flow.to, &flow.to_port)) return MNL_CB_OK;
  if (!read_end(entry.at[CTA_TUPLE_REPLY], CTA_IP_V4_SRC, CTA_PROTO_SRC_PORT, &flow.from, &flow.from_port)) return MNL_CB_OK;
  if (!(*dump->stale)(flow)) return MNL_CB_OK;
  auto bytes = [](const nlattr* a) { return a ? std::string(static_cast<const char*>(mnl_attr_get_payload(a)), mnl_attr_get_payload_len(a)) : std::string(); };
  dump->doomed.push_back({bytes(entry.at[CTA_TUPLE_ORIG]), bytes(entry.at[CTA_ID])});
  return MNL_CB_OK;
}

}  // namespace

Conntrack::Conntrack(mnl_socket* socket) : socket_(socket, mnl_socket_close) {}

Result<Conntrack> Conntrack::open() {
  mnl_socket* s = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
  if (!s) return Error::from_errno(errno, "connection tracking");
  Conntrack out(s);
  if (mnl_socket_bind(s, 0, MNL_SOCKET_AUTOPID) < 0) return Error::from_errno(errno, "connection tracking");
  return out;
}

Result<size_t> Conntrack::forget(const std::function<bool(const UdpFlow&)>& stale) {
  alignas(8) char buffer[16384];
  uint32_t sequence = 1;
  const unsigned port = mnl_socket_get_portid(socket_.get());
  nlmsghdr* list = request(buffer, IPCTNL_MSG_CT_GET, NLM_F_DUMP, sequence);
  if (mnl_socket_sendto(socket_.get(), list, list->nlmsg_len) < 0) return Error::from_errno(errno, "connection tracking");
  Dump dump{&stale, {}};
  for (int more = MNL_CB_OK; more == MNL_CB_OK;) {
    ssize_t n = mnl_socket_recvfrom(socket_.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Error::from_errno(errno, "connection tracking");
    more = mnl_cb_run(buffer, static_cast<size_t>(n), sequence, port, read_flow, &dump);
    if (more < 0) return Error::from_errno(errno, "connection tracking");
  }
  size_t forgotten = 0;
  for (const Doomed& d : dump.doomed) {
    nlmsghdr* h = request(buffer, IPCTNL_MSG_CT_DELETE, NLM_F_ACK, ++sequence);
    mnl_attr_put(h, CTA_TUPLE_ORIG | NLA_F_NESTED, d.tuple.size(), d.tuple.data());
    if (!d.id.empty()) mnl_attr_put(h, CTA_ID, d.id.size(), d.id.data());
    if (mnl_socket_sendto(socket_.get(), h, h->nlmsg_len) < 0) return Error::from_errno(errno, "connection tracking");
    ssize_t n = mnl_socket_recvfrom(socket_.get(), buffer, sizeof buffer);
    if (n < 0) return Error::from_errno(errno, "connection tracking");
    // One that is gone already is as good (ENOENT).
    if (mnl_cb_run(buffer, static_cast<size_t>(n), sequence, port, nullptr, nullptr) >= 0) forgotten++;
  }
  return forgotten;
}

}  // namespace bramble

#include "cni/nft/batch.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include <cerrno>

#include "core/base/strings.h"

namespace bramble {
namespace {

constexpr size_t kMessageBytes = 64 * 1024;     // the kernel's limit of one nested attribute
constexpr size_t kElementsPerMessage = 400;     // stays under it with the longest chain names
constexpr int kSendBufferBytes = 128 << 20;     // one batch is one message to the kernel: 5,000 services have 20 MB
constexpr uint32_t kVerdictType = 0xffffff00;   // NFT_DATA_VERDICT

uint32_t key_bytes(NftKeyType t) {
  switch (t) {
    case NftKeyType::kInteger:
    case NftKeyType::kAddress: return 4;
    case NftKeyType::kProtocolPort:
    case NftKeyType::kAddressAddress:
    case NftKeyType::kAddressPort: return 8;
    case NftKeyType::kAddressProtocolPort: return 12;
  }
  return 4;
}

}  // namespace

NftBatch::NftBatch(std::string table) : table_(std::move(table)) {}

template <class F>
void NftBatch::append(uint16_t type, uint16_t flags, F build) {
  if (buffer_.empty()) buffer_.resize(kMessageBytes + MNL_NLMSG_HDRLEN + 4096);
  nlmsghdr* h = nftnl_nlmsg_build_hdr(buffer_.data(), type, NFPROTO_IPV4, flags, ++sequence_);
  build(h);
  last_message_ = bytes_.size();
  bytes_.append(buffer_.data(), MNL_ALIGN(h->nlmsg_len));
  messages_++;
}

void NftBatch::add_table() {
  nftnl_table* t = nftnl_table_alloc();
  nftnl_table_set_str(t, NFTNL_TABLE_NAME, table_.c_str());
  append(NFT_MSG_NEWTABLE, NLM_F_CREATE, [&](nlmsghdr* h) { nftnl_table_nlmsg_build_payload(h, t); });
  nftnl_table_free(t);
}

void NftBatch::delete_table() {
  nftnl_table* t = nftnl_table_alloc();
  nftnl_table_set_str(t, NFTNL_TABLE_NAME, table_.c_str());
  append(NFT_MSG_DELTABLE, 0, [&](nlmsghdr* h) { nftnl_table_nlmsg_build_payload(h, t); });
  nftnl_table_free(t);
}

static nftnl_chain* make_chain(const std::string& table, std::string_view name) {
  nftnl_chain* c = nftnl_chain_alloc();
  nftnl_chain_set_str(c, NFTNL_CHAIN_TABLE, table.c_str());
  nftnl_chain_set_str(c, NFTNL_CHAIN_NAME, std::string(name).c_str());
  return c;
}

void NftBatch::add_chain(std::string_view name, std::optional<NftHook> hook) {
  nftnl_chain* c = make_chain(table_, name);
  if (hook) {
    nftnl_chain_set_u32(c, NFTNL_CHAIN_HOOKNUM, hook->number);
    nftnl_chain_set_s32(c, NFTNL_CHAIN_PRIO, hook->priority);
    nftnl_chain_set_str(c, NFTNL_CHAIN_TYPE, hook->type);
    nftnl_chain_set_u32(c, NFTNL_CHAIN_POLICY, NF_ACCEPT);
  }
  append(NFT_MSG_NEWCHAIN, NLM_F_CREATE, [&](nlmsghdr* h) { nftnl_chain_nlmsg_build_payload(h, c); });
  nftnl_chain_free(c);
}

void NftBatch::delete_chain(std::string_view name) {
  nftnl_chain* c = make_chain(table_, name);
  append(NFT_MSG_DELCHAIN, 0, [&](nlmsghdr* h) { nftnl_chain_nlmsg_build_payload(h, c); });
  nftnl_chain_free(c);
}

void NftBatch::flush_chain(std::string_view name) {
  nftnl_rule* r = nftnl_rule_alloc();
  nftnl_rule_set_str(r, NFTNL_RULE_TABLE, table_.c_str());
  nftnl_rule_set_str(r, NFTNL_RULE_CHAIN, std::string(name).c_str());
  append(NFT_MSG_DELRULE, 0, [&](nlmsghdr* h) { nftnl_rule_nlmsg_build_payload(h, r); });
  nftnl_rule_free(r);
}

void NftBatch::add_rule(NftRule rule) {
  nftnl_rule_set_u32(rule.rule_, NFTNL_RULE_FAMILY, NFPROTO_IPV4);
  nftnl_rule_set_str(rule.rule_, NFTNL_RULE_TABLE, table_.c_str());
  nftnl_rule_set_str(rule.rule_, NFTNL_RULE_CHAIN, rule.chain_.c_str());
  append(NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, [&](nlmsghdr* h) { nftnl_rule_nlmsg_build_payload(h, rule.rule_); });
}

static nftnl_set* make_set(const std::string& table, const std::string& name) {
  nftnl_set* s = nftnl_set_alloc();
  nftnl_set_set_str(s, NFTNL_SET_TABLE, table.c_str());
  nftnl_set_set_str(s, NFTNL_SET_NAME, name.c_str());
  nftnl_set_set_u32(s, NFTNL_SET_FAMILY, NFPROTO_IPV4);
  return s;
}

void NftBatch::add_map(const NftMap& map) {
  nftnl_set* s = make_set(table_, map.name);
  nftnl_set_set_u32(s, NFTNL_SET_ID, sequence_ + 1);  // any number that is not used twice in a batch
  nftnl_set_set_u32(s, NFTNL_SET_KEY_TYPE, static_cast<uint32_t>(map.key));
  nftnl_set_set_u32(s, NFTNL_SET_KEY_LEN, key_bytes(map.key));
  uint32_t flags = 0;
  if (map.data == NftDataType::kVerdict) {
    flags |= NFT_SET_MAP;
    nftnl_set_set_u32(s, NFTNL_SET_DATA_TYPE, kVerdictType);
    nftnl_set_set_u32(s, NFTNL_SET_DATA_LEN, 0);
  } else if (map.data == NftDataType::kAddressPort) {
    flags |= NFT_SET_MAP;
    nftnl_set_set_u32(s, NFTNL_SET_DATA_TYPE, 7 << 6 | 13);  // ipv4_addr . inet_service
    nftnl_set_set_u32(s, NFTNL_SET_DATA_LEN, 8);
  }
  if (map.dynamic) flags |= NFT_SET_EVAL | NFT_SET_TIMEOUT;
  if (map.intervals) flags |= NFT_SET_INTERVAL;
  if (flags) nftnl_set_set_u32(s, NFTNL_SET_FLAGS, flags);
  append(NFT_MSG_NEWSET, NLM_F_CREATE, [&](nlmsghdr* h) { nftnl_set_nlmsg_build_payload(h, s); });
  nftnl_set_free(s);
}

void NftBatch::delete_map(std::string_view name) {
  nftnl_set* s = make_set(table_, std::string(name));
  append(NFT_MSG_DELSET, 0, [&](nlmsghdr* h) { nftnl_set_nlmsg_build_payload(h, s); });
  nftnl_set_free(s);
}

void NftBatch::elements(uint16_t type, uint16_t flags, const NftMap& map, const std::vector<NftElement>& list) {
  for (size_t from = 0; from < list.size(); from += kElementsPerMessage) {
    nftnl_set* s = make_set(table_, map.name);
    for (size_t i = from; i < list.size() && i < from + kElementsPerMessage; i++) {
      const NftElement& e = list[i];
      nftnl_set_elem* element = nftnl_set_elem_alloc();
      nftnl_set_elem_set(element, NFTNL_SET_ELEM_KEY, e.key.data(), static_cast<uint32_t>(e.key.size()));
      if (e.ends) nftnl_set_elem_set_u32(element, NFTNL_SET_ELEM_FLAGS, NFT_SET_ELEM_INTERVAL_END);
      if (map.data == NftDataType::kVerdict && !e.chain.empty()) {
        nftnl_set_elem_set_u32(element, NFTNL_SET_ELEM_VERDICT, static_cast<uint32_t>(NFT_GOTO));
        nftnl_set_elem_set_str(element, NFTNL_SET_ELEM_CHAIN, e.chain.c_str());
      } else if (map.data == NftDataType::kAddressPort && !e.data.empty()) {
        nftnl_set_elem_set(element, NFTNL_SET_ELEM_DATA, e.data.data(), static_cast<uint32_t>(e.data.size()));
      }
      nftnl_set_elem_add(s, element);
    }
    append(type, flags, [&](nlmsghdr* h) { nftnl_set_elems_nlmsg_build_payload(h, s); });
    nftnl_set_free(s);
  }
}

void NftBatch::add_elements(const NftMap& map, const std::vector<NftElement>& list) {
  elements(NFT_MSG_NEWSETELEM, NLM_F_CREATE | NLM_F_EXCL, map, list);
}
void NftBatch::delete_elements(const NftMap& map, const std::vector<NftElement>& list) { elements(NFT_MSG_DELSETELEM, 0, map, list); }

Status NftBatch::commit() {
  if (messages_ == 0) return ok();
  mnl_socket* s = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
  if (!s) return Error::from_errno(errno, "nftables: is nf_tables in this kernel?");
  std::unique_ptr<mnl_socket, int (*)(mnl_socket*)> owner(s, mnl_socket_close);
  if (mnl_socket_bind(s, 0, MNL_SOCKET_AUTOPID) < 0) return Error::from_errno(errno, "nftables");
  setsockopt(mnl_socket_get_fd(s), SOL_SOCKET, SO_SNDBUFFORCE, &kSendBufferBytes, sizeof kSendBufferBytes);

  char edge[256] = {};
  nlmsghdr* begin = nftnl_batch_begin(edge, 0);
  std::string whole(edge, MNL_ALIGN(begin->nlmsg_len));
  whole += bytes_;
  char end_edge[256] = {};
  nlmsghdr* end = nftnl_batch_end(end_edge, ++sequence_);
  whole.append(end_edge, MNL_ALIGN(end->nlmsg_len));
  // The kernel acknowledges members of a batch, not its edges: the last one is asked to.
  auto* asked = reinterpret_cast<nlmsghdr*>(whole.data() + MNL_ALIGN(begin->nlmsg_len) + last_message_);
  asked->nlmsg_flags |= NLM_F_ACK;
  uint32_t asked_sequence = asked->nlmsg_seq;
  if (mnl_socket_sendto(s, whole.data(), whole.size()) < 0) return Error::from_errno(errno, cat("nftables table ", table_));

  alignas(8) char buffer[8192];
  for (;;) {
    ssize_t n = mnl_socket_recvfrom(s, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Error::from_errno(errno, cat("nftables table ", table_));
    int left = static_cast<int>(n);
    for (auto* h = reinterpret_cast<nlmsghdr*>(buffer); mnl_nlmsg_ok(h, left); h = mnl_nlmsg_next(h, &left)) {
      if (h->nlmsg_type != NLMSG_ERROR) continue;
      auto* e = static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(h));
      if (e->error != 0) return Error::from_errno(-e->error, cat("nftables table ", table_, ": change ", e->msg.nlmsg_seq, " of the batch"));
      if (h->nlmsg_seq == asked_sequence) return ok();
    }
  }
}

}  // namespace bramble

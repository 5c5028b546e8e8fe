#include "cni/nft/watch.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <cerrno>
#include <utility>

namespace bramble {
namespace {

// Where each sort of message names its table: NFTA_TABLE_NAME, NFTA_CHAIN_TABLE, NFTA_SET_ELEM_LIST_TABLE, ...
constexpr uint16_t kTableName = 1;

using Socket = std::unique_ptr<mnl_socket, int (*)(mnl_socket*)>;

Result<Socket> open_socket(int flags) {
  Socket s(mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC | flags), mnl_socket_close);
  if (!s) return Error::from_errno(errno, "nftables: is nf_tables in this kernel?");
  if (mnl_socket_bind(s.get(), 0, MNL_SOCKET_AUTOPID) < 0) return Error::from_errno(errno, "nftables");
  return s;
}

bool is_nftables(const nlmsghdr* h, int message) { return h->nlmsg_type == (NFNL_SUBSYS_NFTABLES << 8 | message); }

const nlattr* attribute(const nlmsghdr* h, uint16_t type) {
  auto* end = static_cast<const char*>(mnl_nlmsg_get_payload_tail(h));
  auto left = [end](const nlattr* a) { return static_cast<int>(end - reinterpret_cast<const char*>(a)); };
  auto* a = static_cast<const nlattr*>(mnl_nlmsg_get_payload_offset(h, sizeof(nfgenmsg)));
  while (mnl_attr_ok(a, left(a)) && mnl_attr_get_type(a) != type) a = mnl_attr_next(a);
  return mnl_attr_ok(a, left(a)) ? a : nullptr;
}

// The number of the rule set: each transaction of whomever makes it one more.
uint32_t generation_of(const nlmsghdr* h) {
  const nlattr* id = attribute(h, NFTA_GEN_ID);
  return id && mnl_attr_get_payload_len(id) == 4 ? ntohl(mnl_attr_get_u32(id)) : 0;
}

Result<uint32_t> generation() {
  TRY_ASSIGN(Socket s, open_socket(0));
  alignas(8) char buffer[8192] = {};
  nlmsghdr* h = mnl_nlmsg_put_header(buffer);
  h->nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETGEN;
  h->nlmsg_flags = NLM_F_REQUEST;
  auto* family = static_cast<nfgenmsg*>(mnl_nlmsg_put_extra_header(h, sizeof(nfgenmsg)));
  family->version = NFNETLINK_V0;
  if (mnl_socket_sendto(s.get(), h, h->nlmsg_len) < 0) return Error::from_errno(errno, "nftables");
  ssize_t n = mnl_socket_recvfrom(s.get(), buffer, sizeof buffer);
  if (n < 0) return Error::from_errno(errno, "nftables");
  int left = static_cast<int>(n);
  if (!mnl_nlmsg_ok(h, left) || !is_nftables(h, NFT_MSG_NEWGEN)) return Error(Code::kIo, "nftables: no generation");
  return generation_of(h);
}

}  // namespace

NftWatch::NftWatch(mnl_socket* socket, std::string table) : socket_(socket, mnl_socket_close), table_(std::move(table)) {}

NftWatch::~NftWatch() {
  for (NftWatch* other : joined_) std::erase(other->joined_, this);
}
void NftWatch::join(NftWatch* other) {
  joined_.push_back(other);
  other->joined_.push_back(this);
}

Result<NftWatch> NftWatch::open(std::string table) {
  TRY_ASSIGN(Socket s, open_socket(SOCK_NONBLOCK));
  NftWatch watch(s.release(), std::move(table));
  watch.listen(true);
  TRY_ASSIGN(watch.generation_, generation());
  return watch;
}

Result<NftWatch> NftWatch::open_others(std::string own_prefix) {
  TRY_ASSIGN(NftWatch watch, open(std::move(own_prefix)));
  watch.others_ = true;
  return watch;
}

int NftWatch::fd() const { return mnl_socket_get_fd(socket_.get()); }

void NftWatch::listen(bool on) {
  int group = NFNLGRP_NFTABLES;
  int rc = mnl_socket_setsockopt(socket_.get(), on ? NETLINK_ADD_MEMBERSHIP : NETLINK_DROP_MEMBERSHIP, &group, sizeof group);
  if (rc < 0) changed_ = true;
}

bool NftWatch::changed() {
  read_all();
  return std::exchange(changed_, false);
}

// Nobody listens while a batch of ours is carried out: its own notifications may be more than the socket holds. What somebody
// else does meanwhile shows in the generation.
Status NftWatch::commit(NftBatch* batch) {
  if (batch->empty()) return ok();
  std::vector<NftWatch*> all = joined_;
  all.push_back(this);
  for (NftWatch* w : all) {
    w->listen(false);
    w->read_all();
  }
  Status done = batch->commit();
  for (NftWatch* w : all) w->listen(true);
  auto now = generation();
  for (NftWatch* w : all) {
    uint32_t expected = w->generation_ + (done.ok() ? 1 : 0);
    if (!now.ok() || *now != expected) w->changed_ = true;
    if (now.ok()) w->generation_ = *now;
  }
  return done;
}

void NftWatch::read_all() {
  alignas(8) char buffer[16384];
  for (;;) {
    ssize_t n = mnl_socket_recvfrom(socket_.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return;
    if (n < 0) {  // ENOBUFS: some were lost
      changed_ = true;
      if (errno == ENOBUFS) continue;
      return;
    }
    int left = static_cast<int>(n);
    for (auto* h = reinterpret_cast<nlmsghdr*>(buffer); mnl_nlmsg_ok(h, left); h = mnl_nlmsg_next(h, &left)) read_message(h);
  }
}

void NftWatch::read_message(const void* message) {
  auto* h = static_cast<const nlmsghdr*>(message);
  if (h->nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES || mnl_nlmsg_get_payload_len(h) < sizeof(nfgenmsg)) return;
  if (is_nftables(h, NFT_MSG_NEWGEN)) {
    generation_ = generation_of(h);
    return;
  }
  auto* family = static_cast<const nfgenmsg*>(mnl_nlmsg_get_payload(h));
  const nlattr* table = attribute(h, kTableName);
  if ((!others_ && family->nfgen_family != NFPROTO_IPV4) || !table || mnl_attr_validate(table, MNL_TYPE_NUL_STRING) < 0) return;
  std::string_view name = mnl_attr_get_str(table);
  changed_ = changed_ || (others_ ? !name.starts_with(table_) : name == table_);
}

}  // namespace bramble

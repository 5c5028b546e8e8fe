#include <arpa/inet.h>

#include <cstdio>  // libnftnl/expr.h needs FILE
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/rtnetlink.h>

#include <cstring>
#include <utility>

#include "cni/nft/batch.h"

namespace bramble {
namespace {

constexpr uint32_t kSourceOffset = 12, kDestinationOffset = 16;  // of the IPv4 header, RFC 791 section 3.1
constexpr uint32_t kDestinationPortOffset = 2;                   // of TCP, UDP and SCTP alike

uint32_t number(NftRegister r) { return static_cast<uint32_t>(r); }

template <class T>
std::string_view bytes_of(const T& v) {
  return {reinterpret_cast<const char*>(&v), sizeof v};
}

}  // namespace

NftRule::NftRule(std::string chain) : chain_(std::move(chain)), rule_(nftnl_rule_alloc()) {}
NftRule::NftRule(NftRule&& o) noexcept : chain_(std::move(o.chain_)), rule_(std::exchange(o.rule_, nullptr)) {}
NftRule::~NftRule() {
  if (rule_) nftnl_rule_free(rule_);
}

nftnl_expr* NftRule::add(const char* name) {
  nftnl_expr* e = nftnl_expr_alloc(name);
  CHECK(e != nullptr, "nft expression ", name);
  nftnl_rule_add_expr(rule_, e);
  return e;
}

void NftRule::load_payload(uint32_t base, uint32_t offset, uint32_t bytes, NftRegister r) {
  nftnl_expr* e = add("payload");
  nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_DREG, number(r));
  nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_BASE, base);
  nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
  nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_LEN, bytes);
}

void NftRule::compare(NftRegister r, bool equal, std::string_view bytes) {
  nftnl_expr* e = add("cmp");
  nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_SREG, number(r));
  nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_OP, equal ? NFT_CMP_EQ : NFT_CMP_NEQ);
  nftnl_expr_set(e, NFTNL_EXPR_CMP_DATA, bytes.data(), static_cast<uint32_t>(bytes.size()));
}

void NftRule::mask_and_flip(const void* mask, const void* flip) {
  nftnl_expr* e = add("bitwise");
  nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_SREG, number(NftRegister::kR0));
  nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_DREG, number(NftRegister::kR0));
  nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_LEN, 4);
  nftnl_expr_set(e, NFTNL_EXPR_BITWISE_MASK, mask, 4);
  nftnl_expr_set(e, NFTNL_EXPR_BITWISE_XOR, flip, 4);
}

void NftRule::verdict(int kind, std::string_view chain) {
  nftnl_expr* e = add("immediate");
  nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
  nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_VERDICT, static_cast<uint32_t>(kind));
  if (!chain.empty()) nftnl_expr_set_str(e, NFTNL_EXPR_IMM_CHAIN, std::string(chain).c_str());
}

NftRule& NftRule::load_source_address(NftRegister r) {
  load_payload(NFT_PAYLOAD_NETWORK_HEADER, kSourceOffset, 4, r);
  return *this;
}
NftRule& NftRule::load_destination_address(NftRegister r) {
  load_payload(NFT_PAYLOAD_NETWORK_HEADER, kDestinationOffset, 4, r);
  return *this;
}
NftRule& NftRule::load_protocol(NftRegister r) {
  nftnl_expr* e = add("meta");
  nftnl_expr_set_u32(e, NFTNL_EXPR_META_KEY, NFT_META_L4PROTO);
  nftnl_expr_set_u32(e, NFTNL_EXPR_META_DREG, number(r));
  return *this;
}
NftRule& NftRule::load_destination_port(NftRegister r) {
  load_payload(NFT_PAYLOAD_TRANSPORT_HEADER, kDestinationPortOffset, 2, r);
  return *this;
}
NftRule& NftRule::load_random(NftRegister r, uint32_t modulus) {
  nftnl_expr* e = add("numgen");
  nftnl_expr_set_u32(e, NFTNL_EXPR_NG_DREG, number(r));
  nftnl_expr_set_u32(e, NFTNL_EXPR_NG_MODULUS, modulus);
  nftnl_expr_set_u32(e, NFTNL_EXPR_NG_TYPE, NFT_NG_RANDOM);
  nftnl_expr_set_u32(e, NFTNL_EXPR_NG_OFFSET, 0);
  return *this;
}

void NftRule::match_network(uint32_t offset, std::string_view address, int prefix_length, bool wanted) {
  constexpr NftRegister r = NftRegister::kR0;
  load_payload(NFT_PAYLOAD_NETWORK_HEADER, offset, 4, r);
  unsigned char mask[4] = {}, none[4] = {}, network[4];
  for (int bit = 0; bit < prefix_length; bit++) mask[bit / 8] |= static_cast<unsigned char>(0x80 >> bit % 8);
  for (int i = 0; i < 4; i++) network[i] = static_cast<unsigned char>(address[static_cast<size_t>(i)]) & mask[i];
  mask_and_flip(mask, none);
  compare(r, wanted, bytes_of(network));
}
NftRule& NftRule::match_source(std::string_view address, int prefix_length, bool wanted) {
  match_network(kSourceOffset, address, prefix_length, wanted);
  return *this;
}
NftRule& NftRule::match_destination(std::string_view address, int prefix_length, bool wanted) {
  match_network(kDestinationOffset, address, prefix_length, wanted);
  return *this;
}

NftRule& NftRule::match_local_destination() { return match_local(NFTA_FIB_F_DADDR); }
NftRule& NftRule::match_local_source() { return match_local(NFTA_FIB_F_SADDR); }
NftRule& NftRule::match_local(uint32_t flag) {
  nftnl_expr* e = add("fib");
  nftnl_expr_set_u32(e, NFTNL_EXPR_FIB_DREG, number(NftRegister::kR0));
  nftnl_expr_set_u32(e, NFTNL_EXPR_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
  nftnl_expr_set_u32(e, NFTNL_EXPR_FIB_FLAGS, flag);
  uint32_t local = RTN_LOCAL;
  compare(NftRegister::kR0, true, bytes_of(local));
  return *this;
}

NftRule& NftRule::match_connection(uint32_t states) {
  nftnl_expr* e = add("ct");
  nftnl_expr_set_u32(e, NFTNL_EXPR_CT_KEY, NFT_CT_STATE);
  nftnl_expr_set_u32(e, NFTNL_EXPR_CT_DREG, number(NftRegister::kR0));
  uint32_t none = 0;
  mask_and_flip(&states, &none);
  compare(NftRegister::kR0, false, bytes_of(none));
  return *this;
}
NftRule& NftRule::match_new_connection() { return match_connection(NF_CT_STATE_BIT(IP_CT_NEW)); }
NftRule& NftRule::match_known_connection() { return match_connection(NF_CT_STATE_BIT(IP_CT_ESTABLISHED) | NF_CT_STATE_BIT(IP_CT_RELATED)); }

NftRule& NftRule::match_destination_ports(uint16_t first, uint16_t last) {
  load_destination_port(NftRegister::kR0);
  nftnl_expr* e = add("range");
  uint16_t from = htons(first), to = htons(last);
  nftnl_expr_set_u32(e, NFTNL_EXPR_RANGE_SREG, number(NftRegister::kR0));
  nftnl_expr_set_u32(e, NFTNL_EXPR_RANGE_OP, NFT_RANGE_EQ);
  nftnl_expr_set(e, NFTNL_EXPR_RANGE_FROM_DATA, &from, sizeof from);
  nftnl_expr_set(e, NFTNL_EXPR_RANGE_TO_DATA, &to, sizeof to);
  return *this;
}

NftRule& NftRule::match_mark(uint32_t bits) {
  nftnl_expr* e = add("meta");
  nftnl_expr_set_u32(e, NFTNL_EXPR_META_KEY, NFT_META_MARK);
  nftnl_expr_set_u32(e, NFTNL_EXPR_META_DREG, number(NftRegister::kR0));
  uint32_t none = 0;
  mask_and_flip(&bits, &none);
  compare(NftRegister::kR0, true, bytes_of(bits));
  return *this;
}

NftRule& NftRule::add_mark(uint32_t bits) {
  nftnl_expr* e = add("meta");
  nftnl_expr_set_u32(e, NFTNL_EXPR_META_KEY, NFT_META_MARK);
  nftnl_expr_set_u32(e, NFTNL_EXPR_META_DREG, number(NftRegister::kR0));
  // mark | bits, as the kernel's bitwise has it: (mark & ~bits) ^ bits.
  uint32_t keep = ~bits;
  mask_and_flip(&keep, &bits);
  nftnl_expr* s = add("meta");
  nftnl_expr_set_u32(s, NFTNL_EXPR_META_KEY, NFT_META_MARK);
  nftnl_expr_set_u32(s, NFTNL_EXPR_META_SREG, number(NftRegister::kR0));
  return *this;
}

NftRule& NftRule::in_set(std::string_view set, NftRegister key) {
  nftnl_expr* e = add("lookup");
  nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_SREG, number(key));
  nftnl_expr_set_str(e, NFTNL_EXPR_LOOKUP_SET, std::string(set).c_str());
  return *this;
}
NftRule& NftRule::verdict_from(std::string_view map, NftRegister key) {
  nftnl_expr* e = add("lookup");
  nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_SREG, number(key));
  nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_DREG, NFT_REG_VERDICT);
  nftnl_expr_set_str(e, NFTNL_EXPR_LOOKUP_SET, std::string(map).c_str());
  return *this;
}
NftRule& NftRule::load_from(std::string_view map, NftRegister key, NftRegister data) {
  nftnl_expr* e = add("lookup");
  nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_SREG, number(key));
  nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_DREG, number(data));
  nftnl_expr_set_str(e, NFTNL_EXPR_LOOKUP_SET, std::string(map).c_str());
  return *this;
}
NftRule& NftRule::change_map(uint32_t operation, std::string_view map, NftRegister key, NftRegister data, uint64_t timeout_ms) {
  nftnl_expr* e = add("dynset");
  nftnl_expr_set_str(e, NFTNL_EXPR_DYNSET_SET_NAME, std::string(map).c_str());
  nftnl_expr_set_u32(e, NFTNL_EXPR_DYNSET_OP, operation);
  nftnl_expr_set_u32(e, NFTNL_EXPR_DYNSET_SREG_KEY, number(key));
  nftnl_expr_set_u32(e, NFTNL_EXPR_DYNSET_SREG_DATA, number(data));
  if (timeout_ms) nftnl_expr_set_u64(e, NFTNL_EXPR_DYNSET_TIMEOUT, timeout_ms);
  return *this;
}
NftRule& NftRule::add_to(std::string_view map, NftRegister key, NftRegister data, uint64_t timeout_ms) {
  return change_map(NFT_DYNSET_OP_ADD, map, key, data, timeout_ms);
}
NftRule& NftRule::update_in(std::string_view map, NftRegister key, NftRegister data, uint64_t timeout_ms) {
  return change_map(NFT_DYNSET_OP_UPDATE, map, key, data, timeout_ms);
}
NftRule& NftRule::remove_from(std::string_view map, NftRegister key, NftRegister data) { return change_map(NFT_DYNSET_OP_DELETE, map, key, data, 0); }
NftRule& NftRule::dnat(NftRegister address, NftRegister port) {
  nftnl_expr* e = add("nat");
  nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_TYPE, NFT_NAT_DNAT);
  nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_FAMILY, NFPROTO_IPV4);
  nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_REG_ADDR_MIN, number(address));
  nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_REG_PROTO_MIN, number(port));
  return *this;
}
NftRule& NftRule::masquerade() {
  add("masq");
  return *this;
}
NftRule& NftRule::match_protocol(uint8_t protocol) {
  load_protocol(NftRegister::kR0);
  compare(NftRegister::kR0, true, bytes_of(protocol));
  return *this;
}
NftRule& NftRule::reject_with_reset() {
  nftnl_expr* e = add("reject");
  nftnl_expr_set_u32(e, NFTNL_EXPR_REJECT_TYPE, NFT_REJECT_TCP_RST);
  nftnl_expr_set_u8(e, NFTNL_EXPR_REJECT_CODE, 0);
  return *this;
}
NftRule& NftRule::reject() {
  nftnl_expr* e = add("reject");
  nftnl_expr_set_u32(e, NFTNL_EXPR_REJECT_TYPE, NFT_REJECT_ICMP_UNREACH);
  nftnl_expr_set_u8(e, NFTNL_EXPR_REJECT_CODE, 3);  // port unreachable, RFC 792
  return *this;
}
NftRule& NftRule::jump(std::string_view chain) {
  verdict(NFT_JUMP, chain);
  return *this;
}
NftRule& NftRule::go_to(std::string_view chain) {
  verdict(NFT_GOTO, chain);
  return *this;
}
NftRule& NftRule::accept() {
  verdict(NF_ACCEPT, {});
  return *this;
}
NftRule& NftRule::drop() {
  verdict(NF_DROP, {});
  return *this;
}

}  // namespace bramble

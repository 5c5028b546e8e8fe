// NftBatch: one nftables transaction over libnftnl: everything in it happens, or nothing (nft(8), "nf_tables" of the kernel).
// Only the table named at construction is ever touched. Objects may be referred to in the batch that makes them.
// Built on one thread, committed once. Addresses and ports are in network byte order, as packets carry them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"

struct nftnl_rule;
struct nftnl_expr;

namespace bramble {

// Registers of 4 bytes, as concatenated keys use them one behind the other.
enum class NftRegister : uint32_t { kR0 = 8, kR1, kR2, kR3, kR4, kR5 };

// One rule: expressions run from left to right until one does not match. Names follow `nft list ruleset`.
class NftRule {
 public:
  explicit NftRule(std::string chain);
  ~NftRule();
  NftRule(NftRule&& o) noexcept;
  NftRule& operator=(NftRule&&) = delete;

  NftRule& load_source_address(NftRegister r);       // ip saddr
  NftRule& load_destination_address(NftRegister r);  // ip daddr
  NftRule& load_protocol(NftRegister r);             // meta l4proto
  NftRule& load_destination_port(NftRegister r);     // th dport
  NftRule& load_random(NftRegister r, uint32_t modulus);  // numgen random mod N
  NftRule& match_source(std::string_view address, int prefix_length, bool wanted);       // raw address bytes
  NftRule& match_destination(std::string_view address, int prefix_length, bool wanted);
  NftRule& match_local_destination();                // fib daddr type local
  NftRule& match_local_source();                     // fib saddr type local
  NftRule& match_new_connection();                   // ct state new
  NftRule& match_known_connection();                 // ct state established,related
  NftRule& match_destination_ports(uint16_t first, uint16_t last);  // th dport first-last; only after match_protocol()
  NftRule& match_mark(uint32_t bits);                // meta mark & bits == bits
  NftRule& add_mark(uint32_t bits);                  // meta mark set mark | bits
  NftRule& in_set(std::string_view set, NftRegister key);
  NftRule& verdict_from(std::string_view map, NftRegister key);
  NftRule& load_from(std::string_view map, NftRegister key, NftRegister data);
  // Of a dynamic map: add keeps what is there, update gives what is there its whole time again, remove is no error without it.
  NftRule& add_to(std::string_view map, NftRegister key, NftRegister data, uint64_t timeout_ms);
  NftRule& update_in(std::string_view map, NftRegister key, NftRegister data, uint64_t timeout_ms);
  NftRule& remove_from(std::string_view map, NftRegister key, NftRegister data);
  NftRule& dnat(NftRegister address, NftRegister port);
  NftRule& masquerade();
  NftRule& match_protocol(uint8_t protocol);         // meta l4proto
  NftRule& reject();                                 // ICMP port unreachable
  NftRule& reject_with_reset();                      // TCP RST; only after match_protocol(IPPROTO_TCP)
  NftRule& jump(std::string_view chain);
  NftRule& go_to(std::string_view chain);
  NftRule& accept();  // ends the base chain; later base chains of the hook see the packet
  NftRule& drop();

 private:
  friend class NftBatch;
  nftnl_expr* add(const char* name);
  void load_payload(uint32_t base, uint32_t offset, uint32_t bytes, NftRegister r);
  void compare(NftRegister r, bool equal, std::string_view bytes);
  NftRule& match_local(uint32_t flag);
  NftRule& match_connection(uint32_t states);
  NftRule& change_map(uint32_t operation, std::string_view map, NftRegister key, NftRegister data, uint64_t timeout_ms);
  void match_network(uint32_t offset, std::string_view address, int prefix_length, bool wanted);
  void mask_and_flip(const void* mask, const void* flip);  // register 0: (value & mask) ^ flip, 4 bytes each
  void verdict(int kind, std::string_view chain);
  std::string chain_;
  nftnl_rule* rule_;
};

enum class NftKeyType : uint32_t {
  kInteger = 4,
  kAddress = 7,                                     // ipv4_addr
  kProtocolPort = 12 << 6 | 13,                     // inet_proto . inet_service
  kAddressProtocolPort = 7 << 12 | 12 << 6 | 13,    // ipv4_addr . inet_proto . inet_service
  kAddressAddress = 7 << 6 | 7,
  kAddressPort = 7 << 6 | 13,                       // ipv4_addr . inet_service
};
enum class NftDataType { kNone, kVerdict, kAddressPort };

struct NftMap {
  std::string name;
  NftKeyType key = NftKeyType::kAddress;
  NftDataType data = NftDataType::kNone;  // kNone: a set
  bool dynamic = false;    // filled by rules, with timeouts
  bool intervals = false;  // elements come in pairs: where a range begins, and (ends) the first behind it
};

struct NftElement {
  std::string key;    // raw bytes, each part padded to 4
  std::string data;   // kAddressPort
  std::string chain;  // kVerdict: go to this chain
  bool ends = false;  // of a map with intervals
};

struct NftHook {
  uint32_t number = 0;  // NF_INET_*
  int priority = 0;
  const char* type = "filter";  // "nat" "filter"
};

class NftBatch {
 public:
  explicit NftBatch(std::string table);
  void add_table();
  void delete_table();  // fails the batch when it does not exist: add_table() before it
  void add_chain(std::string_view name, std::optional<NftHook> hook = std::nullopt);
  void flush_chain(std::string_view name);
  void delete_chain(std::string_view name);
  void add_map(const NftMap& map);
  void delete_map(std::string_view name);
  void add_elements(const NftMap& map, const std::vector<NftElement>& elements);
  void delete_elements(const NftMap& map, const std::vector<NftElement>& elements);
  void add_rule(NftRule rule);
  bool empty() const { return messages_ == 0; }
  // kNotFound, kAlreadyExists, kIo: nothing happened. Blocking, short.
  Status commit();

 private:
  template <class F>
  void append(uint16_t type, uint16_t flags, F build);
  void elements(uint16_t type, uint16_t flags, const NftMap& map, const std::vector<NftElement>& list);
  std::string table_;
  std::string bytes_;
  std::string buffer_;       // of one message that is being built
  size_t messages_ = 0;
  size_t last_message_ = 0;  // where it begins in bytes_
  uint32_t sequence_ = 1;
};

}  // namespace bramble

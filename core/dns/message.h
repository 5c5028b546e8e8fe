// DNS messages: reading a query, writing an answer (RFC 1035 section 4, RFC 6891 for EDNS). Pure; any thread. Names are kept
// as their labels joined by dots, in lower case, without a final dot.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"

namespace bramble {

namespace dns_type {
constexpr uint16_t kA = 1, kNs = 2, kCname = 5, kSoa = 6, kPtr = 12, kMx = 15, kTxt = 16, kAaaa = 28, kSrv = 33, kOpt = 41, kAny = 255;
}
namespace dns_rcode {
constexpr uint8_t kNoError = 0, kFormatError = 1, kServerFailure = 2, kNameError = 3, kNotImplemented = 4, kRefused = 5;
}

struct DnsQuery {
  uint16_t id = 0;
  bool recursion_desired = false;
  uint8_t opcode = 0;
  std::string name;            // lower case
  std::string name_on_wire;    // as asked: letters' case is given back (many resolvers check it)
  uint16_t type = 0;
  uint16_t klass = 1;
  bool edns = false;
  uint16_t udp_bytes_max = 512;
};

// kInvalidArgument for anything that is not one whole question; the id is set even then when two bytes were there.
Result<DnsQuery> parse_dns_query(std::string_view bytes);

struct DnsRecord {
  std::string name;
  uint16_t type = 0;
  uint32_t ttl_s = 0;
  std::string data;  // in wire form
};

struct DnsAnswer {
  uint8_t rcode = dns_rcode::kNoError;
  bool authoritative = true;
  std::vector<DnsRecord> answers, authority, additional;
  std::string chase;  // the name outside of the cluster on which the answer goes on; "": it is whole
};

// At most bytes_max bytes; beyond, the message says that it was cut (TC) and keeps whole records only.
std::string build_dns_answer(const DnsQuery& query, const DnsAnswer& answer, size_t bytes_max);
// A plain question of our own.
std::string build_dns_query(uint16_t id, std::string_view name, uint16_t type);

// What is to know of somebody's answer.
struct DnsReply {
  uint8_t rcode = 0;
  bool cut_short = false;
  size_t answer_count = 0;
  int64_t ttl_s_min = 0;                    // of its answers
  std::optional<int64_t> negative_ttl_s;    // how long nothing is to be found there (RFC 2308 section 5)
  std::vector<DnsRecord> answers;           // addresses and CNAMEs alone, names written out
  std::vector<size_t> ttl_offsets;          // where times stand in the message, but for OPT's
};
// Nothing: it is broken.
std::optional<DnsReply> parse_dns_reply(std::string_view bytes);

// The shortest answer to what could not be parsed.
std::string build_dns_error(uint16_t id, uint8_t rcode);

// Wire forms of record data. A name longer than 255 bytes or with a label over 63 gives "".
std::string dns_name(std::string_view name);
std::string dns_address(std::string_view ip_text);  // 4 or 16 bytes, "" when it is no address
std::string dns_srv(uint16_t priority, uint16_t weight, uint16_t port, std::string_view target);
std::string dns_txt(std::string_view text);
std::string dns_soa(std::string_view primary, std::string_view mailbox, uint32_t serial, uint32_t minimum_s);

}  // namespace bramble

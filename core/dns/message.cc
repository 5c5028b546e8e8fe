#include "core/dns/message.h"

#include <arpa/inet.h>

#include <algorithm>

#include "core/base/strings.h"

namespace bramble {
namespace {

constexpr size_t kHeaderBytes = 12, kNameBytesMax = 255, kLabelBytesMax = 63;
constexpr uint16_t kEdnsBytes = 1232;  // fits every path without fragments (DNS flag day 2020)

class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}
  bool u8(uint8_t* out) {
    if (at_ >= bytes_.size()) return false;
    *out = static_cast<uint8_t>(bytes_[at_++]);
    return true;
  }
  bool u16(uint16_t* out) {
    uint8_t a, b;
    if (!u8(&a) || !u8(&b)) return false;
    *out = static_cast<uint16_t>(a << 8 | b);
    return true;
  }
  bool skip(size_t n) {
    if (bytes_.size() - at_ < n) return false;
    at_ += n;
    return true;
  }
  // A name without compression: a query's question has none, and pointers here would only hide loops.
  bool name(std::string* out) {
    size_t total = 0;
    for (;;) {
      uint8_t n;
      if (!u8(&n)) return false;
      if (n == 0) return true;
      total += n + 1u;
      if (n > kLabelBytesMax || total + 1 > kNameBytesMax || bytes_.size() - at_ < n) return false;
      std::string_view label = bytes_.substr(at_, n);
      if (label.find('.') != std::string_view::npos) return false;
      if (!out->empty()) out->push_back('.');
      out->append(label);
      at_ += n;
    }
  }
  // A name of an answer, written out: pointers lead back only, so that they end.
  bool packed_name(std::string* out) {
    size_t at = at_, total = 0, before = bytes_.size();
    bool jumped = false;
    for (;;) {
      if (at >= bytes_.size()) return false;
      auto n = static_cast<unsigned char>(bytes_[at]);
      if (n >= 0xc0) {
        if (at + 1 >= bytes_.size()) return false;
        size_t to = static_cast<size_t>(n & 63) << 8 | static_cast<unsigned char>(bytes_[at + 1]);
        if (to >= std::min(at, before)) return false;
        if (!jumped) at_ = at + 2;
        jumped = true;
        before = at;
        at = to;
        continue;
      }
      if (n > kLabelBytesMax || bytes_.size() - at < n + 1u) return false;
      if (n == 0) break;
      total += n + 1u;
      if (total + 1 > kNameBytesMax) return false;
      if (!out->empty()) out->push_back('.');
      out->append(bytes_.substr(at + 1, n));
      at += n + 1u;
    }
    if (!jumped) at_ = at + 1;
    return true;
  }
  bool u32(uint32_t* out) {
    uint16_t high, low;
    if (!u16(&high) || !u16(&low)) return false;
    *out = static_cast<uint32_t>(high) << 16 | low;
    return true;
  }
  size_t at() const { return at_; }
  void move_to(size_t at) { at_ = at; }
  std::string_view bytes(size_t n) const { return bytes_.substr(at_, n); }

 private:
  std::string_view bytes_;
  size_t at_ = 0;
};

void put16(std::string* out, unsigned v) {
  out->push_back(static_cast<char>(v >> 8));
  out->push_back(static_cast<char>(v));
}
void put32(std::string* out, uint32_t v) {
  put16(out, v >> 16);
  put16(out, v & 0xffff);
}

// The question's name stands at offset 12, so records about it point there (RFC 1035 section 4.1.4).
std::string wire_record(const DnsRecord& r, const DnsQuery& query) {
  std::string out = r.name == query.name ? std::string("\xc0\x0c", 2) : dns_name(r.name);
  put16(&out, r.type);
  put16(&out, 1);
  put32(&out, r.ttl_s);
  put16(&out, static_cast<unsigned>(r.data.size()));
  return out + r.data;
}

}  // namespace

Result<DnsQuery> parse_dns_query(std::string_view bytes) {
  Error broken(Code::kInvalidArgument, "dns: not a whole query");
  DnsQuery q;
  Reader r(bytes);
  uint16_t flags, questions, answers, authorities, additional;
  if (!r.u16(&q.id) || !r.u16(&flags) || !r.u16(&questions) || !r.u16(&answers) || !r.u16(&authorities) || !r.u16(&additional)) return broken;
  if (flags & 0x8000) return broken;  // an answer
  q.opcode = static_cast<uint8_t>(flags >> 11 & 15);
  q.recursion_desired = flags & 0x0100;
  if (questions != 1 || answers != 0 || authorities != 0) return broken;
  if (!r.name(&q.name_on_wire) || !r.u16(&q.type) || !r.u16(&q.klass)) return broken;
  q.name = lower(q.name_on_wire);
  for (unsigned i = 0; i < additional; i++) {
    std::string owner;
    uint16_t type, klass, ttl_high, ttl_low, length;
    if (!r.name(&owner) || !r.u16(&type) || !r.u16(&klass) || !r.u16(&ttl_high) || !r.u16(&ttl_low) || !r.u16(&length) || !r.skip(length)) return broken;
    if (type == dns_type::kOpt && owner.empty() && !q.edns) {
      q.edns = true;
      q.udp_bytes_max = klass < 512 ? 512 : klass;
    }
  }
  return q;
}

std::string build_dns_answer(const DnsQuery& query, const DnsAnswer& answer, size_t bytes_max) {
  std::string body = dns_name(query.name_on_wire);
  put16(&body, query.type);
  put16(&body, query.klass);
  std::string opt;
  if (query.edns) {
    opt.push_back(0);
    put16(&opt, dns_type::kOpt);
    put16(&opt, kEdnsBytes);
    put32(&opt, 0);
    put16(&opt, 0);
  }
  unsigned counts[3] = {};
  bool cut_short = false;
  const std::vector<DnsRecord>* sections[3] = {&answer.answers, &answer.authority, &answer.additional};
  for (int s = 0; s < 3 && !cut_short; s++) {
    for (const DnsRecord& r : *sections[s]) {
      std::string wire = wire_record(r, query);
      if (kHeaderBytes + body.size() + wire.size() + opt.size() > bytes_max) {
        cut_short = s < 2;  // what is additional may be left out silently
        break;
      }
      body += wire;
      counts[s]++;
    }
  }
  std::string out;
  put16(&out, query.id);
  unsigned flags = 0x8000u | static_cast<unsigned>(query.opcode) << 11 | (answer.authoritative ? 0x0400u : 0u) | (cut_short ? 0x0200u : 0u) |
                   (query.recursion_desired ? 0x0100u : 0u) | 0x0080u | answer.rcode;
  put16(&out, flags);
  put16(&out, 1);
  put16(&out, counts[0]);
  put16(&out, counts[1]);
  put16(&out, counts[2] + (query.edns ? 1 : 0));
  return out + body + opt;
}

std::string build_dns_query(uint16_t id, std::string_view name, uint16_t type) {
  std::string out;
  put16(&out, id);
  put16(&out, 0x0100);  // recursion is desired
  put16(&out, 1);
  out.append(6, '\0');
  out += dns_name(name);
  put16(&out, type);
  put16(&out, 1);
  return out;
}

namespace {

// Reads one record of the section (0: answers, 1: authority, 2: additional).
bool read_record(Reader* r, int section, DnsReply* out) {
  DnsRecord record;
  uint16_t klass, length;
  if (!r->packed_name(&record.name) || !r->u16(&record.type) || !r->u16(&klass)) return false;
  size_t ttl_at = r->at();
  if (!r->u32(&record.ttl_s) || !r->u16(&length)) return false;
  size_t data_at = r->at();
  if (!r->skip(length)) return false;
  size_t end = r->at();
  if (record.type == dns_type::kOpt) return true;
  out->ttl_offsets.push_back(ttl_at);
  if (record.ttl_s > 0x7fffffff) record.ttl_s = 0;  // RFC 2181 section 8
  r->move_to(data_at);
  if (section == 0) {
    out->ttl_s_min = out->answer_count == 0 ? record.ttl_s : std::min<int64_t>(out->ttl_s_min, record.ttl_s);
    out->answer_count++;
    bool address = (record.type == dns_type::kA && length == 4) || (record.type == dns_type::kAaaa && length == 16);
    std::string name;
    if (address) record.data = std::string(r->bytes(length));
    if (record.type == dns_type::kCname) {
      if (!r->packed_name(&name) || r->at() > end) return false;
      record.data = dns_name(name);
    }
    record.name = lower(record.name);
    if (!record.data.empty()) out->answers.push_back(std::move(record));
  } else if (section == 1 && record.type == dns_type::kSoa) {
    std::string primary, mailbox;
    uint32_t numbers[5];
    if (!r->packed_name(&primary) || !r->packed_name(&mailbox)) return false;
    for (uint32_t& n : numbers)
      if (!r->u32(&n)) return false;
    if (r->at() > end) return false;
    out->negative_ttl_s = std::min<int64_t>(record.ttl_s, numbers[4]);
  }
  r->move_to(end);
  return true;
}

}  // namespace

std::optional<DnsReply> parse_dns_reply(std::string_view bytes) {
  DnsReply out;
  Reader r(bytes);
  uint16_t id, flags, questions, counts[3];
  if (!r.u16(&id) || !r.u16(&flags) || !r.u16(&questions) || !r.u16(&counts[0]) || !r.u16(&counts[1]) || !r.u16(&counts[2])) return std::nullopt;
  if (!(flags & 0x8000) || questions != 1) return std::nullopt;
  out.rcode = static_cast<uint8_t>(flags & 15);
  out.cut_short = flags & 0x0200;
  std::string name;
  if (!r.packed_name(&name) || !r.skip(4)) return std::nullopt;
  for (int section = 0; section < 3; section++)
    for (unsigned i = 0; i < counts[section]; i++)
      if (!read_record(&r, section, &out)) return std::nullopt;
  return out;
}

std::string build_dns_error(uint16_t id, uint8_t rcode) {
  std::string out;
  put16(&out, id);
  put16(&out, 0x8000u | rcode);
  out.append(8, '\0');
  return out;
}

std::string dns_name(std::string_view name) {
  std::string out;
  if (!name.empty()) {
    for (auto label : split(name, '.')) {
      if (label.empty() || label.size() > kLabelBytesMax) return {};
      out.push_back(static_cast<char>(label.size()));
      out.append(label);
    }
  }
  out.push_back(0);
  return out.size() > kNameBytesMax ? std::string() : out;
}

std::string dns_address(std::string_view ip_text) {
  char raw[16];
  std::string text(ip_text);
  if (inet_pton(AF_INET, text.c_str(), raw) == 1) return {raw, 4};
  if (inet_pton(AF_INET6, text.c_str(), raw) == 1) return {raw, 16};
  return {};
}

std::string dns_srv(uint16_t priority, uint16_t weight, uint16_t port, std::string_view target) {
  std::string out;
  put16(&out, priority);
  put16(&out, weight);
  put16(&out, port);
  return out + dns_name(target);
}

std::string dns_txt(std::string_view text) {
  std::string out;
  out.push_back(static_cast<char>(text.size() < 255 ? text.size() : 255));
  out.append(text.substr(0, 255));
  return out;
}

std::string dns_soa(std::string_view primary, std::string_view mailbox, uint32_t serial, uint32_t minimum_s) {
  std::string out = dns_name(primary) + dns_name(mailbox);
  for (uint32_t v : {serial, 7200u, 1800u, 86400u, minimum_s}) put32(&out, v);
  return out;
}

}  // namespace bramble

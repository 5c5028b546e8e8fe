#include "core/resources/address_warnings.h"

#include "core/base/strings.h"

namespace bramble {
namespace {

std::string hex(unsigned v) {
  std::string out;
  for (int shift = 12; shift >= 0; shift -= 4) {
    const unsigned digit = (v >> shift) & 15;
    if (digit || !out.empty() || shift == 0) out += "0123456789abcdef"[digit];
  }
  return out;
}

std::string v6_text(const IpAddress& ip) {
  unsigned words[8];
  for (size_t i = 0; i < 8; ++i) words[i] = static_cast<unsigned>(ip.bytes[2 * i] << 8 | ip.bytes[2 * i + 1]);
  int gap = -1, gap_words = 1;  // the longest run of zeroes, of two at least
  for (int i = 0; i < 8; ++i) {
    int end = i;
    while (end < 8 && words[end] == 0) ++end;
    if (end - i > gap_words) {
      gap = i;
      gap_words = end - i;
    }
  }
  std::string out;
  for (int i = 0; i < 8; ++i) {
    if (i == gap) {
      out += "::";
      i += gap_words - 1;
      continue;
    }
    if (!out.empty() && out.back() != ':') out += ':';
    out += hex(words[i]);
  }
  return out;
}

IpAddress first_of(const IpRange& range) {
  IpAddress out = range.base;
  const int bits = out.v6 ? 128 : 32;
  for (int i = range.prefix; i < bits; ++i) out.bytes[static_cast<size_t>(i / 8)] &= static_cast<uint8_t>(~(0x80 >> (i % 8)));
  return out;
}

bool is_mapped(const IpAddress& ip, std::string_view text) { return !ip.v6 && text.find(':') != std::string_view::npos; }

}  // namespace

std::string address_text(const IpAddress& ip) {
  if (ip.v6) return v6_text(ip);
  return cat(int{ip.bytes[0]}, ".", int{ip.bytes[1]}, ".", int{ip.bytes[2]}, ".", int{ip.bytes[3]});
}

void address_warnings(std::string_view text, const Path& at, std::vector<std::string>& out) {
  const auto ip = parse_ip_sloppily(text);
  if (!ip) return;
  const std::string usual = address_text(*ip);
  if (!parse_ip(text) || is_mapped(*ip, text))
    out.push_back(cat(at.text(), ": non-standard IP address ", go_quote(text), " is invalid: use ", go_quote(usual)));
  else if (ip->v6 && usual != text)
    out.push_back(cat(at.text(), ": IPv6 address ", go_quote(text), " should be in RFC 5952 canonical format (", go_quote(usual), ")"));
}

void range_warnings(std::string_view text, const Path& at, std::vector<std::string>& out) {
  const auto range = parse_cidr_sloppily(text);
  if (!range) return;
  const std::string usual = cat(address_text(first_of(*range)), "/", range->prefix);
  const size_t before = out.size();
  if (!range->has_no_host_bits()) {
    const std::string single = cat(address_text(range->base), "/", range->base.v6 ? 128 : 32);
    out.push_back(cat(at.text(), ": CIDR value ", go_quote(text), " is ambiguous in this context (should be ", go_quote(usual), " or ",
                      go_quote(single), "?)"));
  }
  if (!parse_cidr(text) || is_mapped(range->base, text))
    out.push_back(cat(at.text(), ": non-standard CIDR value ", go_quote(text), " is invalid: use ", go_quote(usual)));
  if (out.size() == before && range->base.v6 && usual != text)
    out.push_back(cat(at.text(), ": IPv6 CIDR value ", go_quote(text), " should be in RFC 5952 canonical format (", go_quote(usual), ")"));
}

}  // namespace bramble

#include "core/resources/ip_range.h"

#include <vector>

#include "core/base/strings.h"

namespace bramble {
namespace {

// Four decimal numbers without leading zeroes.
bool parse_v4(std::string_view text, uint8_t* out) {
  const auto parts = split(text, '.');
  if (parts.size() != 4) return false;
  for (size_t i = 0; i < 4; ++i) {
    if (parts[i].empty() || parts[i].size() > 3 || (parts[i].size() > 1 && parts[i][0] == '0')) return false;
    const auto n = parse_uint64(parts[i]);
    if (!n || *n > 255) return false;
    out[i] = static_cast<uint8_t>(*n);
  }
  return true;
}

// RFC 4291 section 2.2, all three forms, without zone.
bool parse_v6(std::string_view text, std::array<uint8_t, 16>& out) {
  if (text.find(':') == std::string_view::npos) return false;
  const auto gap = cut(text, "::");
  if (gap && gap->second.find("::") != std::string_view::npos) return false;
  auto read = [](std::string_view side, std::vector<uint8_t>& bytes) {
    if (side.empty()) return true;
    const auto parts = split(side, ':');
    for (size_t i = 0; i < parts.size(); ++i) {
      if (i + 1 == parts.size() && parts[i].find('.') != std::string_view::npos) {
        uint8_t v4[4];
        if (!parse_v4(parts[i], v4)) return false;
        bytes.insert(bytes.end(), v4, v4 + 4);
        continue;
      }
      if (parts[i].empty() || parts[i].size() > 4) return false;
      unsigned n = 0;
      for (char c : parts[i]) {
        if (c >= '0' && c <= '9')
          n = n * 16 + static_cast<unsigned>(c - '0');
        else if (c >= 'a' && c <= 'f')
          n = n * 16 + static_cast<unsigned>(c - 'a' + 10);
        else if (c >= 'A' && c <= 'F')
          n = n * 16 + static_cast<unsigned>(c - 'A' + 10);
        else
          return false;
      }
      bytes.push_back(static_cast<uint8_t>(n >> 8));
      bytes.push_back(static_cast<uint8_t>(n & 255));
    }
    return true;
  };
  std::vector<uint8_t> head, tail;
  if (!read(gap ? gap->first : text, head)) return false;
  if (gap && !read(gap->second, tail)) return false;
  if (gap ? head.size() + tail.size() > 14 : head.size() != 16) return false;
  out.fill(0);
  std::copy(head.begin(), head.end(), out.begin());
  std::copy(tail.begin(), tail.end(), out.end() - static_cast<std::ptrdiff_t>(tail.size()));
  return true;
}

bool same_prefix(const IpAddress& a, const IpAddress& b, int bits) {
  for (int i = 0; bits > 0; ++i, bits -= 8) {
    const uint8_t mask = bits >= 8 ? 0xff : static_cast<uint8_t>(0xff << (8 - bits));
    if ((a.bytes[static_cast<size_t>(i)] & mask) != (b.bytes[static_cast<size_t>(i)] & mask)) return false;
  }
  return true;
}

}  // namespace

bool IpAddress::is_loopback() const {
  if (!v6) return bytes[0] == 127;
  std::array<uint8_t, 16> one{};
  one[15] = 1;
  return bytes == one;
}
bool IpAddress::is_link_local() const {
  return v6 ? bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80 : bytes[0] == 169 && bytes[1] == 254;
}
bool IpAddress::is_link_local_multicast() const {
  return v6 ? bytes[0] == 0xff && (bytes[1] & 0x0f) == 0x02 : bytes[0] == 224 && bytes[1] == 0 && bytes[2] == 0;
}
bool IpAddress::is_unspecified() const {
  for (uint8_t b : bytes)
    if (b != 0) return false;
  return true;
}

bool IpRange::contains(const IpAddress& ip) const { return ip.v6 == base.v6 && same_prefix(base, ip, prefix); }
bool IpRange::has_no_host_bits() const {
  const int bits = base.v6 ? 128 : 32;
  for (int i = prefix; i < bits; ++i)
    if (base.bytes[static_cast<size_t>(i / 8)] & (0x80 >> (i % 8))) return false;
  return true;
}
bool IpRange::strictly_contains(const IpRange& o) const { return o.prefix > prefix && contains(o.base); }

std::optional<IpAddress> parse_ip(std::string_view text) {
  IpAddress ip;
  if (parse_v4(text, ip.bytes.data())) return ip;
  ip.bytes.fill(0);
  ip.v6 = true;
  if (!parse_v6(text, ip.bytes)) return std::nullopt;
  // An IPv4-mapped address is an IPv4 address (as Go's net.IP has it).
  static constexpr uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (std::equal(kMapped, kMapped + 12, ip.bytes.begin())) {
    IpAddress v4;
    std::copy(ip.bytes.begin() + 12, ip.bytes.end(), v4.bytes.begin());
    return v4;
  }
  return ip;
}

namespace {
// Without the zeroes that the numbers of the dotted part begin with.
std::string without_leading_zeroes(std::string_view text) {
  const size_t colon = text.rfind(':');
  const size_t dotted = colon == std::string_view::npos ? 0 : colon + 1;
  std::string out(text.substr(0, dotted));
  if (text.find('.', dotted) == std::string_view::npos) return std::string(text);
  for (std::string_view number : split(text.substr(dotted), '.')) {
    while (number.size() > 1 && number[0] == '0') number.remove_prefix(1);
    out += cat(out.size() > dotted ? "." : "", number);
  }
  return out;
}
}  // namespace

std::optional<IpAddress> parse_ip_sloppily(std::string_view text) {
  if (const auto ip = parse_ip(text)) return ip;
  return parse_ip(without_leading_zeroes(text));
}

std::optional<IpRange> parse_cidr_sloppily(std::string_view text) {
  const auto parts = cut(text, "/");
  if (!parts) return std::nullopt;
  std::string_view bits = parts->second;
  while (bits.size() > 1 && bits[0] == '0') bits.remove_prefix(1);
  const auto ip = parse_ip_sloppily(parts->first);
  if (!ip) return std::nullopt;
  // An IPv4-mapped address counts its bits as IPv6.
  const auto n = parse_uint64(bits);
  const bool mapped = !ip->v6 && parts->first.find(':') != std::string_view::npos;
  if (bits.empty() || !n || *n > (ip->v6 || mapped ? 128u : 32u)) return std::nullopt;
  return IpRange{*ip, static_cast<int>(*n)};
}

std::optional<IpRange> parse_cidr(std::string_view text) {
  const auto parts = cut(text, "/");
  if (!parts || parts->second.empty() || parts->second.size() > 3) return std::nullopt;
  if (parts->second.size() > 1 && parts->second[0] == '0') return std::nullopt;
  const auto ip = parse_ip(parts->first);
  const auto bits = parse_uint64(parts->second);
  if (!ip || !bits || *bits > (ip->v6 ? 128u : 32u)) return std::nullopt;
  return IpRange{*ip, static_cast<int>(*bits)};
}

}  // namespace bramble

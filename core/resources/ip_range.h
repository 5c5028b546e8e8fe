// IP addresses and CIDR ranges as API objects write them: strict texts (no leading zeroes), prefix arithmetic, the
// ranges that endpoints may not be in. Pure; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace bramble {

struct IpAddress {
  bool v6 = false;
  std::array<uint8_t, 16> bytes{};  // IPv4 in the first four
  bool operator==(const IpAddress&) const = default;
  bool is_loopback() const;
  bool is_link_local() const;            // 169.254.0.0/16, fe80::/10
  bool is_link_local_multicast() const;  // 224.0.0.0/24, ff02::/16
  bool is_unspecified() const;
};
struct IpRange {
  IpAddress base;
  int prefix = 0;
  bool contains(const IpAddress& ip) const;
  bool has_no_host_bits() const;  // the base is the range's first address
  // `o` lies inside and is smaller.
  bool strictly_contains(const IpRange& o) const;
};

std::optional<IpAddress> parse_ip(std::string_view text);
std::optional<IpRange> parse_cidr(std::string_view text);  // host bits may be set

// As clients once might write them: decimal numbers may begin with zeroes. Only to word what is wrong with a text.
std::optional<IpAddress> parse_ip_sloppily(std::string_view text);
std::optional<IpRange> parse_cidr_sloppily(std::string_view text);

}  // namespace bramble

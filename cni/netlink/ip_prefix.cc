#include <arpa/inet.h>

#include <cstring>

#include "cni/netlink/rtnetlink.h"
#include "core/base/strings.h"

namespace bramble {

std::optional<IpPrefix> IpPrefix::parse(std::string_view text) {
  IpPrefix out;
  std::string address(text);
  std::optional<int64_t> length;
  if (auto parts = cut(text, "/")) {
    address = std::string(parts->first);
    length = parse_int64(parts->second);
    if (!length) return std::nullopt;
  }
  if (inet_pton(AF_INET, address.c_str(), out.bytes) != 1) {
    if (inet_pton(AF_INET6, address.c_str(), out.bytes) != 1) return std::nullopt;
    out.v6 = true;
  }
  int bits = out.v6 ? 128 : 32;
  if (length && (*length < 0 || *length > bits)) return std::nullopt;
  out.length = length ? static_cast<int>(*length) : bits;
  return out;
}

std::string IpPrefix::address_text() const {
  char buf[INET6_ADDRSTRLEN];
  return inet_ntop(v6 ? AF_INET6 : AF_INET, bytes, buf, sizeof buf);
}

std::string IpPrefix::text() const { return cat(address_text(), "/", length); }

IpPrefix IpPrefix::network() const {
  IpPrefix out = *this;
  for (int bit = length; bit < (v6 ? 128 : 32); bit++) out.bytes[bit / 8] &= static_cast<unsigned char>(~(0x80 >> bit % 8));
  return out;
}

bool IpPrefix::contains(const IpPrefix& o) const {
  if (v6 != o.v6 || o.length < length) return false;
  IpPrefix cut_down = o;
  cut_down.length = length;
  return std::memcmp(network().bytes, cut_down.network().bytes, 16) == 0;
}

IpPrefix IpPrefix::host(uint64_t n) const {
  IpPrefix out = network();
  out.length = v6 ? 128 : 32;
  for (int i = (v6 ? 16 : 4) - 1; i >= 0 && n > 0; i--) {
    n += out.bytes[i];
    out.bytes[i] = static_cast<unsigned char>(n & 255);
    n >>= 8;
  }
  return out;
}

}  // namespace bramble

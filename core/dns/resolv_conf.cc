#include "core/dns/resolv_conf.h"

#include <algorithm>

#include "core/base/limits.h"
#include "core/base/strings.h"
#include "core/dns/message.h"

namespace bramble {

std::vector<std::string> upstream_servers(std::string_view text, std::string_view self) {
  std::vector<std::string> out;
  for (auto line : split(text, '\n')) {
    line = trim(line.substr(0, line.find_first_of("#;")));
    if (!line.starts_with("nameserver") || line.size() < 12 || (line[10] != ' ' && line[10] != '\t')) continue;
    std::string address(trim(line.substr(10)));
    if (auto zone = cut(address, "%")) address = std::string(zone->first);
    if (dns_address(address).empty() || address == self || address == "::1" || address.starts_with("127.")) continue;
    if (std::find(out.begin(), out.end(), address) == out.end()) out.push_back(address);
    if (out.size() == limits::kDnsUpstreamsMax) break;
  }
  return out;
}

}  // namespace bramble

// Who else's packet filter drops what pods send: an accept of ours does not help against a drop in another base chain (Docker's, ufw's,
// firewalld's, by nft or by iptables over nft). Read only; chains of iptables' old interface (iptables-legacy) are not seen. Blocking, short.
#pragma once

#include <string>
#include <vector>

#include "cni/netlink/rtnetlink.h"

namespace bramble {

struct ForeignDrop {
  std::string family, table, chain;  // "ip" "filter" "FORWARD"
  bool forward = true;               // false: what is for the host itself, as pods' DNS and API requests are
  std::string owner;                 // "Docker", "ufw", "firewalld", "" unknown
  bool operator==(const ForeignDrop&) const = default;
};

// Base chains at the hooks forward and input that drop what none of their rules takes, in tables without rules that take all from
// (and, forwarded, all to) these addresses or the pods' bridge.
Result<std::vector<ForeignDrop>> find_foreign_drops(const IpPrefix& pods, const std::string& bridge);

// The commands, joined by " && ", after which it is no longer found.
std::string mending_commands(const ForeignDrop& drop, const IpPrefix& pods);

}  // namespace bramble

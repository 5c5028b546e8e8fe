// Rtnetlink: links, addresses and routes of the calling thread's network namespace, over libmnl (rtnetlink(7)).
// Blocking but short; one object per thread and use. Making what is there and removing what is not there succeed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"

struct mnl_socket;
struct nlmsghdr;

namespace bramble {

// An address with its prefix, IPv4 or IPv6, as text: "10.42.0.1/24".
struct IpPrefix {
  bool v6 = false;
  unsigned char bytes[16] = {};
  int length = 0;
  static std::optional<IpPrefix> parse(std::string_view text);  // without "/n": a host's
  std::string text() const;
  std::string address_text() const;
  IpPrefix network() const;             // host bits zero
  bool contains(const IpPrefix& o) const;
  IpPrefix host(uint64_t n) const;      // the n-th address of the network, as a host's prefix
  bool operator==(const IpPrefix&) const = default;
};

// What a VXLAN link is made with, and cannot change.
struct VxlanFacts {
  uint32_t vni = 0;
  uint16_t port = 0;
  int underlay = 0;  // index of the link that carries it
  bool learning = false;
  std::optional<IpPrefix> local;  // the source of what it sends
};

struct Link {
  int index = 0;
  std::string name;
  std::string kind;  // "bridge" "veth" "vxlan", "" for devices
  std::string mac;   // "02:42:..", "" without one
  int mtu = 0;
  int master = 0;    // index of the bridge it is a port of
  bool up = false;
  std::optional<VxlanFacts> vxlan;
};

// A route of the main table, unicast.
struct Route {
  IpPrefix destination;
  std::optional<IpPrefix> via;  // none: on link
  int index = 0;
  bool on_link = false;         // `via` is taken to be reachable there, whatever the link's addresses are
  int protocol = 0;             // RTPROT_*: who made it
};

// A permanent entry: who has an address on a link, or (forwarding) to which address a VXLAN link sends what is for a MAC.
struct Neighbour {
  int index = 0;
  bool forwarding = false;
  IpPrefix address;
  std::string mac;
};

class Rtnetlink {
 public:
  static Result<Rtnetlink> open();
  ~Rtnetlink();
  Rtnetlink(Rtnetlink&& o) noexcept;
  Rtnetlink& operator=(Rtnetlink&&) = delete;

  Result<std::optional<Link>> find_link(std::string_view name);
  Result<std::vector<Link>> links();
  Status add_bridge(std::string_view name, int mtu);
  // A pair: `name` here, `peer` in the namespace behind peer_netns_fd.
  Status add_veth(std::string_view name, std::string_view peer, int peer_netns_fd, int mtu);
  Status add_vxlan(std::string_view name, const VxlanFacts& facts, std::string_view mac, int mtu);
  Status remove_link(std::string_view name);
  Status set_up(int index);
  Status set_mtu(int index, int mtu);
  Status set_master(int index, int master);
  Status set_hairpin(int index, bool on);  // bridge port flag
  // Whether netfilter (IPv4) sees what this bridge carries from port to port; it takes the module br_netfilter.
  Status set_bridge_netfilter(int index, bool on);
  Status add_address(int index, const IpPrefix& address);
  Status remove_address(int index, const IpPrefix& address);
  Result<std::vector<std::pair<int, IpPrefix>>> addresses();
  // via empty: on link. source empty: the kernel chooses.
  Status add_route(const IpPrefix& destination, const std::optional<IpPrefix>& via, int index);
  Status remove_route(const IpPrefix& destination, int index);
  Result<std::vector<Route>> routes(bool v6);
  Status put_route(const Route& route);  // replaces one to the same destination
  Status remove_route(const Route& route);
  Result<std::vector<Neighbour>> neighbours(int index);  // the permanent ones of a link
  Status put_neighbour(const Neighbour& n);
  Status remove_neighbour(const Neighbour& n);
  struct DefaultRoute {
    int index = 0;
    std::optional<IpPrefix> via;
    std::optional<IpPrefix> source;
  };
  Result<std::optional<DefaultRoute>> default_route();  // IPv4, lowest metric

 private:
  explicit Rtnetlink(mnl_socket* socket);
  Status talk(nlmsghdr* request, std::string_view what, int tolerated_errno);
  template <class F>
  Status dump(nlmsghdr* request, std::string_view what, F each);
  mnl_socket* socket_;
  unsigned sequence_ = 1;
};

}  // namespace bramble

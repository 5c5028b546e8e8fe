// HostLocal: addresses of one range, given to containers of this node, as the CNI host-local plugin does. A lease is a file
// named by the address that holds the container's id. Each call holds <directory>/lock, as upstream's plugin does, so processes
// beside each other never give the same address; what a crash leaves is a whole lease, or an empty one that is free again.
// Blocking, also for the lock.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cni/netlink/rtnetlink.h"
#include "core/base/unique_fd.h"

namespace bramble {

class HostLocal {
 public:
  // kInvalidArgument when the range is too small. The first address is the gateway's, the last (IPv4) the broadcast's.
  static Result<HostLocal> open(std::string directory, const IpPrefix& range);

  IpPrefix gateway() const { return range_.host(1); }
  int range_length() const { return range_.length; }
  // The container's address with the range's prefix length: the one it has, else the next free one after the last given
  // (so an address rests before it is used again). kExhausted when none is free.
  Result<IpPrefix> add(const std::string& container_id);
  Result<std::optional<IpPrefix>> find(const std::string& container_id) const;  // the one it has
  Status del(const std::string& container_id);
  Result<std::vector<std::string>> containers() const;

 private:
  HostLocal(std::string directory, const IpPrefix& range) : directory_(std::move(directory)), range_(range) {}
  struct Lease {
    std::string file, container_id;
  };
  Result<UniqueFd> lock() const;                // held as long as the descriptor is open
  Result<std::vector<Lease>> leases() const;    // with the lock
  std::string directory_;
  IpPrefix range_;
};

}  // namespace bramble

// HostPorts: what the CNI portmap plugin does: ports of the host that lead to ports of pods, in an nftables table of their own
// ("bramble-hostports"), for connections from outside, from pods and from the host itself, also to 127.0.0.1. What each pod has is
// kept in a file, and the table is written whole from these in one transaction, at each change and at start: so it is mended by a
// restart and never half there. Each call holds <folder>/.lock, so several beside each other, also of other
// processes, do not lose what one of them adds. Blocking; needs root.
#pragma once

#include <string>
#include <vector>

#include "cni/netlink/rtnetlink.h"
#include "cni/pod_network.h"
#include "core/base/unique_fd.h"

namespace bramble {

class HostPorts {
 public:
  HostPorts(std::string folder, std::string bridge, IpPrefix pods) : folder_(std::move(folder)), bridge_(std::move(bridge)), pods_(pods) {}
  // Makes the table what the files say.
  Status restore();
  // Idempotent. A port that another pod has goes to this one.
  Status add(const std::string& container_id, const std::string& address, const std::vector<PortMapping>& ports);
  Status del(const std::string& container_id);
  Status keep_only(const std::vector<std::string>& container_ids);
  Status down();  // removes the table; files stay

 private:
  Result<UniqueFd> lock() const;  // held as long as the descriptor is open
  // Both with the lock held.
  Status write_table(std::vector<std::string> names, const std::string& last);
  Status leave_out(const std::vector<std::string>& gone);
  std::string file_of(const std::string& container_id) const { return folder_ + "/" + container_id; }

  std::string folder_, bridge_;
  IpPrefix pods_;
};

}  // namespace bramble

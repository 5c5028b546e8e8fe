// StaleFlows: UDP clients that go on sending to an endpoint that is gone, or into the nothing in which a Service without
// endpoints was, are cut loose: the kernel forgets where their flows lead, so that the next packet is led anew (upstream:
// pkg/proxy/conntrack/cleanup.go). What ought to be is gathered here and compared with the kernel's table in offload(), one pass at a
// time. Owner's loop thread.
#pragma once

#include <map>
#include <set>
#include <string>

#include "core/loop/task.h"
#include "core/proxy/service_ports.h"

namespace bramble {

struct WantedFlows {
  using Ends = std::set<std::pair<std::string, uint16_t>>;
  std::map<std::pair<std::string, uint16_t>, Ends> by_address;  // address and port of a Service -> who may answer
  std::map<uint16_t, Ends> by_host_port;                        // a port of every address of this host
  std::set<std::string> host_addresses;

  void want(const ServicePort& port);
  bool is_stale(const std::string& to, uint16_t to_port, const std::string& from, uint16_t from_port) const;
};

class StaleFlows {
 public:
  // After the table was changed: the UDP port as it is now, null when it is no more (`before` tells its addresses).
  void changed(const ServicePort* before, const ServicePort* after);

 private:
  Task<void> sweep();
  WantedFlows wanted_;  // of the next pass
  bool sweeping_ = false, again_ = false;
  TaskGroup tasks_;
};

}  // namespace bramble

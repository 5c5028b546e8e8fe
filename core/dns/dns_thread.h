// DnsThread: sockets, answers and forwarding on the DNS server's own thread. The owner talks to it by use()
// and forward_to() alone.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/dns/zone.h"
#include "core/loop/socket.h"

namespace bramble {

class DnsThread {
 public:
  // Binds before the thread starts, so that a taken address is an answer and not a log line.
  static Result<std::unique_ptr<DnsThread>> start(const std::string& address, uint16_t port, std::vector<SocketAddress> upstreams);
  virtual ~DnsThread() = default;  // ends and joins the thread
  virtual void use(std::shared_ptr<const Zone> zone) = 0;  // any thread
  virtual void forward_to(std::vector<SocketAddress> upstreams) = 0;  // any thread
};

}  // namespace bramble

// Conntrack: the kernel's table of connections of one network namespace, over ctnetlink (nfnetlink subsystem CTNETLINK). For UDP
// alone: a client that never closes keeps being led to where its first packet went. Opened in the namespace; used on any one
// thread. Blocking, as long as the table is.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "core/base/result.h"

struct mnl_socket;

namespace bramble {

struct UdpFlow {
  std::string to;         // "10.43.0.10", where the client sends, before translation
  uint16_t to_port = 0;
  std::string from;       // who answers: the endpoint, or `to` itself when nothing was translated
  uint16_t from_port = 0;
};

class Conntrack {
 public:
  static Result<Conntrack> open();
  Conntrack(Conntrack&&) = default;
  // Forgets the IPv4 UDP flows that `stale` names; how many.
  Result<size_t> forget(const std::function<bool(const UdpFlow&)>& stale);

 private:
  explicit Conntrack(mnl_socket* socket);
  std::unique_ptr<mnl_socket, int (*)(mnl_socket*)> socket_;
};

}  // namespace bramble

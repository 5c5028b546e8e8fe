// The node's own address where no flag gives it: waiting for one at start, and following it while the server runs. A board may
// be up before its network, and may be carried to another one.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "cni/netlink/address_events.h"
#include "core/base/limits.h"
#include "core/loop/loop.h"

namespace bramble {

// Blocks until the machine has an address that host_address() finds. Main thread, before the loop.
Status wait_for_address();

// Owner's loop thread. Nothing survives a restart: the next start reads the address.
class AddressWatch {
 public:
  // changed: the machine has another address than `present`, and no event came for settle_ms. While it has none, or has the
  // old one still and no default route, nothing has changed.
  static Result<std::unique_ptr<AddressWatch>> start(std::string present, std::function<void(const std::string& address)> changed,
                                                     int64_t settle_ms = limits::kAddressSettleMs);
  AddressWatch(const AddressWatch&) = delete;

 private:
  AddressWatch(AddressEvents events, std::string present, std::function<void(const std::string& address)> changed, int64_t settle_ms);
  void look();

  AddressEvents events_;
  std::string present_;
  std::function<void(const std::string& address)> changed_;
  const int64_t settle_ms_;
  Timer timer_;
  FdWatch watch_;
};

}  // namespace bramble

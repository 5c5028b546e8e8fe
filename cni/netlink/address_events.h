// AddressEvents: tells when the IPv4 addresses or routes of the network namespace change in which it was opened (rtnetlink(7),
// groups RTNLGRP_IPV4_IFADDR and RTNLGRP_IPV4_ROUTE). Any thread; no call waits but wait().
#pragma once

#include "core/base/result.h"
#include "core/base/unique_fd.h"

namespace bramble {

class AddressEvents {
 public:
  // What happens from here on is told.
  static Result<AddressEvents> open();
  int fd() const { return fd_.get(); }  // readable when there is something to tell
  // Whether anything changed since the last call; also true when more happened than the socket holds.
  bool changed();
  void wait() const;  // blocks until there is something to tell

 private:
  explicit AddressEvents(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

}  // namespace bramble

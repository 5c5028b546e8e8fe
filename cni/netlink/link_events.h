// LinkEvents: tells when somebody changes what the way to other nodes is made of (rtnetlink(7)): any address or route, and links and
// neighbours of the watched links alone, so that the coming and going of pods and ordinary ARP wake nobody. Of the network
// namespace of the thread that opened it. One owner; no call waits.
#pragma once

#include <vector>

#include "core/base/result.h"
#include "core/base/unique_fd.h"

namespace bramble {

class LinkEvents {
 public:
  static Result<LinkEvents> open(bool v6);
  int fd() const { return fd_.get(); }  // readable when there is something to tell
  // Links by index, few. What happens to others from here on is not told.
  Status watch(const std::vector<int>& links);
  // Whether anything changed since the last call; also true when more happened than the socket holds.
  bool changed();

 private:
  explicit LinkEvents(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

}  // namespace bramble

#include "cni/netlink/address_events.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace bramble {

Result<AddressEvents> AddressEvents::open() {
  UniqueFd fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE));
  sockaddr_nl own{};
  own.nl_family = AF_NETLINK;
  own.nl_groups = RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE;
  if (!fd.valid() || bind(fd.get(), reinterpret_cast<sockaddr*>(&own), sizeof own) != 0) return Error::from_errno(errno, "rtnetlink");
  return AddressEvents(std::move(fd));
}

bool AddressEvents::changed() {
  bool any = false;
  char message[4096];
  for (;;) {
    ssize_t n = recv(fd_.get(), message, sizeof message, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno != ENOBUFS) return any;  // ENOBUFS: some were lost
    any = true;
  }
}

void AddressEvents::wait() const {
  pollfd p{fd_.get(), POLLIN, 0};
  while (poll(&p, 1, -1) < 0 && errno == EINTR) {
  }
}

}  // namespace bramble

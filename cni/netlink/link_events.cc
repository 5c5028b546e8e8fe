#include "cni/netlink/link_events.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstddef>

namespace bramble {
namespace {

constexpr uint32_t kType = offsetof(nlmsghdr, nlmsg_type);
constexpr uint32_t kIndex = NLMSG_HDRLEN + 4;  // of ifinfomsg and ndmsg alike
constexpr uint32_t kTake = 0xffffffff, kLeave = 0;

sock_filter load(uint16_t bytes, uint32_t offset) { return {static_cast<uint16_t>(BPF_LD | bytes | BPF_ABS), 0, 0, offset}; }
sock_filter jump_if(uint32_t value, size_t then, size_t otherwise) {
  return {static_cast<uint16_t>(BPF_JMP | BPF_JEQ | BPF_K), static_cast<uint8_t>(then), static_cast<uint8_t>(otherwise), value};
}
sock_filter give(uint32_t what) { return {static_cast<uint16_t>(BPF_RET | BPF_K), 0, 0, what}; }

}  // namespace

Result<LinkEvents> LinkEvents::open(bool v6) {
  UniqueFd fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE));
  if (!fd.valid()) return Error::from_errno(errno, "rtnetlink");
  LinkEvents out(std::move(fd));
  TRY(out.watch({}));  // before anything can come
  sockaddr_nl own{};
  own.nl_family = AF_NETLINK;
  own.nl_groups = RTMGRP_LINK | RTMGRP_NEIGH | RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE;
  if (v6) own.nl_groups |= RTMGRP_IPV6_IFADDR | RTMGRP_IPV6_ROUTE;
  if (bind(out.fd(), reinterpret_cast<sockaddr*>(&own), sizeof own) != 0) return Error::from_errno(errno, "rtnetlink");
  return out;
}

// A classic BPF program; its loads read network byte order, netlink has the machine's.
Status LinkEvents::watch(const std::vector<int>& links) {
  const uint16_t filtered[] = {RTM_NEWLINK, RTM_DELLINK, RTM_NEWNEIGH, RTM_DELNEIGH};
  std::vector<sock_filter> code = {load(BPF_H, kType)};
  size_t left = std::size(filtered);
  for (uint16_t type : filtered) code.push_back(jump_if(htons(type), left--, 0));  // to the load below, behind the first give
  code.push_back(give(kTake));
  code.push_back(load(BPF_W, kIndex));
  left = links.size();
  for (int index : links) code.push_back(jump_if(htonl(static_cast<uint32_t>(index)), left--, 0));
  code.push_back(give(kLeave));
  code.push_back(give(kTake));
  sock_fprog program{static_cast<uint16_t>(code.size()), code.data()};
  if (setsockopt(fd_.get(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) != 0) return Error::from_errno(errno, "rtnetlink: filter");
  return ok();
}

bool LinkEvents::changed() {
  bool any = false;
  char message[4096];
  for (;;) {
    ssize_t n = recv(fd_.get(), message, sizeof message, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno != ENOBUFS) return any;  // ENOBUFS: some were lost
    any = true;
  }
}

}  // namespace bramble

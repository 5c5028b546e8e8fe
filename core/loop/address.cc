#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <cstddef>
#include <cstring>

#include "core/loop/socket.h"

namespace bramble {

Result<SocketAddress> SocketAddress::ip(std::string_view address, uint16_t port) {
  SocketAddress a;
  std::string text(address.empty() ? "::" : address);
  auto* v4 = reinterpret_cast<sockaddr_in*>(&a.storage_);
  if (inet_pton(AF_INET, text.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    a.bytes_ = sizeof *v4;
    return a;
  }
  a.storage_ = {};
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&a.storage_);
  if (inet_pton(AF_INET6, text.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    a.bytes_ = sizeof *v6;
    return a;
  }
  return Error(Code::kInvalidArgument, cat("address ", go_quote(address), ": not an IP address"));
}

Result<SocketAddress> SocketAddress::unix_path(std::string_view path) {
  SocketAddress a;
  auto* un = reinterpret_cast<sockaddr_un*>(&a.storage_);
  if (path.empty() || path.size() >= sizeof un->sun_path)
    return Error(Code::kInvalidArgument,
                 cat("socket path ", go_quote(path), ": must have 1 to ", sizeof un->sun_path - 1, " characters"));
  un->sun_family = AF_UNIX;
  std::memcpy(un->sun_path, path.data(), path.size());
  a.bytes_ = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
  return a;
}

SocketAddress SocketAddress::from_raw(const sockaddr* address, socklen_t bytes) {
  SocketAddress a;
  if (bytes > sizeof a.storage_) bytes = sizeof a.storage_;
  std::memcpy(&a.storage_, address, bytes);
  a.bytes_ = bytes;
  return a;
}

std::string SocketAddress::host() const {
  char buf[INET6_ADDRSTRLEN] = "";
  if (family() == AF_INET) {
    inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(&storage_)->sin_addr, buf, sizeof buf);
  } else if (family() == AF_INET6) {
    auto& v6 = reinterpret_cast<const sockaddr_in6*>(&storage_)->sin6_addr;
    if (IN6_IS_ADDR_V4MAPPED(&v6))
      inet_ntop(AF_INET, &v6.s6_addr[12], buf, sizeof buf);
    else
      inet_ntop(AF_INET6, &v6, buf, sizeof buf);
  }
  return buf;
}

uint16_t SocketAddress::port() const {
  if (family() == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in*>(&storage_)->sin_port);
  if (family() == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6*>(&storage_)->sin6_port);
  return 0;
}

std::string SocketAddress::text() const {
  if (family() == AF_UNIX) {
    // An unnamed peer has no path at all.
    if (bytes_ <= offsetof(sockaddr_un, sun_path)) return "";
    return reinterpret_cast<const sockaddr_un*>(&storage_)->sun_path;
  }
  std::string h = host();
  return h.find(':') == std::string::npos ? cat(h, ":", port()) : cat("[", h, "]:", port());
}

}  // namespace bramble

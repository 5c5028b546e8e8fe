#include <netinet/in.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>

#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/loop/loop.h"
#include "core/loop/socket.h"

namespace bramble {

namespace {

void set_flag(int fd, int level, int name, bool on) {
  int value = on ? 1 : 0;
  if (on) setsockopt(fd, level, name, &value, sizeof value);
}

Error bind_error(int err, const SocketAddress& address) {
  std::string what = cat("listen on ", address.text());
  if (err == EADDRINUSE) return Error(Code::kAlreadyExists, cat(what, ": address already in use"));
  if (err == EADDRNOTAVAIL) return Error(Code::kUnavailable, cat(what, ": this machine has no such address"));
  return Error::from_errno(err, what);
}

// A socket file left by a process that is gone would make bind() fail for ever.
void remove_dead_socket(const SocketAddress& address) {
  UniqueFd probe(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (connect(probe.get(), address.raw(), address.raw_bytes()) != 0 && errno == ECONNREFUSED)
    unlink(address.text().c_str());
}

uint16_t local_port(int fd) {
  sockaddr_storage raw{};
  socklen_t bytes = sizeof raw;
  getsockname(fd, reinterpret_cast<sockaddr*>(&raw), &bytes);
  return SocketAddress::from_raw(reinterpret_cast<sockaddr*>(&raw), bytes).port();
}

Result<UniqueFd> bound(const SocketAddress& address, int type, bool free_bind, bool reuse_port) {
  UniqueFd fd(socket(address.family(), type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return bind_error(errno, address);
  set_flag(fd.get(), SOL_SOCKET, SO_REUSEADDR, type == SOCK_STREAM && address.family() != AF_UNIX);
  set_flag(fd.get(), SOL_SOCKET, SO_REUSEPORT, reuse_port);
  set_flag(fd.get(), IPPROTO_IP, IP_FREEBIND, free_bind && address.family() == AF_INET);
  set_flag(fd.get(), IPPROTO_IPV6, IPV6_FREEBIND, free_bind && address.family() == AF_INET6);
  if (::bind(fd.get(), address.raw(), address.raw_bytes()) != 0) return bind_error(errno, address);
  return fd;
}

}  // namespace

Listener::Listener(UniqueFd fd, std::string unix_path)
    : fd_(std::move(fd)), unix_path_(std::move(unix_path)), ready_(fd_.get()) {}

Listener::~Listener() {
  if (!unix_path_.empty()) unlink(unix_path_.c_str());
}

Result<std::unique_ptr<Listener>> Listener::listen(SocketAddress address, Options options) {
  bool is_unix = address.family() == AF_UNIX;
  if (is_unix) remove_dead_socket(address);
  mode_t before = is_unix ? umask(0177) : 0;  // nobody may connect in the moment before chmod
  auto fd = bound(address, SOCK_STREAM, options.free_bind, options.reuse_port);
  if (is_unix) umask(before);
  if (!fd.ok() && fd.error().code() == Code::kIo && address.family() == AF_INET6 && address.host() == "::") {
    TRY_ASSIGN(SocketAddress v4, SocketAddress::ip("0.0.0.0", address.port()));  // a kernel without IPv6
    return listen(v4, options);
  }
  TRY(fd);
  if (is_unix && chmod(address.text().c_str(), static_cast<mode_t>(options.unix_mode)) != 0)
    return Error::from_errno(errno, address.text());
  if (::listen(fd->get(), limits::kListenBacklog) != 0) return bind_error(errno, address);
  return std::unique_ptr<Listener>(new Listener(std::move(*fd), is_unix ? address.text() : std::string()));
}

std::unique_ptr<Listener> Listener::adopt(UniqueFd fd) {
  return std::unique_ptr<Listener>(new Listener(std::move(fd), std::string()));
}

std::optional<UniqueFd> Listener::try_accept() {
  for (;;) {
    int fd = accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) return UniqueFd(fd);
    if (errno == EINTR || errno == ECONNABORTED) continue;
    return std::nullopt;
  }
}

Task<void> Listener::readable() { return ready_.readable(); }

Task<Result<UniqueFd>> Listener::accept() {
  for (;;) {
    if (!fd_.valid()) co_return Error(Code::kCancelled, "accept: the listener was closed");
    auto fd = try_accept();
    int err = errno;
    if (fd) co_return std::move(*fd);
    if (err == EMFILE || err == ENFILE || err == ENOBUFS || err == ENOMEM) {
      log_warning("accept: ", Error::from_errno(err, "no descriptor").message(), "; waiting");
      co_await sleep_ms(limits::kAcceptPauseMs);  // the kernel has no event for "descriptors are free again"
    } else {
      co_await ready_.readable();
    }
  }
}

void Listener::close() {
  UniqueFd fd = std::move(fd_);
  ready_.cancel();
}

uint16_t Listener::port() const { return local_port(fd_.get()); }

UdpSocket::UdpSocket(UniqueFd fd) : fd_(std::move(fd)), ready_(fd_.get()) {}

Result<std::unique_ptr<UdpSocket>> UdpSocket::bind(SocketAddress address, Options options) {
  TRY_ASSIGN(UniqueFd fd, bound(address, SOCK_DGRAM, options.free_bind, options.reuse_port));
  if (!options.device.empty() && setsockopt(fd.get(), SOL_SOCKET, SO_BINDTODEVICE, options.device.data(),
                                            static_cast<socklen_t>(options.device.size())) != 0)
    return Error::from_errno(errno, cat("device ", options.device));
  return std::unique_ptr<UdpSocket>(new UdpSocket(std::move(fd)));
}

Result<std::unique_ptr<UdpSocket>> UdpSocket::connect(SocketAddress peer) {
  UniqueFd fd(socket(peer.family(), SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid() || ::connect(fd.get(), peer.raw(), peer.raw_bytes()) != 0)
    return Error(Code::kUnavailable, Error::from_errno(errno, cat("udp ", peer.text())).message());
  return std::unique_ptr<UdpSocket>(new UdpSocket(std::move(fd)));
}

// 0, or errno. Not in the coroutine, whose frame would keep the array while it waits.
static int receive_now(int fd, Datagram* out) {
  char bytes[limits::kDatagramBytesMax];
  sockaddr_storage from{};
  socklen_t from_bytes = sizeof from;
  ssize_t n = recvfrom(fd, bytes, sizeof bytes, 0, reinterpret_cast<sockaddr*>(&from), &from_bytes);
  if (n < 0) return errno;
  out->bytes.assign(bytes, static_cast<size_t>(n));
  out->peer = SocketAddress::from_raw(reinterpret_cast<sockaddr*>(&from), from_bytes);
  return 0;
}

Task<Result<Datagram>> UdpSocket::receive() {
  for (;;) {
    Datagram got;
    int err = receive_now(fd_.get(), &got);
    if (err == 0) co_return got;
    if (err == EINTR) continue;
    if (err != EAGAIN) co_return Error(Code::kUnavailable, Error::from_errno(err, "udp receive").message());
    co_await ready_.readable();
  }
}

Status UdpSocket::send_to(std::string_view bytes, const SocketAddress& peer) {
  ssize_t n = sendto(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL, peer.raw(), peer.raw_bytes());
  if (n < 0 && errno != EAGAIN) return Error::from_errno(errno, cat("udp send to ", peer.text()));
  return ok();
}

Status UdpSocket::send(std::string_view bytes) {
  ssize_t n = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (n < 0 && errno != EAGAIN) return Error::from_errno(errno, "udp send");
  return ok();
}

uint16_t UdpSocket::port() const { return local_port(fd_.get()); }

}  // namespace bramble

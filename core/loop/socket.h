// Sockets as coroutines wait on them: connected byte streams (TCP, Unix, any pollable descriptor), listeners, UDP.
// Everything belongs to the loop of the thread that made it. One reader and one writer may wait on a stream at a time;
// dropping a waiting task takes the wait back. Destroying a socket closes its descriptor and leaves its waiters asleep
// for good: drop them with it, or close() it first. All descriptors are close-on-exec and non-blocking.
#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/buffer.h"
#include "core/base/result.h"
#include "core/base/unique_fd.h"
#include "core/loop/task.h"

namespace bramble {

// An IPv4, IPv6 or Unix address. A value.
class SocketAddress {
 public:
  SocketAddress() = default;
  // Numeric address; "" is every IPv4 and IPv6 address. kInvalidArgument for a name.
  static Result<SocketAddress> ip(std::string_view address, uint16_t port);
  static Result<SocketAddress> unix_path(std::string_view path);  // kInvalidArgument when longer than the kernel allows
  static SocketAddress from_raw(const sockaddr* address, socklen_t bytes);

  int family() const { return storage_.ss_family; }
  std::string host() const;  // numeric without port; an IPv4-mapped IPv6 address as IPv4; "" for Unix
  uint16_t port() const;
  std::string text() const;  // "10.0.0.1:53", "[::1]:53", "/run/x.sock"
  const sockaddr* raw() const { return reinterpret_cast<const sockaddr*>(&storage_); }
  socklen_t raw_bytes() const { return bytes_; }

 private:
  sockaddr_storage storage_{};
  socklen_t bytes_ = 0;
};

// Waits until a descriptor is readable or writable. Owned by the socket classes; keeps its place in the poll set
// between waits, so that a busy connection costs no system call for it.
class FdReady {
 public:
  explicit FdReady(int fd);
  ~FdReady();
  FdReady(const FdReady&) = delete;
  Task<void> readable();
  Task<void> writable();
  // Makes both waits end now and for ever.
  void cancel();

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

// What a read or write that does not wait answers.
struct IoResult {
  enum Kind { kDone, kWouldBlock, kEnd, kFailed };
  Kind kind = kDone;
  size_t bytes = 0;  // kDone: more than 0
  int err = 0;       // kFailed: errno
};

class Stream {
 public:
  // Takes a connected descriptor of any kind that can be polled (socket, pipe, terminal).
  explicit Stream(UniqueFd fd);
  ~Stream();
  Stream(const Stream&) = delete;

  // kCancelled before connecting ends when dropped; kTimeout, kUnavailable (refused, unreachable).
  static Task<Result<std::unique_ptr<Stream>>> connect(SocketAddress address, int64_t timeout_ms);
  // The same with a socket that was made elsewhere (a socket stays in the network namespace of the thread that made it).
  static Task<Result<std::unique_ptr<Stream>>> connect(UniqueFd socket, SocketAddress address, int64_t timeout_ms);

  // At least one byte, at most max; "" at the end of the stream. kCancelled after close().
  Task<Result<std::string>> read_some(size_t max);
  Task<Status> write_all(std::string bytes);
  Task<Status> write_all(Buffer bytes);
  void shutdown_write();  // the peer sees the end of the stream; reading goes on
  void close();           // wakes a waiting reader and writer with kCancelled, then closes

  // For callers that keep their own buffers (TLS, HTTP).
  IoResult try_read(void* out, size_t max);
  IoResult try_write(const void* bytes, size_t count);
  IoResult try_write(const iovec* pieces, int count);
  Task<void> readable();  // may end early; try again
  Task<void> writable();

  int fd() const { return fd_.get(); }
  SocketAddress peer() const;
  // Gives the descriptor away, for another thread or process. Nobody may be waiting.
  UniqueFd release();

 private:
  UniqueFd fd_;
  bool socket_ = true;  // else read() and write() in place of recv() and sendmsg()
  std::unique_ptr<FdReady> ready_;
};

class Listener {
 public:
  struct Options {
    bool free_bind = false;   // bind an address that no interface has yet (IP_FREEBIND)
    bool reuse_port = false;  // several listeners on one port
    int unix_mode = 0600;     // of a Unix socket's file
  };
  // kAlreadyExists when the address is taken, kUnavailable when the machine has no such address. A Unix socket file
  // that nobody listens on is replaced.
  static Result<std::unique_ptr<Listener>> listen(SocketAddress address, Options options);
  static Result<std::unique_ptr<Listener>> listen(SocketAddress address) { return listen(address, Options()); }
  // Takes a descriptor that listens already (a duplicate for another thread's loop).
  static std::unique_ptr<Listener> adopt(UniqueFd fd);
  ~Listener();  // removes a Unix socket's file
  Listener(const Listener&) = delete;

  // The next connection as a bare descriptor, so that another thread may take it. Running out of descriptors is waited
  // out inside. kCancelled after close().
  Task<Result<UniqueFd>> accept();
  // One attempt without waiting; nullopt: nobody is there.
  std::optional<UniqueFd> try_accept();
  Task<void> readable();
  void close();
  uint16_t port() const;
  int fd() const { return fd_.get(); }

 private:
  Listener(UniqueFd fd, std::string unix_path);
  UniqueFd fd_;
  std::string unix_path_;
  FdReady ready_;
};

struct Datagram {
  std::string bytes;
  SocketAddress peer;
};

class UdpSocket {
 public:
  struct Options {
    bool free_bind = false;
    bool reuse_port = false;
    std::string device;  // SO_BINDTODEVICE
  };
  static Result<std::unique_ptr<UdpSocket>> bind(SocketAddress address, Options options);
  static Result<std::unique_ptr<UdpSocket>> bind(SocketAddress address) { return bind(address, Options()); }
  // A socket that only hears this peer (a forwarder's query).
  static Result<std::unique_ptr<UdpSocket>> connect(SocketAddress peer);
  UdpSocket(const UdpSocket&) = delete;

  Task<Result<Datagram>>
  receive();  // at most limits::kDatagramBytesMax; errors of earlier sends (ICMP) are kUnavailable
  // Never waits: a datagram that does not fit the socket's buffer is lost, as on the wire.
  Status send_to(std::string_view bytes, const SocketAddress& peer);
  Status send(std::string_view bytes);  // connected
  uint16_t port() const;
  int fd() const { return fd_.get(); }

 private:
  explicit UdpSocket(UniqueFd fd);
  UniqueFd fd_;
  FdReady ready_;
};

}  // namespace bramble

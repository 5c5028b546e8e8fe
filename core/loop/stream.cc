#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/stat.h>

#include <cerrno>

#include "core/loop/loop.h"
#include "core/loop/socket.h"

namespace bramble {

namespace {

bool is_socket(int fd) {
  struct stat st {};
  return fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
}

IoResult io_result(ssize_t n, bool reading) {
  if (n > 0) return {IoResult::kDone, static_cast<size_t>(n), 0};
  if (n == 0) return {reading ? IoResult::kEnd : IoResult::kWouldBlock, 0, 0};
  if (errno == EAGAIN) return {IoResult::kWouldBlock, 0, 0};
  if (reading && errno == EIO) return {IoResult::kEnd, 0, 0};  // the other side of a terminal is gone
  return {IoResult::kFailed, 0, errno};
}

Error connect_error(int err, const SocketAddress& address) {
  Error e = Error::from_errno(err, cat("connect ", address.text()));
  if (e.code() == Code::kTimeout || e.code() == Code::kNotFound || e.code() == Code::kPermissionDenied) return e;
  return Error(Code::kUnavailable, e.message());
}

}  // namespace

Stream::Stream(UniqueFd fd)
    : fd_(std::move(fd)), socket_(is_socket(fd_.get())), ready_(std::make_unique<FdReady>(fd_.get())) {
  fcntl(fd_.get(), F_SETFL, fcntl(fd_.get(), F_GETFL) | O_NONBLOCK);
  if (socket_) {
    int one = 1;  // fails quietly on what is not TCP
    setsockopt(fd_.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  }
}

Stream::~Stream() { ready_.reset(); }  // before the descriptor is closed

Task<Result<std::unique_ptr<Stream>>> Stream::connect(SocketAddress address, int64_t timeout_ms) {
  UniqueFd fd(socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) co_return connect_error(errno, address);
  auto stream = co_await connect(std::move(fd), address, timeout_ms);
  co_return stream;
}

Task<Result<std::unique_ptr<Stream>>> Stream::connect(UniqueFd fd, SocketAddress address, int64_t timeout_ms) {
  fcntl(fd.get(), F_SETFL, fcntl(fd.get(), F_GETFL) | O_NONBLOCK);
  int rc = ::connect(fd.get(), address.raw(), address.raw_bytes());
  if (rc != 0 && errno != EINPROGRESS) co_return connect_error(errno, address);
  bool waiting = rc != 0;
  auto stream = std::make_unique<Stream>(std::move(fd));
  if (waiting) {
    Stream* s = stream.get();
    Timer timeout([s] { s->ready_->cancel(); });
    timeout.arm_ms(timeout_ms);
    co_await s->ready_->writable();
    if (!timeout.armed()) co_return connect_error(ETIMEDOUT, address);
    int err = 0;
    socklen_t size = sizeof err;
    getsockopt(s->fd(), SOL_SOCKET, SO_ERROR, &err, &size);
    if (err != 0) co_return connect_error(err, address);
  }
  co_return stream;
}

IoResult Stream::try_read(void* out, size_t max) {
  if (!fd_.valid()) return {IoResult::kFailed, 0, ECANCELED};
  ssize_t n;
  do {
    n = socket_ ? recv(fd_.get(), out, max, 0) : ::read(fd_.get(), out, max);
  } while (n < 0 && errno == EINTR);
  return io_result(n, true);
}

IoResult Stream::try_write(const void* bytes, size_t count) {
  iovec piece{const_cast<void*>(bytes), count};
  return try_write(&piece, 1);
}

IoResult Stream::try_write(const iovec* pieces, int count) {
  if (!fd_.valid()) return {IoResult::kFailed, 0, ECANCELED};
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(pieces);
  message.msg_iovlen = static_cast<decltype(message.msg_iovlen)>(count);
  ssize_t n;
  do {
    n = socket_ ? sendmsg(fd_.get(), &message, MSG_NOSIGNAL) : ::writev(fd_.get(), pieces, count);
  } while (n < 0 && errno == EINTR);
  return io_result(n, false);
}

Task<void> Stream::readable() {
  if (ready_) co_await ready_->readable();
}
Task<void> Stream::writable() {
  if (ready_) co_await ready_->writable();
}

Task<Result<std::string>> Stream::read_some(size_t max) {
  std::string out;
  for (;;) {
    out.resize(max);
    IoResult r = try_read(out.data(), max);
    if (r.kind == IoResult::kDone || r.kind == IoResult::kEnd) {
      out.resize(r.bytes);
      if (r.bytes < max / 2) out.shrink_to_fit();
      co_return out;
    }
    if (r.kind == IoResult::kFailed) {
      if (r.err == ECANCELED) co_return Error(Code::kCancelled, "read: the stream was closed");
      co_return Error::from_errno(r.err, "read");
    }
    out = std::string();  // no memory is held while waiting
    co_await readable();
  }
}

// The bytes stay with the caller's frame while this runs.
static Task<Status> write_range(Stream* stream, const char* at, size_t left) {
  while (left > 0) {
    IoResult r = stream->try_write(at, left);
    if (r.kind == IoResult::kDone) {
      at += r.bytes;
      left -= r.bytes;
    } else if (r.kind == IoResult::kWouldBlock) {
      co_await stream->writable();
    } else if (r.err == ECANCELED) {
      co_return Error(Code::kCancelled, "write: the stream was closed");
    } else {
      co_return Error::from_errno(r.err, "write");
    }
  }
  co_return ok();
}

Task<Status> Stream::write_all(std::string bytes) {
  Status done = co_await write_range(this, bytes.data(), bytes.size());
  co_return done;
}
Task<Status> Stream::write_all(Buffer bytes) {
  Status done = co_await write_range(this, bytes->data(), bytes->size());
  co_return done;
}

void Stream::shutdown_write() {
  if (fd_.valid() && socket_) shutdown(fd_.get(), SHUT_WR);
}

void Stream::close() {
  if (!ready_) return;
  auto ready = std::move(ready_);
  UniqueFd fd = std::move(fd_);
  ready->cancel();  // wakes those who wait; may destroy this
  ready.reset();
}

SocketAddress Stream::peer() const {
  sockaddr_storage raw{};
  socklen_t bytes = sizeof raw;
  if (getpeername(fd_.get(), reinterpret_cast<sockaddr*>(&raw), &bytes) != 0) return SocketAddress();
  return SocketAddress::from_raw(reinterpret_cast<sockaddr*>(&raw), bytes);
}

UniqueFd Stream::release() {
  ready_.reset();
  return std::move(fd_);
}

}  // namespace bramble

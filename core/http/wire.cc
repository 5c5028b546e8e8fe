#include "core/http/wire.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace bramble {

static constexpr size_t kRecordBytesMax = 16 * 1024;  // RFC 8446 section 5.1
static constexpr size_t kRecordHeadBytes = 5;
static constexpr int kPiecesMax = 16;

TlsTransport Wire::transport() {
  TlsTransport t;
  t.self = this;
  t.read = [](void* self, void* out, size_t max) -> ssize_t { return static_cast<Wire*>(self)->pull(out, max); };
  t.write = [](void* self, const void* bytes, size_t count) -> ssize_t {
    IoResult r = static_cast<Wire*>(self)->stream_->try_write(bytes, count);
    if (r.kind == IoResult::kDone) return static_cast<ssize_t>(r.bytes);
    return r.kind == IoResult::kWouldBlock ? -EAGAIN : r.kind == IoResult::kEnd ? -EPIPE : -r.err;
  };
  return t;
}

// TLS asks for five bytes of a record, then for the rest of it, then finds out that there is no more: one call of the kernel
// serves all three. What is waited for after -EAGAIN is level-triggered, so bytes that arrive meanwhile are not missed.
ssize_t Wire::pull(void* out, size_t max) {
  if (ahead_.empty()) {
    if (std::exchange(drained_, false)) return -EAGAIN;
    static thread_local char bytes[kRecordBytesMax + kRecordHeadBytes];
    IoResult r = stream_->try_read(bytes, sizeof bytes);
    if (r.kind != IoResult::kDone) return r.kind == IoResult::kWouldBlock ? -EAGAIN : r.kind == IoResult::kEnd ? 0 : -r.err;
    drained_ = r.bytes < sizeof bytes;
    size_t n = std::min(max, r.bytes);
    std::memcpy(out, bytes, n);
    if (n < r.bytes) ahead_.assign(bytes + n, r.bytes - n);
    return static_cast<ssize_t>(n);
  }
  size_t n = std::min(max, ahead_.size() - ahead_taken_);
  std::memcpy(out, ahead_.data() + ahead_taken_, n);
  ahead_taken_ += n;
  if (ahead_taken_ == ahead_.size()) {
    ahead_taken_ = 0;
    ahead_ = std::string();
  }
  return static_cast<ssize_t>(n);
}

void Wire::use_tls(const TlsServerContext& context) { tls_ = context.accept(transport()); }
void Wire::use_tls(const TlsClientContext& context, const std::string& server_name) {
  tls_ = context.connect(transport(), server_name);
}

Task<Status> Wire::handshake() {
  while (tls_) {
    TlsSession::Kind kind = tls_->handshake();
    if (kind == TlsSession::kDone) break;
    if (kind == TlsSession::kWantRead) {
      co_await stream_->readable();
    } else if (kind == TlsSession::kWantWrite) {
      co_await stream_->writable();
    } else {
      co_return tls_->error();
    }
  }
  co_return ok();
}

Wire::Got Wire::try_read(char* out, size_t max) {
  if (tls_) {
    TlsSession::Step s = tls_->read(out, max);
    switch (s.kind) {
      case TlsSession::kDone:
        return {Got::kBytes, s.bytes};
      case TlsSession::kEnd:
        return {Got::kEnd};
      case TlsSession::kFailed:
        return {Got::kFailed};
      default:
        return {Got::kWait};
    }
  }
  IoResult r = stream_->try_read(out, max);
  switch (r.kind) {
    case IoResult::kDone:
      return {Got::kBytes, r.bytes};
    case IoResult::kEnd:
      return {Got::kEnd};
    case IoResult::kWouldBlock:
      return {Got::kWait};
    default:
      err_ = r.err;
      return {Got::kFailed};
  }
}

Wire::Progress Wire::write_front(SendQueue* queue) {
  if (tls_) {
    static thread_local char joined[kRecordBytesMax];
    size_t most = record_bytes_ ? record_bytes_ : kRecordBytesMax;
    std::string_view record = queue->front_joined(joined, most);
    TlsSession::Step s = tls_->write(record.data(), record.size());
    if (s.kind == TlsSession::kDone) {
      record_bytes_ = 0;
      queue->consume(s.bytes);
      return Progress::kSome;
    }
    record_bytes_ = record.size();
    return s.kind == TlsSession::kFailed ? Progress::kFailed : Progress::kWait;
  }
  iovec pieces[kPiecesMax];
  int count = queue->front(pieces, kPiecesMax);
  IoResult r = stream_->try_write(pieces, count);
  if (r.kind == IoResult::kDone) {
    queue->consume(r.bytes);
    return Progress::kSome;
  }
  if (r.kind == IoResult::kWouldBlock) return Progress::kWait;
  err_ = r.err;
  return Progress::kFailed;
}

bool Wire::try_flush(SendQueue* queue) {
  while (!queue->empty()) {
    Progress p = write_front(queue);
    if (p == Progress::kFailed) return false;
    if (p == Progress::kWait) return true;
  }
  return true;
}

Task<Status> Wire::flush(SendQueue* queue) {
  while (!queue->empty()) {
    if (!try_flush(queue)) co_return error();
    if (!queue->empty()) co_await stream_->writable();
  }
  co_return ok();
}

Status Wire::error() const {
  if (err_ == ECANCELED) return Error(Code::kCancelled, "connection closed");
  if (tls_ && err_ == 0) return tls_->error();
  return Error::from_errno(err_, "connection");
}

void Wire::finish() {
  if (tls_) tls_->close_notify();
  stream_->shutdown_write();
}

}  // namespace bramble

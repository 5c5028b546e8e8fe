// Wire: a byte stream, plain or TLS, over a Stream. One thread; one reader and one writer at a time.
#pragma once

#include <memory>
#include <string>

#include "core/crypto/tls.h"
#include "core/http/send_queue.h"
#include "core/loop/socket.h"

namespace bramble {

class Wire {
 public:
  explicit Wire(std::unique_ptr<Stream> stream) : stream_(std::move(stream)) {}
  // Before anything else, when this is TLS.
  void use_tls(const TlsServerContext& context);
  void use_tls(const TlsClientContext& context, const std::string& server_name);
  Task<Status> handshake();

  struct Got {
    enum Kind { kBytes, kWait, kEnd, kFailed } kind;
    size_t bytes = 0;
  };
  Got try_read(char* out, size_t max);
  Task<void> readable() { return stream_->readable(); }
  // Writes until the queue is empty. The queue may grow meanwhile.
  Task<Status> flush(SendQueue* queue);
  // As much as goes without waiting; false: the wire is broken.
  bool try_flush(SendQueue* queue);
  void finish();  // close_notify and end of stream; reading goes on
  TlsSession* tls() { return tls_.get(); }
  Stream& stream() { return *stream_; }
  Status error() const;

 private:
  TlsTransport transport();
  ssize_t pull(void* out, size_t max);
  enum class Progress { kSome, kWait, kFailed };
  Progress write_front(SendQueue* queue);

  std::unique_ptr<Stream> stream_;
  std::unique_ptr<TlsSession> tls_;
  int err_ = 0;
  std::string ahead_;        // read from the socket and not yet asked for by TLS
  size_t ahead_taken_ = 0;
  bool drained_ = false;     // the last read took all there was: the next would find nothing
  size_t record_bytes_ = 0;  // of a TLS record that waits to be written: it must be offered again unchanged
};

}  // namespace bramble

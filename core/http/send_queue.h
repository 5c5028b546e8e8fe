// SendQueue: what a connection has still to put on the wire, in order: own text and shared buffers, never copied
// together but for small pieces. One thread.
#pragma once

#include <sys/uio.h>

#include <deque>
#include <string>
#include <string_view>

#include "core/base/buffer.h"

namespace bramble {

class SendQueue {
 public:
  void append(std::string text);
  void append(Buffer bytes) {
    size_t n = bytes->size();
    append(std::move(bytes), 0, n);
  }
  void append(Buffer bytes, size_t offset, size_t count);  // a slice

  bool empty() const { return bytes_ == 0; }
  size_t bytes() const { return bytes_; }
  // The front as pieces for writev; how many were filled.
  int front(iovec* pieces, int max) const;
  // The front copied to out, at most max bytes: a TLS record's content. A front that is one long piece is given as it
  // is.
  std::string_view front_joined(char* out, size_t max) const;
  void consume(size_t count);

 private:
  struct Piece {
    std::string text;
    Buffer shared;  // or null
    size_t offset = 0, end = 0;
    const char* data() const { return (shared ? shared->data() : text.data()) + offset; }
    size_t left() const { return end - offset; }
  };
  std::deque<Piece> pieces_;
  size_t bytes_ = 0;
};

}  // namespace bramble

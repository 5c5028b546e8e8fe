// Http2Client: one HTTP/2 connection as a client (RFC 9113): many requests at once, each body read as it comes, none beyond its
// window. After a time without a byte a PING asks whether the peer is still there; without an answer the connection is over, and
// so are all that wait on it. On the loop of the thread that made it. Nothing of it survives a crash.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "core/http/client.h"

namespace bramble {

// One request and its answer. Dropping it resets the stream. May outlive its connection: then it has failed.
class Http2Exchange {
 public:
  virtual ~Http2Exchange() = default;
  // The head of the answer (its body is empty).
  virtual Task<Result<HttpResponse>> head() = 0;
  // The next piece of the body; nullopt: its end. What is not read holds the peer back.
  virtual Task<Result<std::optional<std::string>>> read_body() = 0;
};

class Http2Client {
 public:
  // kUnavailable, kTimeout, kUnauthenticated (the server's certificate; or the server speaks no HTTP/2). The TLS context of the
  // target offers "h2"; without TLS the peer is taken to speak HTTP/2.
  static Task<Result<std::unique_ptr<Http2Client>>> open(HttpClientTarget target);
  static Task<Result<std::unique_ptr<Http2Client>>> over(std::unique_ptr<Stream> stream, HttpClientTarget target);
  virtual ~Http2Client() = default;  // whoever waits on an exchange gets kUnavailable

  // Sent at once, or when the peer allows one more stream.
  virtual std::unique_ptr<Http2Exchange> send(HttpClientRequest request) = 0;
  // The whole answer. kTooLarge beyond body_bytes_max; kTimeout when it is not there in time (0: no limit).
  Task<Result<HttpResponse>> request(HttpClientRequest request, size_t body_bytes_max, int64_t timeout_ms);
  // Whether it takes more requests: it stands, and the peer has not said goodbye.
  virtual bool usable() const = 0;
  virtual size_t exchanges() const = 0;  // that have not ended
  // Ends all exchanges with this error. For an address that has changed.
  virtual void close(Error why) = 0;
};

}  // namespace bramble

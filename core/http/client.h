// HttpClientConnection: one HTTP/1.1 connection as a client: plain, TLS or Unix, or over a stream that somebody else
// connected (a pod's port inside its network namespace). One request at a time. On the loop of the thread that made it;
// dropping a task leaves the connection unusable, so drop the connection too. RFC 9112, 6455.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/limits.h"
#include "core/crypto/tls.h"
#include "core/http/server.h"
#include "core/loop/socket.h"

namespace bramble {

struct HttpClientTarget {
  std::string address;  // numeric
  uint16_t port = 0;
  std::string unix_path;                  // in place of address and port
  std::shared_ptr<TlsClientContext> tls;  // null: plain
  std::string server_name;                // for TLS and Host; empty: the address
  int64_t connect_timeout_ms = limits::kConnectMs;
};

struct HttpClientRequest {
  std::string method = "GET";
  std::string target = "/";  // path and query
  std::vector<Header> headers;
  Buffer body;  // null: none
};

struct HttpResponse {
  int status = 0;
  std::vector<Header> headers;  // names in lower case
  std::string body;             // of request(); empty for start()
  std::string_view header(std::string_view lower_name) const;
};

class HttpClientConnection {
 public:
  // kUnavailable, kTimeout, kUnauthenticated (the server's certificate).
  static Task<Result<std::unique_ptr<HttpClientConnection>>> open(HttpClientTarget target);
  // With TLS when the target says so; its address is only a name here.
  static Task<Result<std::unique_ptr<HttpClientConnection>>> over(std::unique_ptr<Stream> stream,
                                                                  HttpClientTarget target);
  virtual ~HttpClientConnection() = default;

  // The whole answer. kTooLarge beyond body_bytes_max.
  virtual Task<Result<HttpResponse>> request(HttpClientRequest request,
                                             size_t body_bytes_max = limits::kResponseBytesMax) = 0;
  // The head of the answer, then its body piece by piece; nullopt: its end.
  virtual Task<Result<HttpResponse>> start(HttpClientRequest request) = 0;
  virtual Task<Result<std::optional<std::string>>> read_body() = 0;
  // Whether another request may follow.
  virtual bool reusable() const = 0;
  // Whoever waits gets kCancelled, at once; the connection is spent. For deadlines.
  virtual void close() = 0;
  // Upgrades; the connection is spent. An answer other than 101 is kUnavailable with the status in its message.
  static Task<Result<std::unique_ptr<WebSocket>>> websocket(std::unique_ptr<HttpClientConnection> connection,
                                                            HttpClientRequest request,
                                                            std::vector<std::string> protocols);
  // After start() answered 101: the connection's bytes as they are, cut anywhere; the connection is spent.
  static std::unique_ptr<WebSocket> upgraded(std::unique_ptr<HttpClientConnection> connection);
};

}  // namespace bramble

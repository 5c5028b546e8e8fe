// HttpServer: HTTP/1.1 and HTTP/2 over TLS (or plain), requests to one handler. TLS and framing run on connection threads;
// the handler and everything here that it is given run on the owner's loop. A request arrives whole (its body is at most
// Options::body_bytes_max, else 413; all requests together hold at most Options::received_bytes_max, else 429); an answer is
// one body, a stream of chunks, or an upgrade. A header "connection: close" of an answer over HTTP/2 lets the connection end
// after the streams that stand.
// RFC 9110, 9112 (HTTP/1.1), 9113 (HTTP/2), 6455 (WebSocket).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/base/buffer.h"
#include "core/base/limits.h"
#include "core/base/result.h"
#include "core/loop/loop.h"

namespace bramble {

struct Header {
  std::string name;  // lower case
  std::string value;
};

// Who the TLS peer proved to be. Empty common_name: no (valid) client certificate.
struct PeerCertificate {
  std::string common_name;
  std::vector<std::string> organizations;
  std::string der_sha256_hex;
  std::string key_sha256_hex;  // of its SubjectPublicKeyInfo: the same after a renewal that kept the key
  int64_t not_after_s = 0;  // seconds since 1970
};

struct HttpRequest {
  std::string method;
  std::string path;   // before '?', percent-decoding not applied
  std::string query;  // after '?', raw
  std::vector<Header> headers;
  std::string body;
  PeerCertificate peer;
  bool peer_certificate_invalid = false;  // one was sent that does not verify
  bool peer_known = false;                // the connection is that of somebody who was authenticated, see Responder
  bool tls = false;
  int http_major = 1;                     // 1 or 2
  std::string remote_ip;                  // "" on a Unix socket
  std::string_view header(std::string_view lower_name) const;  // the first, or ""
  bool asks_for_upgrade() const;  // to a WebSocket or SPDY/3.1, over HTTP/1.1
};

// Messages of an accepted WebSocket: whole binary or text messages (fragments joined, at most kWebSocketMessageBytesMax).
// PING and CLOSE are answered inside. Each message sent is in TLS records of its own.
// Of a request that asks for SPDY/3.1 (HTTP/1.1, any method) instead: the connection's bytes as they are, cut anywhere; the
// protocol is that of X-Stream-Protocol-Version.
class WebSocket {
 public:
  virtual ~WebSocket() = default;
  virtual const std::string& protocol() const = 0;            // the subprotocol agreed on
  virtual Task<std::optional<std::string>> receive() = 0;     // nullopt: closed by the peer or broken
  virtual Task<bool> send(std::string message) = 0;           // binary; waits for room; false: closed
  virtual void close(int code, std::string reason) = 0;
};

// The answer to one request. Call exactly one of send(), begin(), accept_websocket(), hand_over(). When dropped unanswered: 500.
class Responder {
 public:
  virtual ~Responder() = default;
  virtual void send(int status, std::vector<Header> headers, Buffer body) = 0;
  virtual void begin(int status, std::vector<Header> headers) = 0;  // chunked / DATA frames follow
  virtual Task<bool> write(Buffer chunk) = 0;                       // waits while the peer is slow; false: gone
  virtual void end() = 0;
  virtual Task<std::unique_ptr<WebSocket>> accept_websocket(std::vector<std::string> protocols) = 0;  // null: not a valid
                                                                     // upgrade; a 400 was sent
  // 101 with these headers, another server's; then the connection's bytes as they are, cut anywhere. Of a request that asks for
  // a WebSocket or SPDY/3.1; of another it is an error of the caller.
  virtual std::unique_ptr<WebSocket> hand_over(std::vector<Header> headers) = 0;
  virtual Event& gone() = 0;                                         // set when the peer went away
  // Whoever asked is authenticated: from now on the connection may have more streams and more bytes in flight.
  virtual void peer_is_known() = 0;
};

using HttpHandler = std::function<Task<void>(std::shared_ptr<const HttpRequest>, std::shared_ptr<Responder>)>;

class TlsServerContext;  // core/crypto/tls.h

class HttpServer {
 public:
  struct Options {
    std::string address = "0.0.0.0";
    uint16_t port = 0;                         // 0: chosen by the kernel
    std::shared_ptr<TlsServerContext> tls;     // null: plain HTTP
    std::string unix_path;                     // when set: a Unix socket (0600) in place of address and port, plain HTTP
    size_t connection_threads = 1;             // 0: connections run on the owner's loop (a quiet local socket)
    size_t body_bytes_max = limits::kBodyBytesMax;
    std::string too_large_json;                // body of the 413 for a larger one; "": plain text
    size_t received_bytes_max = limits::kReceivedBytesMax;
    size_t received_bytes_unknown_max = limits::kReceivedBytesUnknownMax;  // of them, those of peers not known
  };
  // Called on the owner's loop, which must outlive the server. kAlreadyExists when the address is taken.
  static Result<std::unique_ptr<HttpServer>> listen(Options options, HttpHandler handler);
  virtual ~HttpServer() = default;  // says goodbye (GOAWAY), closes all connections, cancels the handlers' tasks
  virtual uint16_t port() const = 0;
  virtual uint64_t handshake_errors() const = 0;  // TLS handshakes that failed since the start
};

}  // namespace bramble

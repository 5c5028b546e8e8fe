// TLS 1.2 and 1.3 (RFC 5246, 8446) without sockets: contexts that many connections share, and TlsSession, one
// connection's state machine over two functions that move bytes without waiting. Contexts: any thread. A session: one
// thread at a time.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/crypto/x509.h"

namespace bramble {

// Moves bytes of the wire without waiting. More than 0: bytes; 0 from read: end of stream; -EAGAIN: not now; else
// -errno.
struct TlsTransport {
  void* self = nullptr;
  ssize_t (*read)(void* self, void* out, size_t max) = nullptr;
  ssize_t (*write)(void* self, const void* bytes, size_t count) = nullptr;
};

class TlsSession {
 public:
  enum Kind { kDone, kWantRead, kWantWrite, kEnd, kFailed };
  struct Step {
    Kind kind = kDone;
    size_t bytes = 0;
  };
  virtual ~TlsSession() = default;
  // Again after the wire became readable or writable, until kDone.
  virtual Kind handshake() = 0;
  virtual Step read(void* out, size_t max) = 0;  // kEnd: the peer said goodbye or closed the wire
  // One record at most. After kWantWrite it must be called again with the same bytes.
  virtual Step write(const void* bytes, size_t count) = 0;
  virtual Kind close_notify() = 0;
  virtual bool read_pending() const = 0;  // bytes that read() gives without the wire
  virtual std::string alpn() const = 0;   // "" when none was agreed on
  // Of the peer, after the handshake. Server: only a certificate that the client authority has signed for client use.
  struct Peer {
    CertificateSubject subject;
    std::string der_sha256_hex;
    std::string key_sha256_hex;  // of its SubjectPublicKeyInfo
    int64_t not_after_s = 0;  // seconds since 1970
  };
  virtual const std::optional<Peer>& peer() const = 0;
  // Server: a certificate was sent that does not verify, and why. "" otherwise.
  virtual const std::string& peer_invalid() const = 0;
  virtual Error error() const = 0;  // after kFailed
};

class TlsServerContext {
 public:
  struct Options {
    std::string certificate_pem;  // chain, leaf first
    std::string key_pem;
    std::string client_ca_pem;  // empty: client certificates are not asked for; else asked for, not required
    std::vector<std::string> alpn = {"h2", "http/1.1"};
  };
  // kInvalidArgument when something does not parse.
  static Result<std::shared_ptr<TlsServerContext>> create(Options options);
  // New connections use these from now on; those that stand keep theirs. Keeps what is there when it fails.
  Status reload(std::string certificate_pem, std::string key_pem, std::string client_ca_pem);
  std::unique_ptr<TlsSession> accept(TlsTransport transport) const;
  ~TlsServerContext();

 private:
  struct Shared;
  explicit TlsServerContext(std::unique_ptr<Shared> shared);
  std::unique_ptr<Shared> shared_;
};

class TlsClientContext {
 public:
  struct Options {
    std::string roots_pem;        // who may sign servers
    std::string certificate_pem;  // our own, or empty
    std::string key_pem;
    std::vector<std::string> alpn;
    bool verify = true;           // false: any certificate will do
  };
  static Result<std::shared_ptr<TlsClientContext>> create(Options options);
  // server_name: a DNS name (sent as SNI) or an IP address that the server's certificate must carry.
  std::unique_ptr<TlsSession> connect(TlsTransport transport, const std::string& server_name) const;
  ~TlsClientContext();

 private:
  struct Shared;
  explicit TlsClientContext(std::shared_ptr<const Shared> shared);
  std::shared_ptr<const Shared> shared_;
};

}  // namespace bramble

#include <mbedtls/oid.h>
#include <mbedtls/ssl.h>

#include <cerrno>

#include "core/crypto/hash.h"
#include "core/crypto/tls_config.h"

namespace bramble {

namespace {

class Session final : public TlsSession {
 public:
  Session(std::shared_ptr<const TlsConfig> config, TlsTransport transport, const std::string& server_name)
      : config_(std::move(config)), transport_(transport) {
    mbedtls_ssl_init(&ssl_);
    rc_ = mbedtls_ssl_setup(&ssl_, &config_->conf);
    if (rc_ == 0 && !config_->is_server) rc_ = mbedtls_ssl_set_hostname(&ssl_, server_name.c_str());
    mbedtls_ssl_set_bio(&ssl_, this, send, receive, nullptr);
  }
  ~Session() override { mbedtls_ssl_free(&ssl_); }

  Kind handshake() override {
    if (rc_ != 0 && !waiting(rc_)) return kFailed;
    rc_ = mbedtls_ssl_handshake(&ssl_);
    if (rc_ == 0) return judge_peer();
    return kind(rc_);
  }

  Step read(void* out, size_t max) override {
    for (;;) {
      rc_ = mbedtls_ssl_read(&ssl_, static_cast<unsigned char*>(out), max);
      if (rc_ > 0) return {kDone, static_cast<size_t>(rc_)};
      if (rc_ == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET) continue;
      if (rc_ == 0 || rc_ == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY || rc_ == MBEDTLS_ERR_SSL_CONN_EOF) return {kEnd, 0};
      return {kind(rc_), 0};
    }
  }

  Step write(const void* bytes, size_t count) override {
    rc_ = mbedtls_ssl_write(&ssl_, static_cast<const unsigned char*>(bytes), count);
    if (rc_ >= 0) return {kDone, static_cast<size_t>(rc_)};
    return {kind(rc_), 0};
  }

  Kind close_notify() override {
    rc_ = mbedtls_ssl_close_notify(&ssl_);
    return rc_ == 0 ? kDone : kind(rc_);
  }

  bool read_pending() const override { return mbedtls_ssl_check_pending(&ssl_) != 0; }
  std::string alpn() const override {
    const char* name = mbedtls_ssl_get_alpn_protocol(&ssl_);
    return name ? name : "";
  }
  const std::optional<Peer>& peer() const override { return peer_; }
  const std::string& peer_invalid() const override { return peer_invalid_; }
  Error error() const override {
    if (!refusal_.empty()) return Error(Code::kUnauthenticated, cat("tls: ", refusal_));
    if (wire_errno_ != 0) return Error::from_errno(wire_errno_, "tls");
    return mbed::failed(Code::kIo, "tls", rc_);
  }

 private:
  static bool waiting(int rc) { return rc == MBEDTLS_ERR_SSL_WANT_READ || rc == MBEDTLS_ERR_SSL_WANT_WRITE; }
  static Kind kind(int rc) {
    if (rc == MBEDTLS_ERR_SSL_WANT_READ) return kWantRead;
    if (rc == MBEDTLS_ERR_SSL_WANT_WRITE) return kWantWrite;
    return kFailed;
  }
  static int send(void* self, const unsigned char* bytes, size_t count) {
    auto* s = static_cast<Session*>(self);
    ssize_t n = s->transport_.write(s->transport_.self, bytes, count);
    if (n == -EAGAIN) return MBEDTLS_ERR_SSL_WANT_WRITE;
    if (n < 0) {
      s->wire_errno_ = static_cast<int>(-n);
      return MBEDTLS_ERR_SSL_INTERNAL_ERROR;
    }
    return static_cast<int>(n);
  }
  static int receive(void* self, unsigned char* out, size_t max) {
    auto* s = static_cast<Session*>(self);
    ssize_t n = s->transport_.read(s->transport_.self, out, max);
    if (n == -EAGAIN) return MBEDTLS_ERR_SSL_WANT_READ;
    if (n < 0) {
      s->wire_errno_ = static_cast<int>(-n);
      return MBEDTLS_ERR_SSL_INTERNAL_ERROR;
    }
    return static_cast<int>(n);
  }

  Kind judge_peer() {
    const mbedtls_x509_crt* crt = mbedtls_ssl_get_peer_cert(&ssl_);
    uint32_t flags = without_clock_doubts(mbedtls_ssl_get_verify_result(&ssl_));
    if (!config_->is_server) {
      if (flags == 0 || !config_->judges_server) return kDone;
      refusal_ = cat("server certificate: ", verify_flags_text(flags));
      return kFailed;
    }
    if (!crt) return kDone;
    if (flags != 0) {
      peer_invalid_ = verify_flags_text(flags);
      return kDone;
    }
    peer_.emplace();
    peer_->subject = subject_of(*crt);
    peer_->der_sha256_hex = sha256_hex(mbed::text(crt->raw));
    peer_->key_sha256_hex = sha256_hex(mbed::text(crt->pk_raw));
    peer_->not_after_s = not_after_of(*crt);
    return kDone;
  }

  std::shared_ptr<const TlsConfig> config_;
  TlsTransport transport_;
  mbedtls_ssl_context ssl_;
  int rc_ = 0;
  int wire_errno_ = 0;
  std::string refusal_;
  std::optional<Peer> peer_;
  std::string peer_invalid_;
};

}  // namespace

std::unique_ptr<TlsSession> make_tls_session(std::shared_ptr<const TlsConfig> config, TlsTransport transport,
                                             const std::string& server_name) {
  return std::make_unique<Session>(std::move(config), transport, server_name);
}

}  // namespace bramble

#include <mbedtls/ssl_ticket.h>
#ifdef __linux__
#include <sys/auxv.h>
#endif

#include <mutex>

#include "core/base/limits.h"
#include "core/crypto/tls_config.h"

namespace bramble {

namespace {

// Whether AES is an instruction here. Where it is not (a Pi 4) ChaCha20 is twice as fast.
bool cpu_has_aes() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("aes");
#elif defined(__aarch64__)
  constexpr unsigned long kHwcapAes = 1 << 3;
  return getauxval(AT_HWCAP) & kHwcapAes;
#else
  return false;
#endif
}

// The forward-secret AEAD suites, fastest first. What a peer without them offers is not worth speaking.
const int* suites() {
  static const int with_aes[] = {MBEDTLS_TLS1_3_AES_128_GCM_SHA256,
                                 MBEDTLS_TLS1_3_AES_256_GCM_SHA384,
                                 MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256,
                                 MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
                                 MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
                                 MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
                                 MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
                                 MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
                                 MBEDTLS_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
                                 0};
  static const int without_aes[] = {MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256,
                                    MBEDTLS_TLS1_3_AES_128_GCM_SHA256,
                                    MBEDTLS_TLS1_3_AES_256_GCM_SHA384,
                                    MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
                                    MBEDTLS_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
                                    MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
                                    MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
                                    MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
                                    MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
                                    0};
  static const int* chosen = cpu_has_aes() ? with_aes : without_aes;
  return chosen;
}

// Session tickets (RFC 5077, RFC 8446 section 4.6.1), shared by all generations of one server's configuration.
struct Tickets {
  Tickets() {
    mbedtls_ssl_ticket_init(&ctx);
    int rc =
        mbedtls_ssl_ticket_setup(&ctx, mbed::random, nullptr, MBEDTLS_CIPHER_AES_256_GCM, limits::kTlsTicketLifetimeS);
    CHECK(rc == 0, "session tickets: ", rc);
  }
  ~Tickets() { mbedtls_ssl_ticket_free(&ctx); }
  Tickets(const Tickets&) = delete;

  // A TLS 1.3 ticket does not carry the client's certificate, so a resumed session would forget who the client is. Such
  // a client gets a ticket of random bytes, which is refused when it comes back: a full handshake then.
  static int write(void* self, const mbedtls_ssl_session* session, unsigned char* start, const unsigned char* end,
                   size_t* bytes, uint32_t* lifetime_s) {
    if (session->MBEDTLS_PRIVATE(peer_cert) == nullptr)
      return mbedtls_ssl_ticket_write(&static_cast<Tickets*>(self)->ctx, session, start, end, bytes, lifetime_s);
    constexpr size_t kNothing = 32;
    if (static_cast<size_t>(end - start) < kNothing) return MBEDTLS_ERR_SSL_BUFFER_TOO_SMALL;
    *bytes = kNothing;
    *lifetime_s = 1;
    return mbed::random(nullptr, start, kNothing);
  }
  static int parse(void* self, mbedtls_ssl_session* session, unsigned char* bytes, size_t count) {
    return mbedtls_ssl_ticket_parse(&static_cast<Tickets*>(self)->ctx, session, bytes, count);
  }
  mbedtls_ssl_ticket_context ctx;
};

Status load_own(TlsConfig* c, const std::string& certificate_pem, const std::string& key_pem) {
  int rc = mbedtls_x509_crt_parse(&c->chain.crt, mbed::bytes(certificate_pem), mbed::pem_bytes(certificate_pem));
  if (rc != 0) return mbed::failed(Code::kInvalidArgument, "tls certificate", rc);
  rc = mbedtls_pk_parse_key(&c->key.pk, mbed::bytes(key_pem), mbed::pem_bytes(key_pem), nullptr, 0, mbed::random,
                            nullptr);
  if (rc != 0) return mbed::failed(Code::kInvalidArgument, "tls key", rc);
  rc = mbedtls_pk_check_pair(&c->chain.crt.pk, &c->key.pk, mbed::random, nullptr);
  if (rc != 0) return mbed::failed(Code::kInvalidArgument, "tls key does not belong to the certificate", rc);
  rc = mbedtls_ssl_conf_own_cert(&c->conf, &c->chain.crt, &c->key.pk);
  if (rc != 0) return mbed::failed(Code::kInternal, "tls certificate", rc);
  return ok();
}

Status set_defaults(TlsConfig* c, int endpoint, std::vector<std::string> alpn) {
  mbed::ready();
  int rc = mbedtls_ssl_config_defaults(&c->conf, endpoint, MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT);
  if (rc != 0) return mbed::failed(Code::kInternal, "tls", rc);
  mbedtls_ssl_conf_rng(&c->conf, mbed::random, nullptr);
  mbedtls_ssl_conf_min_tls_version(&c->conf, MBEDTLS_SSL_VERSION_TLS1_2);
  mbedtls_ssl_conf_ciphersuites(&c->conf, suites());
  c->alpn_texts = std::move(alpn);
  for (auto& a : c->alpn_texts) c->alpn.push_back(a.c_str());
  c->alpn.push_back(nullptr);
  if (c->alpn.size() > 1) {
    rc = mbedtls_ssl_conf_alpn_protocols(&c->conf, c->alpn.data());
    if (rc != 0) return mbed::failed(Code::kInternal, "tls alpn", rc);
  }
  return ok();
}

Status load_authorities(TlsConfig* c, const std::string& pem) {
  int rc = mbedtls_x509_crt_parse(&c->authorities.crt, mbed::bytes(pem), mbed::pem_bytes(pem));
  // A bundle of the world's authorities may hold some of unknown kinds; one readable is enough.
  if (rc < 0 || !c->authorities.crt.raw.p) return mbed::failed(Code::kInvalidArgument, "tls authorities", rc);
  mbedtls_ssl_conf_ca_chain(&c->conf, &c->authorities.crt, nullptr);
  return ok();
}

Result<std::shared_ptr<const TlsConfig>> server_config(const TlsServerContext::Options& o,
                                                       std::shared_ptr<Tickets> tickets) {
  auto c = std::make_shared<TlsConfig>();
  c->is_server = true;
  TRY(set_defaults(c.get(), MBEDTLS_SSL_IS_SERVER, o.alpn));
  TRY(load_own(c.get(), o.certificate_pem, o.key_pem));
  mbedtls_ssl_conf_authmode(&c->conf, MBEDTLS_SSL_VERIFY_NONE);
  if (!o.client_ca_pem.empty()) {
    TRY(load_authorities(c.get(), o.client_ca_pem));
    mbedtls_ssl_conf_authmode(&c->conf, MBEDTLS_SSL_VERIFY_OPTIONAL);
  }
  mbedtls_ssl_conf_session_tickets_cb(&c->conf, Tickets::write, Tickets::parse, tickets.get());
  mbedtls_ssl_conf_tls13_key_exchange_modes(
      &c->conf, MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_EPHEMERAL | MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_PSK_EPHEMERAL);
  c->tickets = std::move(tickets);
  return std::shared_ptr<const TlsConfig>(std::move(c));
}

}  // namespace

struct TlsServerContext::Shared {
  mutable std::mutex mu;
  Options options;                          // guarded by mu
  std::shared_ptr<const TlsConfig> config;  // guarded by mu
  std::shared_ptr<Tickets> tickets;
};

TlsServerContext::TlsServerContext(std::unique_ptr<Shared> shared) : shared_(std::move(shared)) {}
TlsServerContext::~TlsServerContext() = default;

Result<std::shared_ptr<TlsServerContext>> TlsServerContext::create(Options options) {
  mbed::ready();
  auto shared = std::make_unique<Shared>();
  shared->tickets = std::make_shared<Tickets>();
  TRY_ASSIGN(shared->config, server_config(options, shared->tickets));
  shared->options = std::move(options);
  return std::shared_ptr<TlsServerContext>(new TlsServerContext(std::move(shared)));
}

Status TlsServerContext::reload(std::string certificate_pem, std::string key_pem, std::string client_ca_pem) {
  std::lock_guard<std::mutex> lock(shared_->mu);
  Options next = shared_->options;
  next.certificate_pem = std::move(certificate_pem);
  next.key_pem = std::move(key_pem);
  next.client_ca_pem = std::move(client_ca_pem);
  TRY_ASSIGN(auto config, server_config(next, shared_->tickets));
  shared_->config = std::move(config);
  shared_->options = std::move(next);
  return ok();
}

std::unique_ptr<TlsSession> TlsServerContext::accept(TlsTransport transport) const {
  std::shared_ptr<const TlsConfig> config;
  {
    std::lock_guard<std::mutex> lock(shared_->mu);
    config = shared_->config;
  }
  return make_tls_session(std::move(config), transport, "");
}

struct TlsClientContext::Shared : TlsConfig {};

TlsClientContext::TlsClientContext(std::shared_ptr<const Shared> shared) : shared_(std::move(shared)) {}
TlsClientContext::~TlsClientContext() = default;

Result<std::shared_ptr<TlsClientContext>> TlsClientContext::create(Options options) {
  auto c = std::make_shared<Shared>();
  TRY(set_defaults(c.get(), MBEDTLS_SSL_IS_CLIENT, std::move(options.alpn)));
  if (options.verify) TRY(load_authorities(c.get(), options.roots_pem));
  c->judges_server = options.verify;
  if (!options.certificate_pem.empty()) TRY(load_own(c.get(), options.certificate_pem, options.key_pem));
  mbedtls_ssl_conf_authmode(&c->conf, MBEDTLS_SSL_VERIFY_OPTIONAL);  // judged in the session, with a readable reason
  return std::shared_ptr<TlsClientContext>(new TlsClientContext(std::move(c)));
}

std::unique_ptr<TlsSession> TlsClientContext::connect(TlsTransport transport, const std::string& server_name) const {
  return make_tls_session(shared_, transport, server_name);
}

}  // namespace bramble

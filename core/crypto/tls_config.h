// What tls_context.cc and tls_session.cc share. Not for other rooms.
#pragma once

#include <mbedtls/ssl.h>

#include "core/crypto/mbed.h"
#include "core/crypto/tls.h"
#include "core/crypto/x509_subject.h"

namespace bramble {

// Everything a connection's session points into; immutable once built, kept alive by each session.
struct TlsConfig {
  TlsConfig() { mbedtls_ssl_config_init(&conf); }
  ~TlsConfig() { mbedtls_ssl_config_free(&conf); }
  TlsConfig(const TlsConfig&) = delete;

  mbedtls_ssl_config conf;
  Crt chain, authorities;
  mbed::Key key;
  std::vector<std::string> alpn_texts;
  std::vector<const char*> alpn;
  std::shared_ptr<void> tickets;
  bool is_server = false;
  bool judges_server = true;  // client: whether the server's certificate must be good
};

std::unique_ptr<TlsSession> make_tls_session(std::shared_ptr<const TlsConfig> config, TlsTransport transport,
                                             const std::string& server_name);

}  // namespace bramble

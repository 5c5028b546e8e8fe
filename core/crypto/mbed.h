// What the files of this room share about mbedTLS: start-up, randomness, errors. Not for other rooms.
#pragma once

#include <mbedtls/pk.h>
#include <mbedtls/x509.h>

#include <mutex>
#include <string>
#include <string_view>

#include "core/base/result.h"

namespace bramble::mbed {

// psa_crypto_init, once. TLS 1.3 and randomness need it.
void ready();
// The library's generator seeded from the kernel; for mbedTLS functions that take f_rng. Any thread.
int random(void* unused, unsigned char* out, size_t bytes);
Error failed(Code code, std::string_view what, int rc);

inline const unsigned char* bytes(std::string_view s) { return reinterpret_cast<const unsigned char*>(s.data()); }
inline std::string text(const mbedtls_asn1_buf& b) { return std::string(reinterpret_cast<const char*>(b.p), b.len); }
// mbedTLS reads PEM with its closing zero counted.
inline size_t pem_bytes(const std::string& pem) { return pem.size() + 1; }

// A key context whose uses are serialized: mbedTLS may write to it while it signs.
struct Key {
  Key() { mbedtls_pk_init(&pk); }
  ~Key() { mbedtls_pk_free(&pk); }
  Key(const Key&) = delete;
  mutable std::mutex mu;
  mutable mbedtls_pk_context pk;
};

}  // namespace bramble::mbed

// What the files of this room share about parsed certificates. Not for other rooms.
#pragma once

#include <mbedtls/x509_crt.h>

#include <string>

#include "core/crypto/x509.h"

namespace bramble {

struct Crt {
  Crt() { mbedtls_x509_crt_init(&crt); }
  ~Crt() { mbedtls_x509_crt_free(&crt); }
  Crt(const Crt&) = delete;
  mbedtls_x509_crt crt;
};

CertificateSubject subject_of(const mbedtls_x509_crt& crt);
// Its end, in seconds since 1970.
int64_t not_after_of(const mbedtls_x509_crt& crt);
// The first reason among mbedTLS's verification flags.
std::string verify_flags_text(uint32_t flags);
uint32_t without_clock_doubts(uint32_t flags);

}  // namespace bramble

// What the files of this room share about parsed certificates. Not for other rooms.
#pragma once

#include <mbedtls/x509_crt.h>
#include <mbedtls/x509_csr.h>

#include <string>

#include "core/crypto/x509.h"

namespace bramble {

struct Crt {
  Crt() { mbedtls_x509_crt_init(&crt); }
  ~Crt() { mbedtls_x509_crt_free(&crt); }
  Crt(const Crt&) = delete;
  mbedtls_x509_crt crt;
};

struct Csr {
  Csr() { mbedtls_x509_csr_init(&csr); }
  ~Csr() { mbedtls_x509_csr_free(&csr); }
  Csr(const Csr&) = delete;
  mbedtls_x509_csr csr;
};
// Extensions that a request asks for are its signer's business, critical or not. Gives mbedTLS's code.
int parse_request(std::string_view der, mbedtls_x509_csr* out);
// What its signature is of.
std::string_view signed_part(std::string_view der, const mbedtls_x509_csr& csr);

CertificateSubject subject_of(const mbedtls_x509_crt& crt);
// Its end, in seconds since 1970.
int64_t not_after_of(const mbedtls_x509_crt& crt);
// The first reason among mbedTLS's verification flags.
std::string verify_flags_text(uint32_t flags);
uint32_t without_clock_doubts(uint32_t flags);

}  // namespace bramble

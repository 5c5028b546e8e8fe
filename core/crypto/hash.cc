#include "core/crypto/hash.h"

#include <mbedtls/md.h>
#include <mbedtls/sha1.h>
#include <mbedtls/sha256.h>

#include "core/base/strings.h"
#include "core/crypto/mbed.h"

namespace bramble {

struct Sha256::Impl {
  mbedtls_sha256_context ctx;
};

Sha256::Sha256() : impl_(std::make_unique<Impl>()) {
  mbedtls_sha256_init(&impl_->ctx);
  mbedtls_sha256_starts(&impl_->ctx, 0);
}
Sha256::~Sha256() {
  if (impl_) mbedtls_sha256_free(&impl_->ctx);
}
Sha256::Sha256(Sha256&&) noexcept = default;
void Sha256::update(std::string_view b) { mbedtls_sha256_update(&impl_->ctx, mbed::bytes(b), b.size()); }
std::string Sha256::finish() {
  std::string out(32, '\0');
  mbedtls_sha256_finish(&impl_->ctx, reinterpret_cast<unsigned char*>(out.data()));
  return out;
}
std::string Sha256::finish_hex() { return hex(finish()); }

std::string sha256(std::string_view b) {
  std::string out(32, '\0');
  mbedtls_sha256(mbed::bytes(b), b.size(), reinterpret_cast<unsigned char*>(out.data()), 0);
  return out;
}
std::string sha256_hex(std::string_view b) { return hex(sha256(b)); }

std::string sha1(std::string_view b) {
  std::string out(20, '\0');
  mbedtls_sha1(mbed::bytes(b), b.size(), reinterpret_cast<unsigned char*>(out.data()));
  return out;
}

std::string hmac_sha256(std::string_view key, std::string_view b) {
  std::string out(32, '\0');
  mbedtls_md_hmac(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), mbed::bytes(key), key.size(), mbed::bytes(b), b.size(),
                  reinterpret_cast<unsigned char*>(out.data()));
  return out;
}

bool constant_time_equal(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  volatile unsigned char difference = 0;
  for (size_t i = 0; i < a.size(); i++) difference = static_cast<unsigned char>(difference | (a[i] ^ b[i]));
  return difference == 0;
}

}  // namespace bramble

#include "core/crypto/hash.h"

#include <mbedtls/md.h>
#include <mbedtls/sha1.h>
#include <mbedtls/sha256.h>

#include <algorithm>
#include <cstring>

#include "core/base/strings.h"
#include "core/crypto/mbed.h"
#include "core/crypto/sha256_blocks.h"

namespace bramble {

// By the processor's instructions where it has them, else by the library.
struct Sha256::Impl {
  mbedtls_sha256_context ctx;
  Sha256Blocks blocks = sha256_blocks();
  uint32_t state[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  unsigned char rest[64];
  uint64_t bytes = 0;

  void update(const unsigned char* b, size_t n) {
    size_t held = bytes % sizeof rest;
    bytes += n;
    if (held > 0) {
      size_t more = std::min(n, sizeof rest - held);
      std::memcpy(rest + held, b, more);
      b += more;
      n -= more;
      if (held + more < sizeof rest) return;
      blocks(state, rest, 1);
    }
    blocks(state, b, n / sizeof rest);
    std::memcpy(rest, b + n / sizeof rest * sizeof rest, n % sizeof rest);
  }
  void finish(unsigned char* out) {
    uint64_t bits = bytes * 8;
    unsigned char end[128] = {0x80};
    size_t held = bytes % sizeof rest, padding = (held < 56 ? 56 : 120) - held;
    for (int i = 0; i < 8; i++) end[padding + static_cast<size_t>(i)] = static_cast<unsigned char>(bits >> (56 - 8 * i));
    update(end, padding + 8);
    for (int i = 0; i < 32; i++) out[i] = static_cast<unsigned char>(state[i / 4] >> (24 - 8 * (i % 4)));
  }
};

Sha256::Sha256() : impl_(std::make_unique<Impl>()) {
  mbedtls_sha256_init(&impl_->ctx);
  mbedtls_sha256_starts(&impl_->ctx, 0);
}
Sha256::~Sha256() {
  if (impl_) mbedtls_sha256_free(&impl_->ctx);
}
Sha256::Sha256(Sha256&&) noexcept = default;
void Sha256::update(std::string_view b) {
  if (b.empty()) return;
  if (impl_->blocks) impl_->update(mbed::bytes(b), b.size());
  else mbedtls_sha256_update(&impl_->ctx, mbed::bytes(b), b.size());
}
std::string Sha256::finish() {
  std::string out(32, '\0');
  auto* bytes = reinterpret_cast<unsigned char*>(out.data());
  if (impl_->blocks) impl_->finish(bytes);
  else mbedtls_sha256_finish(&impl_->ctx, bytes);
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

#include "core/crypto/aead.h"

#include <mbedtls/gcm.h>

#include "core/base/check.h"
#include "core/crypto/hash.h"
#include "core/crypto/mbed.h"

namespace bramble {
namespace {

constexpr size_t kNonceBytes = 12, kTagBytes = 16;

struct Gcm {
  explicit Gcm(std::string_view key) {
    mbedtls_gcm_init(&context);
    CHECK(key.size() == kSealKeyBytes, "key of ", key.size());
    int rc = mbedtls_gcm_setkey(&context, MBEDTLS_CIPHER_ID_AES, mbed::bytes(key), kSealKeyBytes * 8);
    CHECK(rc == 0, "aes: ", rc);
  }
  ~Gcm() { mbedtls_gcm_free(&context); }
  Gcm(const Gcm&) = delete;
  mbedtls_gcm_context context;
};

// Keys for two purposes out of one.
std::string derived(std::string_view key, std::string_view purpose) { return hmac_sha256(key, purpose); }

std::string nonce_of(std::string_view key, std::string_view bound, std::string_view content) {
  return hmac_sha256(derived(key, "nonce"), cat(bound.size(), ":", bound, content)).substr(0, kNonceBytes);
}

unsigned char* out_bytes(std::string& s) { return reinterpret_cast<unsigned char*>(s.data()); }

}  // namespace

std::string seal(std::string_view key, std::string_view bound, std::string_view content) {
  std::string nonce = nonce_of(key, bound, content), sealed(content.size(), '\0'), tag(kTagBytes, '\0');
  Gcm gcm(derived(key, "content"));
  int rc = mbedtls_gcm_crypt_and_tag(&gcm.context, MBEDTLS_GCM_ENCRYPT, content.size(), mbed::bytes(nonce), nonce.size(), mbed::bytes(bound), bound.size(),
                                     mbed::bytes(content), out_bytes(sealed), tag.size(), out_bytes(tag));
  CHECK(rc == 0, "seal: ", rc);
  return nonce + sealed + tag;
}

std::optional<std::string> open_sealed(std::string_view key, std::string_view bound, std::string_view sealed) {
  if (sealed.size() < kNonceBytes + kTagBytes) return std::nullopt;
  std::string_view nonce = sealed.substr(0, kNonceBytes), tag = sealed.substr(sealed.size() - kTagBytes);
  std::string_view content = sealed.substr(kNonceBytes, sealed.size() - kNonceBytes - kTagBytes);
  std::string out(content.size(), '\0');
  Gcm gcm(derived(key, "content"));
  int rc = mbedtls_gcm_auth_decrypt(&gcm.context, content.size(), mbed::bytes(nonce), nonce.size(), mbed::bytes(bound), bound.size(), mbed::bytes(tag), tag.size(),
                                    mbed::bytes(content), out_bytes(out));
  if (rc != 0) return std::nullopt;
  return out;
}

}  // namespace bramble

#include "core/crypto/key.h"

#include <mbedtls/ecp.h>
#include <mbedtls/pem.h>

extern "C" {  // which the header itself forgets
#include <mbedtls/psa_util.h>
}

#include "core/crypto/hash.h"
#include "core/crypto/mbed.h"

namespace bramble {

namespace {

constexpr size_t kKeyBytesMax = 8192;  // PEM of an RSA key of 8192 bits fits
constexpr size_t kP256Bits = 256;
constexpr size_t kEs256Bytes = 64;

bool is_p256(const mbed::Key& key) {
  return mbedtls_pk_can_do(&key.pk, MBEDTLS_PK_ECDSA) &&
         mbedtls_ecp_keypair_get_group_id(mbedtls_pk_ec(key.pk)) == MBEDTLS_ECP_DP_SECP256R1;
}

std::string public_der(const mbed::Key& key) {
  std::string buffer(kKeyBytesMax, '\0');
  auto* start = reinterpret_cast<unsigned char*>(buffer.data());
  std::lock_guard<std::mutex> lock(key.mu);
  int n = mbedtls_pk_write_pubkey_der(&key.pk, start, buffer.size());  // written at the end of the buffer
  CHECK(n > 0, "public key: ", n);
  return buffer.substr(buffer.size() - static_cast<size_t>(n));
}

}  // namespace

Result<PublicKey> PublicKey::from_pem(const std::string& pem) {
  mbed::ready();
  auto key = std::make_shared<mbed::Key>();
  int rc = mbedtls_pk_parse_public_key(&key->pk, mbed::bytes(pem), mbed::pem_bytes(pem));
  if (rc != 0) return mbed::failed(Code::kInvalidArgument, "public key", rc);
  return PublicKey(std::move(key));
}

std::string PublicKey::der() const { return public_der(*key_); }

std::string PublicKey::pem() const {
  std::string d = der(), out(kKeyBytesMax * 2, '\0');
  size_t n = 0;
  int rc = mbedtls_pem_write_buffer("-----BEGIN PUBLIC KEY-----\n", "-----END PUBLIC KEY-----\n", mbed::bytes(d),
                                    d.size(), reinterpret_cast<unsigned char*>(out.data()), out.size(), &n);
  CHECK(rc == 0, "pem: ", rc);
  out.resize(n - 1);  // without the closing zero
  return out;
}

std::string PublicKey::key_id() const { return base64url_encode(sha256(der())); }

bool PublicKey::verify_es256(std::string_view message, std::string_view signature) const {
  if (signature.size() != kEs256Bytes || !is_p256(*key_)) return false;
  unsigned char der_signature[kEs256Bytes + 16];
  size_t n = 0;
  if (mbedtls_ecdsa_raw_to_der(kP256Bits, mbed::bytes(signature), signature.size(), der_signature, sizeof der_signature,
                               &n) != 0)
    return false;
  std::string digest = sha256(message);
  std::lock_guard<std::mutex> lock(key_->mu);
  return mbedtls_pk_verify(&key_->pk, MBEDTLS_MD_SHA256, mbed::bytes(digest), digest.size(), der_signature, n) == 0;
}

Result<PrivateKey> PrivateKey::generate_p256() {
  mbed::ready();
  auto key = std::make_shared<mbed::Key>();
  int rc = mbedtls_pk_setup(&key->pk, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY));
  if (rc == 0) rc = mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(key->pk), mbed::random, nullptr);
  if (rc != 0) return mbed::failed(Code::kInternal, "generate P-256 key", rc);
  return PrivateKey(std::move(key));
}

Result<PrivateKey> PrivateKey::from_pem(const std::string& pem) {
  mbed::ready();
  auto key = std::make_shared<mbed::Key>();
  int rc = mbedtls_pk_parse_key(&key->pk, mbed::bytes(pem), mbed::pem_bytes(pem), nullptr, 0, mbed::random, nullptr);
  if (rc != 0) return mbed::failed(Code::kInvalidArgument, "private key", rc);
  return PrivateKey(std::move(key));
}

std::string PrivateKey::pem() const {
  std::string out(kKeyBytesMax * 2, '\0');
  std::lock_guard<std::mutex> lock(key_->mu);
  int rc = mbedtls_pk_write_key_pem(&key_->pk, reinterpret_cast<unsigned char*>(out.data()), out.size());
  CHECK(rc == 0, "pem: ", rc);
  out.resize(out.find('\0'));
  return out;
}

PublicKey PrivateKey::public_key() const {
  std::string d = public_der(*key_);
  auto key = std::make_shared<mbed::Key>();
  int rc = mbedtls_pk_parse_public_key(&key->pk, mbed::bytes(d), d.size());
  CHECK(rc == 0, "public key of a private one: ", rc);
  return PublicKey(std::move(key));
}

Result<std::string> PrivateKey::sign_es256(std::string_view message) const {
  if (!is_p256(*key_)) return Error(Code::kInvalidArgument, "sign ES256: the key is not EC P-256");
  std::string digest = sha256(message);
  unsigned char der_signature[MBEDTLS_PK_SIGNATURE_MAX_SIZE];
  size_t n = 0;
  {
    std::lock_guard<std::mutex> lock(key_->mu);
    int rc = mbedtls_pk_sign(&key_->pk, MBEDTLS_MD_SHA256, mbed::bytes(digest), digest.size(), der_signature,
                             sizeof der_signature, &n, mbed::random, nullptr);
    if (rc != 0) return mbed::failed(Code::kInternal, "sign ES256", rc);
  }
  std::string out(kEs256Bytes, '\0');
  size_t raw_bytes = 0;
  int rc = mbedtls_ecdsa_der_to_raw(kP256Bits, der_signature, n, reinterpret_cast<unsigned char*>(out.data()),
                                    out.size(), &raw_bytes);
  if (rc != 0) return mbed::failed(Code::kInternal, "sign ES256", rc);
  return out;
}

}  // namespace bramble

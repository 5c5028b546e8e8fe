#include "core/crypto/jws.h"

#include <mbedtls/md.h>
#include <mbedtls/rsa.h>

extern "C" {  // which the header itself forgets
#include <mbedtls/psa_util.h>
}

#include "core/crypto/mbed.h"

namespace bramble {
namespace {

constexpr size_t kRsaBytesMin = 256, kRsaBytesMax = 1024, kExponentBytesMax = 8;

struct Curve {
  std::string_view name, algorithm;
  size_t bits;
  std::string_view oid;  // DER
};
const Curve kCurves[] = {{"P-256", "ES256", 256, std::string_view("\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07", 10)},
                         {"P-384", "ES384", 384, std::string_view("\x06\x05\x2b\x81\x04\x00\x22", 7)},
                         {"P-521", "ES512", 521, std::string_view("\x06\x05\x2b\x81\x04\x00\x23", 7)}};

std::string der(char tag, std::string_view content) {
  std::string out(1, tag);
  if (content.size() < 0x80) {
    out += static_cast<char>(content.size());
  } else if (content.size() < 0x100) {
    out += "\x81";
    out += static_cast<char>(content.size());
  } else {
    out += "\x82";
    out += static_cast<char>(content.size() >> 8);
    out += static_cast<char>(content.size() & 0xff);
  }
  return out.append(content);
}

std::string unsigned_number(std::string_view bytes) {
  while (bytes.size() > 1 && bytes.front() == 0) bytes.remove_prefix(1);
  std::string value(bytes);
  if (!value.empty() && (value.front() & 0x80)) value.insert(value.begin(), '\0');
  return der(0x02, value);
}

// SubjectPublicKeyInfo (RFC 5280 section 4.1).
Result<PublicKey> parse_info(const std::string& algorithm, const std::string& key_bits) {
  mbed::ready();
  std::string info = der(0x30, der(0x30, algorithm) + der(0x03, std::string(1, '\0') + key_bits));
  auto key = std::make_shared<mbed::Key>();
  int rc = mbedtls_pk_parse_public_key(&key->pk, mbed::bytes(info), info.size());
  if (rc != 0) return mbed::failed(Code::kInvalidArgument, "json web key", rc);
  return PublicKey(std::move(key));
}

mbedtls_md_type_t hash_of(std::string_view algorithm) {
  std::string_view bits = algorithm.substr(2);
  return bits == "256" ? MBEDTLS_MD_SHA256 : bits == "384" ? MBEDTLS_MD_SHA384 : MBEDTLS_MD_SHA512;
}

}  // namespace

Result<PublicKey> rsa_public_key(std::string_view modulus, std::string_view exponent) {
  while (!modulus.empty() && modulus.front() == 0) modulus.remove_prefix(1);
  if (modulus.size() < kRsaBytesMin || modulus.size() > kRsaBytesMax) return Error(Code::kInvalidArgument, "json web key: an RSA key must have 2048 to 8192 bits");
  if (exponent.empty() || exponent.size() > kExponentBytesMax) return Error(Code::kInvalidArgument, "json web key: no RSA exponent");
  const std::string_view rsa("\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00", 13);
  return parse_info(std::string(rsa), der(0x30, unsigned_number(modulus) + unsigned_number(exponent)));
}

Result<PublicKey> ec_public_key(std::string_view curve, std::string_view x, std::string_view y) {
  for (const Curve& c : kCurves) {
    if (c.name != curve) continue;
    const size_t bytes = (c.bits + 7) / 8;
    if (x.size() != bytes || y.size() != bytes) return Error(Code::kInvalidArgument, "json web key: a coordinate has another length than its curve");
    const std::string_view ec("\x06\x07\x2a\x86\x48\xce\x3d\x02\x01", 9);
    return parse_info(cat(ec, c.oid), cat("\x04", x, y));
  }
  return Error(Code::kInvalidArgument, cat("json web key: unknown curve ", go_quote(curve)));
}

bool is_jws_algorithm(std::string_view algorithm) {
  for (std::string_view known : {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"})
    if (algorithm == known) return true;
  return false;
}

bool verify_jws(const PublicKey& key, std::string_view algorithm, std::string_view message, std::string_view signature) {
  if (!is_jws_algorithm(algorithm)) return false;
  const mbed::Key& raw = key.raw();
  const mbedtls_md_type_t hash = hash_of(algorithm);
  const mbedtls_md_info_t* info = mbedtls_md_info_from_type(hash);
  unsigned char digest[MBEDTLS_MD_MAX_SIZE];
  if (!info || mbedtls_md(info, mbed::bytes(message), message.size(), digest) != 0) return false;
  const size_t digest_bytes = mbedtls_md_get_size(info);
  std::lock_guard<std::mutex> lock(raw.mu);
  if (algorithm[0] != 'E') {
    if (!mbedtls_pk_can_do(&raw.pk, MBEDTLS_PK_RSA) || signature.size() != mbedtls_pk_get_len(&raw.pk)) return false;
    if (algorithm[0] == 'R') return mbedtls_pk_verify(&raw.pk, hash, digest, digest_bytes, mbed::bytes(signature), signature.size()) == 0;
    mbedtls_pk_rsassa_pss_options options{hash, static_cast<int>(digest_bytes)};
    return mbedtls_pk_verify_ext(MBEDTLS_PK_RSASSA_PSS, &options, &raw.pk, hash, digest, digest_bytes, mbed::bytes(signature), signature.size()) == 0;
  }
  for (const Curve& c : kCurves) {
    if (c.algorithm != algorithm) continue;
    if (!mbedtls_pk_can_do(&raw.pk, MBEDTLS_PK_ECDSA) || mbedtls_pk_get_bitlen(&raw.pk) != c.bits || signature.size() != 2 * ((c.bits + 7) / 8)) return false;
    unsigned char in_der[MBEDTLS_PK_SIGNATURE_MAX_SIZE];
    size_t n = 0;
    if (mbedtls_ecdsa_raw_to_der(c.bits, mbed::bytes(signature), signature.size(), in_der, sizeof in_der, &n) != 0) return false;
    return mbedtls_pk_verify(&raw.pk, hash, digest, digest_bytes, in_der, n) == 0;
  }
  return false;
}

}  // namespace bramble

// Private and public keys. Values that share an immutable key; any thread. New keys are EC P-256; RSA and other curves
// are read as well (certificate requests of users). ES256 signatures are raw r||s as RFC 7518 section 3.4 wants them.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "core/base/result.h"

namespace bramble {

namespace mbed {
struct Key;
}

class PublicKey {
 public:
  // "PUBLIC KEY" PEM. kInvalidArgument.
  static Result<PublicKey> from_pem(const std::string& pem);
  std::string pem() const;
  std::string der() const;  // SubjectPublicKeyInfo
  // Kubernetes' name of a service account key: base64url(SHA-256(der)).
  std::string key_id() const;
  // False for any wrong signature, and for keys that are not P-256.
  bool verify_es256(std::string_view message, std::string_view signature) const;

  explicit PublicKey(std::shared_ptr<const mbed::Key> key) : key_(std::move(key)) {}
  const mbed::Key& raw() const { return *key_; }

 private:
  std::shared_ptr<const mbed::Key> key_;
};

class PrivateKey {
 public:
  static Result<PrivateKey> generate_p256();
  // "EC PRIVATE KEY", "RSA PRIVATE KEY" or "PRIVATE KEY", not encrypted. kInvalidArgument.
  static Result<PrivateKey> from_pem(const std::string& pem);
  std::string pem() const;
  PublicKey public_key() const;
  // kInvalidArgument when the key is not P-256.
  Result<std::string> sign_es256(std::string_view message) const;

  explicit PrivateKey(std::shared_ptr<const mbed::Key> key) : key_(std::move(key)) {}
  const mbed::Key& raw() const { return *key_; }

 private:
  std::shared_ptr<const mbed::Key> key_;
};

}  // namespace bramble

// X.509 certificates (RFC 5280): making an authority, issuing leaves, reading, certificate requests (PKCS #10, RFC
// 2986), checking a chain. Pure functions of values, any thread. Everything is PEM text. notBefore is always
// 2000-01-01, since a board without a clock must accept what it has just issued (DESIGN section 6).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/crypto/key.h"

namespace bramble {

// What a certificate or a request says about its holder.
struct CertificateSubject {
  std::string common_name;
  std::vector<std::string> organizations;
  std::vector<std::string> dns_names;
  std::vector<std::string> ip_addresses;  // text
  bool other_names = false;               // of a request: there are email addresses or URIs among its alternative names
};

struct CertificateInfo {
  CertificateSubject subject;
  std::string issuer_common_name;
  int64_t not_before_s = 0, not_after_s = 0;  // seconds since 1970
  bool is_ca = false;
  bool server_auth = false, client_auth = false;
  std::string der_sha256_hex;
  std::string public_key_pem;
  std::string key_sha256_hex;  // of its SubjectPublicKeyInfo
};

// The first certificate of the text. kInvalidArgument.
Result<CertificateInfo> parse_certificate(const std::string& pem);

struct LeafOptions {
  bool server_auth = false, client_auth = false;
  int64_t not_after_s = 0;  // cut at the authority's own end
};

struct CertifiedKey {
  std::string certificate_pem;
  std::string key_pem;
};

class CertificateAuthority {
 public:
  static Result<CertificateAuthority> create(std::string_view common_name, int64_t not_after_s);
  // kInvalidArgument when either is malformed or they do not belong together.
  static Result<CertificateAuthority> from_pem(const std::string& certificate_pem, const std::string& key_pem);
  const std::string& certificate_pem() const { return certificate_pem_; }
  std::string key_pem() const { return key_.pem(); }
  int64_t not_after_s() const { return not_after_s_; }

  Result<std::string> issue(const CertificateSubject& subject, const PublicKey& key, LeafOptions options) const;
  // With a new P-256 key.
  Result<CertifiedKey> issue_with_key(const CertificateSubject& subject, LeafOptions options) const;

 private:
  CertificateAuthority(std::string certificate_pem, PrivateKey key, int64_t not_after_s)
      : certificate_pem_(std::move(certificate_pem)), key_(std::move(key)), not_after_s_(not_after_s) {}
  std::string certificate_pem_;
  PrivateKey key_;
  int64_t not_after_s_;
};

struct CertificateRequest {
  CertificateSubject subject;
  PublicKey key;
};
Result<std::string> make_certificate_request(const CertificateSubject& subject, const PrivateKey& key);
// Also checks that the request is signed by its own key. kInvalidArgument.
Result<CertificateRequest> parse_certificate_request(const std::string& pem);

enum class CertificateUse { kAny, kServer, kClient };
// Checks the first certificate of chain_pem (the others may be intermediates) against the roots, with the machine's
// clock. kUnauthenticated with the reason ("certificate has expired", ...).
Status verify_certificate(const std::string& chain_pem, const std::string& roots_pem, CertificateUse use);

// Seconds since 1970 for "now" as certificates need it: never before the fixed notBefore.
constexpr int64_t kCertificateNotBefore_s = 946684800;  // 2000-01-01T00:00:00Z

}  // namespace bramble

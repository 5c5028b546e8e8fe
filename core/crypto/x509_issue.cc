// Making authorities, leaves and requests.
#include <arpa/inet.h>
#include <mbedtls/oid.h>
#include <mbedtls/platform.h>
#include <mbedtls/x509_crt.h>
#include <mbedtls/x509_csr.h>

#include <algorithm>
#include <cstring>

#include "core/base/clock.h"
#include "core/crypto/mbed.h"
#include "core/crypto/x509.h"
#include "core/crypto/x509_subject.h"

namespace bramble {

namespace {

constexpr size_t kPemBytesMax = 16 * 1024;
constexpr size_t kSerialBytes = 16;

struct CrtWriter {
  CrtWriter() { mbedtls_x509write_crt_init(&w); }
  ~CrtWriter() { mbedtls_x509write_crt_free(&w); }
  CrtWriter(const CrtWriter&) = delete;
  mbedtls_x509write_cert w;
};
struct CsrWriter {
  CsrWriter() { mbedtls_x509write_csr_init(&w); }
  ~CsrWriter() { mbedtls_x509write_csr_free(&w); }
  CsrWriter(const CsrWriter&) = delete;
  mbedtls_x509write_csr w;
};

void copy_into(mbedtls_asn1_buf* to, int tag, std::string_view bytes) {
  to->tag = tag;
  to->len = bytes.size();
  to->p = static_cast<unsigned char*>(mbedtls_calloc(1, bytes.size() + 1));
  CHECK(to->p, "out of memory");
  std::memcpy(to->p, bytes.data(), bytes.size());
}

// mbedTLS writes a name from the list's end to its front, so that what is pushed first is written first. Its own
// functions that build names from text keep only the last of several organizations.
void push_name(mbedtls_asn1_named_data** list, std::string_view oid, int tag, std::string_view value) {
  auto* node = static_cast<mbedtls_asn1_named_data*>(mbedtls_calloc(1, sizeof(mbedtls_asn1_named_data)));
  CHECK(node, "out of memory");
  copy_into(&node->oid, MBEDTLS_ASN1_OID, oid);
  copy_into(&node->val, tag, value);
  node->next = *list;
  *list = node;
}

#define BRAMBLE_OID(oid) std::string_view(oid, MBEDTLS_OID_SIZE(oid))

void push_subject(mbedtls_asn1_named_data** list, const CertificateSubject& s) {
  for (auto& o : s.organizations)
    push_name(list, BRAMBLE_OID(MBEDTLS_OID_AT_ORGANIZATION), MBEDTLS_ASN1_UTF8_STRING, o);
  if (!s.common_name.empty()) push_name(list, BRAMBLE_OID(MBEDTLS_OID_AT_CN), MBEDTLS_ASN1_UTF8_STRING, s.common_name);
}

// Alternative names as mbedTLS wants them: a list that points into memory that stays here.
class AltNames {
 public:
  Status add(const CertificateSubject& s) {
    texts_.reserve(s.dns_names.size() + s.ip_addresses.size());
    for (auto& d : s.dns_names) push(MBEDTLS_X509_SAN_DNS_NAME, d);
    for (auto& ip : s.ip_addresses) {
      unsigned char raw[16];
      if (inet_pton(AF_INET, ip.c_str(), raw) == 1)
        push(MBEDTLS_X509_SAN_IP_ADDRESS, std::string(reinterpret_cast<char*>(raw), 4));
      else if (inet_pton(AF_INET6, ip.c_str(), raw) == 1)
        push(MBEDTLS_X509_SAN_IP_ADDRESS, std::string(reinterpret_cast<char*>(raw), 16));
      else
        return Error(Code::kInvalidArgument, cat("certificate: ", go_quote(ip), " is not an IP address"));
    }
    std::reverse(texts_.begin(), texts_.end());  // mbedTLS writes the last one first
    nodes_.resize(texts_.size());
    for (size_t i = 0; i < nodes_.size(); i++) {
      nodes_[i] = {};
      nodes_[i].node.type = texts_[i].first;
      nodes_[i].node.san.unstructured_name.p = reinterpret_cast<unsigned char*>(texts_[i].second.data());
      nodes_[i].node.san.unstructured_name.len = texts_[i].second.size();
      nodes_[i].next = i + 1 < nodes_.size() ? &nodes_[i + 1] : nullptr;
    }
    return ok();
  }
  mbedtls_x509_san_list* list() { return nodes_.empty() ? nullptr : nodes_.data(); }

 private:
  void push(int type, std::string bytes) { texts_.emplace_back(type, std::move(bytes)); }
  std::vector<std::pair<int, std::string>> texts_;
  std::vector<mbedtls_x509_san_list> nodes_;
};

// "YYYYMMDDhhmmss" as mbedTLS wants it.
std::string x509_time(int64_t seconds) {
  std::string out;
  for (char c : format_rfc3339(seconds * 1000000))
    if (c >= '0' && c <= '9') out.push_back(c);
  return out;
}

int set_common(mbedtls_x509write_cert* w, int64_t not_after_s) {
  unsigned char serial[kSerialBytes];
  int rc = mbed::random(nullptr, serial, sizeof serial);
  serial[0] = static_cast<unsigned char>((serial[0] & 0x7f) | 0x40);  // positive, and no leading zero
  mbedtls_x509write_crt_set_version(w, MBEDTLS_X509_CRT_VERSION_3);
  mbedtls_x509write_crt_set_md_alg(w, MBEDTLS_MD_SHA256);
  if (rc == 0) rc = mbedtls_x509write_crt_set_serial_raw(w, serial, sizeof serial);
  std::string before = x509_time(kCertificateNotBefore_s), after = x509_time(not_after_s);
  if (rc == 0) rc = mbedtls_x509write_crt_set_validity(w, before.c_str(), after.c_str());
  return rc;
}

Result<std::string> write_pem(mbedtls_x509write_cert* w) {
  std::string out(kPemBytesMax, '\0');
  int rc =
      mbedtls_x509write_crt_pem(w, reinterpret_cast<unsigned char*>(out.data()), out.size(), mbed::random, nullptr);
  if (rc != 0) return mbed::failed(Code::kInvalidArgument, "write certificate", rc);
  out.resize(out.find('\0'));
  return out;
}

}  // namespace

Result<CertificateAuthority> CertificateAuthority::create(std::string_view common_name, int64_t not_after_s) {
  TRY_ASSIGN(PrivateKey key, PrivateKey::generate_p256());
  CrtWriter writer;
  auto* w = &writer.w;
  CertificateSubject subject;
  subject.common_name = common_name;
  push_subject(&w->MBEDTLS_PRIVATE(subject), subject);
  push_subject(&w->MBEDTLS_PRIVATE(issuer), subject);
  mbedtls_x509write_crt_set_subject_key(w, &key.raw().pk);
  mbedtls_x509write_crt_set_issuer_key(w, &key.raw().pk);
  int rc = set_common(w, not_after_s);
  if (rc == 0) rc = mbedtls_x509write_crt_set_basic_constraints(w, 1, -1);
  if (rc == 0)
    rc = mbedtls_x509write_crt_set_key_usage(
        w, MBEDTLS_X509_KU_DIGITAL_SIGNATURE | MBEDTLS_X509_KU_KEY_ENCIPHERMENT | MBEDTLS_X509_KU_KEY_CERT_SIGN);
  if (rc == 0) rc = mbedtls_x509write_crt_set_subject_key_identifier(w);
  if (rc != 0) return mbed::failed(Code::kInternal, "make certificate authority", rc);
  TRY_ASSIGN(std::string pem, write_pem(w));
  return CertificateAuthority(std::move(pem), std::move(key), not_after_s);
}

Result<CertificateAuthority> CertificateAuthority::from_pem(const std::string& certificate_pem,
                                                            const std::string& key_pem) {
  TRY_ASSIGN(CertificateInfo info, parse_certificate(certificate_pem));
  TRY_ASSIGN(PrivateKey key, PrivateKey::from_pem(key_pem));
  if (!info.is_ca)
    return Error(Code::kInvalidArgument, cat("certificate ", info.subject.common_name, ": not an authority"));
  if (info.public_key_pem != key.public_key().pem())
    return Error(Code::kInvalidArgument,
                 cat("certificate ", info.subject.common_name, ": the key belongs to another certificate"));
  return CertificateAuthority(certificate_pem, std::move(key), info.not_after_s);
}

Result<std::string> CertificateAuthority::issue(const CertificateSubject& subject, const PublicKey& key,
                                                LeafOptions options) const {
  CrtWriter writer;
  auto* w = &writer.w;
  Crt ca;
  int rc = mbedtls_x509_crt_parse(&ca.crt, mbed::bytes(certificate_pem_), mbed::pem_bytes(certificate_pem_));
  if (rc != 0) return mbed::failed(Code::kInternal, "authority", rc);
  for (const mbedtls_x509_name* n = &ca.crt.subject; n && n->oid.p; n = n->next)
    push_name(&w->MBEDTLS_PRIVATE(issuer), mbed::text(n->oid), n->val.tag, mbed::text(n->val));
  push_subject(&w->MBEDTLS_PRIVATE(subject), subject);

  std::lock_guard<std::mutex> subject_lock(key.raw().mu);
  std::lock_guard<std::mutex> issuer_lock(key_.raw().mu);
  mbedtls_x509write_crt_set_subject_key(w, &key.raw().pk);
  mbedtls_x509write_crt_set_issuer_key(w, &key_.raw().pk);
  AltNames alt;
  TRY(alt.add(subject));
  mbedtls_asn1_sequence uses[2] = {};
  size_t count = 0;
  auto use = [&](const char* oid, size_t n) {
    uses[count].buf.tag = MBEDTLS_ASN1_OID;
    uses[count].buf.p = reinterpret_cast<unsigned char*>(const_cast<char*>(oid));
    uses[count].buf.len = n;
    if (count > 0) uses[count - 1].next = &uses[count];
    count++;
  };
  if (options.server_auth) use(MBEDTLS_OID_SERVER_AUTH, MBEDTLS_OID_SIZE(MBEDTLS_OID_SERVER_AUTH));
  if (options.client_auth) use(MBEDTLS_OID_CLIENT_AUTH, MBEDTLS_OID_SIZE(MBEDTLS_OID_CLIENT_AUTH));

  rc = set_common(w, options.not_after_s < not_after_s_ ? options.not_after_s : not_after_s_);
  if (rc == 0) rc = mbedtls_x509write_crt_set_basic_constraints(w, 0, -1);
  if (rc == 0)
    rc = mbedtls_x509write_crt_set_key_usage(w, MBEDTLS_X509_KU_DIGITAL_SIGNATURE | MBEDTLS_X509_KU_KEY_ENCIPHERMENT);
  if (rc == 0 && count > 0) rc = mbedtls_x509write_crt_set_ext_key_usage(w, uses);
  if (rc == 0 && alt.list()) rc = mbedtls_x509write_crt_set_subject_alternative_name(w, alt.list());
  if (rc == 0) rc = mbedtls_x509write_crt_set_authority_key_identifier(w);
  if (rc != 0) return mbed::failed(Code::kInvalidArgument, cat("issue certificate ", subject.common_name), rc);
  return write_pem(w);
}

Result<CertifiedKey> CertificateAuthority::issue_with_key(const CertificateSubject& subject,
                                                          LeafOptions options) const {
  TRY_ASSIGN(PrivateKey key, PrivateKey::generate_p256());
  TRY_ASSIGN(std::string pem, issue(subject, key.public_key(), options));
  return CertifiedKey{std::move(pem), key.pem()};
}

Result<std::string> make_certificate_request(const CertificateSubject& subject, const PrivateKey& key) {
  CsrWriter writer;
  auto* w = &writer.w;
  push_subject(&w->MBEDTLS_PRIVATE(subject), subject);
  std::lock_guard<std::mutex> lock(key.raw().mu);
  mbedtls_x509write_csr_set_key(w, &key.raw().pk);
  mbedtls_x509write_csr_set_md_alg(w, MBEDTLS_MD_SHA256);
  AltNames alt;
  TRY(alt.add(subject));
  int rc = alt.list() ? mbedtls_x509write_csr_set_subject_alternative_name(w, alt.list()) : 0;
  std::string out(kPemBytesMax, '\0');
  if (rc == 0)
    rc = mbedtls_x509write_csr_pem(w, reinterpret_cast<unsigned char*>(out.data()), out.size(), mbed::random, nullptr);
  if (rc != 0) return mbed::failed(Code::kInvalidArgument, cat("certificate request ", subject.common_name), rc);
  out.resize(out.find('\0'));
  return out;
}

}  // namespace bramble

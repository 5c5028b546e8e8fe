// Reading certificates and requests, and checking chains.
#include <arpa/inet.h>
#include <mbedtls/oid.h>
#include <mbedtls/x509_crt.h>
#include <mbedtls/x509_csr.h>

#include "core/base/clock.h"
#include "core/crypto/hash.h"
#include "core/crypto/mbed.h"
#include "core/crypto/pem.h"
#include "core/crypto/x509.h"
#include "core/crypto/x509_subject.h"

namespace bramble {

namespace {

bool oid_is(const mbedtls_asn1_buf& oid, const char* bytes, size_t n) {
  return oid.len == n && std::string_view(reinterpret_cast<const char*>(oid.p), oid.len) == std::string_view(bytes, n);
}
#define BRAMBLE_OID_IS(buf, oid) oid_is(buf, oid, MBEDTLS_OID_SIZE(oid))

void read_name(const mbedtls_x509_name* name, CertificateSubject* out) {
  for (; name; name = name->next) {
    if (BRAMBLE_OID_IS(name->oid, MBEDTLS_OID_AT_CN)) out->common_name = mbed::text(name->val);
    if (BRAMBLE_OID_IS(name->oid, MBEDTLS_OID_AT_ORGANIZATION)) out->organizations.push_back(mbed::text(name->val));
  }
}

void read_alt_names(const mbedtls_x509_sequence* names, CertificateSubject* out) {
  for (; names && names->buf.p; names = names->next) {
    int kind = names->buf.tag & 0x1f;
    if (kind == MBEDTLS_X509_SAN_DNS_NAME) {
      out->dns_names.push_back(mbed::text(names->buf));
    } else if (kind == MBEDTLS_X509_SAN_IP_ADDRESS && (names->buf.len == 4 || names->buf.len == 16)) {
      char ip[INET6_ADDRSTRLEN];
      if (inet_ntop(names->buf.len == 4 ? AF_INET : AF_INET6, names->buf.p, ip, sizeof ip))
        out->ip_addresses.push_back(ip);
    } else {
      out->other_names = true;
    }
  }
}

int64_t seconds(const mbedtls_x509_time& t) {
  char buf[80];
  int n = std::snprintf(buf, sizeof buf, "%04d-%02d-%02dT%02d:%02d:%02dZ", t.year, t.mon, t.day, t.hour, t.min, t.sec);
  auto us = parse_rfc3339(std::string_view(buf, static_cast<size_t>(n)));
  return us ? *us / 1000000 : 0;
}

std::string pem_of_public_key(const mbedtls_pk_context& pk) {
  auto copy = std::make_shared<mbed::Key>();
  unsigned char der[4096];
  int n = mbedtls_pk_write_pubkey_der(&pk, der, sizeof der);
  if (n <= 0 || mbedtls_pk_parse_public_key(&copy->pk, der + sizeof der - n, static_cast<size_t>(n)) != 0) return "";
  return PublicKey(std::move(copy)).pem();
}

}  // namespace

// mbedTLS gives up on critical extensions that it does not read (id-ce 2.5.29.x); it reads a copy where none is critical.
int parse_request(std::string_view der, mbedtls_x509_csr* out) {
  constexpr std::string_view kExtension = "\x06\x03\x55\x1d", kCritical = "\x01\x01\xff";
  std::string copy(der);
  for (size_t at = copy.find(kExtension); at != std::string::npos; at = copy.find(kExtension, at + 1)) {
    const size_t flag = at + kExtension.size() + 1;
    if (flag < copy.size() && copy.compare(flag, kCritical.size(), kCritical) == 0) copy[flag + 2] = 0;
  }
  auto accept = [](void*, const mbedtls_x509_csr*, const mbedtls_x509_buf*, int, const unsigned char*, const unsigned char*) { return 0; };
  return mbedtls_x509_csr_parse_der_with_ext_cb(out, mbed::bytes(copy), copy.size(), accept, nullptr);
}

std::string_view signed_part(std::string_view der, const mbedtls_x509_csr& csr) {
  return der.substr(static_cast<size_t>(csr.cri.p - csr.raw.p), csr.cri.len);
}

CertificateSubject subject_of(const mbedtls_x509_crt& crt) {
  CertificateSubject out;
  read_name(&crt.subject, &out);
  if (mbedtls_x509_crt_has_ext_type(&crt, MBEDTLS_X509_EXT_SUBJECT_ALT_NAME))
    read_alt_names(&crt.subject_alt_names, &out);
  return out;
}

int64_t not_after_of(const mbedtls_x509_crt& crt) { return seconds(crt.valid_to); }

Result<CertificateInfo> parse_certificate(const std::string& pem) {
  mbed::ready();
  Crt crt;
  int rc = mbedtls_x509_crt_parse(&crt.crt, mbed::bytes(pem), mbed::pem_bytes(pem));
  if (rc < 0 || !crt.crt.raw.p) return mbed::failed(Code::kInvalidArgument, "certificate", rc);
  CertificateInfo info;
  info.subject = subject_of(crt.crt);
  CertificateSubject issuer;
  read_name(&crt.crt.issuer, &issuer);
  info.issuer_common_name = issuer.common_name;
  info.not_before_s = seconds(crt.crt.valid_from);
  info.not_after_s = seconds(crt.crt.valid_to);
  info.is_ca = mbedtls_x509_crt_get_ca_istrue(&crt.crt) == 1;
  auto may = [&](const char* oid, size_t n) {
    return mbedtls_x509_crt_has_ext_type(&crt.crt, MBEDTLS_X509_EXT_EXTENDED_KEY_USAGE) &&
           mbedtls_x509_crt_check_extended_key_usage(&crt.crt, oid, n) == 0;
  };
  info.server_auth = may(MBEDTLS_OID_SERVER_AUTH, MBEDTLS_OID_SIZE(MBEDTLS_OID_SERVER_AUTH));
  info.client_auth = may(MBEDTLS_OID_CLIENT_AUTH, MBEDTLS_OID_SIZE(MBEDTLS_OID_CLIENT_AUTH));
  info.der_sha256_hex = sha256_hex(mbed::text(crt.crt.raw));
  info.public_key_pem = pem_of_public_key(crt.crt.pk);
  info.key_sha256_hex = sha256_hex(mbed::text(crt.crt.pk_raw));
  return info;
}

Result<CertificateRequest> parse_certificate_request(const std::string& pem) {
  mbed::ready();
  Csr csr;
  std::string_view rest = pem;
  const auto block = next_pem_block(rest);
  if (!block || block->type != "CERTIFICATE REQUEST") return Error(Code::kInvalidArgument, "PEM block type must be CERTIFICATE REQUEST");
  int rc = parse_request(block->bytes, &csr.csr);
  if (rc != 0) return mbed::failed(Code::kInvalidArgument, "certificate request", rc);
  auto& c = csr.csr;
  auto hash = c.MBEDTLS_PRIVATE(sig_md);
  const mbedtls_md_info_t* md = mbedtls_md_info_from_type(hash);
  unsigned char digest[MBEDTLS_MD_MAX_SIZE];
  const std::string_view part = signed_part(block->bytes, c);
  rc = md ? mbedtls_md(md, mbed::bytes(part), part.size(), digest) : MBEDTLS_ERR_X509_UNKNOWN_SIG_ALG;
  if (rc == 0)
    rc = mbedtls_pk_verify_ext(c.MBEDTLS_PRIVATE(sig_pk), c.MBEDTLS_PRIVATE(sig_opts), &c.pk, hash, digest,
                               mbedtls_md_get_size(md), c.MBEDTLS_PRIVATE(sig).p, c.MBEDTLS_PRIVATE(sig).len);
  if (rc != 0) return mbed::failed(Code::kInvalidArgument, "certificate request: signature", rc);
  CertificateSubject subject;
  read_name(&c.subject, &subject);
  read_alt_names(&c.subject_alt_names, &subject);
  TRY_ASSIGN(PublicKey key, PublicKey::from_pem(pem_of_public_key(c.pk)));
  return CertificateRequest{std::move(subject), std::move(key)};
}

std::string verify_flags_text(uint32_t flags) {
  char text[512] = "";
  mbedtls_x509_crt_verify_info(text, sizeof text, "", flags);
  std::string_view first = split(text, '\n')[0];
  return first.empty() ? std::string("not verifiable") : std::string(first);
}

uint32_t without_clock_doubts(uint32_t flags) {
  // A clock before the fixed notBefore is unset; then only the signature can be judged.
  if (RealClock().wall_us() / 1000000 < kCertificateNotBefore_s)
    flags &= ~static_cast<uint32_t>(MBEDTLS_X509_BADCERT_FUTURE);
  return flags;
}

Status verify_certificate(const std::string& chain_pem, const std::string& roots_pem, CertificateUse use) {
  mbed::ready();
  Crt chain, roots;
  int rc = mbedtls_x509_crt_parse(&chain.crt, mbed::bytes(chain_pem), mbed::pem_bytes(chain_pem));
  if (rc != 0) return mbed::failed(Code::kInvalidArgument, "certificate", rc);
  rc = mbedtls_x509_crt_parse(&roots.crt, mbed::bytes(roots_pem), mbed::pem_bytes(roots_pem));
  if (rc != 0) return mbed::failed(Code::kInvalidArgument, "roots", rc);
  uint32_t flags = 0;
  rc = mbedtls_x509_crt_verify(&chain.crt, &roots.crt, nullptr, nullptr, &flags, nullptr, nullptr);
  flags = without_clock_doubts(flags);
  if (rc != 0 && rc != MBEDTLS_ERR_X509_CERT_VERIFY_FAILED)
    return mbed::failed(Code::kUnauthenticated, "certificate", rc);
  const char* oid = use == CertificateUse::kServer ? MBEDTLS_OID_SERVER_AUTH : MBEDTLS_OID_CLIENT_AUTH;
  if (use != CertificateUse::kAny &&
      mbedtls_x509_crt_check_extended_key_usage(&chain.crt, oid, MBEDTLS_OID_SIZE(MBEDTLS_OID_CLIENT_AUTH)) != 0)
    flags |= MBEDTLS_X509_BADCERT_EXT_KEY_USAGE;
  if (flags != 0) return Error(Code::kUnauthenticated, cat("certificate: ", verify_flags_text(flags)));
  return ok();
}

}  // namespace bramble

#include "core/crypto/x509_faults.h"

#include <mbedtls/asn1.h>
#include <mbedtls/ecp.h>
#include <mbedtls/oid.h>

#include "core/base/strings.h"
#include "core/crypto/mbed.h"
#include "core/crypto/x509_subject.h"

namespace bramble {
namespace {

constexpr std::string_view kSyntax = "asn1: syntax error: ", kStructure = "asn1: structure error: ";
constexpr std::string_view kUnimplemented = "x509: cannot verify signature: algorithm unimplemented", kUnknownCurve = "x509: unsupported elliptic curve";

// The outermost element, as encoding/asn1 reads it.
struct Element {
  unsigned tag_class = 0, tag = 0;
  bool compound = false;
  size_t header = 0, length = 0;
};

std::string read_element(std::string_view der, Element* out) {
  auto byte = [der](size_t i) { return static_cast<unsigned>(static_cast<unsigned char>(der[i])); };
  if (der.empty()) return cat(kSyntax, "sequence truncated");
  out->tag_class = byte(0) >> 6, out->compound = byte(0) & 0x20, out->tag = byte(0) & 0x1f;
  if (der.size() < 2) return cat(kSyntax, "truncated tag or length");
  out->header = 2, out->length = byte(1);
  if (out->length < 0x80) return {};
  const size_t n = out->length & 0x7f;
  if (n == 0) return cat(kSyntax, "indefinite length found (not DER)");
  out->length = 0;
  for (size_t i = 0; i < n; ++i) {
    if (out->header >= der.size()) return cat(kSyntax, "truncated tag or length");
    if (out->length >= (1u << 23)) return cat(kStructure, "length too large");
    out->length = out->length << 8 | byte(out->header++);
    if (out->length == 0) return cat(kStructure, "superfluous leading zeros in length");
  }
  return out->length < 0x80 ? cat(kStructure, "non-minimal length") : std::string();
}

std::string envelope_fault(std::string_view der) {
  Element e;
  if (std::string fault = read_element(der, &e); !fault.empty()) return fault;
  if (e.tag_class != 0 || e.tag != 16 || !e.compound)
    return cat(kStructure, "tags don't match (16 vs {class:", e.tag_class, " tag:", e.tag, " length:", e.length,
               " isCompound:", e.compound ? "true" : "false",
               "}) {optional:false explicit:false application:false private:false defaultValue:<nil> tag:<nil> stringType:0 timeType:0 "
               "set:false omitEmpty:false} certificateRequest @",
               e.header);
  if (e.length > der.size() - e.header) return cat(kSyntax, "data truncated");
  return e.length < der.size() - e.header ? cat(kSyntax, "trailing data") : std::string();
}

bool is_known_curve(const mbedtls_pk_context& key) {
  if (mbedtls_pk_get_type(&key) != MBEDTLS_PK_ECKEY) return true;
  switch (mbedtls_pk_ec(key)->MBEDTLS_PRIVATE(grp).id) {
    case MBEDTLS_ECP_DP_SECP224R1:
    case MBEDTLS_ECP_DP_SECP256R1:
    case MBEDTLS_ECP_DP_SECP384R1:
    case MBEDTLS_ECP_DP_SECP521R1: return true;
    default: return false;
  }
}

struct Signed {
  mbedtls_md_type_t hash;
  mbedtls_pk_type_t sort;
  const void* options;
  std::string_view part, signature;
};

std::string signature_fault(mbedtls_pk_context* key, const Signed& what) {
  const bool rsa = mbedtls_pk_get_type(key) == MBEDTLS_PK_RSA;
  if (what.hash == MBEDTLS_MD_MD5) return "x509: cannot verify signature: insecure algorithm MD5-RSA";
  const mbedtls_md_info_t* md = mbedtls_md_info_from_type(what.hash);
  unsigned char digest[MBEDTLS_MD_MAX_SIZE];
  if (!md || mbedtls_md(md, mbed::bytes(what.part), what.part.size(), digest) != 0) return std::string(kUnimplemented);
  if (mbedtls_pk_verify_ext(what.sort, what.options, key, what.hash, digest, mbedtls_md_get_size(md), mbed::bytes(what.signature),
                            what.signature.size()) == 0)
    return {};
  return rsa ? "crypto/rsa: verification error" : "x509: ECDSA verification failure";
}

struct PublicPart {
  PublicPart() { mbedtls_pk_init(&pk); }
  ~PublicPart() { mbedtls_pk_free(&pk); }
  PublicPart(const PublicPart&) = delete;
  mbedtls_pk_context pk;
};

// What mbedTLS' reader of requests does not take though it is sound, as one without a subject: element by element.
std::string plain_request_fault(std::string_view der) {
  std::string copy(der);
  unsigned char* at = reinterpret_cast<unsigned char*>(copy.data());
  unsigned char *const begin = at, *const end = at + copy.size();
  auto enter = [&at](const unsigned char* limit, int tag) {
    size_t length = 0;
    return mbedtls_asn1_get_tag(&at, limit, &length, tag) == 0 ? at + length : nullptr;
  };
  constexpr int kSequence = MBEDTLS_ASN1_CONSTRUCTED | MBEDTLS_ASN1_SEQUENCE;
  auto text = [&](const unsigned char* from, const unsigned char* to) {
    return der.substr(static_cast<size_t>(from - begin), static_cast<size_t>(to - from));
  };
  const std::string broken = cat(kSyntax, "sequence truncated");
  if (!enter(end, kSequence)) return broken;
  const unsigned char* const info = at;
  unsigned char* const info_end = enter(end, kSequence);
  if (!info_end) return broken;
  for (int tag : {MBEDTLS_ASN1_INTEGER, kSequence}) {  // version, subject
    unsigned char* next = enter(info_end, tag);
    if (!next) return broken;
    at = next;
  }
  PublicPart key;
  if (mbedtls_pk_parse_subpubkey(&at, info_end, &key.pk) != 0) return broken;
  if (!is_known_curve(key.pk)) return std::string(kUnknownCurve);
  at = info_end;
  mbedtls_asn1_buf name{}, parameters{};
  if (mbedtls_asn1_get_alg(&at, end, &name, &parameters) != 0) return broken;
  Signed what{MBEDTLS_MD_NONE, MBEDTLS_PK_NONE, nullptr, text(info, info_end), {}};
  if (mbedtls_oid_get_sig_alg(&name, &what.hash, &what.sort) != 0 || what.sort == MBEDTLS_PK_RSASSA_PSS) return std::string(kUnimplemented);
  const unsigned char* signature_end = enter(end, MBEDTLS_ASN1_BIT_STRING);
  if (!signature_end || at == signature_end) return broken;
  what.signature = text(at + 1, signature_end);  // after the count of unused bits
  return signature_fault(&key.pk, what);
}

// mbedTLS gives the sum of the part that failed and why.
bool is_failure_of(int rc, int part) { return -rc >= -part && -rc < -part + 0x80; }

}  // namespace

std::string certificate_request_fault(std::string_view der) {
  mbed::ready();
  if (std::string fault = envelope_fault(der); !fault.empty()) return fault;
  Csr csr;
  const int rc = parse_request(der, &csr.csr);
  if (is_failure_of(rc, MBEDTLS_ERR_PK_UNKNOWN_NAMED_CURVE) || (rc == 0 && !is_known_curve(csr.csr.pk))) return std::string(kUnknownCurve);
  if (is_failure_of(rc, MBEDTLS_ERR_PK_UNKNOWN_PK_ALG) || is_failure_of(rc, MBEDTLS_ERR_X509_UNKNOWN_SIG_ALG)) return std::string(kUnimplemented);
  if (is_failure_of(rc, MBEDTLS_ERR_PK_INVALID_PUBKEY)) return "x509: invalid RSA public key";
  if (rc != 0) return plain_request_fault(der);
  mbedtls_x509_csr& c = csr.csr;
  const auto& signature = c.MBEDTLS_PRIVATE(sig);
  return signature_fault(&c.pk, {c.MBEDTLS_PRIVATE(sig_md), c.MBEDTLS_PRIVATE(sig_pk), c.MBEDTLS_PRIVATE(sig_opts), signed_part(der, c),
                                 {reinterpret_cast<const char*>(signature.p), signature.len}});
}

std::string certificates_fault(std::string_view der) {
  mbed::ready();
  while (!der.empty()) {
    Element e;
    if (!read_element(der, &e).empty() || e.tag_class != 0 || e.tag != 16 || !e.compound || e.length > der.size() - e.header)
      return "x509: malformed certificate";
    const size_t size = e.header + e.length;
    Crt crt;
    const int rc = mbedtls_x509_crt_parse_der(&crt.crt, mbed::bytes(der), size);
    // Keys and signatures of sorts that are not known here are the signer's business.
    if (rc != 0 && !is_failure_of(rc, MBEDTLS_ERR_PK_UNKNOWN_PK_ALG) && !is_failure_of(rc, MBEDTLS_ERR_X509_UNKNOWN_SIG_ALG))
      return "x509: malformed certificate";
    der.remove_prefix(size);
  }
  return {};
}

}  // namespace bramble

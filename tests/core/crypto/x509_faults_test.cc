// Requests and certificates that users send, and what is said of bad ones.
#include "core/crypto/x509_faults.h"

#include <gtest/gtest.h>

#include "core/crypto/pem.h"
#include "core/crypto/x509.h"

namespace bramble {
namespace {

const char* kElliptic = R"(-----BEGIN CERTIFICATE REQUEST-----
MIH2MIGeAgEAMBoxDDAKBgNVBAoMA2RldjEKMAgGA1UEAwwBeDBZMBMGByqGSM49
AgEGCCqGSM49AwEHA0IABGRUxKWXT9ftOfoEmK+0kAACt2F0VXV1fEXbGfhMnl0h
6ddVsBWddLGS3HVq4Vcprd8HdT38kfjYyBottI0OfHqgIjAgBgkqhkiG9w0BCQ4x
EzARMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDRwAwRAIgImMz5RFdd6um
gXB/3IYMbGpQx0gH4fpqqQdIXqQu7fgCID1SXSW2iqvO0Un4awB4164Vj3EmI3v+
htrpnTSBmxEQ
-----END CERTIFICATE REQUEST-----)";
const char* kRsa = R"(-----BEGIN CERTIFICATE REQUEST-----
MIICgTCCAWkCAQAwGjEMMAoGA1UECgwDZGV2MQowCAYDVQQDDAF4MIIBIjANBgkq
hkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAs2zdUxiLc9UiFznHPgPEXUSxHkyS6TVf
Ubmn62rEoZT0khkC0mR+8OYwaehJQIL+seon/ujDPVk8/NZyTimZxUXxdNvmu834
3434AAZdJjM52YAfVyw5GSqYFVX6KhbJ/w4c0I3Lhgf+9VuMF8jHjWd4lk0PHjTz
BE09Kdeh8LrsgXzRzpf3SfN75SzeHQ50x4rPfoWLSyqyeYjKBJo+S291b4P1czLH
M96OMbFglnbAQHLYczg7pAg4Cn2ZDafnL2X8VHQE3aLLwyVkkGCwQoqCoRrG//vp
Lk0AsBpElua1/CIN1Z4YPTNiQJrDL5aLaQZmv8AnBiZs9xLj8u48iQIDAQABoCIw
IAYJKoZIhvcNAQkOMRMwETAPBgNVHRMBAf8EBTADAQH/MA0GCSqGSIb3DQEBCwUA
A4IBAQAQ1Q0Pnwrx2Kq9ik+eYPPTLlDFGlFIb+pBgs6bVfWKCxNqEni2V/QwyUSO
3zEpGLQlmbDg2HeVT1bsllYHtq63TiqA5DQN8UEXQxIeJ4NvRiBOdTSzfQ4HhP3K
Uc5ZIrcSJNdfFTGzVy15eQXkEO89FpuqG90zOu2YZmMiYdC0HuJSc+kpfo2SoKSN
P0o/A5kMLUWvRUEZGCuFgo29E/kPYrbdYMi/c4xCzjn0cEkKO86Cemnr/p4w7lcT
tpwWTQeBDa8gWDOau2k/uTNlqkmxcRpXVqTtzo76wx3993Gvpy3YIq+IHbowObro
ku5cZzh1CArRHdLWWXTlRhwTWse1
-----END CERTIFICATE REQUEST-----)";
const char* kEd25519 = R"(-----BEGIN CERTIFICATE REQUEST-----
MIG7MG8CAQAwGjEMMAoGA1UECgwDZGV2MQowCAYDVQQDDAF4MCowBQYDK2VwAyEA
gsopSnyFnivqPxzpNUHc7CpTNri2DMHcbBuawaa3FVKgIjAgBgkqhkiG9w0BCQ4x
EzARMA8GA1UdEwEB/wQFMAMBAf8wBQYDK2VwA0EAkLaUzCdBRAz0vfm4KU/4NpBG
34K9djkjliHmpIvB5eHgh6GreeJ5UWZQxfFVrVFUeC9fQwZSx8DsIkAnbQvBDg==
-----END CERTIFICATE REQUEST-----)";
const char* kKoblitz = R"(-----BEGIN CERTIFICATE REQUEST-----
MIH1MIGbAgEAMBoxDDAKBgNVBAoMA2RldjEKMAgGA1UEAwwBeDBWMBAGByqGSM49
AgEGBSuBBAAKA0IABEd5qIJEYj1HtxZBCUzzcou07MW/h6M1LIuXW6VORkFGYnUV
phTRnNPHstkWeRyXhEJKad7jR2+v/kmzYudBC5KgIjAgBgkqhkiG9w0BCQ4xEzAR
MA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSQAwRgIhAPzhv5X9/kI+DaXr
cZ3S8FRMfMM3f+ZHDAhQeSB4vvRjAiEAvZ0+MRM32Ft3n0morzmq4T4zK7kmvaaj
Eb5//C8ffI8=
-----END CERTIFICATE REQUEST-----)";
const char* kMd5 = R"(-----BEGIN CERTIFICATE REQUEST-----
MIICUTCCATkCAQAwDDEKMAgGA1UEAwwBeDCCASIwDQYJKoZIhvcNAQEBBQADggEP
ADCCAQoCggEBALNs3VMYi3PVIhc5xz4DxF1EsR5Mkuk1X1G5p+tqxKGU9JIZAtJk
fvDmMGnoSUCC/rHqJ/7owz1ZPPzWck4pmcVF8XTb5rvN+N+N+AAGXSYzOdmAH1cs
ORkqmBVV+ioWyf8OHNCNy4YH/vVbjBfIx41neJZNDx408wRNPSnXofC67IF80c6X
90nze+Us3h0OdMeKz36Fi0sqsnmIygSaPktvdW+D9XMyxzPejjGxYJZ2wEBy2HM4
O6QIOAp9mQ2n5y9l/FR0BN2iy8MlZJBgsEKKgqEaxv/76S5NALAaRJbmtfwiDdWe
GD0zYkCawy+Wi2kGZr/AJwYmbPcS4/LuPIkCAwEAAaAAMA0GCSqGSIb3DQEBBAUA
A4IBAQA5s/DU3cp4D2XyNVjIGDKbhsneK0EWidEibdRdY2t47MfoR9GDJ2b9USLi
G3YlWbhEwdsALw+hOWfZRs4gKfVc+P/g+2uk6dLg9dVECwq/O7C/CpNaNg4KUjln
P06TdgbfmbjM37TaKq7RiWGmculZwln7QWFoerRljp6RPHUQ93xL8f+SKuUHE9hs
6NurqPHffmyq6r1hhYOW36yUPwPsZSQcz57psSii8zc/EnItNfG1etuzxono34/J
qss7wo0AStOdXH2Es4YzGiMME7KIYVSp4XnYstVf7SwVYDTV1fn3nO+3ngLmasVF
+SxBQ0eoi9E3AjFC89+c5+jxgy6L
-----END CERTIFICATE REQUEST-----)";

std::string bytes_of(std::string_view pem) {
  const auto block = next_pem_block(pem);
  return block ? block->bytes : std::string();
}
std::string with_last_byte_other(std::string der) {
  der.back() = static_cast<char>(der.back() ^ 1);
  return der;
}

TEST(Pem, finds_blocks_as_go_does) {
  const struct {
    const char *name, *text, *want;  // type, "+" with headers, bytes
  } cases[] = {
      {"plain", "-----BEGIN A-----\nYWJj\n-----END A-----", "A:abc"},
      {"text before and spaces inside", "hello\n-----BEGIN A B----- \r\nY W\r\nJj\n-----END A B-----\n", "A B:abc"},
      {"headers", "-----BEGIN A-----\nK: v\n\nYWJj\n-----END A-----", "A+:abc"},
      {"empty", "-----BEGIN A-----\n-----END A-----", "A:"},
      {"another end, then a good one", "-----BEGIN A-----\nYWJj\n-----END B-----\n-----BEGIN C-----\nYWJj\n-----END C-----", "C:abc"},
      {"no base64", "-----BEGIN A-----\n!\n-----END A-----", ""},
      {"no end", "-----BEGIN A-----\nYWJj\n", ""},
      {"not at the start of a line", "x-----BEGIN A-----\nYWJj\n-----END A-----", ""},
      {"two", "-----BEGIN A-----\nYWJj\n-----END A-----\n-----BEGIN B-----\nYWJj\n-----END B-----\n", "A:abc B:abc"},
  };
  for (const auto& c : cases) {
    std::string got;
    std::string_view rest = c.text;
    while (const auto block = next_pem_block(rest))
      got += (got.empty() ? "" : " ") + block->type + (block->has_headers ? "+" : "") + ":" + block->bytes;
    EXPECT_EQ(got, c.want) << c.name;
  }
}

TEST(X509Faults, of_requests) {
  const std::string good = bytes_of(kElliptic);
  const struct {
    const char* name;
    std::string der, want;
  } cases[] = {
      {"elliptic, with a critical extension", good, ""},
      {"rsa", bytes_of(kRsa), ""},
      {"no subject", bytes_of(make_certificate_request(CertificateSubject(), PrivateKey::generate_p256().value()).value()), ""},
      {"no subject, another's signature",
       with_last_byte_other(bytes_of(make_certificate_request(CertificateSubject(), PrivateKey::generate_p256().value()).value())),
       "x509: ECDSA verification failure"},
      {"nothing", "", "asn1: syntax error: sequence truncated"},
      {"text", "foo",
       "asn1: structure error: tags don't match (16 vs {class:1 tag:6 length:111 isCompound:true}) {optional:false explicit:false "
       "application:false private:false defaultValue:<nil> tag:<nil> stringType:0 timeType:0 set:false omitEmpty:false} certificateRequest @2"},
      {"cut short", good.substr(0, good.size() - 1), "asn1: syntax error: data truncated"},
      {"too much", good + "x", "asn1: syntax error: trailing data"},
      {"elliptic, another's signature", with_last_byte_other(good), "x509: ECDSA verification failure"},
      {"rsa, another's signature", with_last_byte_other(bytes_of(kRsa)), "crypto/rsa: verification error"},
      {"md5", bytes_of(kMd5), "x509: cannot verify signature: insecure algorithm MD5-RSA"},
      {"a curve that Go does not know", bytes_of(kKoblitz), "x509: unsupported elliptic curve"},
      {"ed25519, which cannot be checked", bytes_of(kEd25519), "x509: cannot verify signature: algorithm unimplemented"},
  };
  for (const auto& c : cases) EXPECT_EQ(certificate_request_fault(c.der), c.want) << c.name;
}

TEST(X509Faults, of_certificates) {
  auto authority = CertificateAuthority::create("ca", 4102444800).value();
  const std::string good = bytes_of(authority.certificate_pem());
  EXPECT_EQ(certificates_fault(good), "");
  EXPECT_EQ(certificates_fault(good + good), "");
  EXPECT_EQ(certificates_fault(good + "x"), "x509: malformed certificate");
  EXPECT_EQ(certificates_fault("foo"), "x509: malformed certificate");
}

TEST(X509, a_request_with_extensions_of_any_sort_is_read) {
  const auto request = parse_certificate_request(kElliptic);
  ASSERT_TRUE(request.ok()) << request.error().message();
  EXPECT_EQ(request->subject.organizations, std::vector<std::string>{"dev"});
}

}  // namespace
}  // namespace bramble

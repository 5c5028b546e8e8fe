#include "core/crypto/x509.h"

#include <gtest/gtest.h>

namespace bramble {
namespace {

constexpr int64_t kFarFuture_s = 4102444800;  // 2100
constexpr int64_t kLongAgo_s = 978307200;     // 2001

CertificateSubject admin() {
  CertificateSubject s;
  s.common_name = "system:admin";
  s.organizations = {"system:masters", "with, comma=and \"quotes\""};
  return s;
}

TEST(X509, a_leaf_says_what_was_asked_for) {
  auto ca = CertificateAuthority::create("bramble-server-ca", kFarFuture_s).value();
  CertificateSubject s = admin();
  s.dns_names = {"kubernetes", "kubernetes.default.svc.cluster.local"};
  s.ip_addresses = {"10.43.0.1", "fd00::1"};
  LeafOptions options;
  options.server_auth = true;
  options.not_after_s = 2000000000;
  auto leaf = ca.issue_with_key(s, options).value();
  CertificateInfo info = parse_certificate(leaf.certificate_pem).value();
  EXPECT_EQ(info.subject.common_name, s.common_name);
  EXPECT_EQ(info.subject.organizations, s.organizations);
  EXPECT_EQ(info.subject.dns_names, s.dns_names);
  EXPECT_EQ(info.subject.ip_addresses, s.ip_addresses);
  EXPECT_EQ(info.issuer_common_name, "bramble-server-ca");
  EXPECT_EQ(info.not_before_s, kCertificateNotBefore_s);
  EXPECT_EQ(info.not_after_s, 2000000000);
  EXPECT_TRUE(info.server_auth);
  EXPECT_FALSE(info.client_auth);
  EXPECT_FALSE(info.is_ca);
  EXPECT_EQ(info.public_key_pem, PrivateKey::from_pem(leaf.key_pem)->public_key().pem());
  EXPECT_TRUE(parse_certificate(ca.certificate_pem())->is_ca);
}

TEST(X509, verification_names_the_reason) {
  auto ca = CertificateAuthority::create("ca", kFarFuture_s).value();
  auto stranger = CertificateAuthority::create("ca", kFarFuture_s).value();
  LeafOptions client, expired, server;
  client.client_auth = expired.client_auth = server.server_auth = true;
  client.not_after_s = server.not_after_s = kFarFuture_s;
  expired.not_after_s = kLongAgo_s;
  struct Row {
    const char* name;
    std::string pem;
    CertificateUse use;
    const char* reason;  // null: fine
  } rows[] = {
      {"good client", ca.issue_with_key(admin(), client)->certificate_pem, CertificateUse::kClient, nullptr},
      {"any use", ca.issue_with_key(admin(), server)->certificate_pem, CertificateUse::kAny, nullptr},
      {"wrong use", ca.issue_with_key(admin(), server)->certificate_pem, CertificateUse::kClient, "extendedKeyUsage"},
      {"expired", ca.issue_with_key(admin(), expired)->certificate_pem, CertificateUse::kClient, "expired"},
      {"another authority", stranger.issue_with_key(admin(), client)->certificate_pem, CertificateUse::kClient,
       "not correctly signed"},
  };
  for (auto& r : rows) {
    Status s = verify_certificate(r.pem, ca.certificate_pem(), r.use);
    EXPECT_EQ(s.ok(), r.reason == nullptr) << r.name;
    std::string message = s.ok() ? "" : s.error().message();
    EXPECT_NE(message.find(r.reason ? r.reason : ""), std::string::npos) << r.name << ": " << message;
  }
}

TEST(X509, an_authority_survives_pem_and_refuses_a_foreign_key) {
  auto ca = CertificateAuthority::create("ca", kFarFuture_s).value();
  auto again = CertificateAuthority::from_pem(ca.certificate_pem(), ca.key_pem());
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->not_after_s(), kFarFuture_s);
  LeafOptions client;
  client.client_auth = true;
  client.not_after_s = kFarFuture_s + 1000;  // cut
  std::string leaf = again->issue_with_key(admin(), client)->certificate_pem;
  EXPECT_TRUE(verify_certificate(leaf, ca.certificate_pem(), CertificateUse::kClient).ok());
  EXPECT_EQ(parse_certificate(leaf)->not_after_s, kFarFuture_s);
  EXPECT_FALSE(CertificateAuthority::from_pem(ca.certificate_pem(), PrivateKey::generate_p256()->pem()).ok());
  EXPECT_FALSE(CertificateAuthority::from_pem(leaf, ca.key_pem()).ok());
}

TEST(X509, a_request_travels_and_is_issued) {
  PrivateKey key = PrivateKey::generate_p256().value();
  CertificateSubject s;
  s.common_name = "system:node:pi-1";
  s.organizations = {"system:nodes"};
  s.dns_names = {"pi-1"};
  s.ip_addresses = {"192.168.1.7"};
  std::string pem = make_certificate_request(s, key).value();
  CertificateRequest r = parse_certificate_request(pem).value();
  EXPECT_EQ(r.subject.common_name, s.common_name);
  EXPECT_EQ(r.subject.organizations, s.organizations);
  EXPECT_EQ(r.subject.dns_names, s.dns_names);
  EXPECT_EQ(r.subject.ip_addresses, s.ip_addresses);
  auto ca = CertificateAuthority::create("ca", kFarFuture_s).value();
  LeafOptions both;
  both.client_auth = both.server_auth = true;
  both.not_after_s = kFarFuture_s;
  std::string leaf = ca.issue(r.subject, r.key, both).value();
  EXPECT_EQ(parse_certificate(leaf)->public_key_pem, key.public_key().pem());
}

TEST(X509, a_request_that_was_tampered_with_is_refused) {
  CertificateSubject s;
  s.common_name = "system:node:pi-1";
  std::string pem = make_certificate_request(s, PrivateKey::generate_p256().value()).value();
  auto lines = split(pem, '\n');
  std::string body;
  for (size_t i = 1; i + 2 < lines.size(); i++) body += lines[i];
  std::string der = base64_decode(body).value();
  size_t at = der.find("pi-1");
  ASSERT_NE(at, std::string::npos);
  der[at + 3] = '2';
  std::string forged =
      cat("-----BEGIN CERTIFICATE REQUEST-----\n", base64_encode(der), "\n-----END CERTIFICATE REQUEST-----\n");
  auto r = parse_certificate_request(forged);
  ASSERT_FALSE(r.ok());
  EXPECT_EQ(r.error().code(), Code::kInvalidArgument);
}

TEST(X509, nonsense_is_an_invalid_argument) {
  EXPECT_EQ(parse_certificate("").error().code(), Code::kInvalidArgument);
  EXPECT_EQ(parse_certificate_request("x").error().code(), Code::kInvalidArgument);
  auto ca = CertificateAuthority::create("ca", kFarFuture_s).value();
  CertificateSubject s;
  s.ip_addresses = {"not an address"};
  EXPECT_EQ(ca.issue_with_key(s, LeafOptions()).error().code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace bramble

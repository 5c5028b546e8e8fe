#include "core/crypto/key.h"

#include <gtest/gtest.h>

#include "core/crypto/jwt.h"

namespace bramble {
namespace {

TEST(Key, signs_and_verifies_and_survives_pem) {
  PrivateKey key = PrivateKey::generate_p256().value();
  PrivateKey again = PrivateKey::from_pem(key.pem()).value();
  EXPECT_EQ(again.pem(), key.pem());
  std::string signature = again.sign_es256("message").value();
  EXPECT_EQ(signature.size(), 64u);
  PublicKey pub = PublicKey::from_pem(key.public_key().pem()).value();
  EXPECT_EQ(pub.key_id(), key.public_key().key_id());
  EXPECT_EQ(pub.key_id().size(), 43u);
  EXPECT_TRUE(pub.verify_es256("message", signature));
  EXPECT_FALSE(pub.verify_es256("massage", signature));
  EXPECT_FALSE(pub.verify_es256("message", signature.substr(1)));
  signature[5] = static_cast<char>(signature[5] ^ 1);
  EXPECT_FALSE(pub.verify_es256("message", signature));
}

TEST(Key, nonsense_is_an_invalid_argument) {
  EXPECT_EQ(PrivateKey::from_pem("x").error().code(), Code::kInvalidArgument);
  EXPECT_EQ(PublicKey::from_pem("").error().code(), Code::kInvalidArgument);
}

TEST(Jwt, claims_come_back_from_a_token_of_a_known_key) {
  PrivateKey old_key = PrivateKey::generate_p256().value(), new_key = PrivateKey::generate_p256().value();
  std::vector<PublicKey> keys = {new_key.public_key(), old_key.public_key()};
  std::string claims = "{\"sub\":\"system:serviceaccount:default:default\"}";
  EXPECT_EQ(verify_jwt(sign_jwt(old_key, claims).value(), keys).value(), claims);
  EXPECT_EQ(verify_jwt(sign_jwt(new_key, claims).value(), keys).value(), claims);
}

TEST(Jwt, a_key_set_names_the_points_of_its_keys) {
  const PublicKey key = PublicKey::from_pem(
      "-----BEGIN PUBLIC KEY-----\n"
      "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEDNntYBu+Af3IK/sh4urI4fpHL5Da\n"
      "FwL6tKX9OgNP5ovNL0fdzadrzBrh+vr0d/pjcxpmjOzv7IOG3m7aOBP9TA==\n"
      "-----END PUBLIC KEY-----\n").value();
  EXPECT_EQ(key_set({key}),
            R"({"keys":[{"use":"sig","kty":"EC","kid":"rbhCPX1sDl0vt-DQZxUS0EWbJUbS4BpjIH_mIgrzJcA","crv":"P-256","alg":"ES256","x":"DNntYBu-Af3IK_sh4urI4fpHL5DaFwL6tKX9OgNP5os","y":"zS9H3c2na8wa4fr69Hf6Y3MaZozs7-yDht5u2jgT_Uw"}]})");
  EXPECT_EQ(key_set({}), R"({"keys":[]})");
}

TEST(Jwt, refuses_what_it_did_not_sign) {
  PrivateKey key = PrivateKey::generate_p256().value(), other = PrivateKey::generate_p256().value();
  std::vector<PublicKey> keys = {key.public_key()};
  std::string token = sign_jwt(key, "{\"a\":1}").value();
  auto parts = split(token, '.');
  struct Row {
    const char* name;
    std::string token;
  } rows[] = {
      {"empty", ""},
      {"two parts", cat(parts[0], ".", parts[1])},
      {"another key", sign_jwt(other, "{\"a\":1}").value()},
      {"other claims", cat(parts[0], ".", base64url_encode("{\"a\":2}"), ".", parts[2])},
      {"alg none", cat(base64url_encode("{\"alg\":\"none\"}"), ".", parts[1], ".")},
      {"cut signature", token.substr(0, token.size() - 4)},
      {"a fourth part", cat(token, ".x")},
      {"bad base64", cat(parts[0], ".", parts[1], ".!!!")},
  };
  for (auto& r : rows) {
    auto v = verify_jwt(r.token, keys);
    ASSERT_FALSE(v.ok()) << r.name;
    EXPECT_EQ(v.error().code(), Code::kUnauthenticated) << r.name;
  }
}

}  // namespace
}  // namespace bramble

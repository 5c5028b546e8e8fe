// Signatures that OpenSSL made over "message", with keys in the parts of a JSON Web Key.
#include "core/crypto/jws.h"

#include <gtest/gtest.h>

#include "core/base/strings.h"

namespace bramble {
namespace {

constexpr const char* kModulus = "tScyKLoXgBzIHsegVveUuhODCXG7c8gkzIY9Vugc_Q9QJxP9a4WtH3hAjmgSy1ytkjs0CbWOBJN9Um57k8e4GGhFeL-l4jEMuOsbl2QdeWYpKvT8jRPwKjqLEtWlHk--2LLCFg3yqvehSeXDLptZ5uahVy3-dvFG617_QRHdkE9miA6mJzPGdwZRA51J2xEFMxef6q5c0dJa7MYVkyyIrn6T6CkFlVZdLyPLzAFFNyrJCSaECNAP6OsN5RowBU4jA0EnHVULFeEXyPheqkHVY5uz0XRO1n-ijqmVE4IXRX3GXeSCAGoiYOCPeJOGrGjCB2CT4JiSf8UoJsUGSmR0Ew";
constexpr const char* kX = "8GRRVbqj2zTsnkBC0zs3Dzlw8ho0sIlnWBEKpq-PY6WFdIJYzsWHWTz54xruAZss";
constexpr const char* kY = "5bumwtPcC8dJZyxIHCYLGWtavnsN_PtZmBZDcnCTZVUuaK4pYPNl8h-ziHTwIs89";
constexpr const char* kRs256 = "NEjTHSVQxplQqkNOI2UX_hO9o2hZCNAjXJNzrrW4iW_VRYYxxHueQ5Lk_sZ1_sYCF7WbFgnz791Zl9PyBzd7dcuQ86pDoXF6VHj-8R8JpK_4uMJv3SxzBXZEVJKJH2Ak4SrFA4mw-JinQaIC3cNxPx5cG_K3Y8LtQFafJ5VywvvxtI9HTuyG1alSO7v_hW-l9yDASgeQ5bb8rRfyRLarROE8ljlDBa978uRrPmaU7FF36Ib9i6PEbBGDfvypGO-vyvjXRs-yYicKFPdjrAALIfzdBK_lGuDPzka2lZJln2jHVRziI4TnMCb-dZH9Y5wSVXIM6kc6j6gcYFJaK4j66w";
constexpr const char* kRs512 = "O8r7bRkOp0feSf0KJVrTYkR7bfD5-v0f-OWIP8qBtoHFB_tz_eOaEBoT4Tdq5koQTG0DmRDwUoBJo6lEQGe8uJKlGVHKOdsRfRKyP5gYqD0KaVPPcrLc5-yJ7D_mPmuFFISCcpbP5aPxdiTr_9vjvKrXbgfhkf791RE0rxNn8THSwtqtr3cOaows3zBXr7EXLeTUJ1dmjufYonDdrtlTVZYMsGTox9HfOnOuiNO87e81DtSyGFrIj9EHuQRxBfiy7GEjSXSP4Yj1BWYKhnrRcwK3b-rQ26UdnMXRl2zkcskTTJvPL7FGhUO7MjeNA9_ygGTJdWfEiIxfpnHme-IJuw";
constexpr const char* kPs256 = "MkJEV2c8wO5l-UgdClCkIhZ-sYvcEziDRJmZfoQVhE3Rg2ozqe9N_ULJ59WoniS_hhANUZWds0tsgPd-HjWHzlJy91buD-KHM2jBhwtUKDh30HEY_7fGbnEwmWji-zBrk5dh16yzfM_22myEQU6E5It1BNaOKS1xHgGJCIcM198oXl0iQ9krZxvckr_Yax_vi-4KLdvKxTjaP0Z4_1KYlA8tp7Nm5jP5FviLhbTP3O0F-2RclniE4TPR16ASVQhWq789lcNIjfUMxyWNeluMOyWX1yauCqCiXPzPspEfz-un9xT4Z1jRhuTcn-6RN4xqamHiF0eIReZY5PvQL5bAvQ";
constexpr const char* kEs384 = "vYro4_IGsNMsYGsyQkyEvZz2xLJqyBOg3RSh4pAV8vi06sVu9BK5qfmEsRRQ9mlGKqr9lW0ciVoG4fwK3sQUxcvYMlzAnZoQ1OdciZTnOItCS6u2XwaSEZJ4VuhDUSys";

std::string bytes(const char* text) { return base64url_decode(text).value_or(""); }

TEST(Jws, signatures_of_others_are_verified) {
  auto rsa = rsa_public_key(bytes(kModulus), std::string("\x01\x00\x01", 3));
  auto ec = ec_public_key("P-384", bytes(kX), bytes(kY));
  ASSERT_TRUE(rsa.ok()) << rsa.error().message();
  ASSERT_TRUE(ec.ok()) << ec.error().message();
  struct Case {
    const char* name;
    const PublicKey* key;
    const char* algorithm;
    const char* signature;
    bool good;
  };
  const Case cases[] = {
      {"RS256", &*rsa, "RS256", kRs256, true},        {"RS512", &*rsa, "RS512", kRs512, true},
      {"PS256", &*rsa, "PS256", kPs256, true},        {"ES384", &*ec, "ES384", kEs384, true},
      {"another hash", &*rsa, "RS512", kRs256, false}, {"another padding", &*rsa, "PS256", kRs256, false},
      {"another kind of key", &*ec, "RS256", kRs256, false}, {"the other way round", &*rsa, "ES384", kEs384, false},
      {"another curve", &*ec, "ES256", kEs384, false}, {"none", &*rsa, "none", "", false},
      {"HMAC", &*rsa, "HS256", kRs256, false},         {"empty", &*rsa, "RS256", "", false},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(verify_jws(*c.key, c.algorithm, "message", bytes(c.signature)), c.good) << c.name;
    EXPECT_FALSE(verify_jws(*c.key, c.algorithm, "messagE", bytes(c.signature))) << c.name;
  }
}

TEST(Jws, keys_that_are_none_are_refused) {
  EXPECT_FALSE(rsa_public_key("", std::string("\x01\x00\x01", 3)).ok());
  EXPECT_FALSE(rsa_public_key(std::string(128, '\x7f'), std::string("\x01\x00\x01", 3)).ok()) << "1024 bits";
  EXPECT_FALSE(rsa_public_key(std::string(5000, '\x7f'), std::string("\x01\x00\x01", 3)).ok());
  EXPECT_FALSE(rsa_public_key(bytes(kModulus), "").ok());
  EXPECT_FALSE(ec_public_key("P-384", bytes(kX), "").ok());
  EXPECT_FALSE(ec_public_key("P-384", bytes(kX), bytes(kX)).ok()) << "not on the curve";
  EXPECT_FALSE(ec_public_key("secp256k1", bytes(kX), bytes(kY)).ok());
}

}  // namespace
}  // namespace bramble

#include "provision/join/join_token.h"

#include <gtest/gtest.h>

#include "core/base/strings.h"
#include "provision/join/server_link.h"

namespace bramble {
namespace {

const std::string kHash(64, 'a');

TEST(JoinToken, has_a_full_and_a_short_form) {
  struct Case {
    const char* name;
    std::string text, hash, user, password, wrong;
  };
  const std::string bootstrap = "abcdef.0123456789abcdef";
  const Case cases[] = {
      {"full, of nodes", cat("K10", kHash, "::node:secret"), kHash, "node", "secret", ""},
      {"full, of servers", cat("K10", kHash, "::server:secret"), kHash, "server", "secret", ""},
      {"a password with colons", cat("K10", kHash, "::node:se::cr:et"), kHash, "node", "se::cr:et", ""},
      {"large letters in the hash", cat("K10", std::string(64, 'A'), "::node:secret"), kHash, "node", "secret", ""},
      {"full, bootstrap", cat("K10", kHash, "::", bootstrap), kHash, "", bootstrap, ""},
      {"short", "secret", "", "", "secret", ""},
      {"short, bootstrap", bootstrap, "", "", bootstrap, ""},
      {"white space of a file", cat(" K10", kHash, "::node:secret\n"), kHash, "node", "secret", ""},
      {"empty", " ", "", "", "", "is empty"},
      {"cut off", cat("K10", kHash.substr(1), "::node:secret"), "", "", "", "not copied whole"},
      {"cut off before the user", cat("K10", kHash), "", "", "", "not copied whole"},
      {"no hexadecimal digits", cat("K10", std::string(64, 'g'), "::node:secret"), "", "", "", "64 hexadecimal digits"},
      {"another user", cat("K10", kHash, "::root:secret"), "", "", "", "neither"},
      {"no password", cat("K10", kHash, "::node:"), "", "", "", "password is empty"},
      {"no user", cat("K10", kHash, "::secret"), "", "", "", "is not like"},
      {"another prefix", cat("K11", kHash, "::node:secret"), "", "", "", "is not like"},
      {"a line in it", "sec\nret", "", "", "", "characters that no token has"},
      {"a header in it", cat("K10", kHash, "::node:se\r\nx: y"), "", "", "", "characters that no token has"},
      {"too long", std::string(10000, 'a'), "", "", "", "too long"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    auto token = parse_join_token(c.text);
    ASSERT_EQ(token.ok(), c.wrong.empty()) << (token.ok() ? token->text() : token.error().message());
    if (!token.ok()) {
      EXPECT_NE(token.error().message().find(c.wrong), std::string::npos) << token.error().message();
      EXPECT_EQ(token.error().message().find("secret"), std::string::npos) << "errors never repeat a token";
      continue;
    }
    EXPECT_EQ(token->ca_sha256_hex, c.hash);
    EXPECT_EQ(token->user, c.user);
    EXPECT_EQ(token->password, c.password);
    auto again = parse_join_token(token->text());
    ASSERT_TRUE(again.ok());
    EXPECT_EQ(again->text(), token->text());
  }
}

TEST(JoinToken, bootstrap_tokens_have_one_form) {
  for (const char* good : {"abcdef.0123456789abcdef", "000000.aaaaaaaaaaaaaaaa"}) EXPECT_TRUE(is_bootstrap_token(good)) << good;
  for (const char* bad : {"", ".", "abcdef", "abcde.0123456789abcdef", "abcdef.0123456789abcde", "Abcdef.0123456789abcdef", "abcdef.0123456789abcdef0", "abcdef.0123456789.bcdef"})
    EXPECT_FALSE(is_bootstrap_token(bad)) << bad;
}

TEST(ServerLink, a_request_is_decided_by_its_status) {
  struct Case {
    const char* name;
    const char* status;
    const char* expected;
  };
  const Case cases[] = {
      {"new", "{}", "-"},
      {"approved, not yet issued", R"({"conditions":[{"type":"Approved"}]})", "-"},
      {"issued", R"({"conditions":[{"type":"Approved"}],"certificate":"cGVt"})", "pem"},
      {"denied", R"({"conditions":[{"type":"Denied","reason":"R","message":"no"}]})", "error no"},
      {"denied without words", R"({"conditions":[{"type":"Denied","reason":"R"}]})", "error R"},
      {"failed", R"({"conditions":[{"type":"Approved"},{"type":"Failed","message":"bad"}]})", "error the server could not issue the certificate: bad"},
      {"not base64", R"({"certificate":"%"})", "error the server's certificate is not base64"},
      {"no object", "3", "-"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    auto request = Document::parse(cat(R"({"status":)", c.status, "}"));
    ASSERT_TRUE(request.ok());
    auto decided = decision_of(request->root());
    std::string text = !decided ? "-" : decided->ok() ? **decided : cat("error ", decided->error().message());
    EXPECT_EQ(text, c.expected);
  }
}

}  // namespace
}  // namespace bramble

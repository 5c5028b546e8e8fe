// Tokens of an OpenID Connect issuer.
#include "core/apiserver/oidc.h"

#include <gtest/gtest.h>

#include "core/base/limits.h"
#include "core/crypto/jwt.h"
#include "core/json/builder.h"
#include "core/loop/loop.h"

namespace bramble {
namespace {

constexpr int64_t kNowS = 1767323045;  // FakeClock's

class OidcTokens : public testing::Test {
 protected:
  void SetUp() override {
    options_.issuer_url = "https://issuer.example.com";
    options_.client_id = "cluster";
    options_.signing_algorithms = {"ES256"};
  }
  void open() {
    oidc_ = std::make_unique<Oidc>(options_, clock_, [this](std::string url) { return answer(this, std::move(url)); });
    oidc_->start();
    settle();
  }
  static Task<Result<std::string>> answer(OidcTokens* test, std::string url) {
    test->asked_.push_back(url);
    if (test->away_) co_return Error(Code::kUnavailable, "away");
    if (url == "https://issuer.example.com/.well-known/openid-configuration") {
      co_return cat(R"({"issuer":")", test->says_issuer_, R"(","jwks_uri":"https://issuer.example.com/keys"})");
    }
    co_return key_set({test->key_.public_key()});
  }
  void settle() {
    loop_.post([this] { loop_.stop(); });
    loop_.run();
  }
  std::string token(const std::string& more = "", const PrivateKey* by = nullptr) {
    std::string claims = cat(R"({"iss":"https://issuer.example.com","aud":"cluster","sub":"jane","exp":)", kNowS + 60, more, "}");
    return *sign_jwt(by ? *by : key_, claims);
  }
  std::string whoami(const std::string& t) {
    auto checked = oidc_->check(t);
    if (!checked) return "not ours";
    if (!checked->ok()) return checked->error().message();
    return cat((*checked)->user, " [", join((*checked)->groups, " "), "]");
  }

  Loop loop_;
  FakeClock clock_;
  PrivateKey key_ = *PrivateKey::generate_p256();
  OidcOptions options_;
  std::string says_issuer_ = "https://issuer.example.com";
  bool away_ = false;
  std::vector<std::string> asked_;
  std::unique_ptr<Oidc> oidc_;
};

TEST_F(OidcTokens, name_users_by_their_claims) {
  struct Case {
    const char* name;
    std::string claims;
    std::function<void(OidcOptions&)> set;
    const char* expected;
  };
  const Case cases[] = {
      {"plain", "", [](OidcOptions&) {}, "https://issuer.example.com#jane []"},
      {"a prefix", "", [](OidcOptions& o) { o.username_prefix = "oidc:"; }, "oidc:jane []"},
      {"no prefix", "", [](OidcOptions& o) { o.username_prefix = "-"; }, "jane []"},
      {"email", R"(,"email":"j@example.com","email_verified":true)", [](OidcOptions& o) { o.username_claim = "email"; }, "j@example.com []"},
      {"email that nobody checked", R"(,"email":"j@example.com","email_verified":false)", [](OidcOptions& o) { o.username_claim = "email"; }, "oidc: email not verified"},
      {"groups", R"(,"groups":["a","b"])", [](OidcOptions& o) { o.groups_claim = "groups", o.groups_prefix = "g:"; }, "https://issuer.example.com#jane [g:a g:b]"},
      {"one group", R"(,"groups":"a")", [](OidcOptions& o) { o.groups_claim = "groups"; }, "https://issuer.example.com#jane [a]"},
      {"a claim that is required", R"(,"hd":"example.com")", [](OidcOptions& o) { o.required_claims["hd"] = "example.com"; }, "https://issuer.example.com#jane []"},
      {"of another value", R"(,"hd":"other")", [](OidcOptions& o) { o.required_claims["hd"] = "example.com"; }, "oidc: required claim hd value does not match. Got = other, want = example.com"},
      {"not there", "", [](OidcOptions& o) { o.required_claims["hd"] = "example.com"; }, "oidc: required claim hd not present in ID token"},
      {"no such claim", "", [](OidcOptions& o) { o.username_claim = "name"; }, "oidc: parse username claims \"name\": claim not present"},
      {"another algorithm", "", [](OidcOptions& o) { o.signing_algorithms = {"RS256"}; }, "oidc: id token signed with unsupported algorithm, expected [RS256] got \"ES256\""},
  };
  const OidcOptions plain = options_;
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    options_ = plain;
    c.set(options_);
    open();
    EXPECT_EQ(whoami(token(c.claims)), c.expected);
  }
}

TEST_F(OidcTokens, that_are_not_good_are_refused) {
  open();
  auto with = [&](const std::string& claims) { return *sign_jwt(key_, claims); };
  const PrivateKey other = *PrivateKey::generate_p256();
  const std::string good = token();
  EXPECT_EQ(whoami(with(R"({"iss":"https://other.example.com","aud":"cluster","sub":"x"})")), "not ours");
  EXPECT_EQ(whoami("abc"), "not ours");
  EXPECT_EQ(whoami("a.b.c"), "not ours");
  EXPECT_EQ(whoami(""), "not ours");
  EXPECT_EQ(whoami(with(cat(R"({"iss":"https://issuer.example.com","aud":"other","sub":"x","exp":)", kNowS + 60, "}"))), "oidc: expected audience \"cluster\" got [other]");
  EXPECT_EQ(whoami(with(cat(R"({"iss":"https://issuer.example.com","aud":["cluster","b"],"sub":"x","exp":)", kNowS + 60, "}"))), "https://issuer.example.com#x []");
  EXPECT_EQ(whoami(with(cat(R"({"iss":"https://issuer.example.com","aud":"cluster","sub":"x","exp":)", kNowS - 1, "}"))), "oidc: token is expired");
  EXPECT_EQ(whoami(with(R"({"iss":"https://issuer.example.com","aud":"cluster","sub":"x"})")), "oidc: token is expired");
  EXPECT_EQ(whoami(token(cat(",\"nbf\":", kNowS + 301))), "oidc: current time is before the nbf (not before) time");
  EXPECT_EQ(whoami(token("", &other)), "oidc: verify token: failed to verify id token signature");
  EXPECT_EQ(whoami(good.substr(0, good.size() - 4) + "AAAA"), "oidc: verify token: failed to verify id token signature");
  EXPECT_EQ(whoami(good.substr(0, good.rfind('.') + 1)), "oidc: verify token: failed to verify id token signature");
  EXPECT_EQ(whoami(cat(base64url_encode(R"({"alg":"none"})"), ".", split(good, '.')[1], ".")), "oidc: id token signed with unsupported algorithm, expected [ES256] got \"none\"");
}

TEST_F(OidcTokens, wait_for_the_issuers_keys) {
  away_ = true;
  open();
  EXPECT_EQ(whoami(token()), "oidc: authenticator not initialized");
  EXPECT_EQ(asked_.size(), 1u);
  away_ = false;
  oidc_.reset();
  says_issuer_ = "https://somebody.else";
  open();
  EXPECT_EQ(whoami(token()), "oidc: authenticator not initialized") << "it must say the same of itself";
}

// An issuer takes new keys now and then.
TEST_F(OidcTokens, of_a_new_key_are_good_after_a_while) {
  open();
  const size_t before = asked_.size();
  key_ = *PrivateKey::generate_p256();
  EXPECT_EQ(whoami(token()), "oidc: verify token: failed to verify id token signature");
  EXPECT_EQ(asked_.size(), before) << "not for each token of a stranger";
  clock_.advance_us(limits::kOidcKeysUs);
  EXPECT_EQ(whoami(*sign_jwt(key_, cat(R"({"iss":"https://issuer.example.com","aud":"cluster","sub":"jane","exp":)", kNowS + 3600, "}"))), "oidc: verify token: failed to verify id token signature");
  settle();
  EXPECT_GT(asked_.size(), before);
  EXPECT_EQ(whoami(*sign_jwt(key_, cat(R"({"iss":"https://issuer.example.com","aud":"cluster","sub":"jane","exp":)", kNowS + 3600, "}"))), "https://issuer.example.com#jane []");
}

TEST(OidcOptions, are_upstreams) {
  struct Case {
    const char* name;
    std::vector<std::pair<const char*, const char*>> set;
    const char* says;
  };
  const Case cases[] = {
      {"none", {}, ""},
      {"both", {{"issuer-url", "https://a"}, {"client-id", "c"}}, ""},
      {"no client", {{"issuer-url", "https://a"}}, "must be specified together"},
      {"no issuer", {{"client-id", "c"}}, "must be specified together"},
      {"only a claim", {{"groups-claim", "g"}}, "must be specified together"},
      {"no https", {{"issuer-url", "http://a"}, {"client-id", "c"}}, "URL scheme must be https"},
      {"an algorithm that is none", {{"issuer-url", "https://a"}, {"client-id", "c"}, {"signing-algs", "RS256,HS256"}}, "unsupported signing alg: \"HS256\""},
      {"a claim without a value", {{"required-claim", "x"}}, "is not like key=value"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    OidcOptions o;
    Status done = ok();
    for (const auto& [name, value] : c.set) {
      auto set = set_oidc_option(o, name, value);
      if (!set.ok()) done = set.error();
      EXPECT_TRUE(!set.ok() || *set);
    }
    if (done.ok()) done = check_oidc_options(o);
    EXPECT_EQ(done.ok(), *c.says == 0);
    if (!done.ok()) {
      EXPECT_NE(done.error().message().find(c.says), std::string::npos) << done.error().message();
    }
  }
  OidcOptions o;
  EXPECT_FALSE(*set_oidc_option(o, "other", ""));
}

}  // namespace
}  // namespace bramble

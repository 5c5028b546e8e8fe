// Bearer tokens: checking them (TokenReview too), and issuing those of service accounts (TokenRequest). Bound tokens in Kubernetes' form: ES256,
// with the account's and the bound object's uid, so that a token ends with what it was given for. In upstream's order: static
// tokens, the node token, service accounts', bootstrap tokens, those of an OpenID Connect issuer. Owner's loop thread.
// Specification: Kubernetes "Managing Service Accounts", "Authenticating with Bootstrap Tokens", KEP 1205; RFC 7519.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "core/apiserver/static_tokens.h"
#include "core/client/client.h"
#include "core/crypto/jwt.h"
#include "core/registry/registry.h"

namespace bramble {

struct Call;
struct Reply;

struct TokenKeys {
  std::shared_ptr<const PrivateKey> sign;
  std::vector<PublicKey> verify;  // sign's own among them
  int64_t time_floor_s = 0;       // no token is issued as of an earlier time (core/crypto/issuing_time.h)
  StaticTokens listed;            // besides those of service accounts
  // Those of somebody else (oidc.h), asked last. Nothing: not theirs. May be null; must outlive the issuer.
  std::function<std::optional<Result<Identity>>(std::string_view token)> others;
  std::string issuer = "https://kubernetes.default.svc.cluster.local";
  std::vector<std::string> audiences = {"https://kubernetes.default.svc.cluster.local"};
};

class TokenIssuer {
 public:
  TokenIssuer(Registry& registry, TokenKeys keys) : registry_(registry), keys_(std::move(keys)) {}

  // serviceaccounts/token. The TokenRequest with its status.
  Result<Reply> request(const Call& call, const Document& token_request) const;

  struct Checked {
    Identity user;
    std::vector<std::string> audiences;  // of the token that were asked for
  };
  // kUnauthenticated, with upstream's words. `audiences` empty: the API server's own.
  Result<Checked> check(std::string_view token, const std::vector<std::string>& audiences) const;

  // The password of the node token (core/app/join_tokens.h); whoever shows it may ask for a node's certificate, and nothing else.
  void use_node_token(std::string_view password);

  // A TokenReview with its status.
  Document review(const Document& token_review) const;

  const std::string& issuer() const { return keys_.issuer; }
  std::string key_set() const { return bramble::key_set(keys_.verify); }
  uint64_t signatures_checked() const { return signatures_checked_; }

 private:
  // The claims of a token whose signature is good. What was found good is known for limits::kTokenCacheUs by the token's hash:
  // a signature takes milliseconds of a small board. Whether the token is still good is judged each time.
  Result<Document> signed_claims(std::string_view token) const;
  std::optional<Identity> bootstrapper(std::string_view token) const;
  struct Known {
    Document claims;
    int64_t until_us;  // monotonic
  };
  int64_t now_s() const;
  Registry& registry_;
  TokenKeys keys_;
  StaticTokens node_token_;
  mutable std::map<std::string, Known, std::less<>> known_;  // by hash
  mutable std::deque<std::string> known_oldest_first_;
  mutable uint64_t signatures_checked_ = 0;
};

}  // namespace bramble

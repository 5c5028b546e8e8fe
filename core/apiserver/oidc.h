// Oidc: bearer tokens of an OpenID Connect issuer: JWTs that it signed for this cluster, whose claims name the user and groups.
// Its keys are fetched when the server starts, and again when a token names a key that is not known, now and then; until they are
// there no token is good. Owner's loop thread. Nothing survives a restart.
// Specification: Kubernetes "Authenticating", OpenID Connect Tokens (--oidc-...); OpenID Connect Core 1.0, Discovery 1.0.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/base/clock.h"
#include "core/client/client.h"
#include "core/crypto/key.h"
#include "core/json/value.h"

namespace bramble {

struct OidcOptions {
  std::string issuer_url;  // "": none
  std::string client_id;
  std::string username_claim = "sub";
  std::string username_prefix;  // "": ISSUER# unless the claim is email; "-": none
  std::string groups_claim, groups_prefix;
  std::string ca_file;          // "": the machine's authorities
  std::map<std::string, std::string> required_claims;
  std::vector<std::string> signing_algorithms = {"RS256"};
};

// NAME=VALUE of --kube-apiserver-arg, without "oidc-". False: there is no such flag. Errors as upstream words them.
Result<bool> set_oidc_option(OidcOptions& options, std::string_view name, std::string_view value);
// After all of them. kInvalidArgument.
Status check_oidc_options(const OidcOptions& options);

class Oidc {
 public:
  // Gives the body of an https URL.
  using Fetch = std::function<Task<Result<std::string>>(std::string url)>;
  // clock must outlive it.
  Oidc(OidcOptions options, const Clock& clock, Fetch fetch);
  // Fetches the issuer's keys until they are there.
  void start();
  // Nothing: the token is not this issuer's. kUnauthenticated: why it is not good.
  std::optional<Result<Identity>> check(std::string_view token);

 private:
  struct Key {
    std::string id, algorithm;
    PublicKey key;
  };
  Task<void> fetch_until_there();
  Task<Status> fetch_keys();
  Result<bool> is_signed(Value header, std::string_view signed_part, std::string_view signature);
  Result<Identity> identity_of(Value claims) const;
  void look_again();

  OidcOptions options_;
  const Clock& clock_;
  Fetch fetch_;
  std::vector<Key> keys_;
  int64_t fetched_us_ = 0;  // monotonic; 0: never
  TaskGroup tasks_;
};

}  // namespace bramble

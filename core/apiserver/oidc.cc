#include "core/apiserver/oidc.h"

#include <algorithm>

#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/crypto/jws.h"
#include "core/loop/loop.h"

namespace bramble {

namespace {

constexpr int64_t kNotBeforeLeewayS = 5 * 60;  // go-oidc's

Error bad(std::string_view why) { return Error(Code::kUnauthenticated, cat("oidc: ", why)); }

Result<Document> json_part(std::string_view part) {
  auto bytes = base64url_decode(part);
  if (!bytes) return bad("malformed jwt");
  auto parsed = Document::parse(std::string_view(*bytes));
  if (!parsed.ok() || !parsed->root().is_object()) return bad("malformed jwt");
  return parsed;
}

Result<PublicKey> key_of(Value jwk) {
  auto part = [&](const char* name) { return base64url_decode(jwk[name].str()).value_or(""); };
  if (jwk["kty"].str() == "RSA") return rsa_public_key(part("n"), part("e"));
  if (jwk["kty"].str() == "EC") return ec_public_key(jwk["crv"].str(), part("x"), part("y"));
  return Error(Code::kInvalidArgument, "json web key: neither RSA nor EC");
}

// One text, or a list of them.
std::vector<std::string> texts_of(Value v) {
  std::vector<std::string> out;
  if (v.is_string()) out.push_back(v.text());
  for (Value item : v.items()) out.push_back(item.text());
  return out;
}

std::string url_of_configuration(const std::string& issuer) {
  std::string_view base = issuer;
  while (base.ends_with('/')) base.remove_suffix(1);
  return cat(base, "/.well-known/openid-configuration");
}

}  // namespace

Result<bool> set_oidc_option(OidcOptions& o, std::string_view name, std::string_view value) {
  if (name == "issuer-url") o.issuer_url = value;
  else if (name == "client-id") o.client_id = value;
  else if (name == "username-claim") o.username_claim = value;
  else if (name == "username-prefix") o.username_prefix = value;
  else if (name == "groups-claim") o.groups_claim = value;
  else if (name == "groups-prefix") o.groups_prefix = value;
  else if (name == "ca-file") o.ca_file = value;
  else if (name == "required-claim") {
    auto pair = cut(value, "=");
    if (!pair) return Error(Code::kInvalidArgument, cat("--oidc-required-claim ", go_quote(value), " is not like key=value"));
    o.required_claims[std::string(pair->first)] = pair->second;
  } else if (name == "signing-algs") {
    o.signing_algorithms.clear();
    for (std::string_view a : split(value, ',')) o.signing_algorithms.emplace_back(trim(a));
  } else {
    return false;
  }
  return true;
}

Status check_oidc_options(const OidcOptions& o) {
  if (o.issuer_url.empty() != o.client_id.empty()) return Error(Code::kInvalidArgument, "oidc-issuer-url and oidc-client-id must be specified together when any oidc flags are set");
  if (o.issuer_url.empty()) {
    bool any = !o.ca_file.empty() || !o.required_claims.empty() || !o.groups_claim.empty() || !o.groups_prefix.empty() || !o.username_prefix.empty() || o.username_claim != "sub";
    return any ? Status(Error(Code::kInvalidArgument, "oidc-issuer-url and oidc-client-id must be specified together when any oidc flags are set")) : ok();
  }
  if (!o.issuer_url.starts_with("https://")) return Error(Code::kInvalidArgument, cat("oidc-issuer-url: ", go_quote(o.issuer_url), ": URL scheme must be https"));
  if (o.username_claim.empty()) return Error(Code::kInvalidArgument, "oidc-username-claim: must not be empty");
  for (const std::string& a : o.signing_algorithms)
    if (!is_jws_algorithm(a)) return Error(Code::kInvalidArgument, cat("oidc-signing-algs: unsupported signing alg: ", go_quote(a)));
  return ok();
}

Oidc::Oidc(OidcOptions options, const Clock& clock, Fetch fetch) : options_(std::move(options)), clock_(clock), fetch_(std::move(fetch)) {}

void Oidc::start() {
  if (tasks_.size() == 0) tasks_.start(fetch_until_there());
}

Task<void> Oidc::fetch_until_there() {
  for (;;) {
    Task<Status> fetching = fetch_keys();
    Status fetched = co_await fetching;
    if (fetched.ok()) co_return;
    log_warning("oidc: ", options_.issuer_url, ": ", fetched.error().message());
    if (!keys_.empty()) co_return;  // the next unknown key asks again
    co_await sleep_ms(limits::kOidcRetryMs);
  }
}

Task<Status> Oidc::fetch_keys() {
  fetched_us_ = std::max<int64_t>(1, clock_.monotonic_us());
  Task<Result<std::string>> asking = fetch_(url_of_configuration(options_.issuer_url));
  auto text = co_await asking;
  if (!text.ok()) co_return text.error();
  auto configuration = Document::parse(std::string_view(*text));
  if (!configuration.ok()) co_return configuration.error();
  if ((*configuration)["issuer"].str() != options_.issuer_url) {
    co_return Error(Code::kInvalidArgument, cat("issuer did not match the issuer returned by provider, expected ", go_quote(options_.issuer_url), " got ", go_quote((*configuration)["issuer"].str())));
  }
  Task<Result<std::string>> asking_keys = fetch_((*configuration)["jwks_uri"].text());
  auto set = co_await asking_keys;
  if (!set.ok()) co_return set.error();
  auto parsed = Document::parse(std::string_view(*set));
  if (!parsed.ok()) co_return parsed.error();
  std::vector<Key> keys;
  for (Value jwk : (*parsed)["keys"].items()) {
    if (keys.size() >= limits::kOidcKeysMax) break;
    if (jwk.has("use") && jwk["use"].str() != "sig") continue;
    auto key = key_of(jwk);
    if (key.ok()) keys.push_back({jwk["kid"].text(), jwk["alg"].text(), std::move(*key)});
  }
  if (keys.empty()) co_return Error(Code::kInvalidArgument, "its key set has no key that can be used");
  keys_ = std::move(keys);
  co_return ok();
}

void Oidc::look_again() {
  if (clock_.monotonic_us() - fetched_us_ >= limits::kOidcKeysUs) start();
}

Result<bool> Oidc::is_signed(Value header, std::string_view signed_part, std::string_view signature) {
  std::string_view algorithm = header["alg"].str(), id = header["kid"].str();
  if (std::find(options_.signing_algorithms.begin(), options_.signing_algorithms.end(), algorithm) == options_.signing_algorithms.end()) {
    return bad(cat("id token signed with unsupported algorithm, expected [", join(options_.signing_algorithms, " "), "] got ", go_quote(algorithm)));
  }
  bool known = false;
  for (const Key& k : keys_) {
    if (!id.empty() && k.id != id) continue;
    known = true;
    if (!k.algorithm.empty() && k.algorithm != algorithm) continue;
    if (verify_jws(k.key, algorithm, signed_part, signature)) return true;
  }
  if (!known) look_again();
  return false;
}

Result<Identity> Oidc::identity_of(Value claims) const {
  const int64_t now_s = clock_.wall_us() / 1000000;
  std::vector<std::string> audiences = texts_of(claims["aud"]);
  if (std::find(audiences.begin(), audiences.end(), options_.client_id) == audiences.end()) {
    return bad(cat("expected audience ", go_quote(options_.client_id), " got [", join(audiences, " "), "]"));
  }
  if (!claims["exp"].is_number() || claims["exp"].integer() < now_s) return bad("token is expired");
  if (claims["nbf"].is_number() && claims["nbf"].integer() > now_s + kNotBeforeLeewayS) return bad("current time is before the nbf (not before) time");

  Identity out;
  Value name = claims[options_.username_claim];
  if (!name.is_string() || name.str().empty()) return bad(cat("parse username claims ", go_quote(options_.username_claim), ": claim not present"));
  if (options_.username_claim == "email" && claims["email_verified"] && !claims["email_verified"].boolean()) return bad("email not verified");
  std::string prefix = options_.username_prefix;
  if (prefix == "-") prefix.clear();
  else if (prefix.empty() && options_.username_claim != "email") prefix = options_.issuer_url + "#";
  out.user = prefix + name.text();
  if (!options_.groups_claim.empty()) {
    for (const std::string& group : texts_of(claims[options_.groups_claim])) out.groups.push_back(options_.groups_prefix + group);
  }
  for (const auto& [claim, value] : options_.required_claims) {
    if (!claims[claim]) return bad(cat("required claim ", claim, " not present in ID token"));
    if (claims[claim].str() != value) return bad(cat("required claim ", claim, " value does not match. Got = ", claims[claim].str(), ", want = ", value));
  }
  if (!claims["jti"].str().empty()) out.extra.push_back({"authentication.kubernetes.io/credential-id", {cat("JTI=", claims["jti"].str())}});
  return out;
}

std::optional<Result<Identity>> Oidc::check(std::string_view token) {
  auto parts = split(token, '.');
  if (parts.size() != 3) return std::nullopt;
  auto claims = json_part(parts[1]);
  if (!claims.ok() || (*claims)["iss"].str() != options_.issuer_url) return std::nullopt;
  if (keys_.empty()) return Result<Identity>(bad("authenticator not initialized"));
  auto header = json_part(parts[0]);
  auto signature = base64url_decode(parts[2]);
  if (!header.ok() || !signature) return Result<Identity>(bad("malformed jwt"));
  auto good = is_signed(header->root(), token.substr(0, parts[0].size() + 1 + parts[1].size()), *signature);
  if (!good.ok()) return Result<Identity>(good.error());
  if (!*good) return Result<Identity>(bad("verify token: failed to verify id token signature"));
  return identity_of(claims->root());
}

}  // namespace bramble

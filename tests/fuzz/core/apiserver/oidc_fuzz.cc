// Bearer tokens of strangers, and key sets of an issuer.
#include <cstdint>
#include <string>

#include "core/apiserver/oidc.h"
#include "core/base/check.h"
#include "core/crypto/jwt.h"
#include "core/loop/loop.h"

using namespace bramble;

static Task<Result<std::string>> answer(std::string url, std::string keys) {
  if (url.find("openid-configuration") != std::string::npos) co_return std::string(R"({"issuer":"https://i","jwks_uri":"https://i/k"})");
  co_return keys;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Loop loop;
  static FakeClock clock;
  static const PrivateKey key = *PrivateKey::generate_p256();
  std::string text(reinterpret_cast<const char*>(data), size);
  OidcOptions options;
  options.issuer_url = "https://i", options.client_id = "c", options.groups_claim = "g", options.signing_algorithms = {"RS256", "ES256", "PS512", "ES384"};
  Oidc oidc(options, clock, [&](std::string url) { return answer(std::move(url), size % 2 ? text : key_set({key.public_key()})); });
  oidc.start();
  (void)oidc.check(text);
  size_t dot = text.find('.');
  std::string header = text.substr(0, dot), claims = dot == std::string::npos ? std::string() : text.substr(dot + 1);
  auto checked = oidc.check(cat(base64url_encode(header), ".", base64url_encode(claims), ".", base64url_encode(claims)));
  CHECK(!checked || !checked->ok(), "nobody signed it");
  return 0;
}

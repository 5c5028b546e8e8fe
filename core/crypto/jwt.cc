#include "core/crypto/jwt.h"

namespace bramble {

static std::string encoded_header(const PublicKey& key) {
  return base64url_encode(cat("{\"alg\":\"ES256\",\"kid\":\"", key.key_id(), "\"}"));
}

Result<std::string> sign_jwt(const PrivateKey& key, std::string_view claims_json) {
  std::string signed_part = cat(encoded_header(key.public_key()), ".", base64url_encode(claims_json));
  TRY_ASSIGN(std::string signature, key.sign_es256(signed_part));
  return cat(signed_part, ".", base64url_encode(signature));
}

Result<std::string> verify_jwt(std::string_view token, const std::vector<PublicKey>& keys) {
  auto parts = split(token, '.');
  if (parts.size() != 3) return Error(Code::kUnauthenticated, "token: not a signed JWT");
  auto signature = base64url_decode(parts[2]);
  auto claims = base64url_decode(parts[1]);
  if (!signature || !claims) return Error(Code::kUnauthenticated, "token: malformed base64");
  std::string_view signed_part = token.substr(0, parts[0].size() + 1 + parts[1].size());
  for (auto& key : keys) {
    if (parts[0] != encoded_header(key)) continue;
    if (key.verify_es256(signed_part, *signature)) return std::move(*claims);
    return Error(Code::kUnauthenticated, "token: wrong signature");
  }
  return Error(Code::kUnauthenticated, "token: signed by an unknown key");
}

}  // namespace bramble

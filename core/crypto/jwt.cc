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

std::string key_set(const std::vector<PublicKey>& keys) {
  constexpr size_t kCoordinateBytes = 32;
  std::string out = "{\"keys\":[";
  for (const PublicKey& key : keys) {
    const std::string der = key.der();  // ends with the point: 4, x, y (RFC 5480 section 2.2)
    const std::string_view point = std::string_view(der).substr(der.size() - 2 * kCoordinateBytes);
    out += cat(out.back() == '[' ? "" : ",", R"({"use":"sig","kty":"EC","kid":")", key.key_id(), R"(","crv":"P-256","alg":"ES256","x":")",
               base64url_encode(point.substr(0, kCoordinateBytes)), R"(","y":")", base64url_encode(point.substr(kCoordinateBytes)), "\"}");
  }
  return out + "]}";
}

}  // namespace bramble

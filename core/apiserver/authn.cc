#include "core/apiserver/authn.h"

#include <algorithm>

#include "core/registry/api_status.h"

namespace bramble {

namespace {

constexpr std::string_view kAuthenticated = "system:authenticated";

std::string_view bearer_token(const HttpRequest& request) {
  std::string_view value = request.header("authorization");
  if (value.size() > 7 && equals_ignore_case(value.substr(0, 7), "bearer ")) return trim(value.substr(7));
  return {};
}

std::optional<std::string> websocket_token(const HttpRequest& request) {
  for (std::string_view piece : split(request.header("sec-websocket-protocol"), ',')) {
    piece = trim(piece);
    if (piece.starts_with(kBearerProtocol)) return base64url_decode(piece.substr(kBearerProtocol.size()));
  }
  return std::nullopt;
}

Error unauthorized() { return status_failure(Code::kUnauthenticated, "Unauthorized"); }

}  // namespace

bool in_group(const Identity& user, std::string_view group) {
  return std::find(user.groups.begin(), user.groups.end(), group) != user.groups.end();
}

Result<Identity> authenticate(const HttpRequest& request, const TokenFn& check_token) {
  Identity user;
  if (!request.peer.common_name.empty()) {
    user.user = request.peer.common_name;
    user.groups = request.peer.organizations;
    if (!in_group(user, kAuthenticated)) user.groups.emplace_back(kAuthenticated);
    if (!request.peer.der_sha256_hex.empty()) {
      user.extra.push_back({"authentication.kubernetes.io/credential-id", {cat("X509SHA256=", request.peer.der_sha256_hex)}});
    }
    return user;
  }
  std::string token(bearer_token(request));
  if (token.empty()) token = websocket_token(request).value_or("");
  if (!token.empty()) {
    if (!check_token) return unauthorized();
    auto holder = check_token(token);
    if (!holder.ok()) return unauthorized();
    if (!in_group(*holder, kAuthenticated)) holder->groups.emplace_back(kAuthenticated);
    return holder;
  }
  if (request.peer_certificate_invalid) return unauthorized();
  user.user = kAnonymous;
  user.groups = {"system:unauthenticated"};
  return user;
}

}  // namespace bramble

// Stage 2, authn: who is asking. In upstream's order: a valid client certificate (CN is the user, O the groups), else a bearer
// token, else system:anonymous; a certificate or token that is not good makes nobody anonymous. Pure but for the
// token checker given. Impersonation comes after it (impersonation.h).
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "core/client/client.h"
#include "core/http/server.h"

namespace bramble {

// Who a token is for; kUnauthenticated when it is for nobody.
using TokenFn = std::function<Result<Identity>(std::string_view token)>;

inline constexpr std::string_view kAnonymous = "system:anonymous";
// Browsers cannot set the headers of a WebSocket: a token may come among the subprotocols offered, as this and base64url.
inline constexpr std::string_view kBearerProtocol = "base64url.bearer.authorization.k8s.io.";

// kUnauthenticated "Unauthorized".
Result<Identity> authenticate(const HttpRequest& request, const TokenFn& check_token);

bool in_group(const Identity& user, std::string_view group);

}  // namespace bramble

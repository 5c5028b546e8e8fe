// Stage 2, authn: who is asking. A bearer token, if one is sent; else the client certificate (CN is the user, O the groups);
// else system:anonymous. Pure but for the token checker given. Impersonation comes after it (impersonation.h).
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "core/client/client.h"
#include "core/http/server.h"

namespace bramble {

// Who a token is for; kUnauthenticated when it is for nobody.
using TokenFn = std::function<Result<Identity>(std::string_view token)>;

Result<Identity> authenticate(const HttpRequest& request, const TokenFn& check_token);

bool in_group(const Identity& user, std::string_view group);

}  // namespace bramble

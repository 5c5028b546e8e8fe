// Stage 2b, impersonation: a request with Impersonate-* headers is done as somebody else, when the asker may. Upstream knows
// five ways, tried from the narrowest on: a service account as its own node, any node, a service account, any other user,
// and the plain verb `impersonate` of old. Owner's loop thread.
// Specification: Kubernetes "User impersonation", KEP 5284 (constrained impersonation).
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <unordered_map>

#include "core/apiserver/authz.h"
#include "core/http/server.h"

namespace bramble {

// Whom the headers ask for, as they say it, or nothing when there are none. kInvalidArgument when a group, uid or extra
// comes without a user.
Result<std::optional<Identity>> wanted_user(const HttpRequest& request);

class Impersonation {
 public:
  explicit Impersonation(const Authorizer& authorizer) : authorizer_(authorizer) {}

  // The identity that `asker` acts as in the request `what`. kPermissionDenied with the refusal of the first way.
  Result<Identity> become(const Identity& asker, const Identity& wanted, const Attributes& what);

 private:
  // The way that last worked for an asker is tried first: it is cheaper, and its refusal is the one shown.
  void remember(const std::string& asker, size_t way);

  const Authorizer& authorizer_;
  std::unordered_map<std::string, size_t> ways_;
  std::deque<std::string> askers_;  // of ways_, oldest first
};

}  // namespace bramble

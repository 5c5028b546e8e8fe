// JSON Web Tokens in compact form, ES256 alone (RFC 7515, 7518): how service account tokens are signed. Only the
// signature is judged here; the claims are JSON text for the caller. Pure functions, any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/crypto/key.h"

namespace bramble {

// kInvalidArgument when the key is not P-256.
Result<std::string> sign_jwt(const PrivateKey& key, std::string_view claims_json);
// The claims. kUnauthenticated when the token was not made by sign_jwt with one of these keys: its header must be, byte
// for byte, the one that sign_jwt writes, so no header of a stranger is ever interpreted.
Result<std::string> verify_jwt(std::string_view token, const std::vector<PublicKey>& keys);
// The JSON Web Key Set (RFC 7517) by which others verify what these keys, all P-256, signed.
std::string key_set(const std::vector<PublicKey>& keys);

}  // namespace bramble

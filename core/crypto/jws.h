// Signatures of others' JSON Web Tokens (RFC 7515, 7518): RS, PS and ES with 256, 384 and 512 bits, and keys from the parts that a
// JSON Web Key has (RFC 7517). What we sign ourselves: core/crypto/jwt.h. Pure functions, any thread.
#pragma once

#include <string>
#include <string_view>

#include "core/crypto/key.h"

namespace bramble {

// Big-endian unsigned numbers. kInvalidArgument; RSA keys have 2048 to 8192 bits.
Result<PublicKey> rsa_public_key(std::string_view modulus, std::string_view exponent);
// curve: "P-256", "P-384", "P-521".
Result<PublicKey> ec_public_key(std::string_view curve, std::string_view x, std::string_view y);

bool is_jws_algorithm(std::string_view algorithm);  // "RS256", ...
// False for any wrong signature, for an algorithm that is none, and for a key of another kind.
bool verify_jws(const PublicKey& key, std::string_view algorithm, std::string_view message, std::string_view signature);

}  // namespace bramble

// JoinToken: what a machine shows to be let into a cluster, in k3s's forms. Pure.
//   K10<sha256 of the CA file, hex>::<user>:<password>   full; user is "server" or "node"
//   K10<sha256 of the CA file, hex>::<id>.<secret>       full, of a kubeadm-style bootstrap token
//   <password> or <id>.<secret>                          short: nothing says which cluster it is of
#pragma once

#include <string>
#include <string_view>

#include "core/base/result.h"

namespace bramble {

struct JoinToken {
  std::string ca_sha256_hex;  // lower case; "" in the short form
  std::string user;           // "server", "node"; "" when the token does not say
  std::string password;       // also <id>.<secret>
  // What stands in "Authorization: Bearer ...".
  std::string bearer() const { return password; }
  std::string text() const;
};

bool is_bootstrap_token(std::string_view text);  // [a-z0-9]{6}.[a-z0-9]{16}

// kInvalidArgument says what is wrong with it, and never repeats the token.
Result<JoinToken> parse_join_token(std::string_view text);

}  // namespace bramble

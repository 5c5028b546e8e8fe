// JoinTokens: the two secrets of a cluster, made at its first start under <data-dir>/server (0600): token, by which servers join
// and which never leaves them, and agent-token (node-token is the same file by k3s's name), which may only ask for nodes'
// certificates. Full form: K10<sha256 of server-ca.crt>::<user>:<password>. Blocking; main thread at start, then in offload().
#pragma once

#include <string>

#include "core/app/flags.h"
#include "core/base/random.h"
#include "provision/join/join_token.h"

namespace bramble {

// Of flags; "": not given. A full token's password counts.
struct GivenTokens {
  std::string server, agent;
};

struct JoinTokens {
  JoinToken server, node;
};

// --token, --agent-token and their files. kInvalidArgument.
Result<GivenTokens> read_given_tokens(const Flags& flags);

// What is there, what was given in its place, or new ones. A token of --token alone is the agents' too, as in k3s.
Result<JoinTokens> load_or_make_join_tokens(const std::string& data_dir, const std::string& ca_pem, const GivenTokens& given, Random& random);

// The agents' token becomes this password ("": a new one).
Result<JoinToken> replace_node_token(const std::string& data_dir, std::string password, Random& random);

// The form with the authority's hash, of any password or bootstrap token.
Result<std::string> full_token(const std::string& data_dir, std::string_view bootstrap_token);

}  // namespace bramble

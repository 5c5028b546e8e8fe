// ServerSetup: what both halves of a server are built from, read from its flags and checked. One place for `bramble server`,
// which starts with it, and `bramble check-config`, which refuses what the server would refuse. Main thread, before the loop.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "core/app/control_plane.h"
#include "core/app/credentials.h"
#include "core/app/flags.h"
#include "core/app/join_tokens.h"
#include "core/app/node.h"
#include "provision/host/checks.h"

namespace bramble {

struct ServerSetup {
  ControlPlaneOptions plane;
  NodeOptions node;
  CredentialOptions credentials;
  GivenTokens tokens;
  std::string kubeconfig_path;
  mode_t kubeconfig_mode = 0600;
  bool agent = true;
  bool follows_address = false;  // no flag gives the node's address
};

// Whether this machine has an address; else an Error that says so.
using OwnAddress = std::function<Status(const std::string& address)>;

// What the flags that a server and an agent share say of this machine's node. runs: it is to run here.
Status read_node(const Flags& flags, const OwnAddress& is_own_address, bool runs, NodeOptions* node, bool* follows_address);

// kInvalidArgument names the flag and says what it should be like.
Result<ServerSetup> read_server_setup(const Flags& flags, const OwnAddress& is_own_address);

// Whether a server with this setup has run before.
bool has_store(const ServerSetup& setup);

// What a server with this setup would stumble over when it starts, and nothing is changed: ports, folders, files of keys and
// tokens. A port that bramble itself has is fine. Blocking.
std::vector<Check> check_server_setup(const ServerSetup& setup);

}  // namespace bramble

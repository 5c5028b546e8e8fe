// AgentSetup: what `bramble agent` is built from, read from its flags and checked. Main thread, before the loop.
#pragma once

#include <string>

#include "core/app/flags.h"
#include "core/app/node.h"
#include "core/app/server_setup.h"
#include "core/http/url.h"

namespace bramble {

struct AgentSetup {
  NodeOptions node;              // without what the cluster decides (ClusterFacts)
  Url server;                    // https, with its port
  std::string token;             // "" when none was given
  bool follows_address = false;  // no flag gives the node's address
};

// kInvalidArgument names the flag and says what it should be like.
Result<AgentSetup> read_agent_setup(const Flags& flags, const OwnAddress& is_own_address);

}  // namespace bramble

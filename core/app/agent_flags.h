// The flags of `bramble agent`: how it joins, and what server_flags.h says of a node.
#pragma once

#include "core/app/flags.h"

namespace bramble {

std::span<const FlagSpec> agent_flags();

}  // namespace bramble

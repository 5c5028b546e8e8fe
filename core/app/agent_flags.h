// The flags of `bramble agent`: k3s's, as far as they have a meaning here.
#pragma once

#include "core/app/flags.h"

namespace bramble {

std::span<const FlagSpec> agent_flags();

}  // namespace bramble

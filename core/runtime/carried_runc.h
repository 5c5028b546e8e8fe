// The static runc that a release carries inside: its bytes, compressed with zstd, as toolchains/runc.sh made it. Read-only data.
#pragma once

#include <string_view>

namespace bramble {

// "" in a build without BRAMBLE_RUNC.
std::string_view carried_runc();

}  // namespace bramble

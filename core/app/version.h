// What this build calls itself. k3s's tooling takes the third word of the first line of --version.
#pragma once

#include <string>

namespace bramble {

inline std::string version_text() { return "v1.36.3+bramble1 (" BRAMBLE_VERSION ")"; }
inline const char* kubernetes_version() { return "v1.36.3"; }

}  // namespace bramble

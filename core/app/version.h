// What this build calls itself. k3s's tooling takes the third word of the first line of --version.
#pragma once

#include <cstdint>
#include <string>

namespace bramble {

inline std::string version_text() { return "v1.36.3+bramble1 (" BRAMBLE_VERSION ")"; }
inline const char* kubernetes_version() { return "v1.36.3"; }

// The date of the sources, as seconds since 1970: certificates are never issued for an earlier time (DESIGN section 6).
// A constant of the release, not of the moment of building, so that two builds are equal.
constexpr int64_t build_time_s() { return 1795219200; }  // 2026-11-21

}  // namespace bramble

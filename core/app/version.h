// What this build calls itself. k3s's tooling takes the third word of the first line of --version.
#pragma once

#include <cstdint>
#include <string>

namespace bramble {

inline std::string version_text() { return "v1.36.3+bramble1 (" BRAMBLE_VERSION ")"; }
inline const char* kubernetes_version() { return "v1.36.3"; }

// The date of the sources, as seconds since 1970: certificates are never issued for an earlier time (DESIGN section 6).
// SOURCE_DATE_EPOCH, or the date of the commit; never the moment of building, so that two builds are equal.
int64_t build_time_s();
// The commit that was built, and "clean" or "dirty"; "" and "archive" for sources without their history.
const char* build_commit();
const char* build_tree_state();

}  // namespace bramble

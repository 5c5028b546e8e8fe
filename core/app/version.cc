#include "core/app/version.h"

#include "build_facts.h"

namespace bramble {

int64_t build_time_s() { return BRAMBLE_BUILD_TIME_S; }
const char* build_commit() { return BRAMBLE_BUILD_COMMIT; }
const char* build_tree_state() { return BRAMBLE_BUILD_TREE; }

}  // namespace bramble

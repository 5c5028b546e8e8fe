// Which pods of a replica set go first when there are too many. Upstream: controller.ActivePodsWithRanks. Pure.
#pragma once

#include <vector>

#include "core/json/value.h"

namespace bramble {

// pods: active ones that the set owns; related: active pods of all sets of the same owner (for spreading over nodes).
// Gives `count` of them, the first to be deleted first.
std::vector<Document> pods_to_delete(const std::vector<Document>& pods, const std::vector<Document>& related, size_t count,
                                     int64_t now_us);

}  // namespace bramble

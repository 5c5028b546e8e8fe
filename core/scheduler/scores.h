// Scores: how well a node that may take a pod suits it, 0 to 100, as upstream's plugins of these names with their default
// weights. Each is a pure function in a file score_<name>.cc. Raw scores of the preferences are brought to 0..100 over all
// nodes by normalize().
#pragma once

#include "core/scheduler/node_info.h"

namespace bramble {

constexpr int64_t kScoreMax = 100;

int64_t score_least_allocated(const PodFacts& pod, const NodeInfo& node);
int64_t score_balanced_allocation(const PodFacts& pod, const NodeInfo& node);
int64_t score_taint_preferences(const PodFacts& pod, const NodeInfo& node);  // raw: untolerated ones, fewer is better
int64_t score_node_affinity(const PodFacts& pod, const NodeInfo& node);      // raw: weight of preferred terms
int64_t score_image_locality(const PodFacts& pod, const NodeInfo& node, const Nodes& all);

// In proportion to the greatest; reverse: the greatest becomes 0. All zero: all 0, or all 100 when reversed.
void normalize(std::vector<int64_t>& scores, bool reverse);

// The weighted sum of all scores for each of these nodes.
std::vector<int64_t> score_all(const PodFacts& pod, const std::vector<const NodeInfo*>& candidates, const Nodes& all);

}  // namespace bramble

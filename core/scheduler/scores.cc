#include "core/scheduler/scores.h"

#include <algorithm>

namespace bramble {

namespace {

// Upstream's default weights.
constexpr int64_t kTaintWeight = 3;
constexpr int64_t kAffinityWeight = 2;

}  // namespace

void normalize(std::vector<int64_t>& scores, bool reverse) {
  int64_t greatest = scores.empty() ? 0 : *std::max_element(scores.begin(), scores.end());
  for (int64_t& s : scores) {
    if (greatest == 0) {
      s = reverse ? kScoreMax : 0;
      continue;
    }
    s = s * kScoreMax / greatest;
    if (reverse) s = kScoreMax - s;
  }
}

std::vector<int64_t> score_all(const PodFacts& pod, const std::vector<const NodeInfo*>& candidates, const Nodes& all) {
  std::vector<int64_t> taints, affinity, sums;
  for (const NodeInfo* node : candidates) {
    taints.push_back(score_taint_preferences(pod, *node));
    affinity.push_back(score_node_affinity(pod, *node));
  }
  normalize(taints, true);
  normalize(affinity, false);
  for (size_t i = 0; i < candidates.size(); i++) {
    const NodeInfo& node = *candidates[i];
    sums.push_back(kTaintWeight * taints[i] + kAffinityWeight * affinity[i] + score_least_allocated(pod, node) +
                   score_balanced_allocation(pod, node) + score_image_locality(pod, node, all));
  }
  return sums;
}

}  // namespace bramble

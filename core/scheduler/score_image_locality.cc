// ImageLocality: nodes that have the pod's images, more so the larger they are and the more nodes have them (so that one node
// alone does not draw all pods).
#include <algorithm>

#include "core/scheduler/scores.h"

namespace bramble {

namespace {

constexpr int64_t kBytesMin = 23 * 1024 * 1024;
constexpr int64_t kBytesMaxPerContainer = 1000 * 1024 * 1024LL;

// "nginx" names the image nginx:latest.
std::string with_tag(std::string_view image) {
  size_t slash = image.rfind('/');
  bool tagged = image.find(':', slash == std::string_view::npos ? 0 : slash) != std::string_view::npos;
  return tagged ? std::string(image) : cat(image, ":latest");
}

}  // namespace

int64_t score_image_locality(const PodFacts& pod, const NodeInfo& node, const Nodes& all) {
  int64_t bytes = 0, images = 0;
  for (std::string_view image : pod.view().images()) {
    images++;
    std::string name = with_tag(image);
    auto it = node.image_bytes.find(name);
    if (it == node.image_bytes.end()) continue;
    int64_t holders = 0, total = 0;
    for (const auto& [key, info] : all) {
      if (!info.node) continue;
      total++;
      holders += info.image_bytes.contains(name) ? 1 : 0;
    }
    bytes += static_cast<int64_t>(static_cast<double>(it->second) * static_cast<double>(holders) / static_cast<double>(total));
  }
  int64_t most = kBytesMaxPerContainer * std::max<int64_t>(1, images);
  bytes = std::clamp(bytes, kBytesMin, most);
  return kScoreMax * (bytes - kBytesMin) / (most - kBytesMin);
}

}  // namespace bramble

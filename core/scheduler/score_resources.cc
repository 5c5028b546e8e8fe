// LeastAllocated (the default strategy of NodeResourcesFit) and NodeResourcesBalancedAllocation, over cpu and memory.
#include <cmath>

#include "core/scheduler/scores.h"

namespace bramble {

namespace {

constexpr const char* kResources[] = {"cpu", "memory"};

Quantity sum_of(const ResourceAmounts& a, const ResourceAmounts& b, const char* resource) {
  auto x = a.find(resource), y = b.find(resource);
  Quantity left = x == a.end() ? Quantity() : x->second;
  return y == b.end() ? left : left + y->second;
}

// Whole units would lose most of a cpu.
int64_t units(const char* resource, const Quantity& q) { return std::string_view(resource) == "cpu" ? q.milli() : q.value(); }

}  // namespace

int64_t score_least_allocated(const PodFacts& pod, const NodeInfo& node) {
  int64_t total = 0, resources = 0;
  for (const char* resource : kResources) {
    int64_t capacity = units(resource, node.allocatable_of(resource));
    if (capacity == 0) continue;
    int64_t used = units(resource, sum_of(node.counted, pod.counted, resource));
    resources++;
    if (used <= capacity) total += (capacity - used) * kScoreMax / capacity;
  }
  return resources == 0 ? 0 : total / resources;
}

int64_t score_balanced_allocation(const PodFacts& pod, const NodeInfo& node) {
  if (pod.requests.empty()) return 0;  // nothing asked for: nothing to balance
  double fractions[2] = {0, 0};
  int n = 0;
  for (const char* resource : kResources) {
    int64_t capacity = units(resource, node.allocatable_of(resource));
    if (capacity == 0) continue;
    int64_t used = units(resource, sum_of(node.requested, pod.requests, resource));
    fractions[n++] = std::min(1.0, static_cast<double>(used) / static_cast<double>(capacity));
  }
  double deviation = n == 2 ? std::fabs(fractions[0] - fractions[1]) / 2 : 0;
  return static_cast<int64_t>((1 - deviation) * static_cast<double>(kScoreMax));
}

}  // namespace bramble

#include "core/scheduler/decision.h"

#include <algorithm>

#include "core/scheduler/scores.h"

namespace bramble {

namespace {

// "0/3 nodes are available: 1 Insufficient cpu, 2 Too many pods."
std::string histogram(size_t node_count, const std::map<std::string, int64_t>& reasons) {
  std::vector<std::string> parts;
  for (const auto& [reason, n] : reasons) parts.push_back(cat(n, " ", reason));
  std::sort(parts.begin(), parts.end());
  return cat("0/", node_count, " nodes are available: ", join(parts, ", "), ".");
}

// What upstream's steps after a failed filtering add: devices to take back (there are none), and lower pods to evict. Evicting
// is not done here, so a node where it might help says that no victims were found.
std::string after_filtering(PodView pod, size_t node_count, int64_t unresolvable) {
  std::string text = "no new claims to deallocate, preemption: ";
  if (pod.spec()["preemptionPolicy"].str() == "Never") return text + "not eligible due to preemptionPolicy=Never.";
  std::map<std::string, int64_t> reasons;
  int64_t others = static_cast<int64_t>(node_count) - unresolvable;
  if (unresolvable > 0) reasons["Preemption is not helpful for scheduling"] = unresolvable;
  if (others > 0) reasons["No preemption victims found for incoming pod"] = others;
  return text + histogram(node_count, reasons);
}

const NodeInfo* pick(const std::vector<const NodeInfo*>& candidates, const std::vector<int64_t>& scores, Random& random) {
  int64_t best = *std::max_element(scores.begin(), scores.end());
  std::vector<const NodeInfo*> top;
  for (size_t i = 0; i < candidates.size(); i++) {
    if (scores[i] == best) top.push_back(candidates[i]);
  }
  return top[top.size() == 1 ? 0 : random.below(top.size())];
}

}  // namespace

Decision decide(const PodFacts& pod, const Nodes& nodes, const std::string& claims, Random& random) {
  Decision d;
  size_t node_count = 0;
  int64_t unresolvable = 0;
  std::map<std::string, int64_t> reasons;
  std::vector<const NodeInfo*> candidates;
  std::string everywhere = claims.empty() ? unserved_objection(pod.view(), nodes) : claims;
  for (const auto& [name, info] : nodes) {
    if (!info.node) continue;
    node_count++;
    if (!everywhere.empty()) continue;
    Verdict v = filter_all(pod, info);
    if (v.fits()) {
      candidates.push_back(&info);
      continue;
    }
    d.objections.insert(v.plugin);
    unresolvable += v.unresolvable ? 1 : 0;
    for (const std::string& reason : v.reasons) reasons[reason]++;
  }
  if (node_count == 0) {
    d.message = "no nodes available to schedule pods";
    return d;
  }
  if (!everywhere.empty()) {
    d.objections.insert(claims.empty() ? Plugin::kUnserved : Plugin::kVolumeBinding);
    d.message = cat("0/", node_count, " nodes are available: ", everywhere, ". ",
                    after_filtering(pod.view(), node_count, static_cast<int64_t>(node_count)));
    return d;
  }
  if (candidates.empty()) {
    d.message = cat(histogram(node_count, reasons), " ", after_filtering(pod.view(), node_count, unresolvable));
    return d;
  }
  std::vector<int64_t> scores(candidates.size(), 0);
  if (candidates.size() > 1) scores = score_all(pod, candidates, nodes);
  d.node = std::string(pick(candidates, scores, random)->name());
  return d;
}

}  // namespace bramble

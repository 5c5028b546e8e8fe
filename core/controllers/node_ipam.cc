// Node IPAM: each node gets a range of pod addresses of its own (spec.podCIDR), the lowest that is free.
// Watches: nodes. Writes: nodes (podCIDR, podCIDRs), Events on nodes. Never: a range that a node has.
// One key for all nodes, so that no two get the same. Upstream: pkg/controller/nodeipam, range allocator.
#include <set>

#include "core/base/limits.h"
#include "core/controllers/all.h"
#include "core/controllers/object_writes.h"

namespace bramble {

namespace {

using resource_ids::kNodes;

const ObjectKey kAllNodes{"", "nodes"};

struct Network {
  uint32_t base = 0;
  int bits = 0;
};

std::optional<Network> parse_network(std::string_view text) {
  auto parts = cut(text, "/");
  if (!parts) return std::nullopt;
  std::vector<std::string_view> bytes = split(parts->first, '.');
  std::optional<int64_t> bits = parse_int64(parts->second);
  if (bytes.size() != 4 || !bits || *bits < 0 || *bits > 32) return std::nullopt;
  Network n;
  for (std::string_view b : bytes) {
    std::optional<int64_t> v = parse_int64(b);
    if (!v || *v < 0 || *v > 255) return std::nullopt;
    n.base = n.base << 8 | static_cast<uint32_t>(*v);
  }
  n.bits = static_cast<int>(*bits);
  return n;
}

std::string network_text(uint32_t base, int bits) {
  return cat(base >> 24, ".", base >> 16 & 255, ".", base >> 8 & 255, ".", base & 255, "/", bits);
}

void keys(const Snapshot&, const Change& change, const KeySink& sink) {
  bool needs = change.after && change.after["spec"]["podCIDR"].str().empty();
  bool frees = !change.after;
  if (needs || frees) sink(kAllNodes);
}

Document range_patch(const std::string& range) {
  Builder b;
  Mut spec = b.root().object("spec");
  spec.set("podCIDR", range);
  spec.array("podCIDRs").append(range);
  return b.finish();
}

// Free ranges in order, past all that overlaps what nodes have, also where somebody gave a node one of another size.
class FreeRanges {
 public:
  FreeRanges(const Network& cluster, int node_bits) : cluster_(cluster), node_bits_(std::max(cluster.bits, node_bits)) {}
  void take(const Network& n) {
    uint64_t first = n.base, last = first + (uint64_t{1} << (32 - n.bits)) - 1;
    uint64_t low = std::max(first, begin()), high = std::min(last, begin() + (count() << shift()) - 1);
    for (uint64_t at = low >> shift(); low <= high && at <= high >> shift(); at++) taken_.insert(at);
  }
  std::string next() {
    for (; next_ < count(); next_++) {
      uint64_t at = (begin() >> shift()) + next_;
      if (taken_.insert(at).second) return network_text(static_cast<uint32_t>(at << shift()), node_bits_);
    }
    return {};
  }

 private:
  uint64_t begin() const { return cluster_.base; }
  uint64_t count() const { return uint64_t{1} << (node_bits_ - cluster_.bits); }
  int shift() const { return 32 - node_bits_; }
  Network cluster_;
  int node_bits_;
  std::set<uint64_t> taken_;  // bounded by the cluster's ranges
  uint64_t next_ = 0;
};

Plan allocate(const Snapshot& snapshot, const Network& cluster, int node_bits) {
  Plan plan;
  FreeRanges ranges(cluster, node_bits);
  std::vector<Document> waiting;
  snapshot.each(kNodes, "", [&](const Document& node) {
    std::string_view range = node["spec"]["podCIDR"].str();
    if (range.empty()) waiting.push_back(node);
    else if (auto n = parse_network(range)) ranges.take(*n);
    return true;
  });
  for (const Document& node : waiting) {
    std::string range = ranges.next();
    if (range.empty()) {
      plan.events.push_back({node, "Normal", "CIDRNotAvailable", cat("Node ", name_of(node), " status is now: CIDRNotAvailable"), {}, {}});
      continue;
    }
    Write w = patch_write(kNodes, key_of(node), PatchType::kStrategic, range_patch(range));
    w.with_previous = !plan.writes.empty();
    plan.writes.push_back(std::move(w));
  }
  return plan;
}

}  // namespace

Controller node_ipam_controller(std::string pod_network, int node_bits) {
  std::optional<Network> network = parse_network(pod_network);
  CHECK(network.has_value(), "pod network ", pod_network);  // core/app has checked the flag
  auto step = [cluster = *network, node_bits](const Snapshot& snapshot, const ObjectKey&, const Moment&) { return allocate(snapshot, cluster, node_bits); };
  return {"node-ipam", "node-controller", "cidrAllocator", {kNodes}, {}, keys, step, {}};
}

}  // namespace bramble

// NodeInfo: a node with what its pods reserve, and ClusterState: all of them, kept up to date from changes, with pods that are
// assigned but not yet written (assumed). Values; the scheduler's thread.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/client/client.h"
#include "core/resources/pod_view.h"

namespace bramble {

// What filters and scores ask of a pod, computed once.
struct PodFacts {
  explicit PodFacts(const Document& pod);

  Document doc;
  ResourceAmounts requests;
  ResourceAmounts counted;  // as requests, but a container that asks for no cpu counts 100m, for no memory 200Mi: for scores
  std::vector<HostPort> ports;
  PodView view() const { return PodView(doc); }
};

struct NodeInfo {
  Document node;                        // empty while pods name a node that is not there
  ResourceAmounts allocatable;
  ResourceAmounts requested, counted;   // sums over its pods
  std::map<std::string, PodFacts> pods; // by uid
  std::map<std::string, int64_t, std::less<>> image_bytes;

  std::string_view name() const { return name_of(node); }
  Quantity allocatable_of(std::string_view resource) const;
  Quantity requested_of(std::string_view resource) const;
};

using Nodes = std::map<std::string, NodeInfo, std::less<>>;

class ClusterState {
 public:
  void set_node(const Document& node);
  void remove_node(std::string_view name);
  // A pod as it is now: counted on its node, or not at all when it has none, is terminal, or is gone.
  void set_pod(const Document& pod);
  void remove_pod(std::string_view uid);
  void assume(const Document& pod, std::string_view node);
  bool is_assumed(std::string_view uid) const { return assumed_.contains(uid); }
  void forget(std::string_view uid);  // an assumption that did not come true

  const Nodes& nodes() const { return nodes_; }
  size_t node_count() const;

 private:
  void place(const PodFacts& facts, std::string_view node);
  void sum_up(NodeInfo& info);

  Nodes nodes_;
  std::map<std::string, std::string, std::less<>> node_of_;  // by pod uid
  std::set<std::string, std::less<>> assumed_;
};

}  // namespace bramble

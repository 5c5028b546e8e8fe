// FlowSchema and PriorityLevelConfiguration objects as the limiter reads them, and which schema a request falls under. Pure
// values and functions. Specification: Kubernetes "API Priority and Fairness" (k8s.io/apiserver, pkg/util/flowcontrol/rule.go).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/apiserver/route.h"
#include "core/client/client.h"

namespace bramble {

struct FlowSubject {
  enum class Kind { kUser, kGroup, kServiceAccount } kind = Kind::kUser;
  std::string name, ns;  // name "*": all (of the namespace)
};

struct FlowResourceRule {
  std::vector<std::string> verbs, groups, resources, namespaces;
  bool cluster_scope = false;
};

struct FlowPathRule {
  std::vector<std::string> verbs, paths;
};

struct FlowRule {
  std::vector<FlowSubject> subjects;
  std::vector<FlowResourceRule> resources;
  std::vector<FlowPathRule> paths;
};

struct FlowSchemaRules {
  enum class Distinguisher { kNone, kByUser, kByNamespace };
  std::string name, uid, level;
  int64_t precedence = 0;
  Distinguisher distinguisher = Distinguisher::kNone;
  std::vector<FlowRule> rules;

  static FlowSchemaRules of(const Document& schema);
  bool matches(const Identity& user, const RequestInfo& info) const;
  // What tells flows under this schema apart.
  std::string_view flow_of(const Identity& user, const RequestInfo& info) const;
};

struct PriorityLevel {
  std::string name, uid;
  bool exempt = false;
  int64_t shares = 0, lendable_percent = 0;
  std::optional<int64_t> borrowing_limit_percent;  // none: as much as there is
  int64_t queues = 0;                              // 0: what finds no seat is refused
  int64_t hand_size = 0, queue_length = 0;

  // Nothing for one whose parts do not fit each other.
  static std::optional<PriorityLevel> of(const Document& level);
};

// The queues that a flow may use: `hand` different ones of `queues`, told by its hash. hand is at most 15.
std::vector<int64_t> deal_hand(uint64_t flow_hash, int64_t queues, int64_t hand);
uint64_t flow_hash(std::string_view schema, std::string_view flow);

}  // namespace bramble

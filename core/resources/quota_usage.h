// What ResourceQuota counts: which amounts a resource's objects take, and whose quota they fall under (Kubernetes "Resource
// Quotas"). For admission, which compares, and for the controller, which adds up. Pure; any thread.
// Specification: k8s.io/kubernetes/pkg/quota/v1/evaluator/core, k8s.io/apiserver/pkg/quota/v1.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/resources/kind.h"
#include "core/resources/pod_view.h"

namespace bramble {

// Amounts by name, as upstream's lists of quantities are calculated with.
ResourceAmounts only_named(const ResourceAmounts& amounts, const ResourceAmounts& names);
// What is more now than before, never less than nothing; names of both.
ResourceAmounts growth(const ResourceAmounts& now, const ResourceAmounts& before);
ResourceAmounts without_zeroes(ResourceAmounts amounts);
bool same_amounts(const ResourceAmounts& a, const ResourceAmounts& b);
void write_amounts(Mut list, const ResourceAmounts& amounts);

// How objects of one resource count.
class QuotaEvaluator {
 public:
  // Nothing: this resource is never counted (events, reviews, what is cluster-wide).
  static std::optional<QuotaEvaluator> of(const Kind& kind);

  // Whether such objects may take of what a quota calls `name`: "pods", "count/deployments.apps", "requests.cpu".
  bool counts_as(std::string_view name) const;
  // The quota's hard names that such objects may take of.
  std::vector<std::string> matching(const ResourceAmounts& hard) const;
  // Whether a create, or an update, through this subresource can change what is counted.
  bool handles(bool create, std::string_view subresource) const;
  // What one object takes. now_us: a pod that should be gone by then counts no more.
  ResourceAmounts usage(Value object, int64_t now_us) const;
  // When that changes by time alone; nothing: never.
  std::optional<int64_t> usage_ends_us(Value object) const;
  // Whether the object is in all the scopes of the quota's spec.
  bool in_scopes(Value quota_spec, Value object) const;
  // What a pod's containers must say because a quota counts it: "must specify limits.cpu for: c; requests.cpu for: c,d", or "".
  std::string missing(const std::vector<std::string>& names, Value object) const;
  // Whether a change from one to the other may free something although the object stays.
  bool frees(Value before, Value after, int64_t now_us) const;

 private:
  enum class Sort { kPod, kService, kVolumeClaim, kDeviceClaim, kOther };
  QuotaEvaluator(Sort sort, std::string count_name, std::string_view alias) : sort_(sort), count_name_(std::move(count_name)), alias_(alias) {}
  bool in_scope(std::string_view scope, Value requirement, Value object) const;
  Sort sort_;
  std::string count_name_;  // "count/deployments.apps"
  std::string_view alias_;  // "secrets"
};

// The kinds that quotas count, one for each resource.
const std::vector<const Kind*>& quota_kinds();

// All that there is of a kind in the quota's namespace.
using EachOfKind = std::function<void(const Kind&, const std::function<void(Value object)>&)>;

struct QuotaSum {
  ResourceAmounts used;
  std::optional<int64_t> changes_us;  // when it will be less by time alone
};
// What is used of the quota's hard names that some kind counts as.
QuotaSum quota_sum(Value quota, const EachOfKind& each, int64_t now_us);

}  // namespace bramble

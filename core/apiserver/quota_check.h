// Whether a write fits the ResourceQuotas of its namespace, and what it takes of each. Pure; any thread.
// Texts: k8s.io/apiserver/pkg/admission/plugin/resourcequota.
#pragma once

#include <string>
#include <vector>

#include "core/resources/quota_usage.h"

namespace bramble {

// A ResourceQuota as it stands, with what was charged to it since.
struct QuotaState {
  explicit QuotaState(Document quota);
  Document object;
  std::string name;
  ResourceAmounts hard, used;  // of its status: what its controller has not looked at yet does not bind
};

struct QuotaWrite {
  const Kind* kind = nullptr;
  std::string subresource, name;
  Value object, old;  // absent old: a create
  int64_t now_us = 0;
};

// What the write takes of each quota, in their order; empty lists where it takes nothing. 403 Forbidden when it does not fit.
Result<std::vector<ResourceAmounts>> quota_charges(const std::vector<QuotaState>& quotas, const QuotaWrite& write);

}  // namespace bramble

// QuotaGate: ResourceQuota admission. Before a write that a quota counts is stored, what it takes is added to status.used of
// each such quota, on disk; so whatever was acknowledged is counted, after any crash. Writes of a namespace that come together
// are charged together, one write of a quota for all of them. What was charged for a write that then failed is given back; what
// a crash left charged is set right by the quota's controller when it starts.
//
// While charges of a quota are under way nobody else may set its status.used: it was counted without them (busy()).
// Owner's loop thread. Specification: Kubernetes "Resource Quotas"; k8s.io/apiserver/pkg/admission/plugin/resourcequota.
#pragma once

#include <memory>

#include "core/apiserver/quota_check.h"
#include "core/registry/registry.h"

namespace bramble {

class QuotaGate {
 public:
  explicit QuotaGate(Registry& registry);
  ~QuotaGate();

  // Whether the namespace has quotas, so that writes in it need charge().
  bool guards(const Kind& kind, std::string_view ns) const;

  // Errors: 403 Forbidden when a quota does not allow the write; those of the store when the quota cannot be written.
  Task<Result<std::shared_ptr<Charge>>> charge(const Kind* kind, std::string ns, std::string subresource, Document object, Document old, bool only_look);

  bool busy(std::string_view quota_uid) const;

 private:
  struct Core;
  std::shared_ptr<Core> core_;  // charges may outlive the gate
};

}  // namespace bramble

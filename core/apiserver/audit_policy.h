// AuditPolicy: which requests the audit log tells of, and how much (audit.k8s.io/v1 Policy, from --audit-policy-file). Rules are
// tried in order, the first that matches decides; what no rule matches is not told of. Pure values and functions.
// Specification: Kubernetes "Auditing" (k8s.io/apiserver, pkg/audit/policy, pkg/apis/audit/validation).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/apiserver/attributes.h"
#include "core/base/result.h"
#include "core/client/client.h"

namespace bramble {

enum class AuditLevel { kNone, kMetadata, kRequest, kRequestResponse };
enum AuditStage : unsigned { kRequestReceived = 1, kResponseStarted = 2, kResponseComplete = 4, kPanic = 8 };
std::string_view name_of(AuditLevel level);
std::string_view name_of(AuditStage stage);

struct AuditDecision {
  AuditLevel level = AuditLevel::kNone;
  unsigned omit_stages = 0;
  bool omit_managed_fields = false;
};

class AuditPolicy {
 public:
  // YAML or JSON. kInvalidArgument with upstream's text. Fields that nobody knows are passed over, as upstream does.
  static Result<AuditPolicy> parse(std::string_view text);
  AuditDecision decide(const Identity& user, const Attributes& what) const;
  size_t rules() const { return rules_.size(); }

 private:
  struct Resources {
    std::string group;
    std::vector<std::string> resources, names;
  };
  struct Rule {
    AuditDecision decision;
    std::vector<std::string> users, groups, verbs, namespaces, paths;
    std::vector<Resources> resources;
    bool matches(const Identity& user, const Attributes& what) const;
    bool covers_resource(const Attributes& what) const;
  };
  std::vector<Rule> rules_;
  AuditDecision otherwise_;
};

}  // namespace bramble

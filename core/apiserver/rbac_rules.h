// Rules of roles: whether one allows a request, whether rules cover others, and how errors print them. Pure; any thread.
// Specification: Kubernetes "Using RBAC Authorization", referring to resources, privilege escalation prevention
// (k8s.io/component-helpers/auth/rbac/validation).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/apiserver/attributes.h"
#include "core/json/value.h"

namespace bramble {

// A rule as it stands in a role's document.
bool rule_allows(Value rule, const Attributes& what);

struct PolicyRule {
  std::vector<std::string> verbs, groups, resources, names, urls;
  static PolicyRule of(Value rule);
  bool operator==(const PolicyRule&) const = default;
  // `{APIGroups:["apps"], Resources:["deployments"], Verbs:["get" "list"]}`
  std::string text() const;
};

std::vector<PolicyRule> policy_rules(Value rules);
// `* on *.*` and `* on every path`
std::vector<PolicyRule> full_authority();

// What of `wanted` no rule of `owned` gives, in pieces of one verb, group, resource and name each. Empty: all is covered.
std::vector<PolicyRule> uncovered(const std::vector<PolicyRule>& owned, const std::vector<PolicyRule>& wanted);

// Pieces that differ in their verb alone become one; sorted lines, as errors show them.
std::vector<std::string> compact_texts(const std::vector<PolicyRule>& pieces);

// Go's %q of a list: `["a" "b"]`.
std::string go_quote_list(const std::vector<std::string>& list);

}  // namespace bramble

#include "core/apiserver/authz.h"

#include <algorithm>

#include "core/apiserver/authn.h"
#include "core/apiserver/default_roles.h"
#include "core/apiserver/rbac_rules.h"
#include "core/registry/api_status.h"

namespace bramble {

namespace {

// Errors must not look like HTML; quotes are fine.
std::string without_markup(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (char c : text) {
    if (c == '&') out += "&amp;";
    else if (c == '<') out += "&lt;";
    else if (c == '>') out += "&gt;";
    else out += c;
  }
  return out;
}

std::string refusal(const Identity& user, const Attributes& a) {
  std::string who = cat("User ", go_quote(user.user), " cannot ", a.verb);
  if (!a.resource_request) return cat(who, " path ", go_quote(a.path));
  std::string resource = a.subresource.empty() ? a.resource : cat(a.resource, "/", a.subresource);
  std::string where = a.ns.empty() ? std::string("at the cluster scope") : cat("in the namespace ", go_quote(a.ns));
  return cat(who, " resource ", go_quote(resource), " in API group ", go_quote(a.group), " ", where);
}

// What a request for a workload of the group extensions is to those who know it by the group where it lives. A role for either
// group allows it; one for extensions alone allows nothing in apps, as upstream has it.
std::optional<Attributes> as_stored(const Attributes& what) {
  for (const Kind& k : all_kinds()) {
    if (!k.stored_as.granted_there || k.group != what.group || k.resource != what.resource) continue;
    Attributes out = what;
    out.group = k.stored_as.group, out.version = k.stored_as.version;
    return out;
  }
  return std::nullopt;
}

std::string rbac_reason(const std::vector<std::string>& problems) {
  return problems.empty() ? std::string() : cat("RBAC: ", aggregate_text(problems));
}

}  // namespace

Attributes Attributes::of(const RequestInfo& info) {
  Attributes a;
  a.resource_request = info.resource_request;
  a.verb = info.verb, a.group = info.group, a.version = info.version, a.resource = info.resource;
  a.subresource = info.subresource, a.ns = info.ns, a.name = info.name, a.path = info.path;
  return a;
}

bool is_privileged(const Identity& user) { return in_group(user, "system:masters"); }

bool is_node(const Identity& user) {
  constexpr std::string_view kPrefix = "system:node:";
  return user.user.size() > kPrefix.size() && user.user.compare(0, kPrefix.size(), kPrefix) == 0 && in_group(user, "system:nodes");
}

Error forbidden_error(const Identity& user, const Attributes& what, std::string_view reason) {
  std::string why = without_markup(refusal(user, what));
  if (!reason.empty()) why = cat(why, ": ", reason);
  return api_forbidden({what.group, what.resource}, what.name, why);
}

std::string aggregate_text(const std::vector<std::string>& problems) {
  std::vector<std::string> once;
  for (const std::string& p : problems) {
    if (std::find(once.begin(), once.end(), p) == once.end()) once.push_back(p);
  }
  return once.size() == 1 ? once[0] : cat("[", join(once, ", "), "]");
}

Authorizer::Authorizer(Registry& registry) : rbac_(registry), node_role_(default_cluster_role("system:node")) {}

bool Authorizer::evaluate(const Identity& user, const Attributes& what, const RbacBinding*& by,
                          std::vector<std::string>* problems) const {
  if (is_privileged(user)) return true;
  const std::optional<Attributes> stored = as_stored(what);
  auto allows = [&](Value rule) { return rule_allows(rule, what) || (stored && rule_allows(rule, *stored)); };
  if (is_node(user)) {
    for (Value rule : node_role_["rules"].items()) {
      if (allows(rule)) return true;
    }
  }
  rbac_.visit(user, what.resource_request ? std::string_view(what.ns) : std::string_view(),
              [&](const RbacBinding& binding, Value rule) {
                if (allows(rule)) by = &binding;
                return by == nullptr;
              },
              problems);
  return by != nullptr;
}

bool Authorizer::allows(const Identity& user, const Attributes& what) const {
  const RbacBinding* by = nullptr;
  return evaluate(user, what, by, nullptr);
}

AuthzDecision Authorizer::decide(const Identity& user, const Attributes& what) const {
  const RbacBinding* by = nullptr;
  std::vector<std::string> problems;
  if (!evaluate(user, what, by, &problems)) return {false, rbac_reason(problems)};
  return {true, by == nullptr ? std::string() : cat("RBAC: allowed by ", rbac_.describe(*by, user))};
}

Status Authorizer::authorize(const Identity& user, const Attributes& what) const {
  const RbacBinding* by = nullptr;
  std::vector<std::string> problems;
  if (evaluate(user, what, by, &problems)) return ok();
  return forbidden_error(user, what, rbac_reason(problems));
}

}  // namespace bramble

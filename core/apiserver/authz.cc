#include "core/apiserver/authz.h"

#include <algorithm>

#include "core/apiserver/authn.h"
#include "core/apiserver/rbac_rules.h"
#include "core/registry/api_status.h"
#include "core/resources/bootstrap_token.h"

namespace bramble {

namespace {

constexpr std::string_view kNodePrefix = "system:node:";

// What a machine needs before it is known, and what is secret to nobody.
bool is_public(const Attributes& what) { return !what.resource_request && what.verb == "get" && (what.path == "/cacerts" || what.path == "/ping"); }
// What a node needs beside the API.
bool is_for_nodes(const Attributes& what) { return !what.resource_request && what.verb == "get" && what.path == "/v1-bramble/client-ca.crt"; }

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
  if (info.verb == "list" || info.verb == "watch" || info.verb == "deletecollection") a.field_selector = info.query.get("fieldSelector");
  return a;
}

bool is_privileged(const Identity& user) { return in_group(user, "system:masters"); }

bool is_node(const Identity& user) {
  return user.user.size() > kNodePrefix.size() && user.user.starts_with(kNodePrefix) && in_group(user, "system:nodes");
}

std::string node_name_of(const Identity& user) { return user.user.substr(kNodePrefix.size()); }

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

Authorizer::Authorizer(Registry& registry) : registry_(registry), rbac_(registry), nodes_(registry) {}

bool Authorizer::is_own_request(const Identity& user, const Attributes& what) const {
  if (what.group != "certificates.k8s.io" || what.resource != "certificatesigningrequests" || what.name.empty()) return false;
  if (!what.subresource.empty() || (what.verb != "get" && what.verb != "list" && what.verb != "watch")) return false;
  if (!in_group(user, kBootstrappers)) return false;
  const Kind* kind = find_kind(what.group, "v1", what.resource);
  return kind != nullptr && registry_.get(*kind, "", what.name)["spec"]["username"].str() == user.user;
}

bool Authorizer::evaluate(const Identity& user, const Attributes& what, const RbacBinding*& by, std::string* why_not) const {
  if (is_privileged(user) || is_public(what)) return true;
  if (is_own_request(user, what)) return true;
  const std::optional<Attributes> stored = as_stored(what);
  auto allows = [&](Value rule) { return rule_allows(rule, what) || (stored && rule_allows(rule, *stored)); };
  if (is_node(user)) {
    if (is_for_nodes(what)) return true;
    NodeAuthorizer::Answer answer = nodes_.decide(node_name_of(user), what);
    if (answer.allowed) return true;
    if (why_not) *why_not = std::move(answer.reason);
  }
  std::vector<std::string> problems;
  rbac_.visit(user, what.resource_request ? std::string_view(what.ns) : std::string_view(),
              [&](const RbacBinding& binding, Value rule) {
                if (allows(rule)) by = &binding;
                return by == nullptr;
              },
              why_not ? &problems : nullptr);
  if (why_not && by == nullptr) {
    std::string rbac = rbac_reason(problems);
    if (!rbac.empty()) *why_not += cat(why_not->empty() ? "" : "\n", rbac);
  }
  return by != nullptr;
}

bool Authorizer::allows(const Identity& user, const Attributes& what) const {
  const RbacBinding* by = nullptr;
  return evaluate(user, what, by, nullptr);
}

AuthzDecision Authorizer::decide(const Identity& user, const Attributes& what) const {
  const RbacBinding* by = nullptr;
  std::string why_not;
  if (!evaluate(user, what, by, &why_not)) return {false, why_not};
  return {true, by == nullptr ? std::string() : cat("RBAC: allowed by ", rbac_.describe(*by, user))};
}

Status Authorizer::authorize(const Identity& user, const Attributes& what) const {
  const RbacBinding* by = nullptr;
  std::string why_not;
  if (evaluate(user, what, by, &why_not)) return ok();
  return forbidden_error(user, what, why_not);
}

}  // namespace bramble

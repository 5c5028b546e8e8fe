#include "core/apiserver/authz.h"

#include "core/apiserver/authn.h"
#include "core/registry/api_status.h"

namespace bramble {

namespace {

bool is_public_path(std::string_view path) {
  for (std::string_view open : {"/healthz", "/livez", "/readyz", "/version", "/version/"}) {
    if (path == open) return true;
  }
  return path.substr(0, 8) == "/readyz/" || path.substr(0, 7) == "/livez/" || path.substr(0, 9) == "/healthz/";
}

bool is_self_review(const Attributes& a) {
  if (!a.resource_request || a.verb != "create" || !a.subresource.empty()) return false;
  if (a.group == "authorization.k8s.io") {
    return a.resource == "selfsubjectaccessreviews" || a.resource == "selfsubjectrulesreviews";
  }
  return a.group == "authentication.k8s.io" && a.resource == "selfsubjectreviews";
}

bool is_node(const Identity& user) {
  return user.user.compare(0, 12, "system:node:") == 0 && in_group(user, "system:nodes");
}

// `User "x" cannot list resource "pods" in API group "" in the namespace "default"`
std::string refusal(const Identity& user, const Attributes& a, std::string_view verb) {
  std::string who = cat("User ", go_quote(user.user), " cannot ", verb);
  if (!a.resource_request) return cat(who, " path ", go_quote(a.path));
  std::string resource = a.subresource.empty() ? a.resource : cat(a.resource, "/", a.subresource);
  std::string where = a.ns.empty() ? std::string("at the cluster scope") : cat("in the namespace ", go_quote(a.ns));
  return cat(who, " resource ", go_quote(resource), " in API group ", go_quote(a.group), " ", where);
}

Error forbidden(const Identity& user, const Attributes& a, std::string_view verb, std::string_view reason) {
  std::string why = refusal(user, a, verb);
  if (!reason.empty()) why = cat(why, ": ", reason);
  if (!a.resource_request) return api_forbidden({"", ""}, "", why);
  return api_forbidden({a.group, a.resource}, a.name, why);
}

}  // namespace

Attributes Attributes::of(const RequestInfo& info) {
  Attributes a;
  a.resource_request = info.resource_request;
  a.verb = info.verb, a.group = info.group, a.version = info.version, a.resource = info.resource;
  a.subresource = info.subresource, a.ns = info.ns, a.name = info.name, a.path = info.path;
  return a;
}

AuthzDecision decide(const Identity& user, const Attributes& what) {
  if (in_group(user, "system:masters")) return {true, ""};
  if (is_node(user)) return {true, ""};
  if (!what.resource_request && (what.verb == "get" || what.verb == "head") && is_public_path(what.path)) return {true, ""};
  if (in_group(user, "system:authenticated") && is_self_review(what)) return {true, ""};
  return {false, ""};
}

Status authorize(const Identity& user, const Attributes& what) {
  AuthzDecision d = decide(user, what);
  if (d.allowed) return ok();
  return forbidden(user, what, what.verb, d.reason);
}

Status authorize_impersonation(const Identity& real, const Attributes& what) {
  if (in_group(real, "system:masters")) return ok();
  return forbidden(real, what, cat("impersonate-on:user-info:", what.verb), "");
}

}  // namespace bramble

#include "core/apiserver/reviews.h"

#include <algorithm>

#include "core/apiserver/authn.h"
#include "core/apiserver/authz.h"
#include "core/registry/api_status.h"

namespace bramble {

namespace {

void write_user(Mut out, const Identity& user) {
  out.set("username", user.user);
  if (!user.uid.empty()) out.set("uid", user.uid);
  if (!user.groups.empty()) {
    Mut groups = out.array("groups");
    for (const std::string& g : user.groups) groups.append(g);
  }
  for (const auto& [key, values] : user.extra) {
    Mut list = out.object("extra").array(key);
    for (const std::string& v : values) list.append(v);
  }
}

Attributes attributes_of(Value spec) {
  Attributes a;
  Value r = spec["resourceAttributes"];
  if (r) {
    a.verb = r["verb"].text(), a.group = r["group"].text(), a.version = r["version"].text();
    a.resource = r["resource"].text(), a.subresource = r["subresource"].text();
    a.ns = r["namespace"].text(), a.name = r["name"].text();
    return a;
  }
  a.resource_request = false;
  a.verb = lower(spec["nonResourceAttributes"]["verb"].str());
  a.path = spec["nonResourceAttributes"]["path"].text();
  return a;
}

// Go's JSON of a struct without tags: {"Path":"/","Verb":""}.
std::string go_struct(Value v) {
  Builder b;
  for (const char* key : {"Path", "Verb"}) b.root().set(key, v[lower(key)].str());
  return b.dump();
}

Status check_spec(Value spec) {
  bool resource = static_cast<bool>(spec["resourceAttributes"]), path = static_cast<bool>(spec["nonResourceAttributes"]);
  FieldErrors errors;
  Path at("spec");
  if (resource && path) {
    errors.invalid_raw(at.at("nonResourceAttributes"), go_struct(spec["nonResourceAttributes"]),
                       "cannot be specified in combination with resourceAttributes");
  }
  if (!resource && !path) {
    errors.invalid_raw(at.at("resourceAttributes"), "null",
                       "exactly one of nonResourceAttributes or resourceAttributes must be specified");
  }
  if (errors.empty()) return ok();
  return errors.to_error("authorization.k8s.io", "", "");
}

Document with_decision(const Document& object, const AuthzDecision& decision) {
  Builder b(object.root());
  b.root().object("metadata");
  Mut status = b.root().object("status");
  status.clear();
  status.set("allowed", decision.allowed);
  if (!decision.reason.empty()) status.set("reason", decision.reason);
  return b.finish();
}

void rule(Mut rules, std::initializer_list<std::string_view> verbs, std::string_view group,
          std::initializer_list<std::string_view> resources) {
  Mut r = rules.append_object();
  for (std::string_view v : verbs) r.array("verbs").append(v);
  r.array("apiGroups").append(group);
  for (std::string_view v : resources) r.array("resources").append(v);
}

void path_rule(Mut rules, std::initializer_list<std::string_view> verbs, std::initializer_list<std::string_view> paths) {
  Mut r = rules.append_object();
  for (std::string_view v : verbs) r.array("verbs").append(v);
  for (std::string_view p : paths) r.array("nonResourceURLs").append(p);
}

Result<Document> review_rules(const Identity& user, const Document& object) {
  if (object["spec"]["namespace"].str().empty()) return api_bad_request("no namespace on request");
  Builder b(object.root());
  Mut out = b.root();
  out.object("metadata");
  out.object("spec").clear();
  Mut status = out.object("status");
  status.clear();
  Mut resources = status.array("resourceRules");
  Mut paths = status.array("nonResourceRules");
  if (in_group(user, "system:masters")) {
    rule(resources, {"*"}, "*", {"*"});
    path_rule(paths, {"*"}, {"*"});
  }
  rule(resources, {"create"}, "authorization.k8s.io", {"selfsubjectaccessreviews", "selfsubjectrulesreviews"});
  rule(resources, {"create"}, "authentication.k8s.io", {"selfsubjectreviews"});
  path_rule(paths, {"get"}, {"/healthz", "/livez", "/readyz", "/version", "/version/"});
  status.set("incomplete", false);
  return b.finish();
}

}  // namespace

bool is_review(const Kind& kind) {
  return kind.group == "authorization.k8s.io" ||
         (kind.group == "authentication.k8s.io" && (kind.resource == "tokenreviews" || kind.resource == "selfsubjectreviews"));
}

Result<Document> answer_review(const Kind& kind, const std::string& ns, const Identity& user, const Document& object,
                               const TokenIssuer& tokens, const Clock& clock) {
  if (kind.resource == "tokenreviews") {
    if (object["spec"]["token"].str().empty()) {
      return api_bad_request("token is required for TokenReview in authentication");
    }
    return tokens.review(object);
  }
  if (kind.resource == "selfsubjectreviews") {
    Builder b(object.root());
    b.root().object("metadata").set("creationTimestamp", clock.now_rfc3339());
    write_user(b.root().object("status").object("userInfo"), user);
    return b.finish();
  }
  if (kind.resource == "selfsubjectrulesreviews") return review_rules(user, object);
  Value spec = object["spec"];
  TRY(check_spec(spec));
  if (kind.resource == "selfsubjectaccessreviews") return with_decision(object, decide(user, attributes_of(spec)));
  Identity subject;
  subject.user = spec["user"].text();
  for (Value g : spec["groups"].items()) subject.groups.push_back(g.text());
  Attributes attributes = attributes_of(spec);
  if (kind.resource == "localsubjectaccessreviews" && attributes.ns != ns) {
    return api_bad_request(cat("spec.resourceAttributes.namespace must match namespace: ", ns));
  }
  if (subject.user.empty() && subject.groups.empty()) {
    FieldErrors errors;
    errors.invalid_raw(Path("spec").at("user"), "\"\"", "at least one of user or group must be specified");
    return errors.to_error("authorization.k8s.io", "", "");
  }
  return with_decision(object, decide(subject, attributes));
}

}  // namespace bramble

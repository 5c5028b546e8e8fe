#include "core/apiserver/reviews.h"

#include <algorithm>

#include "core/apiserver/authn.h"
#include "core/apiserver/review_rules.h"
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
  std::vector<std::pair<std::string, std::vector<std::string>>> extra = user.extra;
  std::sort(extra.begin(), extra.end());
  for (const auto& [key, values] : extra) {
    Mut list = out.object("extra").array(key);
    for (const std::string& v : values) list.append(v);
  }
}

Attributes attributes_of(Value spec) {
  Attributes a;
  Value r = spec["resourceAttributes"];
  if (r) {
    a.verb = r["verb"].text(), a.group = r["group"].text(), a.version = r["version"].text("*");
    a.resource = r["resource"].text(), a.subresource = r["subresource"].text();
    a.ns = r["namespace"].text(), a.name = r["name"].text();
    return a;
  }
  a.resource_request = false;
  a.verb = spec["nonResourceAttributes"]["verb"].text();
  a.path = spec["nonResourceAttributes"]["path"].text();
  return a;
}

Identity subject_of(Value spec) {
  Identity out;
  out.user = spec["user"].text();
  out.uid = spec["uid"].text();
  for (Value g : spec["groups"].items()) out.groups.push_back(g.text());
  for (auto [key, values] : spec["extra"].members()) {
    out.extra.push_back({std::string(key), {}});
    for (Value v : values.items()) out.extra.back().second.push_back(v.text());
  }
  return out;
}

Document with_decision(const Document& object, const AuthzDecision& decision) {
  Builder b(object.root());
  b.root().object("metadata");
  Mut status = b.root().object("status");
  status.clear();
  status.set("allowed", decision.allowed);
  if (!decision.reason.empty()) status.set("reason", decision.reason);
  std::string problems = selector_problems(object["spec"]["resourceAttributes"]);
  if (!problems.empty()) status.set("evaluationError", problems);
  return b.finish();
}

void copy_list(Mut out, std::string_view key, Value list) {
  if (list.size() != 0) out.set(key, list);
}

Result<Document> review_rules(const Authorizer& authorizer, const Identity& user, const Document& object) {
  std::string ns = object["spec"]["namespace"].text();
  if (ns.empty()) return api_bad_request("no namespace on request");
  Builder b(object.root());
  Mut out = b.root();
  out.object("metadata");
  out.object("spec").clear();
  Mut status = out.object("status");
  status.clear();
  Mut resources = status.array("resourceRules");
  Mut paths = status.array("nonResourceRules");
  std::vector<std::string> problems;
  // What the node authorizer allows depends on the pods of the node: it has no list.
  if (is_node(user)) problems.emplace_back("node authorizer does not support user rule resolution");
  std::vector<std::string> missing;
  authorizer.rbac().visit(user, ns,
                          [&](const RbacBinding&, Value rule) {
                            bool path = rule["nonResourceURLs"].size() != 0;
                            if (rule["resources"].size() != 0) {
                              Mut r = resources.append_object();
                              for (const char* key : {"verbs", "apiGroups", "resources", "resourceNames"}) copy_list(r, key, rule[key]);
                            }
                            if (!path) return true;
                            Mut r = paths.append_object();
                            for (const char* key : {"verbs", "nonResourceURLs"}) copy_list(r, key, rule[key]);
                            return true;
                          },
                          &missing);
  if (!missing.empty()) problems.push_back(aggregate_text(missing));
  status.set("incomplete", is_node(user));
  if (!problems.empty()) status.set("evaluationError", aggregate_text(problems));
  return b.finish();
}

// The object's namespace is the request's.
Result<Document> in_namespace(const Kind& kind, const std::string& ns, const Document& object) {
  std::string_view its = namespace_of(object);
  if (its == ns) return object;
  if (kind.namespaced && !its.empty()) {
    return api_bad_request("the namespace of the provided object does not match the namespace sent on the request");
  }
  Builder b(object.root());
  Mut m = b.root().object("metadata");
  if (kind.namespaced) m.set("namespace", ns);
  else m.remove("namespace");
  return b.finish();
}

}  // namespace

bool is_review(const Kind& kind) {
  return kind.group == "authorization.k8s.io" ||
         (kind.group == "authentication.k8s.io" && (kind.resource == "tokenreviews" || kind.resource == "selfsubjectreviews"));
}

Result<Document> answer_review(const Kind& kind, const std::string& ns, const Identity& user, const Document& object,
                               const Authorizer& authorizer, const TokenIssuer& tokens, const Clock& clock) {
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
  if (kind.resource == "selfsubjectrulesreviews") return review_rules(authorizer, user, object);
  TRY_ASSIGN(Document review, in_namespace(kind, ns, object));
  TRY(validate_access_review(kind, review.root()));
  Value spec = review["spec"];
  bool self = kind.resource == "selfsubjectaccessreviews";
  return with_decision(review, authorizer.decide(self ? user : subject_of(spec), attributes_of(spec)));
}

}  // namespace bramble

#include "core/apiserver/rbac_escalation.h"

#include "core/apiserver/default_roles.h"
#include "core/apiserver/rbac_rules.h"
#include "core/registry/api_status.h"

namespace bramble {

namespace {

// What the garbage collector writes is nobody's grant: owners and finalizers.
bool changes_ownership_only(Value object, Value old) {
  if (!old.exists()) return false;
  Builder a(object), b(old);
  for (Mut m : {a.root().object("metadata"), b.root().object("metadata")}) {
    for (const char* key : {"ownerReferences", "finalizers", "managedFields", "selfLink"}) m.remove(key);
  }
  return equal(a.root(), b.root());
}

bool has_aggregation(Value role) { return role["aggregationRule"]["clusterRoleSelectors"].size() != 0; }

class Check {
 public:
  Check(const Authorizer& authorizer, const AdmissionCall& call, Value object, Value old)
      : authorizer_(authorizer), call_(call), object_(object), old_(old), name_(meta(object, "name")) {}

  Status role() const {
    if (may("escalate", call_.kind->resource, call_.name)) return ok();
    if (changes_ownership_only(object_, old_)) return ok();
    TRY(holds(policy_rules(object_["rules"])));
    if (!has_aggregation(object_) && !(old_.exists() && has_aggregation(old_))) return ok();
    if (holds(full_authority()).ok()) return ok();
    return refuse("must have cluster-admin privileges to use the aggregationRule");
  }

  Status binding() const {
    if (changes_ownership_only(object_, old_)) return ok();
    Value ref = object_["roleRef"];
    std::string_view kind = ref["kind"].str();
    RoleRef wanted{kind == "ClusterRole", ref["name"].text()};
    if (!wanted.cluster_role && kind != "Role") return ok();  // validation says so
    std::string_view resource = wanted.cluster_role ? "clusterroles" : "roles";
    if (may("bind", resource, wanted.name)) return ok();
    Document found = authorizer_.rbac().role(wanted, call_.ns);
    if (!found) return api_not_found({kRbacGroup, resource}, wanted.name);
    return holds(policy_rules(found["rules"]));
  }

 private:
  bool may(std::string_view verb, std::string_view resource, std::string_view name) const {
    Attributes a;
    a.verb = verb, a.group = kRbacGroup, a.version = "*", a.resource = resource;
    a.ns = call_.ns, a.name = name;
    return authorizer_.allows(call_.user, a);
  }

  Error refuse(std::string_view why) const { return api_forbidden({kRbacGroup, call_.kind->resource}, name_, why); }

  Status holds(const std::vector<PolicyRule>& rules) const {
    std::vector<PolicyRule> owned;
    std::vector<std::string> problems;
    authorizer_.rbac().visit(call_.user, call_.ns,
                             [&](const RbacBinding&, Value rule) {
                               owned.push_back(PolicyRule::of(rule));
                               return true;
                             },
                             &problems);
    std::vector<PolicyRule> missing = uncovered(owned, rules);
    if (missing.empty()) return ok();
    std::string why = cat("user ", go_quote(call_.user.user), " (groups=", go_quote_list(call_.user.groups),
                          ") is attempting to grant RBAC permissions not currently held:\n", join(compact_texts(missing), "\n"));
    if (!problems.empty()) why += cat("; resolution errors: [", aggregate_text(problems), "]");
    return refuse(why);
  }

  const Authorizer& authorizer_;
  const AdmissionCall& call_;
  Value object_, old_;
  std::string_view name_;
};

}  // namespace

Status check_escalation(const Authorizer& authorizer, const AdmissionCall& call, Mut object, Value old) {
  if (call.kind->group != kRbacGroup || !call.subresource.empty() || is_privileged(call.user)) return ok();
  TRY_ASSIGN(Document next, Document::parse(std::string_view(object.dump())));
  Check check(authorizer, call, next.root(), old);
  bool role = call.kind->resource == "roles" || call.kind->resource == "clusterroles";
  return role ? check.role() : check.binding();
}

}  // namespace bramble

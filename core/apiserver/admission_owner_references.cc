#include "core/apiserver/admission_owner_references.h"

#include "core/base/strings.h"

namespace bramble {

namespace {

Value owners_of(Value object) { return object["metadata"]["ownerReferences"]; }

bool same_owners(Value a, Value b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (!equal(a.item(i), b.item(i))) return false;
  }
  return true;
}

bool was_blocking(Value ref, Value old) {
  for (Value o : owners_of(old).items()) {
    if (o["uid"].str() == ref["uid"].str() && o["blockOwnerDeletion"].boolean()) return true;
  }
  return false;
}

}  // namespace

std::string forbidden_owners(const Authorizer& authorizer, const AdmissionCall& call, Value object, Value old) {
  const Kind& kind = *call.kind;
  const bool pod_status = kind.group.empty() && kind.resource == "pods" && call.subresource == "status";  // it changes no owners
  if (is_privileged(call.user) || pod_status || same_owners(owners_of(object), owners_of(old))) return {};
  Attributes what;
  what.ns = call.ns;
  auto refusal = [&](std::string_view text) -> std::string {
    AuthzDecision decision = authorizer.decide(call.user, what);
    return decision.allowed ? std::string() : cat(text, ": ", decision.reason, ", <nil>");
  };
  if (old) {
    what.verb = "delete", what.group = kind.group, what.version = kind.version, what.resource = kind.resource;
    what.subresource = call.subresource, what.name = call.name;
    if (std::string why = refusal("cannot set an ownerRef on a resource you can't delete"); !why.empty()) return why;
  }
  for (Value ref : owners_of(object).items()) {
    if (!ref["blockOwnerDeletion"].boolean() || was_blocking(ref, old)) continue;
    std::string_view api_version = ref["apiVersion"].str();
    auto parts = cut(api_version, "/");
    std::string_view group = parts ? parts->first : std::string_view(), version = parts ? parts->second : api_version;
    const Kind* owner = find_kind_by_name(group, version, ref["kind"].str());
    if (owner == nullptr) {
      return cat("cannot set blockOwnerDeletion in this case because cannot find RESTMapping for APIVersion ", api_version, " Kind ", ref["kind"].str(),
                 ": no matches for kind ", go_quote(ref["kind"].str()), " in version ", go_quote(api_version));
    }
    what.verb = "update", what.group = group, what.version = version, what.resource = owner->resource;
    what.subresource = "finalizers", what.name = ref["name"].str();
    if (!owner->namespaced) what.ns.clear();
    std::string why = refusal("cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers on");
    if (!why.empty()) return why;
    what.ns = call.ns;
  }
  return {};
}

}  // namespace bramble

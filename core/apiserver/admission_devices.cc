#include "core/apiserver/admission_devices.h"

#include <map>
#include <set>

#include "core/base/strings.h"
#include "core/resources/device_rules.h"
#include "core/resources/names.h"

namespace bramble {

namespace {

constexpr std::string_view kAdminLabel = "resource.kubernetes.io/admin-access", kNodeNameKey = "authentication.kubernetes.io/node-name";

void need_admin_namespace(Value ns, const Path& at, FieldErrors& errors) {
  if (!ns) return errors.internal(at, "could not retrieve namespace to verify admin access: namespace not found");
  if (ns["metadata"]["labels"][kAdminLabel].str() == "true") return;
  errors.forbidden(at, cat("admin access to devices requires the `", kAdminLabel, ": true` label on the containing namespace"));
}

void check_wishes(Value requests, Value ns, FieldErrors& errors) {
  for (size_t i = 0; i < requests.size(); ++i) {
    if (!requests.item(i)["exactly"]["adminAccess"].boolean()) continue;
    return need_admin_namespace(ns, Path("spec").at("devices").at("requests").at(i).at("adminAccess"), errors);
  }
}

// The first result with administrator's access; as many as there are when there is none.
size_t first_admin(Value results) {
  size_t i = 0;
  while (i < results.size() && !results.item(i)["adminAccess"].boolean()) ++i;
  return i;
}

// The node to which the devices belong, "" where they belong to several.
std::string_view node_of(Value allocation) {
  const Value terms = allocation["nodeSelector"]["nodeSelectorTerms"], term = terms.item(0), field = term["matchFields"].item(0);
  if (terms.size() != 1 || term["matchExpressions"].size() != 0 || term["matchFields"].size() != 1) return {};
  const bool by_name = field["key"].str() == "metadata.name" && field["operator"].str() == "In" && field["values"].size() == 1;
  return by_name ? field["values"].item(0).str() : std::string_view();
}

bool is_account_of_node(const Identity& user, std::string_view node) {
  if (node.empty() || user.user.rfind("system:serviceaccount:", 0) != 0) return false;
  for (const auto& [key, values] : user.extra) {
    if (key == kNodeNameKey) return values.size() == 1 && values[0] == node && check_dns1123_subdomain(node).empty();
  }
  return false;
}

// Drivers of which something is new, other or gone.
std::set<std::string> changed_drivers(Value now, Value old) {
  std::set<std::string> out;
  std::map<std::string, Value> before;
  for (Value d : old.items()) before[device_id(d)] = d;
  for (Value d : now.items()) {
    const auto at = before.find(device_id(d));
    if (at == before.end() || !equal(at->second, d)) out.insert(d["driver"].text());
    if (at != before.end()) before.erase(at);
  }
  for (const auto& [id, d] : before) out.insert(d["driver"].text());
  return out;
}

// "" when they may, else why not.
std::string refusal(const Authorizer& authorizer, const Identity& user, Attributes what) {
  const AuthzDecision answer = authorizer.decide(user, what);
  return answer.allowed ? std::string() : forbidden_error(user, what, answer.reason).message();
}

void check_status(const Authorizer& authorizer, const AdmissionCall& call, Value ns, Value status, Value old, FieldErrors& errors) {
  const Path at("status");
  const Value results = status["allocation"]["devices"]["results"], old_results = old["allocation"]["devices"]["results"];
  if (const size_t i = first_admin(results); first_admin(old_results) == old_results.size() && i < results.size())
    need_admin_namespace(ns, at.at("allocation").at("devices").at("results").at(i).at("adminAccess"), errors);
  const std::string verb = call.patches ? "patch" : "update";
  Attributes what;
  what.group = call.kind->group, what.version = call.kind->version, what.resource = call.kind->resource;
  if (!equal(status["allocation"], old["allocation"]) || !equal(status["reservedFor"], old["reservedFor"])) {
    what.verb = verb, what.subresource = "binding";
    if (const std::string why = refusal(authorizer, call.user, what); !why.empty())
      errors.forbidden(at.at("allocation"), cat("changing status.allocation or status.reservedFor requires "
                                                "resource=\"resourceclaims/binding\", verb=\"",
                                                verb, "\" permission: ", why));
  }
  if (!status["allocation"].is_object()) return;
  std::vector<std::string> verbs;
  if (is_account_of_node(call.user, node_of(status["allocation"]))) verbs.push_back(cat("associated-node:", verb));
  verbs.push_back(cat("arbitrary-node:", verb));
  what.subresource = "driver", what.ns = call.ns;
  for (const std::string& driver : changed_drivers(status["devices"], old["devices"])) {
    std::string first;
    bool may = false;
    for (const std::string& v : verbs) {
      what.verb = v, what.name = driver;
      const std::string why = refusal(authorizer, call.user, what);
      may = may || why.empty();
      if (first.empty()) first = why;
    }
    if (!may)
      errors.forbidden(at.at("devices"), cat("changing status.devices requires resource=\"resourceclaims/driver\", verb=\"[", join(verbs, " "),
                                             "]\" permission: ", first));
  }
}

}  // namespace

void stamp_device_taints(Mut slice, const std::string& now) {
  for (Mut device : slice["spec"]["devices"].items()) {
    for (Mut taint : device["taints"].items())
      if (!taint.has("timeAdded")) taint.set("timeAdded", now);
  }
}

void check_device_access(const Authorizer& authorizer, const AdmissionCall& call, Value ns, Value object, Value old, FieldErrors& errors) {
  if (call.subresource == "status") return check_status(authorizer, call, ns, object["status"], old["status"], errors);
  if (old || !call.subresource.empty()) return;  // the spec cannot change
  const Value spec = call.kind->resource == "resourceclaims" ? object["spec"] : object["spec"]["spec"];
  check_wishes(spec["devices"]["requests"], ns, errors);
}

}  // namespace bramble

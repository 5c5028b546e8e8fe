#include "core/apiserver/node_authorizer.h"

#include <algorithm>
#include <initializer_list>

#include "core/apiserver/default_roles.h"
#include "core/apiserver/rbac_rules.h"
#include "core/resources/pod_references.h"
#include "core/resources/selector.h"

namespace bramble {

namespace {

using Answer = NodeAuthorizer::Answer;

constexpr std::string_view kLeaseNamespace = "kube-node-lease";

bool one_of(std::string_view verb, std::initializer_list<std::string_view> verbs) { return std::find(verbs.begin(), verbs.end(), verb) != verbs.end(); }

Answer yes() { return {true, ""}; }
Answer no(std::string reason = {}) { return {false, std::move(reason)}; }

bool selects(const Attributes& what, std::string_view field, std::string_view value) {
  auto selector = FieldSelector::parse(what.field_selector);
  if (!selector.ok()) return false;
  for (const FieldSelector::Term& t : selector->terms)
    if (t.equals && t.field == field && t.value == value) return true;
  return false;
}

Answer decide_lease(std::string_view node, const Attributes& what) {
  if (!one_of(what.verb, {"get", "create", "update", "patch", "delete"})) return no("can only get, create, update, patch, or delete a node lease");
  if (what.ns != kLeaseNamespace) return no(cat("can only access leases in the ", go_quote(kLeaseNamespace), " system namespace"));
  if (what.verb != "create" && what.name != node) return no("can only access node lease with the same name as the requesting node");
  return yes();
}

Answer decide_csi_node(std::string_view node, const Attributes& what) {
  if (!one_of(what.verb, {"get", "create", "update", "patch", "delete"})) return no("can only get, create, update, patch, or delete a CSINode");
  if (!what.subresource.empty()) return no("cannot authorize CSINode subresources");
  if (what.verb != "create" && what.name != node) return no("can only access CSINode with the same name as the requesting node");
  return yes();
}

// Which node it writes to is NodeRestriction's business (admission_nodes.h).
Answer decide_node(std::string_view node, const Attributes& what) {
  if (what.subresource.empty() && one_of(what.verb, {"create", "update", "patch"})) return yes();
  if (what.subresource.empty() && one_of(what.verb, {"get", "list", "watch"})) {
    if (what.name == node) return yes();
    if (what.name.empty()) return no(cat("node '", node, "' cannot read all nodes, only its own Node object"));
    return no(cat("node '", node, "' cannot read '", what.name, "', only its own Node object"));
  }
  return what.subresource == "status" && one_of(what.verb, {"update", "patch"}) ? yes() : no();
}

}  // namespace

NodeAuthorizer::NodeAuthorizer(Registry& registry) : registry_(registry), role_(default_cluster_role("system:node")) {}

Document NodeAuthorizer::find(std::string_view group, std::string_view resource, std::string_view ns, std::string_view name) const {
  const Kind* kind = find_kind(group, "v1", resource);
  return kind == nullptr ? Document() : registry_.get(*kind, ns, name);
}

bool NodeAuthorizer::runs_pod(std::string_view node, std::string_view ns, const std::function<bool(Value pod)>& that) const {
  const Kind* pods = find_kind("", "v1", "pods");
  bool found = false;
  registry_.cache().view().range(registry_prefix(*pods, ns), "", 0, [&](const EntryRef& entry) {
    Value pod = entry->document.root();
    if (pod["spec"]["nodeName"].str() != node) return true;
    // A mirror pod gives its node nothing: the node itself makes it.
    if (pod["metadata"]["annotations"].has("kubernetes.io/config.mirror")) return true;
    found = that(pod);
    return !found;
  });
  return found;
}

bool NodeAuthorizer::uses_claim(std::string_view node, std::string_view ns, std::string_view name) const {
  return runs_pod(node, ns, [&](Value pod) { return refers_to(visit_pod_claims, pod, name); });
}

bool NodeAuthorizer::uses_secret(std::string_view node, std::string_view ns, std::string_view name) const {
  if (runs_pod(node, ns, [&](Value pod) { return refers_to(visit_pod_secrets, pod, name); })) return true;
  const Kind* volumes = find_kind("", "v1", "persistentvolumes");
  bool found = false;
  registry_.cache().view().range(registry_prefix(*volumes, ""), "", 0, [&](const EntryRef& entry) {
    Value volume = entry->document.root();
    bool names_it = false;
    visit_volume_secrets(volume, [&](std::string_view its_ns, std::string_view its_name) {
      names_it = its_ns == ns && its_name == name;
      return !names_it;
    });
    Value claim = volume["spec"]["claimRef"];
    found = names_it && claim && uses_claim(node, claim["namespace"].str(), claim["name"].str());
    return !found;
  });
  return found;
}

bool NodeAuthorizer::related(std::string_view node, const Attributes& what) const {
  auto by_pod = [&](void (*visit)(Value, const NameVisitor&)) {
    return runs_pod(node, what.ns, [&](Value pod) { return refers_to(visit, pod, what.name); });
  };
  const std::string& r = what.resource;
  if (r == "secrets") return uses_secret(node, what.ns, what.name);
  if (r == "configmaps") return by_pod(visit_pod_config_maps);
  if (r == "persistentvolumeclaims") return uses_claim(node, what.ns, what.name);
  if (r == "resourceclaims") return by_pod(visit_pod_resource_claims);
  if (r == "serviceaccounts") return runs_pod(node, what.ns, [&](Value pod) { return pod["spec"]["serviceAccountName"].str() == what.name; });
  if (r == "pods") return find("", "pods", what.ns, what.name)["spec"]["nodeName"].str() == node;
  if (r == "volumeattachments") return find("storage.k8s.io", "volumeattachments", "", what.name)["spec"]["nodeName"].str() == node;
  if (r == "resourceslices") return find("resource.k8s.io", "resourceslices", "", what.name)["spec"]["nodeName"].str() == node;
  if (r == "persistentvolumes") {
    Document volume = find("", "persistentvolumes", "", what.name);
    Value claim = volume["spec"]["claimRef"];
    return claim && uses_claim(node, claim["namespace"].str(), claim["name"].str());
  }
  return false;
}

Answer NodeAuthorizer::if_related(const std::string& node, const Attributes& what) const {
  if (what.name.empty()) return no("No Object name found");
  return related(node, what) ? yes() : no(cat("no relationship found between node '", node, "' and this object"));
}

Answer NodeAuthorizer::decide_get(const std::string& node, const Attributes& what) const {
  if (what.verb != "get") return no("can only get individual resources of this type");
  if (!what.subresource.empty()) return no("cannot get subresource");
  return if_related(node, what);
}

Answer NodeAuthorizer::decide_read(const std::string& node, const Attributes& what) const {
  if (!one_of(what.verb, {"get", "list", "watch"})) return no("can only read resources of this type");
  if (!what.subresource.empty()) return no("cannot read subresource");
  if (what.ns.empty()) return no("can only read namespaced object of this type");
  return if_related(node, what);
}

Answer NodeAuthorizer::decide_account(const std::string& node, const Attributes& what) const {
  if (what.verb == "get" && what.subresource.empty()) return decide_read(node, what);
  if (what.verb != "create" || what.name.empty()) return no("can only create tokens for individual service accounts");
  if (what.subresource != "token") return no("can only create token subresource of serviceaccount");
  return if_related(node, what);
}

Answer NodeAuthorizer::decide_slice(const std::string& node, const Attributes& what) const {
  if (!what.subresource.empty()) return no("cannot authorize ResourceSlice subresources");
  if (what.verb == "create") return yes();  // NodeRestriction looks at its node
  if (one_of(what.verb, {"get", "update", "patch", "delete"})) return if_related(node, what);
  if (!one_of(what.verb, {"watch", "list", "deletecollection"})) {
    return no("only the following verbs are allowed for a ResourceSlice: get, watch, list, create, update, patch, delete, deletecollection");
  }
  return selects(what, "spec.nodeName", node) || selects(what, "nodeName", node) ? yes() : no("can only list/watch/deletecollection resourceslices with nodeName field selector");
}

Answer NodeAuthorizer::decide_pod(const std::string& node, const Attributes& what) const {
  if (what.subresource == "status") return one_of(what.verb, {"update", "patch"}) ? yes() : no();
  if (what.subresource == "eviction") return what.verb == "create" ? yes() : no();
  if (!what.subresource.empty()) return no();
  if (what.verb == "get") return decide_get(node, what);
  if (one_of(what.verb, {"list", "watch"})) {
    if (selects(what, "spec.nodeName", node)) return yes();
    return what.name.empty() ? no("can only list/watch pods with spec.nodeName field selector") : if_related(node, what);
  }
  return one_of(what.verb, {"create", "delete"}) ? yes() : no();  // of mirror pods and its own: NodeRestriction
}

Answer NodeAuthorizer::decide(const std::string& node, const Attributes& what) const {
  if (what.resource_request) {
    const std::string &g = what.group, &r = what.resource;
    if (g.empty() && (r == "secrets" || r == "configmaps")) return decide_read(node, what);
    if (g.empty() && r == "persistentvolumeclaims" && what.subresource == "status") {
      return one_of(what.verb, {"update", "patch"}) ? if_related(node, what) : no("can only get/update/patch this type");
    }
    if (g.empty() && (r == "persistentvolumeclaims" || r == "persistentvolumes")) return decide_get(node, what);
    if (g == "resource.k8s.io" && r == "resourceclaims") return decide_get(node, what);
    if (g == "storage.k8s.io" && r == "volumeattachments") return decide_get(node, what);
    if (g.empty() && r == "serviceaccounts") return decide_account(node, what);
    if (g == "coordination.k8s.io" && r == "leases") return decide_lease(node, what);
    if (g == "storage.k8s.io" && r == "csinodes") return decide_csi_node(node, what);
    if (g == "resource.k8s.io" && r == "resourceslices") return decide_slice(node, what);
    if (g.empty() && r == "nodes") return decide_node(node, what);
    if (g.empty() && r == "pods") return decide_pod(node, what);
  }
  for (Value rule : role_["rules"].items())
    if (rule_allows(rule, what)) return yes();
  return no();
}

}  // namespace bramble

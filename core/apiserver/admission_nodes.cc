#include "core/apiserver/admission_nodes.h"

#include <algorithm>
#include <set>

#include "core/apiserver/authz.h"
#include "core/registry/api_status.h"
#include "core/resources/node_labels.h"
#include "core/resources/pod_references.h"

namespace bramble {

namespace {

constexpr const char* kMirror = "kubernetes.io/config.mirror";
constexpr std::string_view kLeaseNamespace = "kube-node-lease";

// Labels that differ and that no node may change, sorted.
std::vector<std::string> forbidden_labels(Value now, Value old) {
  std::set<std::string> changed;
  for (auto [key, value] : now.members())
    if (!old.has(key) || old[key].str() != value.str()) changed.insert(std::string(key));
  for (auto [key, value] : old.members())
    if (!now.has(key)) changed.insert(std::string(key));
  std::vector<std::string> out;
  for (const std::string& key : changed)
    if (is_restriction_label(key) || (is_kubernetes_label(key) && !is_kubelet_label(key))) out.push_back(key);
  return out;
}

std::string operation_text(Operation o) { return o == Operation::kCreate ? "CREATE" : o == Operation::kUpdate ? "UPDATE" : "DELETE"; }

std::string node_fault(const std::string& node, const AdmissionCall& call, const std::string& name, Value object, Value old) {
  if (name != node) return cat("node ", go_quote(node), " is not allowed to modify node ", go_quote(name));
  Value labels = object["metadata"]["labels"];
  if (call.operation == Operation::kCreate) {
    if (object["spec"]["configSource"].is_object()) return cat("node ", go_quote(node), " is not allowed to create pods with a non-nil configSource");
    auto wrong = forbidden_labels(labels, Value());
    if (!wrong.empty()) return cat("node ", go_quote(node), " is not allowed to set the following labels: ", join(wrong, ", "));
  }
  if (call.operation == Operation::kUpdate) {
    Value source = object["spec"]["configSource"];
    if (source.is_object() && !equal(source, old["spec"]["configSource"])) return cat("node ", go_quote(node), " is not allowed to update configSource to a new non-nil configSource");
    Value taints = object["spec"]["taints"], had = old["spec"]["taints"];
    if ((taints.size() != 0 || had.size() != 0) && !equal(taints, had)) return cat("node ", go_quote(node), " is not allowed to modify taints");
    auto wrong = forbidden_labels(labels, old["metadata"]["labels"]);
    if (!wrong.empty()) return cat("is not allowed to modify labels: ", join(wrong, ", "));
  }
  return {};
}

// All but what a kubelet may tell of a claim.
Document without_told(Value claim) {
  Builder b(claim);
  Mut m = b.root().object("metadata"), status = b.root().object("status");
  m.remove("resourceVersion");
  m.remove("managedFields");
  for (const char* told : {"capacity", "conditions", "allocatedResourceStatuses", "allocatedResources"}) status.remove(told);
  return b.finish();
}

std::string claim_fault(const std::string& node, const AdmissionCall& call, Value object, Value old) {
  if (call.subresource != "status") return "may only update PVC status";
  if (call.operation != Operation::kUpdate) return cat("unexpected operation ", go_quote(operation_text(call.operation)));
  if (equal(without_told(object).root(), without_told(old).root())) return {};
  return cat("node ", go_quote(node), " is not allowed to update fields other than status.capacity and status.conditions");
}

std::string lease_fault(const std::string& node, const AdmissionCall& call, const std::string& name) {
  if (call.ns != kLeaseNamespace) return cat("can only access leases in the ", go_quote(kLeaseNamespace), " system namespace");
  return name == node ? "" : "can only access node lease with the same name as the requesting node";
}

std::string status_fault(const std::string& node, const AdmissionCall& call, Value pod, Value old) {
  if (call.operation != Operation::kUpdate) return cat("unexpected operation ", go_quote(operation_text(call.operation)));
  if (old["spec"]["nodeName"].str() != node) return cat("node ", go_quote(node), " can only update pod status for pods with spec.nodeName set to itself");
  Value labels = pod["metadata"]["labels"], had = old["metadata"]["labels"];
  if ((labels.size() != 0 || had.size() != 0) && !equal(labels, had)) return cat("node ", go_quote(node), " cannot update labels through pod status");
  Value claims = pod["status"]["resourceClaimStatuses"], were = old["status"]["resourceClaimStatuses"];
  if ((claims.size() != 0 || were.size() != 0) && !equal(claims, were)) return cat("node ", go_quote(node), " cannot update resource claim statues");
  return {};
}

// "" or why a pod is not the node's own by its owner reference.
std::string owner_fault(const std::string& node, Value owners, std::string_view uid) {
  std::string who = cat("node ", go_quote(node));
  if (owners.size() > 1) return cat(who, " can only create pods with a single owner reference set to itself");
  Value owner = owners.item(0);
  if (owner["apiVersion"].str() != "v1" || owner["kind"].str() != "Node" || owner["name"].str() != node) {
    return cat(who, " can only create pods with an owner reference set to itself");
  }
  if (!owner["controller"].boolean()) return cat(who, " can only create pods with a controller owner reference set to itself");
  if (owner["blockOwnerDeletion"].boolean()) return cat(who, " must not set blockOwnerDeletion on an owner reference");
  if (owner["uid"].str() != uid) return cat("node ", node, " UID mismatch: expected ", owner["uid"].str(), " got ", uid);
  return {};
}

bool has_any(void (*visit)(Value, const NameVisitor&), Value pod) {
  bool any = false;
  visit(pod, [&](std::string_view) {
    any = true;
    return false;
  });
  return any;
}

}  // namespace

Document NodeRestriction::find(std::string_view group, std::string_view resource, std::string_view ns, std::string_view name) const {
  const Kind* kind = find_kind(group, "v1", resource);
  return kind == nullptr ? Document() : registry_.get(*kind, ns, name);
}

std::string NodeRestriction::new_pod_fault(const std::string& node, Value pod, Status* missing) const {
  std::string who = cat("node ", go_quote(node));
  if (!pod["metadata"]["annotations"].has(kMirror)) return cat("pod does not have ", go_quote(kMirror), " annotation, ", who, " can only create mirror pods");
  if (pod["spec"]["nodeName"].str() != node) return cat(who, " can only create pods with spec.nodeName set to itself");
  Value owners = pod["metadata"]["ownerReferences"];
  if (owners.size() == 1) {
    Document there = find("", "nodes", "", node);
    if (!there) {
      *missing = api_not_found({"", "nodes"}, node);
      return {};
    }
    std::string fault = owner_fault(node, owners, uid_of(there));
    if (!fault.empty()) return fault;
  } else {
    return owner_fault(node, owners, "");
  }
  if (!pod["spec"]["serviceAccountName"].str().empty()) return cat(who, " can not create pods that reference a service account");
  if (has_any(visit_pod_secrets, pod)) return cat(who, " can not create pods that reference secrets");
  if (has_any(visit_pod_config_maps, pod)) return cat(who, " can not create pods that reference configmaps");
  for (Value v : pod["spec"]["volumes"].items()) {
    for (Value s : v["projected"]["sources"].items())
      if (s["clusterTrustBundle"]) return cat(who, " can not create pods that reference clustertrustbundles");
  }
  for (Value v : pod["spec"]["volumes"].items())
    if (v["persistentVolumeClaim"]) return cat(who, " can not create pods that reference persistentvolumeclaims");
  return {};
}

std::string NodeRestriction::pod_fault(const std::string& node, const AdmissionCall& call, Value pod, Value old, Status* missing) const {
  const std::string& sub = call.subresource;
  if (sub == "status") return status_fault(node, call, pod, old);
  if (sub == "eviction" || (sub.empty() && call.operation == Operation::kDelete)) {
    std::string name = call.name.empty() ? std::string(meta(pod, "name")) : call.name;
    Document there = find("", "pods", call.ns, name);
    if (!there) {
      *missing = api_not_found({"", "pods"}, name);
      return {};
    }
    if (there["spec"]["nodeName"].str() == node) return {};
    return sub.empty() ? cat("node ", go_quote(node), " can only delete pods with spec.nodeName set to itself")
                       : cat("node ", node, " can only evict pods with spec.nodeName set to itself");
  }
  if (!sub.empty()) return cat("unexpected pod subresource ", go_quote(sub), ", only 'status' and 'eviction' are allowed");
  if (call.operation == Operation::kCreate) return new_pod_fault(node, pod, missing);
  return cat("unexpected operation ", go_quote(operation_text(call.operation)), ", node ", go_quote(node), " can only create and delete mirror pods");
}

bool NodeRestriction::driver_wants_token(std::string_view driver, std::string_view audience) const {
  Document csi = find("storage.k8s.io", "csidrivers", "", driver);
  for (Value t : csi["spec"]["tokenRequests"].items())
    if (t["audience"].str() == audience) return true;
  return false;
}

bool NodeRestriction::uses_audience(Value pod, std::string_view audience) const {
  for (Value v : pod["spec"]["volumes"].items()) {
    for (Value s : v["projected"]["sources"].items()) {
      if (s["serviceAccountToken"] && s["serviceAccountToken"]["audience"].str() == audience) return true;
    }
    if (v["csi"] && driver_wants_token(v["csi"]["driver"].str(), audience)) return true;
  }
  bool wanted = false;
  visit_pod_claims(pod, [&](std::string_view name) {
    Document claim = find("", "persistentvolumeclaims", meta(pod, "namespace"), name);
    Document volume = find("", "persistentvolumes", "", claim["spec"]["volumeName"].str());
    Value csi = volume["spec"]["csi"];
    wanted = csi && driver_wants_token(csi["driver"].str(), audience);
    return !wanted;
  });
  return wanted;
}

std::string NodeRestriction::token_fault(const std::string& node, const AdmissionCall& call, Value request, Status* missing) const {
  if (call.operation != Operation::kCreate || call.subresource != "token") return {};
  Value ref = request["spec"]["boundObjectRef"];
  if (ref["apiVersion"].str() != "v1" || ref["kind"].str() != "Pod" || ref["name"].str().empty()) return "node requested token not bound to a pod";
  if (ref["uid"].str().empty()) return "node requested token with a pod binding without a uid";
  Document pod = find("", "pods", call.ns, ref["name"].str());
  if (!pod) {
    *missing = api_not_found({"", "pods"}, ref["name"].str());
    return {};
  }
  if (ref["uid"].str() != uid_of(pod)) {
    return cat("the UID in the bound object reference (", ref["uid"].str(), ") does not match the UID in record. The object might have been deleted and then recreated");
  }
  if (pod["spec"]["nodeName"].str() != node) return "node requested token bound to a pod scheduled on a different node";
  Value audiences = request["spec"]["audiences"];
  if (audiences.size() > 1) return "node may only request 0 or 1 audiences";
  std::string audience = audiences.size() == 1 ? audiences.item(0).text() : std::string();
  if (uses_audience(pod.root(), audience)) return {};
  Attributes what;
  what.verb = "request-serviceaccounts-token-audience", what.version = "v1", what.resource = audience, what.ns = call.ns, what.name = call.name;
  if (authorizer_.allows(call.user, what)) return {};
  return cat("audience ", go_quote(audience), " not found in pod spec volume, ", call.user.user, " is not authorized to request tokens for this audience");
}

Status NodeRestriction::check(const AdmissionCall& call, Mut object, Value old) const {
  if (!is_node(call.user)) return ok();
  const std::string node = node_name_of(call.user);
  const Kind& kind = *call.kind;
  Status missing = ok();
  std::string fault;
  Document made;  // plug-ins of others complete it later
  if (object) {
    Builder copy;
    copy.set_root(object);
    made = copy.finish();
  }
  const std::string name = call.name.empty() ? std::string(name_of(made)) : call.name;  // of what is made
  if (kind.group.empty() && kind.resource == "pods") fault = pod_fault(node, call, made.root(), old, &missing);
  else if (kind.group.empty() && kind.resource == "nodes") fault = node_fault(node, call, name, made.root(), old);
  else if (kind.group.empty() && kind.resource == "persistentvolumeclaims") fault = claim_fault(node, call, made.root(), old);
  else if (kind.group.empty() && kind.resource == "serviceaccounts") fault = token_fault(node, call, made.root(), &missing);
  else if (kind.group == "coordination.k8s.io" && kind.resource == "leases") fault = lease_fault(node, call, name);
  else if (kind.group == "storage.k8s.io" && kind.resource == "csinodes") fault = name == node ? "" : "can only access CSINode with the same name as the requesting node";
  else if (kind.group == "resource.k8s.io" && kind.resource == "resourceslices" && call.operation == Operation::kCreate) {
    if (made["spec"]["nodeName"].str() != node) fault = "can only create ResourceSlice with the same NodeName as the requesting node";
  }
  TRY(missing);
  if (fault.empty()) return ok();
  return api_forbidden({kind.group, kind.resource}, name, fault);
}

}  // namespace bramble

#include "core/base/limits.h"
#include "core/apiserver/admission.h"

#include "core/apiserver/admission_limits.h"
#include "core/apiserver/admission_runtime_class.h"
#include "core/apiserver/rbac_escalation.h"
#include "core/registry/api_status.h"

namespace bramble {

namespace {

constexpr std::string_view kTokenPath = "/var/run/secrets/kubernetes.io/serviceaccount";

bool is(const Kind& kind, std::string_view group, std::string_view resource) {
  return kind.group == group && kind.resource == resource;
}

bool is_mirror(Mut pod) { return pod["metadata"]["annotations"].has("kubernetes.io/config.mirror"); }

bool mounts_token_path(Mut container) {
  for (Mut m : container["volumeMounts"].items()) {
    if (m["mountPath"].str() == kTokenPath) return true;
  }
  return false;
}

struct BuiltinPriority {
  std::string_view name;
  int64_t value;
};
constexpr BuiltinPriority kBuiltinPriorities[] = {{"system-cluster-critical", 2000000000}, {"system-node-critical", 2000001000}};

}  // namespace

Document Admission::find(std::string_view group, std::string_view version, std::string_view resource, std::string_view ns,
                         std::string_view name) const {
  const Kind* kind = find_kind(group, version, resource);
  return kind == nullptr ? Document() : registry_.get(*kind, ns, name);
}

Status Admission::admit(const AdmissionCall& call, Mut object, Value old) const {
  TRY(check_namespace(call, object));
  TRY(check_escalation(authorizer_, call, object, old));
  if (is(*call.kind, "", "nodes") && call.operation == Operation::kCreate) taint_new_node(object);
  if (!call.subresource.empty()) return ok();
  const bool create = call.operation == Operation::kCreate;
  if (is(*call.kind, "", "persistentvolumeclaims") && !(old && old["metadata"]["deletionTimestamp"])) {
    std::string broken = broken_claim_limits(limit_ranges(call.ns), object);
    if (!broken.empty()) return api_forbidden({"", "persistentvolumeclaims"}, object["metadata"]["name"].str(), broken);
  }
  if (!is(*call.kind, "", "pods")) return ok();
  std::vector<Document> limits;
  if (create) limits = limit_ranges(call.ns);
  default_from_limits(limits, object);
  if (create) TRY(service_account(call, object));
  default_tolerations(object);
  TRY(priority(call, object, old));
  if (create) TRY(runtime_class(object));
  std::string broken = broken_pod_limits(limits, object);
  if (!broken.empty()) return api_forbidden({"", "pods"}, object["metadata"]["name"].str(), broken);
  return ok();
}

std::vector<Document> Admission::limit_ranges(const std::string& ns) const {
  std::vector<Document> out;
  registry_.cache().view().range(registry_prefix(*find_kind("", "v1", "limitranges"), ns), "", 0, [&](const EntryRef& entry) {
    out.push_back(entry->document);
    return true;
  });
  return out;
}

Status Admission::runtime_class(Mut pod) const {
  std::string name = pod["spec"]["runtimeClassName"].text();
  Document runtime_class;
  std::string broken;
  if (!name.empty()) {
    runtime_class = find("node.k8s.io", "v1", "runtimeclasses", "", name);
    if (!runtime_class) broken = cat("pod rejected: RuntimeClass ", go_quote(name), " not found");
  }
  if (broken.empty()) broken = apply_runtime_class(runtime_class, pod);
  if (!broken.empty()) return api_forbidden({"", "pods"}, pod["metadata"]["name"].str(), broken);
  return ok();
}

Status Admission::admit_delete(const AdmissionCall& call) const {
  if (!is(*call.kind, "", "namespaces")) return ok();
  for (std::string_view kept : {"default", "kube-system", "kube-public"}) {
    if (call.name == kept) return api_forbidden({"", "namespaces"}, call.name, "this namespace may not be deleted");
  }
  return ok();
}

Status Admission::check_namespace(const AdmissionCall& call, Mut object) const {
  const Kind& kind = *call.kind;
  if (!kind.namespaced || call.ns.empty() || is(kind, "authorization.k8s.io", "localsubjectaccessreviews")) return ok();
  Document ns = find("", "v1", "namespaces", "", call.ns);
  if (!ns) return api_not_found({"", "namespaces"}, call.ns);
  if (call.operation != Operation::kCreate || ns["status"]["phase"].str() != "Terminating") return ok();
  StatusDetails details;
  details.present = true;
  details.name = object["metadata"]["name"].text(), details.group = kind.group, details.kind = kind.resource;
  details.causes.push_back({"NamespaceTerminating", cat("namespace ", call.ns, " is being terminated"), "metadata.namespace"});
  ResourceName resource{kind.group, kind.resource};
  std::string about = details.name.empty() ? resource.text() : cat(resource.text(), " ", go_quote(details.name));
  return status_failure(Code::kPermissionDenied,
                        cat(about, " is forbidden: unable to create new content in namespace ", call.ns,
                            " because it is being terminated"),
                        details);
}

void default_tolerations(Mut pod) {
  for (std::string_view key : {"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"}) {
    bool has = false;
    Mut list = pod.object("spec").array("tolerations");
    for (Mut t : list.items()) {
      std::string_view its = t["key"].str(), effect = t["effect"].str();
      has = has || ((its == key || its.empty()) && (effect == "NoExecute" || effect.empty()));
    }
    if (has) continue;
    Mut t = list.append_object();
    t.set("key", key);
    t.set("operator", "Exists");
    t.set("effect", "NoExecute");
    t.set("tolerationSeconds", 300);
  }
}

void taint_new_node(Mut node) {
  Mut taints = node.object("spec").array("taints");
  for (Mut t : taints.items()) {
    if (t["key"].str() == "node.kubernetes.io/not-ready" && t["effect"].str() == "NoSchedule") return;
  }
  Mut taint = taints.append_object();
  taint.set("key", "node.kubernetes.io/not-ready");
  taint.set("effect", "NoSchedule");
}

void mount_token(Mut pod, const std::string& volume_name) {
  Mut spec = pod.object("spec");
  bool mounted = false;
  for (const char* list : {"initContainers", "containers"}) {
    for (Mut container : spec[list].items()) {
      if (mounts_token_path(container)) continue;
      Mut mount = container.array("volumeMounts").append_object();
      mount.set("name", volume_name);
      mount.set("readOnly", true);
      mount.set("mountPath", kTokenPath);
      mounted = true;
    }
  }
  if (!mounted) return;
  Mut volume = spec.array("volumes").append_object();
  volume.set("name", volume_name);
  Mut projected = volume.object("projected");
  Mut sources = projected.array("sources");
  Mut token = sources.append_object().object("serviceAccountToken");
  token.set("expirationSeconds", limits::kTokenPodSeconds);
  token.set("path", "token");
  Mut ca = sources.append_object().object("configMap");
  ca.set("name", "kube-root-ca.crt");
  Mut ca_item = ca.array("items").append_object();
  ca_item.set("key", "ca.crt");
  ca_item.set("path", "ca.crt");
  Mut ns = sources.append_object().object("downwardAPI").array("items").append_object();
  ns.set("path", "namespace");
  Mut field = ns.object("fieldRef");
  field.set("apiVersion", "v1");
  field.set("fieldPath", "metadata.namespace");
  projected.set("defaultMode", 420);
}

Status Admission::service_account(const AdmissionCall& call, Mut pod) const {
  Mut spec = pod.object("spec");
  if (is_mirror(pod)) return ok();
  std::string name = spec["serviceAccountName"].text(spec["serviceAccount"].str());
  if (name.empty()) name = spec["serviceAccount"].text();
  if (name.empty()) name = "default";
  spec.set("serviceAccountName", name);
  spec.set("serviceAccount", name);
  Document account = find("", "v1", "serviceaccounts", call.ns, name);
  if (!account) {
    return api_forbidden({"", "pods"}, pod["metadata"]["name"].str(),
                         cat("error looking up service account ", call.ns, "/", name, ": serviceaccount ", go_quote(name),
                             " not found"));
  }
  bool automount = account["automountServiceAccountToken"].boolean(true);
  automount = spec["automountServiceAccountToken"].boolean(automount);
  if (automount) mount_token(pod, cat("kube-api-access-", registry_.random().suffix(5)));
  if (spec["imagePullSecrets"].size() == 0 && account["imagePullSecrets"].size() != 0) {
    spec.set("imagePullSecrets", account["imagePullSecrets"]);
  }
  return ok();
}

Status Admission::priority(const AdmissionCall& call, Mut pod, Value old) const {
  Mut spec = pod.object("spec");
  if (call.operation != Operation::kCreate) {
    // What admission gave once stays; a client may leave it out.
    for (const char* key : {"priority", "preemptionPolicy"}) {
      if (!spec.has(key) && old["spec"][key]) spec.set(key, old["spec"][key]);
    }
    return ok();
  }
  int64_t value = 0;
  std::string policy = "PreemptLowerPriority";
  std::string name = spec["priorityClassName"].text();
  ResourceName pods{"", "pods"};
  if (name.empty()) {
    const Kind* classes = find_kind("scheduling.k8s.io", "v1", "priorityclasses");
    if (classes != nullptr) {
      registry_.cache().view().range(registry_prefix(*classes, ""), "", 0, [&](const EntryRef& entry) {
        const Document& c = entry->document;
        if (!c["globalDefault"].boolean() || (!name.empty() && c["value"].integer() >= value)) return true;
        name = name_of(c);
        value = c["value"].integer();
        policy = c["preemptionPolicy"].text("PreemptLowerPriority");
        return true;
      });
    }
    if (!name.empty()) spec.set("priorityClassName", name);
  } else {
    Document c = find("scheduling.k8s.io", "v1", "priorityclasses", "", name);
    bool found = static_cast<bool>(c);
    if (found) {
      value = c["value"].integer();
      policy = c["preemptionPolicy"].text("PreemptLowerPriority");
    }
    for (const BuiltinPriority& builtin : kBuiltinPriorities) {
      if (found || name != builtin.name) continue;
      value = builtin.value;
      found = true;
    }
    if (!found) {
      return api_forbidden(pods, pod["metadata"]["name"].str(), cat("no PriorityClass with name ", name, " was found"));
    }
  }
  if (spec.has("priority") && spec["priority"].integer() != value) {
    return api_forbidden(pods, pod["metadata"]["name"].str(),
                         cat("the integer value of priority (", spec["priority"].integer(),
                             ") must not be provided in pod spec; priority admission controller computed ", value,
                             " from the given PriorityClass name"));
  }
  if (spec.has("preemptionPolicy") && spec["preemptionPolicy"].str() != policy) {
    return api_forbidden(pods, pod["metadata"]["name"].str(),
                         cat("the string value of PreemptionPolicy (", spec["preemptionPolicy"].str(),
                             ") must not be provided in pod spec; priority admission controller computed ", policy,
                             " from the given PriorityClass name"));
  }
  spec.set("priority", value);
  spec.set("preemptionPolicy", policy);
  return ok();
}

}  // namespace bramble

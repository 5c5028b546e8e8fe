#include "core/base/limits.h"
#include "core/apiserver/admission.h"

#include "core/apiserver/admission_certificates.h"
#include "core/apiserver/admission_defaults.h"
#include "core/apiserver/admission_devices.h"
#include "core/apiserver/admission_limit_range.h"
#include "core/apiserver/admission_nodes.h"
#include "core/apiserver/admission_owner_references.h"
#include "core/apiserver/admission_pod_security.h"
#include "core/apiserver/admission_runtime_class.h"
#include "core/apiserver/admission_service_account.h"
#include "core/apiserver/join_limit.h"
#include "core/apiserver/rbac_escalation.h"
#include "core/registry/api_status.h"
#include "core/resources/pod_view.h"

namespace bramble {

namespace {

constexpr std::string_view kTokenPath = "/var/run/secrets/kubernetes.io/serviceaccount", kTokenVolume = "kube-api-access-";

bool is(const Kind& kind, std::string_view group, std::string_view resource) {
  return kind.group == group && kind.resource == resource;
}

// Of an object that may have no name yet.
std::string shown_name(Mut object) {
  std::string name = object["metadata"]["name"].text();
  if (name.empty()) name = object["metadata"]["generateName"].text();
  return name.empty() ? "Unknown" : name;
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

Admission::Admission(Registry& registry, const Authorizer& authorizer)
    : registry_(registry),
      authorizer_(authorizer),
      nodes_(std::make_unique<NodeRestriction>(registry, authorizer)),
      joins_(std::make_unique<JoinLimit>(registry)) {}
Admission::~Admission() = default;

Document Admission::find(std::string_view group, std::string_view version, std::string_view resource, std::string_view ns,
                         std::string_view name) const {
  const Kind* kind = find_kind(group, version, resource);
  return kind == nullptr ? Document() : registry_.get(*kind, ns, name);
}

void Admission::each(std::string_view group, std::string_view resource, std::string_view ns,
                     const std::function<void(const Document&)>& fn) const {
  const Kind* kind = find_kind(group, "v1", resource);
  if (kind == nullptr) return;
  registry_.cache().view().range(registry_prefix(*kind, ns), "", 0, [&](const EntryRef& entry) {
    fn(entry->document);
    return true;
  });
}

Document Admission::default_class(std::string_view group, std::string_view resource, bool (*is_default)(Value)) const {
  std::vector<Document> defaults;
  each(group, resource, "", [&](const Document& c) {
    if (is_default(c.root())) defaults.push_back(c);
  });
  return newest_of(defaults);
}

template <class F>
Status Admission::timed(Plugin plugin, Type type, Operation operation, const F& fn) const {
  const int64_t since_us = registry_.clock().monotonic_us();
  Status done = fn();
  metrics_.observe(plugin, type, operation, !done.ok(), registry_.clock().monotonic_us() - since_us);
  return done;
}

Status Admission::admit(const AdmissionCall& call, Mut object, Value old) const {
  return timed(AdmissionMetrics::kStep, AdmissionMetrics::kAdmit, call.operation, [&] { return run_admit(call, object, old); });
}

Status Admission::inspect(const AdmissionCall& call, Value object, Value old, std::vector<std::string>* warnings, AuditAnnotations* annotations) const {
  return timed(AdmissionMetrics::kStep, AdmissionMetrics::kValidate, call.operation,
               [&] { return run_inspect(call, object, old, warnings, annotations); });
}

// In upstream's order of plug-ins.
Status Admission::run_admit(const AdmissionCall& call, Mut object, Value old) const {
  auto plugin = [&](Plugin which, const auto& fn) { return timed(which, AdmissionMetrics::kAdmit, call.operation, fn); };
  TRY(plugin(AdmissionMetrics::kNamespaceLifecycle, [&] { return check_namespace(call, object); }));
  TRY(check_escalation(authorizer_, call, object, old));
  if (is_node(call.user)) {
    TRY(plugin(AdmissionMetrics::kNodeRestriction, [&] { return nodes_->check(call, object, old); }));
  }
  if (!call.subresource.empty()) return ok();
  const Kind& kind = *call.kind;
  const bool create = call.operation == Operation::kCreate;
  auto default_to = [&](const char* field, std::string_view group, std::string_view resource, bool (*is_default)(Value)) -> Status {
    Document chosen = default_class(group, resource, is_default);
    if (chosen) object.object("spec").set(field, name_of(chosen));
    return ok();
  };
  if (is(kind, "", "nodes") && create) {
    TRY(plugin(AdmissionMetrics::kTaintNodes, [&]() -> Status {
      taint_new_node(object);
      return ok();
    }));
  }
  if (is(kind, "certificates.k8s.io", "certificatesigningrequests") && create) {
    TRY(joins_->check(call, object));
    note_asker(call.user, object);
  }
  if (is(kind, "resource.k8s.io", "resourceslices")) stamp_device_taints(object, registry_.clock().now_rfc3339());
  if (is(kind, "", "persistentvolumeclaims") && create && needs_storage_class(object)) {
    TRY(plugin(AdmissionMetrics::kDefaultStorageClass,
               [&] { return default_to("storageClassName", "storage.k8s.io", "storageclasses", is_default_storage_class); }));
  }
  if (is(kind, "networking.k8s.io", "ingresses") && create && needs_ingress_class(object)) {
    TRY(plugin(AdmissionMetrics::kDefaultIngressClass,
               [&] { return default_to("ingressClassName", "networking.k8s.io", "ingressclasses", is_default_ingress_class); }));
  }
  return is(kind, "", "pods") ? admit_pod(call, object, old) : ok();
}

Status Admission::admit_pod(const AdmissionCall& call, Mut object, Value old) const {
  auto plugin = [&](Plugin which, const auto& fn) { return timed(which, AdmissionMetrics::kAdmit, call.operation, fn); };
  const bool create = call.operation == Operation::kCreate;
  if (create) {
    TRY(plugin(AdmissionMetrics::kLimitRanger, [&]() -> Status {
      default_from_limits(limit_ranges(call.ns), object);
      return ok();
    }));
    TRY(plugin(AdmissionMetrics::kServiceAccount, [&] { return service_account(call, object); }));
  }
  TRY(plugin(AdmissionMetrics::kPriority, [&] { return priority(call, object, old); }));
  TRY(plugin(AdmissionMetrics::kDefaultTolerationSeconds, [&]() -> Status {
    default_tolerations(object);
    return ok();
  }));
  if (!create) return ok();
  TRY(plugin(AdmissionMetrics::kRuntimeClass, [&] { return runtime_class(object); }));
  return plugin(AdmissionMetrics::kPodTopologyLabels, [&]() -> Status {
    std::string node = object["spec"]["nodeName"].text();
    if (!node.empty()) copy_topology(find("", "v1", "nodes", "", node).root(), object);
    return ok();
  });
}

Status Admission::admit_subresource(const AdmissionCall& call, Mut object) const {
  TRY(check_namespace(call, object));
  TRY(nodes_->check(call, object, Value()));
  const bool binds = is(*call.kind, "", "pods") && call.subresource == "binding" && object["target"]["kind"].str() == "Node";
  if (binds) copy_topology(find("", "v1", "nodes", "", object["target"]["name"].text()).root(), object);
  return ok();
}

// In upstream's order of plug-ins.
Status Admission::run_inspect(const AdmissionCall& call, Value object, Value old, std::vector<std::string>* warnings, AuditAnnotations* annotations) const {
  const Kind& kind = *call.kind;
  auto plugin = [&](Plugin which, const auto& fn) { return timed(which, AdmissionMetrics::kValidate, call.operation, fn); };
  auto unless_empty = [&](const std::string& why) -> Status {
    return why.empty() ? ok() : Status(api_forbidden({kind.group, kind.resource}, meta(object, "name"), why));
  };
  const bool main = call.subresource.empty();
  if (is(kind, "resource.k8s.io", "resourceclaims") || is(kind, "resource.k8s.io", "resourceclaimtemplates")) {
    FieldErrors errors;
    check_device_access(authorizer_, call, find("", "v1", "namespaces", "", call.ns).root(), object, old, errors);
    if (!errors.empty()) return errors.to_error(kind.group, kind.kind, meta(object, "name"));
  }
  if (is(kind, "", "pods")) TRY(inspect_pod(call, object, old));
  if (is(kind, "", "persistentvolumeclaims") && main && !meta(old, "deletionTimestamp").size()) {
    TRY(plugin(AdmissionMetrics::kLimitRanger, [&] { return unless_empty(broken_claim_limits(limit_ranges(call.ns), object)); }));
  }
  TRY(inspect_security(call, object, old, warnings, annotations));
  if (is(kind, "scheduling.k8s.io", "priorityclasses") && main) {
    TRY(plugin(AdmissionMetrics::kPriority, [&] { return unless_empty(forbidden_priority_class(object)); }));
  }
  TRY(plugin(AdmissionMetrics::kOwnerReferences, [&] { return unless_empty(forbidden_owners(authorizer_, call, object, old)); }));
  if (is(kind, "", "persistentvolumeclaims") && main && old) {
    TRY(plugin(AdmissionMetrics::kClaimResize, [&] { return unless_empty(forbidden_growth(object, old)); }));
  }
  if (is(kind, "certificates.k8s.io", "certificatesigningrequests")) {
    TRY(plugin(AdmissionMetrics::kCertificates, [&] { return unless_empty(forbidden_request(authorizer_, call, object, old)); }));
  }
  return ok();
}

Status Admission::inspect_pod(const AdmissionCall& call, Value pod, Value old) const {
  auto refuse = [&](const std::string& why) { return api_forbidden({"", "pods"}, meta(pod, "name"), why); };
  const bool create = call.subresource.empty() && !old, ephemeral = call.subresource == "ephemeralcontainers", resize = call.subresource == "resize";
  if (!create && !ephemeral && !resize) return ok();
  auto plugin = [&](Plugin which, const auto& fn) { return timed(which, AdmissionMetrics::kValidate, call.operation, fn); };
  auto unless_empty = [&](const std::string& why) { return why.empty() ? ok() : Status(refuse(why)); };
  if (create || resize) TRY(plugin(AdmissionMetrics::kLimitRanger, [&] { return unless_empty(broken_pod_limits(limit_ranges(call.ns), pod)); }));
  if (resize) return plugin(AdmissionMetrics::kPodResize, [&] { return forbidden_resize(pod, old); });
  return plugin(AdmissionMetrics::kServiceAccount, [&] {
    if (create && pod["metadata"]["annotations"].has("kubernetes.io/config.mirror")) return unless_empty(forbidden_in_mirror(pod));
    Document account = find("", "v1", "serviceaccounts", call.ns, pod["spec"]["serviceAccountName"].str());
    return unless_empty(forbidden_secrets(account.root(), pod, ephemeral));
  });
}

// PodResizeValidator: what no node of this size can give is refused at once; what it cannot give now, it gives later.
Status Admission::forbidden_resize(Value pod, Value old) const {
  const std::string node_name = pod["spec"]["nodeName"].text();
  if (node_name.empty() || equal(pod["spec"], old["spec"])) return ok();
  auto refuse = [&](const std::string& why, const char* cause) -> Status {
    StatusDetails details;
    details.present = true;
    details.name = meta(pod, "name");
    details.kind = "pods";
    details.causes.push_back({cause, "", ""});
    return status_failure(Code::kPermissionDenied, cat("pods \"", meta(pod, "name"), "\" is forbidden: ", why), details);
  };
  Document node = find("", "v1", "nodes", "", node_name);
  if (!node) return api_forbidden({"", "pods"}, meta(pod, "name"), cat("node ", go_quote(node_name), " not found"));
  std::string_view os = node["metadata"]["labels"]["kubernetes.io/os"].str("linux");
  if (os != "linux") return refuse(cat("pod resize is only supported on linux nodes, node ", go_quote(node_name), " is ", go_quote(os)), "UnsupportedPlatform");
  ResourceAmounts has = resource_amounts(node["status"]["allocatable"]), wants = PodView(pod).requests();
  std::vector<std::string> lacks;
  if (wants["cpu"] > has["cpu"]) lacks.push_back(cat("cpu, requested: ", wants["cpu"].milli(), ", allocatable: ", has["cpu"].milli()));
  if (wants["memory"] > has["memory"]) lacks.push_back(cat("memory, requested: ", wants["memory"].value(), ", allocatable: ", has["memory"].value()));
  return lacks.empty() ? ok() : refuse(cat("node didn't have enough allocatable resources: ", join(lacks, "; ")), "NodeCapacity");
}

Status Admission::inspect_security(const AdmissionCall& call, Value object, Value old, std::vector<std::string>* warnings,
                                   AuditAnnotations* annotations) const {
  const Kind& kind = stored_kind(*call.kind);
  const bool changes_spec = call.subresource.empty() || call.subresource == "ephemeralcontainers" || call.subresource == "resize";
  if (!changes_spec || !has_pod_security(kind)) return ok();
  const int64_t since_us = registry_.clock().monotonic_us();
  PodSecurityAnswer answer;
  if (is(kind, "", "namespaces")) {
    auto pods = [&](const std::function<void(const Document&)>& fn) { each("", "pods", meta(object, "name"), fn); };
    answer = check_namespace_write(object, old, pods, registry_.clock());
  } else {
    Document ns = find("", "v1", "namespaces", "", call.ns);
    answer = check_pod_write(kind, call.subresource, meta(object, "name"), ns.root(), object, old);
  }
  metrics_.observe(AdmissionMetrics::kPodSecurity, AdmissionMetrics::kValidate, call.operation, !answer.status.ok(),
                   registry_.clock().monotonic_us() - since_us);
  if (warnings != nullptr) warnings->insert(warnings->end(), answer.warnings.begin(), answer.warnings.end());
  if (annotations != nullptr) annotations->merge(answer.annotations);
  return answer.status;
}

std::string Admission::forbidden_priority_class(Value priority_class) const {
  if (!priority_class["globalDefault"].boolean()) return {};
  Document other;
  each("scheduling.k8s.io", "priorityclasses", "", [&](const Document& c) {
    if (c["globalDefault"].boolean() && (!other || c["value"].integer() < other["value"].integer())) other = c;
  });
  if (!other || name_of(other) == meta(priority_class, "name")) return {};
  return cat("PriorityClass ", name_of(other), " is already marked as default. Only one default can exist");
}

// PersistentVolumeClaimResize.
std::string Admission::forbidden_growth(Value claim, Value old) const {
  auto size_of = [](Value c) { return resource_amounts(c["spec"]["resources"]["requests"])["storage"]; };
  if (!(size_of(claim) > size_of(old))) return {};
  if (old["status"]["phase"].str() != "Bound") return "Only bound persistent volume claims can be expanded";
  auto class_of = [](Value c) {
    Value annotation = c["metadata"]["annotations"]["volume.beta.kubernetes.io/storage-class"];
    return annotation ? annotation.str() : c["spec"]["storageClassName"].str();
  };
  std::string_view name = class_of(claim);
  if (!name.empty() && name == class_of(old)) {
    if (find("storage.k8s.io", "v1", "storageclasses", "", name)["allowVolumeExpansion"].boolean()) return {};
  }
  return "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize";
}

std::vector<Document> Admission::limit_ranges(const std::string& ns) const {
  std::vector<Document> out;
  each("", "limitranges", ns, [&](const Document& d) { out.push_back(d); });
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
  if (!broken.empty()) return api_forbidden({"", "pods"}, shown_name(pod), broken);
  return ok();
}

Status Admission::admit_delete(const AdmissionCall& call) const {
  auto lifecycle = [&]() -> Status {
    if (!is(*call.kind, "", "namespaces")) return ok();
    for (std::string_view kept : {"default", "kube-system", "kube-public"}) {
      if (call.name == kept) return api_forbidden({"", "namespaces"}, call.name, "this namespace may not be deleted");
    }
    return ok();
  };
  return timed(AdmissionMetrics::kStep, AdmissionMetrics::kAdmit, Operation::kDelete, [&]() -> Status {
    TRY(timed(AdmissionMetrics::kNamespaceLifecycle, AdmissionMetrics::kAdmit, Operation::kDelete, lifecycle));
    if (!is_node(call.user)) return ok();
    return timed(AdmissionMetrics::kNodeRestriction, AdmissionMetrics::kAdmit, Operation::kDelete, [&] { return nodes_->check(call, Mut(), Value()); });
  });
}

Status Admission::check_namespace(const AdmissionCall& call, Mut object) const {
  const Kind& kind = *call.kind;
  if (!kind.namespaced || call.ns.empty() || is(kind, "authorization.k8s.io", "localsubjectaccessreviews")) return ok();
  Document ns = find("", "v1", "namespaces", "", call.ns);
  if (!ns) return api_not_found({"", "namespaces"}, call.ns);
  if (call.operation != Operation::kCreate || ns["status"]["phase"].str() != "Terminating") return ok();
  StatusDetails details;
  details.present = true;
  details.name = call.name.empty() ? shown_name(object) : call.name;
  details.group = kind.group, details.kind = kind.resource;
  details.causes.push_back({"NamespaceTerminating", cat("namespace ", call.ns, " is being terminated"), "metadata.namespace"});
  ResourceName resource{kind.group, kind.resource};
  return status_failure(Code::kPermissionDenied,
                        cat(resource.text(), " ", go_quote(details.name), " is forbidden: unable to create new content in namespace ", call.ns,
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

void mount_token(Mut pod, std::string volume_name) {
  Mut spec = pod.object("spec");
  bool mounted = false, there = false;
  for (Mut v : spec["volumes"].items()) {  // of a pod that was read elsewhere and is made again
    if (there || v["name"].str().substr(0, kTokenVolume.size()) != kTokenVolume) continue;
    volume_name = v["name"].text();
    there = true;
  }
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
  if (!mounted || there) return;
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
    return api_forbidden({"", "pods"}, shown_name(pod),
                         cat("error looking up service account ", call.ns, "/", name, ": serviceaccount ", go_quote(name),
                             " not found"));
  }
  bool automount = account["automountServiceAccountToken"].boolean(true);
  automount = spec["automountServiceAccountToken"].boolean(automount);
  if (automount) mount_token(pod, cat(kTokenVolume, registry_.random().suffix(5)));
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
      return api_forbidden(pods, shown_name(pod), cat("no PriorityClass with name ", name, " was found"));
    }
  }
  if (spec.has("priority") && spec["priority"].integer() != value) {
    return api_forbidden(pods, shown_name(pod),
                         cat("the integer value of priority (", spec["priority"].integer(),
                             ") must not be provided in pod spec; priority admission controller computed ", value,
                             " from the given PriorityClass name"));
  }
  if (spec.has("preemptionPolicy") && spec["preemptionPolicy"].str() != policy) {
    return api_forbidden(pods, shown_name(pod),
                         cat("the string value of PreemptionPolicy (", spec["preemptionPolicy"].str(),
                             ") must not be provided in pod spec; priority admission controller computed ", policy,
                             " from the given PriorityClass name"));
  }
  spec.set("priority", value);
  spec.set("preemptionPolicy", policy);
  return ok();
}

}  // namespace bramble

// The served kinds: their names, verbs and subresources, one row each, in the order of discovery (a group's preferred
// version first). The rules stand in each kind's own file.
#include "core/base/strings.h"
#include "core/resources/kinds.h"

namespace bramble {
namespace {

enum Flags : unsigned {
  kCluster = 0,
  kNamespaced = 1,
  kAnswered = 2,       // answered and forgotten, not stored
  kGeneration = 4,     // metadata.generation counts changes of the spec
  kGraceful = 8,       // deletion takes time
  kNeedsVersion = 16,  // an update must carry resourceVersion
  kCreateOnUpdate = 32,
  kPathSegment = 64,  // names may be any path segment
  kReturned = 128,    // DELETE answers with the object
};

constexpr std::string_view kAll = "create,delete,deletecollection,get,list,patch,update,watch";

struct Row {
  std::string_view group, version, resource, kind, singular, short_names, categories, verbs;
  unsigned flags;
  std::string_view subresources;
  void (*rules)(Kind&);
};

// clang-format off
constexpr Row kRows[] = {
    {"", "v1", "bindings", "Binding", "binding", "", "", "create", kNamespaced | kAnswered, "", nullptr},
    {"", "v1", "componentstatuses", "ComponentStatus", "componentstatus", "cs", "", "get,list", kCluster | kAnswered, "", componentstatus_rules},
    {"", "v1", "configmaps", "ConfigMap", "configmap", "cm", "", kAll, kNamespaced, "", configmap_rules},
    {"", "v1", "endpoints", "Endpoints", "endpoints", "ep", "", kAll, kNamespaced | kCreateOnUpdate, "", endpoints_rules},
    {"", "v1", "events", "Event", "event", "ev", "", kAll, kNamespaced | kCreateOnUpdate, "", event_rules},
    {"", "v1", "limitranges", "LimitRange", "limitrange", "limits", "", kAll, kNamespaced | kCreateOnUpdate, "", limitrange_rules},
    {"", "v1", "namespaces", "Namespace", "namespace", "ns", "", "create,delete,get,list,patch,update,watch", kCluster | kReturned, "finalize,status", namespace_rules},
    {"", "v1", "nodes", "Node", "node", "no", "", kAll, kCluster, "proxy,status", node_rules},
    {"", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", "persistentvolumeclaim", "pvc", "", kAll, kNamespaced | kReturned, "status", pvc_rules},
    {"", "v1", "persistentvolumes", "PersistentVolume", "persistentvolume", "pv", "", kAll, kCluster | kReturned, "status", pv_rules},
    {"", "v1", "pods", "Pod", "pod", "po", "all", kAll, kNamespaced | kGeneration | kGraceful | kReturned, "attach,binding,ephemeralcontainers,eviction,exec,log,portforward,proxy,resize,status", pod_rules},
    {"", "v1", "podtemplates", "PodTemplate", "podtemplate", "", "", kAll, kNamespaced | kGeneration | kReturned, "", podtemplate_rules},
    {"", "v1", "replicationcontrollers", "ReplicationController", "replicationcontroller", "rc", "all", kAll, kNamespaced | kGeneration, "scale,status", replicationcontroller_rules},
    {"", "v1", "resourcequotas", "ResourceQuota", "resourcequota", "quota", "", kAll, kNamespaced | kReturned, "status", resourcequota_rules},
    {"", "v1", "secrets", "Secret", "secret", "", "", kAll, kNamespaced, "", secret_rules},
    {"", "v1", "serviceaccounts", "ServiceAccount", "serviceaccount", "sa", "", kAll, kNamespaced | kReturned, "token", serviceaccount_rules},
    {"", "v1", "services", "Service", "service", "svc", "all", kAll, kNamespaced | kCreateOnUpdate | kReturned, "proxy,status", service_rules},
    {"admissionregistration.k8s.io", "v1", "mutatingadmissionpolicies", "MutatingAdmissionPolicy", "mutatingadmissionpolicy", "", "api-extensions", kAll, kCluster | kGeneration | kNeedsVersion, "", mutating_policy_rules},
    {"admissionregistration.k8s.io", "v1", "mutatingadmissionpolicybindings", "MutatingAdmissionPolicyBinding", "mutatingadmissionpolicybinding", "", "api-extensions", kAll, kCluster | kGeneration | kNeedsVersion, "", mutating_policy_binding_rules},
    {"admissionregistration.k8s.io", "v1", "mutatingwebhookconfigurations", "MutatingWebhookConfiguration", "mutatingwebhookconfiguration", "", "api-extensions", kAll, kCluster | kGeneration | kNeedsVersion, "", mutating_webhook_rules},
    {"admissionregistration.k8s.io", "v1", "validatingadmissionpolicies", "ValidatingAdmissionPolicy", "validatingadmissionpolicy", "", "api-extensions", kAll, kCluster | kGeneration | kNeedsVersion, "status", validating_policy_rules},
    {"admissionregistration.k8s.io", "v1", "validatingadmissionpolicybindings", "ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybinding", "", "api-extensions", kAll, kCluster | kGeneration | kNeedsVersion, "", validating_policy_binding_rules},
    {"admissionregistration.k8s.io", "v1", "validatingwebhookconfigurations", "ValidatingWebhookConfiguration", "validatingwebhookconfiguration", "", "api-extensions", kAll, kCluster | kGeneration | kNeedsVersion, "", validating_webhook_rules},
    {"apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", "customresourcedefinition", "crd,crds", "api-extensions", kAll, kCluster | kGeneration | kNeedsVersion, "status", crd_rules},
    {"apiregistration.k8s.io", "v1", "apiservices", "APIService", "apiservice", "", "api-extensions", kAll, kCluster | kNeedsVersion, "status", apiservice_rules},
    {"apps", "v1", "controllerrevisions", "ControllerRevision", "controllerrevision", "", "", kAll, kNamespaced, "", controllerrevision_rules},
    {"apps", "v1", "daemonsets", "DaemonSet", "daemonset", "ds", "all", kAll, kNamespaced | kGeneration, "status", daemonset_rules},
    {"apps", "v1", "deployments", "Deployment", "deployment", "deploy", "all", kAll, kNamespaced | kGeneration, "scale,status", deployment_rules},
    {"apps", "v1", "replicasets", "ReplicaSet", "replicaset", "rs", "all", kAll, kNamespaced | kGeneration, "scale,status", replicaset_rules},
    {"apps", "v1", "statefulsets", "StatefulSet", "statefulset", "sts", "all", kAll, kNamespaced | kGeneration, "scale,status", statefulset_rules},
    {"apps", "v1beta2", "controllerrevisions", "ControllerRevision", "controllerrevision", "", "", kAll, kNamespaced, "", beta2_controllerrevision_rules},
    {"apps", "v1beta2", "daemonsets", "DaemonSet", "daemonset", "ds", "all", kAll, kNamespaced | kGeneration, "status", beta2_daemonset_rules},
    {"apps", "v1beta2", "deployments", "Deployment", "deployment", "deploy", "all", kAll, kNamespaced | kGeneration, "scale,status", beta2_deployment_rules},
    {"apps", "v1beta2", "replicasets", "ReplicaSet", "replicaset", "rs", "all", kAll, kNamespaced | kGeneration, "scale,status", beta2_replicaset_rules},
    {"apps", "v1beta2", "statefulsets", "StatefulSet", "statefulset", "sts", "all", kAll, kNamespaced | kGeneration, "scale,status", beta2_statefulset_rules},
    {"apps", "v1beta1", "controllerrevisions", "ControllerRevision", "controllerrevision", "", "", kAll, kNamespaced, "", beta1_controllerrevision_rules},
    {"apps", "v1beta1", "deployments", "Deployment", "deployment", "deploy", "all", kAll, kNamespaced | kGeneration, "rollback,scale,status", beta1_deployment_rules},
    {"apps", "v1beta1", "statefulsets", "StatefulSet", "statefulset", "sts", "all", kAll, kNamespaced | kGeneration, "scale,status", beta1_statefulset_rules},
    {"authentication.k8s.io", "v1", "selfsubjectreviews", "SelfSubjectReview", "selfsubjectreview", "", "", "create", kCluster | kAnswered, "", nullptr},
    {"authentication.k8s.io", "v1", "tokenreviews", "TokenReview", "tokenreview", "", "", "create", kCluster | kAnswered, "", nullptr},
    {"authorization.k8s.io", "v1", "localsubjectaccessreviews", "LocalSubjectAccessReview", "localsubjectaccessreview", "", "", "create", kNamespaced | kAnswered, "", nullptr},
    {"authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", "selfsubjectaccessreview", "", "", "create", kCluster | kAnswered, "", nullptr},
    {"authorization.k8s.io", "v1", "selfsubjectrulesreviews", "SelfSubjectRulesReview", "selfsubjectrulesreview", "", "", "create", kCluster | kAnswered, "", nullptr},
    {"authorization.k8s.io", "v1", "subjectaccessreviews", "SubjectAccessReview", "subjectaccessreview", "", "", "create", kCluster | kAnswered, "", nullptr},
    {"autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", "horizontalpodautoscaler", "hpa", "all", kAll, kNamespaced, "status", hpa_v2_rules},
    {"autoscaling", "v1", "horizontalpodautoscalers", "HorizontalPodAutoscaler", "horizontalpodautoscaler", "hpa", "all", kAll, kNamespaced, "status", hpa_v1_rules},
    {"batch", "v1", "cronjobs", "CronJob", "cronjob", "cj", "all", kAll, kNamespaced | kGeneration, "status", cronjob_rules},
    {"batch", "v1", "jobs", "Job", "job", "", "all", kAll, kNamespaced | kGeneration, "status", job_rules},
    {"certificates.k8s.io", "v1", "certificatesigningrequests", "CertificateSigningRequest", "certificatesigningrequest", "csr", "", kAll, kCluster, "approval,status", csr_rules},
    {"coordination.k8s.io", "v1", "leases", "Lease", "lease", "", "", kAll, kNamespaced | kNeedsVersion | kCreateOnUpdate, "", lease_rules},
    {"discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", "endpointslice", "", "", kAll, kNamespaced | kGeneration, "", endpointslice_rules},
    {"events.k8s.io", "v1", "events", "Event", "event", "ev", "", kAll, kNamespaced | kCreateOnUpdate, "", events_event_rules},
    {"flowcontrol.apiserver.k8s.io", "v1", "flowschemas", "FlowSchema", "flowschema", "", "", kAll, kCluster | kGeneration, "status", flowschema_rules},
    {"flowcontrol.apiserver.k8s.io", "v1", "prioritylevelconfigurations", "PriorityLevelConfiguration", "prioritylevelconfiguration", "", "", kAll, kCluster | kGeneration, "status", prioritylevel_rules},
    {"networking.k8s.io", "v1", "ingressclasses", "IngressClass", "ingressclass", "", "", kAll, kCluster | kGeneration, "", ingressclass_rules},
    {"networking.k8s.io", "v1", "ingresses", "Ingress", "ingress", "ing", "", kAll, kNamespaced | kGeneration, "status", ingress_rules},
    {"networking.k8s.io", "v1", "ipaddresses", "IPAddress", "ipaddress", "ip", "", kAll, kCluster, "", ipaddress_rules},
    {"networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", "networkpolicy", "netpol", "", kAll, kNamespaced | kGeneration, "", networkpolicy_rules},
    {"networking.k8s.io", "v1", "servicecidrs", "ServiceCIDR", "servicecidr", "", "", kAll, kCluster, "status", servicecidr_rules},
    {"node.k8s.io", "v1", "runtimeclasses", "RuntimeClass", "runtimeclass", "", "", kAll, kCluster | kNeedsVersion, "", runtimeclass_rules},
    {"policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", "poddisruptionbudget", "pdb", "", kAll, kNamespaced | kGeneration | kNeedsVersion, "status", pdb_rules},
    {"rbac.authorization.k8s.io", "v1", "clusterrolebindings", "ClusterRoleBinding", "clusterrolebinding", "", "", kAll, kCluster | kCreateOnUpdate | kPathSegment, "", rolebinding_rules},
    {"rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole", "clusterrole", "", "", kAll, kCluster | kCreateOnUpdate | kPathSegment, "", clusterrole_rules},
    {"rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding", "rolebinding", "", "", kAll, kNamespaced | kCreateOnUpdate | kPathSegment, "", rolebinding_rules},
    {"rbac.authorization.k8s.io", "v1", "roles", "Role", "role", "", "", kAll, kNamespaced | kCreateOnUpdate | kPathSegment, "", role_rules},
    {"resource.k8s.io", "v1", "deviceclasses", "DeviceClass", "deviceclass", "", "", kAll, kCluster | kGeneration, "", deviceclass_rules},
    {"resource.k8s.io", "v1", "resourceclaims", "ResourceClaim", "resourceclaim", "", "", kAll, kNamespaced, "status", resourceclaim_rules},
    {"resource.k8s.io", "v1", "resourceclaimtemplates", "ResourceClaimTemplate", "resourceclaimtemplate", "", "", kAll, kNamespaced, "", resourceclaimtemplate_rules},
    {"resource.k8s.io", "v1", "resourceslices", "ResourceSlice", "resourceslice", "", "", kAll, kCluster | kGeneration, "", resourceslice_rules},
    {"scheduling.k8s.io", "v1", "priorityclasses", "PriorityClass", "priorityclass", "pc", "", kAll, kCluster | kGeneration, "", priorityclass_rules},
    {"storage.k8s.io", "v1", "csidrivers", "CSIDriver", "csidriver", "", "", kAll, kCluster | kNeedsVersion | kReturned, "", csidriver_rules},
    {"storage.k8s.io", "v1", "csinodes", "CSINode", "csinode", "", "", kAll, kCluster | kNeedsVersion | kReturned, "", csinode_rules},
    {"storage.k8s.io", "v1", "csistoragecapacities", "CSIStorageCapacity", "csistoragecapacity", "", "", kAll, kNamespaced | kNeedsVersion | kReturned, "", csistoragecapacity_rules},
    {"storage.k8s.io", "v1", "storageclasses", "StorageClass", "storageclass", "sc", "", kAll, kCluster | kReturned, "", storageclass_rules},
    {"storage.k8s.io", "v1", "volumeattachments", "VolumeAttachment", "volumeattachment", "", "", kAll, kCluster | kNeedsVersion | kReturned, "status", volumeattachment_rules},
    {"storage.k8s.io", "v1", "volumeattributesclasses", "VolumeAttributesClass", "volumeattributesclass", "vac", "", kAll, kCluster | kReturned, "", volumeattributesclass_rules},
    {"metrics.k8s.io", "v1beta1", "nodes", "NodeMetrics", "", "", "", "get,list", kCluster | kAnswered, "", nullptr},
    {"metrics.k8s.io", "v1beta1", "pods", "PodMetrics", "", "", "", "get,list", kNamespaced | kAnswered, "", nullptr},
    // Last, so that kubectl takes "deployments" for those of apps; no short names, of which it would warn that they are ambiguous.
    {"extensions", "v1beta1", "daemonsets", "DaemonSet", "daemonset", "", "", kAll, kNamespaced | kGeneration, "status", ext_daemonset_rules},
    {"extensions", "v1beta1", "deployments", "Deployment", "deployment", "", "", kAll, kNamespaced | kGeneration, "rollback,scale,status", ext_deployment_rules},
    {"extensions", "v1beta1", "replicasets", "ReplicaSet", "replicaset", "", "", kAll, kNamespaced | kGeneration, "scale,status", ext_replicaset_rules},
};
// clang-format on

std::vector<std::string_view> words(std::string_view text) {
  if (text.empty()) return {};
  return split(text, ',');
}

// "rbac.authorization.k8s.io" -> "rbac": the schema names types by the first word of the group.
std::string type_name(const Row& row) {
  const std::string_view group = row.group.empty() ? "core" : row.group.substr(0, row.group.find('.'));
  return cat(group, ".", row.version, ".", row.kind);
}

std::vector<Kind> build() {
  std::vector<Kind> kinds;
  kinds.reserve(std::size(kRows));
  for (const Row& row : kRows) {
    Kind k;
    k.group = row.group;
    k.version = row.version;
    k.resource = row.resource;
    k.kind = row.kind;
    k.singular = row.singular;
    k.short_names = words(row.short_names);
    k.categories = words(row.categories);
    k.verbs = words(row.verbs);
    k.subresources = words(row.subresources);
    k.namespaced = row.flags & kNamespaced;
    k.stored = !(row.flags & kAnswered);
    k.counts_generation = row.flags & kGeneration;
    k.graceful_delete = row.flags & kGraceful;
    k.allow_unconditional_update = !(row.flags & kNeedsVersion);
    k.allow_create_on_update = row.flags & kCreateOnUpdate;
    k.name_is_path_segment = row.flags & kPathSegment;
    k.returns_deleted = row.flags & kReturned;
    for (std::string_view s : k.subresources) {
      k.has_status = k.has_status || s == "status";
      k.scale.present = k.scale.present || s == "scale";
    }
    k.type = Type::find(type_name(row));
    if (row.rules) row.rules(k);
    kinds.push_back(std::move(k));
  }
  return kinds;
}

const std::vector<Kind>& table() {
  static const std::vector<Kind> kinds = build();
  return kinds;
}

}  // namespace

std::span<const Kind> all_kinds() { return table(); }

const Kind* find_kind(std::string_view group, std::string_view version, std::string_view resource) {
  for (const Kind& k : table())
    if (k.resource == resource && k.group == group && k.version == version) return &k;
  return nullptr;
}

const Kind* find_kind_by_name(std::string_view group, std::string_view version, std::string_view kind) {
  for (const Kind& k : table())
    if (k.kind == kind && k.group == group && k.version == version) return &k;
  return nullptr;
}

const Kind& stored_kind(const Kind& kind) {
  if (!kind.stored_as.elsewhere()) return kind;
  const Kind* other = find_kind(kind.stored_as.group, kind.stored_as.version, kind.resource);
  CHECK(other, kind.stored_as.group, kind.resource);
  return *other;
}

Document stored_form(const Kind& kind, const Document& object) {
  return kind.stored_as.elsewhere() ? kind.stored_as.from_shown(object.root()) : object;
}

Document shown_form(const Kind& kind, const Document& stored) {
  return kind.stored_as.elsewhere() && stored ? kind.stored_as.to_shown(stored.root()) : stored;
}

std::string list_kind(const Kind& kind) { return cat(kind.kind, "List"); }

}  // namespace bramble

// The columns of every kind's table: headings, forms, and which are for -o wide alone.
#include <gtest/gtest.h>

#include <set>

#include "core/resources/cells.h"

namespace bramble {
namespace {

// Of a name "*", an integer "#", a truth "?", a date "^"; "+" before one that only -o wide shows.
std::string columns_text(const Kind& kind) {
  std::string out;
  for (const Column& c : columns_of(kind)) {
    out += cat(out.empty() ? "" : "|", c.priority() ? "+" : "", c.name);
    if (c.type() != "string") out += c.type() == "integer" ? "#" : c.type() == "boolean" ? "?" : "^";
    if (c.format() == "name") out += "*";
  }
  return out;
}

TEST(KindColumns, of_every_kind_are_upstreams) {
  const struct {
    const char *group, *version, *resource, *want;
  } cases[] = {
      {"", "v1", "componentstatuses", "Name*|Status|Message|Error"},
      {"", "v1", "configmaps", "Name*|Data|Age"},
      {"", "v1", "endpoints", "Name*|Endpoints|Age"},
      {"", "v1", "events", "Last Seen|Type|Reason|Object|+Subobject|+Source|Message|+First Seen|+Count|+Name*"},
      {"", "v1", "limitranges", "Name*|Created At^"},
      {"", "v1", "namespaces", "Name*|Status|Age"},
      {"", "v1", "nodes", "Name*|Status|Roles|Age|Version|+Internal-IP|+External-IP|+OS-Image|+Kernel-Version|+Container-Runtime"},
      {"", "v1", "persistentvolumeclaims", "Name*|Status|Volume|Capacity|Access Modes|StorageClass|VolumeAttributesClass|Age|+VolumeMode"},
      {"", "v1", "persistentvolumes", "Name*|Capacity|Access Modes|Reclaim Policy|Status|Claim|StorageClass|VolumeAttributesClass|Reason|Age|+VolumeMode"},
      {"", "v1", "pods", "Name*|Ready|Status|Restarts|Age|+IP|+Node|+Nominated Node|+Readiness Gates"},
      {"", "v1", "podtemplates", "Name*|Containers|Images|Pod Labels"},
      {"", "v1", "replicationcontrollers", "Name*|Desired#|Current#|Ready#|Age|+Containers|+Images|+Selector"},
      {"", "v1", "resourcequotas", "Name*|Request|Limit|Age"},
      {"", "v1", "secrets", "Name*|Type|Data|Age"},
      {"", "v1", "serviceaccounts", "Name*|Age"},
      {"", "v1", "services", "Name*|Type|Cluster-IP|External-IP|Port(s)|Age|+Selector"},
      {"admissionregistration.k8s.io", "v1", "mutatingadmissionpolicies", "Name*|Mutations#|ParamKind|Age"},
      {"admissionregistration.k8s.io", "v1", "mutatingadmissionpolicybindings", "Name*|PolicyName|ParamRef|Age"},
      {"admissionregistration.k8s.io", "v1", "mutatingwebhookconfigurations", "Name*|Webhooks#|Age"},
      {"admissionregistration.k8s.io", "v1", "validatingadmissionpolicies", "Name*|Validations#|ParamKind|Age"},
      {"admissionregistration.k8s.io", "v1", "validatingadmissionpolicybindings", "Name*|PolicyName|ParamRef|Age"},
      {"admissionregistration.k8s.io", "v1", "validatingwebhookconfigurations", "Name*|Webhooks#|Age"},
      {"apiextensions.k8s.io", "v1", "customresourcedefinitions", "Name*|Created At^"},
      {"apiregistration.k8s.io", "v1", "apiservices", "Name*|Service|Available|Age"},
      {"apps", "v1", "controllerrevisions", "Name*|Controller|Revision|Age"},
      {"apps", "v1", "daemonsets", "Name*|Desired#|Current#|Ready#|Up-to-date#|Available#|Node Selector|Age|+Containers|+Images|+Selector"},
      {"apps", "v1", "deployments", "Name*|Ready|Up-to-date|Available|Age|+Containers|+Images|+Selector"},
      {"apps", "v1", "replicasets", "Name*|Desired#|Current#|Ready#|Age|+Containers|+Images|+Selector"},
      {"apps", "v1", "statefulsets", "Name*|Ready|Age|+Containers|+Images"},
      {"autoscaling", "v1", "horizontalpodautoscalers", "Name*|Reference|Targets|MinPods|MaxPods|Replicas|Age"},
      {"autoscaling", "v2", "horizontalpodautoscalers", "Name*|Reference|Targets|MinPods|MaxPods|Replicas|Age"},
      {"batch", "v1", "cronjobs", "Name*|Schedule|Timezone|Suspend?|Active#|Last Schedule|Age|+Containers|+Images|+Selector"},
      {"batch", "v1", "jobs", "Name*|Status|Completions|Duration|Age|+Containers|+Images|+Selector"},
      {"certificates.k8s.io", "v1", "certificatesigningrequests", "Name*|Age|SignerName|Requestor|RequestedDuration|Condition"},
      {"coordination.k8s.io", "v1", "leases", "Name*|Holder|Age"},
      {"discovery.k8s.io", "v1", "endpointslices", "Name*|AddressType|Ports|Endpoints|Age"},
      {"events.k8s.io", "v1", "events", "Last Seen|Type|Reason|Object|+Subobject|+Source|Message|+First Seen|+Count|+Name*"},
      {"flowcontrol.apiserver.k8s.io", "v1", "flowschemas", "Name*|PriorityLevel|MatchingPrecedence|DistinguisherMethod|Age|MissingPL"},
      {"flowcontrol.apiserver.k8s.io", "v1", "prioritylevelconfigurations", "Name*|Type|NominalConcurrencyShares|Queues|HandSize|QueueLengthLimit|Age"},
      {"networking.k8s.io", "v1", "ingressclasses", "Name*|Controller|Parameters|Age"},
      {"networking.k8s.io", "v1", "ingresses", "Name*|Class|Hosts|Address|Ports|Age"},
      {"networking.k8s.io", "v1", "ipaddresses", "Name*|ParentRef"},
      {"networking.k8s.io", "v1", "networkpolicies", "Name*|Pod-Selector|Age"},
      {"networking.k8s.io", "v1", "servicecidrs", "Name*|CIDRs|Age"},
      {"node.k8s.io", "v1", "runtimeclasses", "Name*|Handler|Age"},
      {"policy", "v1", "poddisruptionbudgets", "Name*|Min Available|Max Unavailable|Allowed Disruptions#|Age"},
      {"rbac.authorization.k8s.io", "v1", "clusterrolebindings", "Name*|Role|Age|+Users|+Groups|+ServiceAccounts"},
      {"rbac.authorization.k8s.io", "v1", "clusterroles", "Name*|Created At^"},
      {"rbac.authorization.k8s.io", "v1", "rolebindings", "Name*|Role|Age|+Users|+Groups|+ServiceAccounts"},
      {"rbac.authorization.k8s.io", "v1", "roles", "Name*|Created At^"},
      {"resource.k8s.io", "v1", "deviceclasses", "Name*|Age"},
      {"resource.k8s.io", "v1", "resourceclaims", "Name*|State|Age"},
      {"resource.k8s.io", "v1", "resourceclaimtemplates", "Name*|Age"},
      {"resource.k8s.io", "v1", "resourceslices", "Name*|Node|Driver|Pool|Age"},
      {"scheduling.k8s.io", "v1", "priorityclasses", "Name*|Value#|Global-Default?|Age|PreemptionPolicy"},
      {"storage.k8s.io", "v1", "csidrivers", "Name*|AttachRequired?|PodInfoOnMount?|StorageCapacity?|TokenRequests|RequiresRepublish?|Modes|Age"},
      {"storage.k8s.io", "v1", "csinodes", "Name*|Drivers#|Age"},
      {"storage.k8s.io", "v1", "csistoragecapacities", "Name*|StorageClassName|Capacity"},
      {"storage.k8s.io", "v1", "storageclasses", "Name*|Provisioner|ReclaimPolicy|VolumeBindingMode|AllowVolumeExpansion|Age"},
      {"storage.k8s.io", "v1", "volumeattachments", "Name*|Attacher*|PV|Node|Attached?|Age"},
      {"storage.k8s.io", "v1", "volumeattributesclasses", "Name*|DriverName|Age"},
  };
  std::set<std::string> seen;
  for (const auto& c : cases) {
    const Kind* kind = find_kind(c.group, c.version, c.resource);
    ASSERT_NE(kind, nullptr) << c.resource;
    EXPECT_EQ(columns_text(*kind), c.want) << c.group << "/" << c.version << " " << c.resource;
    seen.insert(cat(c.group, "/", c.version, "/", c.resource));
  }
  for (const Kind& kind : all_kinds()) {
    if (!kind.stored || kind.gone_upstream) continue;
    EXPECT_TRUE(seen.count(cat(kind.group, "/", kind.version, "/", kind.resource))) << kind.resource;
  }
}

}  // namespace
}  // namespace bramble

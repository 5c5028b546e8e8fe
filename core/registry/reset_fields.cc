#include "core/registry/reset_fields.h"

namespace bramble {

namespace {

struct Row {
  std::string_view group, resource, subresource;
  std::initializer_list<std::string_view> fields;
};

// Kinds that differ from the rule: status in the object, spec in its status.
const Row kRows[] = {
    {"", "namespaces", "finalize", {"status"}},
    {"", "pods", "status", {"spec", "metadata.deletionTimestamp", "metadata.ownerReferences"}},
    {"apps", "deployments", "status", {"spec", "metadata.labels"}},
    {"certificates.k8s.io", "certificatesigningrequests", "", {"spec", "status"}},
    {"certificates.k8s.io", "certificatesigningrequests", "status", {"spec", "status.conditions"}},
    {"certificates.k8s.io", "certificatesigningrequests", "approval", {"spec", "status.certificate"}},
    {"flowcontrol.apiserver.k8s.io", "flowschemas", "status", {"metadata", "spec"}},
    {"flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations", "status", {"metadata", "spec"}},
    {"storage.k8s.io", "volumeattachments", "status", {"metadata", "spec"}},
    {"apiextensions.k8s.io", "customresourcedefinitions", "status", {"metadata", "spec"}},
    {"apiregistration.k8s.io", "apiservices", "status", {"metadata", "spec"}},
    // Upstream's rows name versions of these that are not the ones served, so nothing is reset.
    {"networking.k8s.io", "servicecidrs", "", {}},
    {"networking.k8s.io", "servicecidrs", "status", {}},
    {"admissionregistration.k8s.io", "validatingadmissionpolicies", "", {}},
    {"admissionregistration.k8s.io", "validatingadmissionpolicies", "status", {}},
};

FieldFilter pod_resize() {
  std::vector<FieldPath> paths;
  for (const char* list : {"f:containers", "f:initContainers"}) {
    for (const char* field : {"f:resources", "f:resizePolicy"}) paths.push_back({"f:spec", list, "*", field});
  }
  return FieldFilter::only(std::move(paths));
}

}  // namespace

FieldFilter reset_fields(const Kind& kind, std::string_view subresource) {
  if (subresource == "ephemeralcontainers") return FieldFilter::only({{"f:spec", "f:ephemeralContainers"}});
  if (subresource == "resize") return pod_resize();
  const Kind& stored = stored_kind(kind);
  for (const Row& row : kRows) {
    if (row.group == stored.group && row.resource == kind.resource && row.subresource == subresource) {
      return FieldFilter::without(FieldSet::of(row.fields));
    }
  }
  if (!kind.has_status) return {};
  if (subresource.empty()) return FieldFilter::without(FieldSet::of({"status"}));
  return subresource == "status" ? FieldFilter::without(FieldSet::of({"spec"})) : FieldFilter();
}

}  // namespace bramble

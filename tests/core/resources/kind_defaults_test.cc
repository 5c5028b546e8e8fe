// Defaults of the kinds of which there is no recorded create (the others: golden_test.cc).
#include <gtest/gtest.h>

#include "tests/core/resources/kind_cases.h"

namespace bramble {
namespace {

TEST(KindDefaults, of_kinds_without_a_recorded_create) {
  const char* request = R"({"name":"r","exactly":{"deviceClassName":"c","allocationMode":"ExactCount","count":1,"tolerations":[{"operator":"Equal"}]}})";
  const char* match = R"("matchPolicy":"Equivalent","namespaceSelector":{},"objectSelector":{})";
  const struct {
    const char *name, *group, *resource, *part;
    std::string sent, want;
  } cases[] = {
      {"cluster role binding", "rbac.authorization.k8s.io", "clusterrolebindings", "",
       R"({"roleRef":{"kind":"ClusterRole","name":"r"},"subjects":[{"kind":"User","name":"u"},{"kind":"Group","name":"g"},{"kind":"ServiceAccount","name":"s","namespace":"n"}]})",
       R"({"subjects":[{"kind":"User","apiGroup":"rbac.authorization.k8s.io","name":"u"},{"kind":"Group","apiGroup":"rbac.authorization.k8s.io","name":"g"},{"kind":"ServiceAccount","name":"s","namespace":"n"}],"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"r"}})"},
      {"mutating policy", "admissionregistration.k8s.io", "mutatingadmissionpolicies", "spec",
       R"({"spec":{"matchConstraints":{"resourceRules":[{"resources":["pods"]}]}}})",
       cat(R"({"failurePolicy":"Fail","matchConstraints":{)", match, R"(,"resourceRules":[{"resources":["pods"],"scope":"*"}]}})")},
      {"its binding", "admissionregistration.k8s.io", "mutatingadmissionpolicybindings", "spec", R"({"spec":{"policyName":"p","matchResources":{}}})",
       cat(R"({"policyName":"p","matchResources":{)", match, "}}")},
      {"claim", "resource.k8s.io", "resourceclaims", "spec",
       R"({"spec":{"devices":{"requests":[{"name":"r","exactly":{"deviceClassName":"c","tolerations":[{}]}},{"name":"f","firstAvailable":[{"name":"s","deviceClassName":"c"},{"name":"t","deviceClassName":"c","allocationMode":"All"}]}]}}})",
       cat(R"({"devices":{"requests":[)", request, R"(,{"name":"f","firstAvailable":[{"name":"s","deviceClassName":"c","allocationMode":"ExactCount","count":1},{"name":"t","deviceClassName":"c","allocationMode":"All"}]}]}})")},
      {"slice", "resource.k8s.io", "resourceslices", "spec", R"({"spec":{"driver":"d","allNodes":true}})",
       R"({"driver":"d","pool":{"name":"","generation":0,"resourceSliceCount":0},"allNodes":true})"},
      {"storage capacity", "storage.k8s.io", "csistoragecapacities", "", R"({"storageClassName":"s"})", R"({"storageClassName":"s"})"},
      {"volume attachment", "storage.k8s.io", "volumeattachments", "spec", R"({"spec":{"attacher":"a","nodeName":"n"}})", R"({"attacher":"a","source":{},"nodeName":"n"})"},
      {"address", "networking.k8s.io", "ipaddresses", "spec", R"({"spec":{"parentRef":{"resource":"services","name":"s"}}})", R"({"parentRef":{"resource":"services","name":"s"}})"},
      {"certificate request", "certificates.k8s.io", "certificatesigningrequests", "spec", R"({"spec":{"request":"YQ==","signerName":"a.b/c"}})",
       R"({"request":"YQ==","signerName":"a.b/c"})"},
  };
  for (const auto& c : cases) {
    const Document d = defaulted(v1(c.group, c.resource), json(c.sent));
    Builder shown(*c.part ? d[c.part] : d.root());
    for (const char* always : {"metadata", "status"}) shown.root().remove(always);
    const Document got = shown.finish();
    EXPECT_TRUE(equal(got.root(), json(c.want).root())) << c.name << ": " << got.root().dump();
  }
}

}  // namespace
}  // namespace bramble

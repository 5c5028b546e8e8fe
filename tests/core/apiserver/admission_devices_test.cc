// Who may have devices with administrator's access, allocate them, and tell of them.
#include "tests/core/apiserver/api_fixture.h"

namespace bramble {
namespace {

class DeviceAccess : public ApiTest {
 protected:
  std::string message(const std::shared_ptr<KeptAnswer>& answer) { return answer->json()["message"].text(); }
  void grant(std::string_view name, std::string_view rules) {
    const std::string at = "/apis/rbac.authorization.k8s.io/v1/";
    EXPECT_EQ(call("POST", cat(at, "clusterroles"), cat(R"({"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{"name":")", name, R"("},"rules":)", rules, "}"))->status, 201);
    EXPECT_EQ(call("POST", cat(at, "clusterrolebindings"),
                   cat(R"({"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":")", name, R"("},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":")", name, R"("},"subjects":[{"apiGroup":"rbac.authorization.k8s.io","kind":"User","name":")", name, R"("}]})"))->status, 201);
  }
  void become(std::string_view name) { user = name, groups = {"system:authenticated"}; }
  void become_admin() { user = "admin", groups = {"system:masters"}; }
  std::string claim(std::string_view name, std::string_view more) {
    return cat(R"({"apiVersion":"resource.k8s.io/v1","kind":"ResourceClaim","metadata":{"name":")", name, R"("},"spec":{"devices":{"requests":[{"name":"r","exactly":{"deviceClassName":"c")", more, "}}]}}}");
  }
};
const std::string kAt = "/apis/resource.k8s.io/v1/namespaces/default/resourceclaims";

TEST_F(DeviceAccess, administrators_devices_are_for_labelled_namespaces) {
  constexpr std::string_view kNeeds = "admin access to devices requires the `resource.kubernetes.io/admin-access: true` label on the containing namespace";
  auto refused = call("POST", kAt, claim("a", R"(,"adminAccess":true)"));
  EXPECT_EQ(refused->status, 422);
  EXPECT_EQ(message(refused), cat(R"(ResourceClaim.resource.k8s.io "a" is invalid: spec.devices.requests[0].adminAccess: Forbidden: )", kNeeds));
  EXPECT_EQ(call("POST", kAt, claim("a", R"(,"adminAccess":false)"))->status, 201);
  EXPECT_EQ(message(patch(cat(kAt, "/a/status"), R"({"status":{"allocation":{"devices":{"results":[{"request":"r","driver":"d","pool":"p","device":"x","adminAccess":true}]}}}})")),
            cat(R"(ResourceClaim.resource.k8s.io "a" is invalid: status.allocation.devices.results[0].adminAccess: Forbidden: )", kNeeds));
  EXPECT_EQ(patch("/api/v1/namespaces/default", R"({"metadata":{"labels":{"resource.kubernetes.io/admin-access":"true"}}})")->status, 200);
  EXPECT_EQ(call("POST", kAt, claim("b", R"(,"adminAccess":true)"))->status, 201);
}

TEST_F(DeviceAccess, allocating_and_telling_of_devices_need_rights_of_their_own) {
  EXPECT_EQ(call("POST", kAt, claim("a", ""))->status, 201);
  const std::string rule = R"({"apiGroups":["resource.k8s.io"],"resources":["resourceclaims","resourceclaims/status"],"verbs":["*"]})";
  grant("plain", cat("[", rule, "]"));
  grant("binder", cat("[", rule, R"(,{"apiGroups":["resource.k8s.io"],"resources":["resourceclaims/binding"],"verbs":["patch"]}])"));
  grant("driver", cat("[", rule, R"(,{"apiGroups":["resource.k8s.io"],"resources":["resourceclaims/driver"],"resourceNames":["d"],"verbs":["arbitrary-node:patch"]}])"));
  const char* allocation = R"({"status":{"allocation":{"devices":{"results":[{"request":"r","driver":"d","pool":"p","device":"x"}]}}}})";
  const char* told = R"({"status":{"devices":[{"driver":"d","pool":"p","device":"x","networkData":{"interfaceName":"e"}}]}})";
  become("plain");
  EXPECT_EQ(message(patch(cat(kAt, "/a/status"), allocation)),
            R"(ResourceClaim.resource.k8s.io "a" is invalid: status.allocation: Forbidden: changing status.allocation or status.reservedFor requires resource="resourceclaims/binding", verb="patch" permission: resourceclaims.resource.k8s.io is forbidden: User "plain" cannot patch resource "resourceclaims/binding" in API group "resource.k8s.io" at the cluster scope)");
  become("binder");
  EXPECT_EQ(patch(cat(kAt, "/a/status"), allocation)->status, 200);
  EXPECT_EQ(message(patch(cat(kAt, "/a/status"), told)),
            R"(ResourceClaim.resource.k8s.io "a" is invalid: status.devices: Forbidden: changing status.devices requires resource="resourceclaims/driver", verb="[arbitrary-node:patch]" permission: resourceclaims.resource.k8s.io "d" is forbidden: User "binder" cannot arbitrary-node:patch resource "resourceclaims/driver" in API group "resource.k8s.io" in the namespace "default")");
  become("driver");
  EXPECT_EQ(patch(cat(kAt, "/a/status"), told)->status, 200);
}

TEST_F(DeviceAccess, a_taint_of_a_device_tells_since_when) {
  auto made = call("POST", "/apis/resource.k8s.io/v1/resourceslices", R"({"apiVersion":"resource.k8s.io/v1","kind":"ResourceSlice","metadata":{"name":"s"},"spec":{"driver":"d","pool":{"name":"p","resourceSliceCount":1},"allNodes":true,"devices":[{"name":"a","taints":[{"key":"k","effect":"None"},{"key":"l","effect":"None","timeAdded":"2020-01-01T00:00:00Z"}]}]}})");
  ASSERT_EQ(made->status, 201) << made->body;
  const Document object = made->json();
  const Value taints = object["spec"]["devices"].item(0)["taints"];
  EXPECT_EQ(taints.item(0)["timeAdded"].str(), clock.now_rfc3339());
  EXPECT_EQ(taints.item(1)["timeAdded"].str(), "2020-01-01T00:00:00Z");
}

}  // namespace
}  // namespace bramble

// Stories of the control plane over the real API.
#include "tests/sim/real_api.h"

namespace bramble {
namespace {

using namespace resource_ids;

TEST_F(RealApi, has_the_systems_own_objects) {
  for (const char* ns : {"default", "kube-system", "kube-public", "kube-node-lease"}) {
    EXPECT_TRUE(admin->snapshot().get(kNamespaces, "", ns)) << ns;
    EXPECT_TRUE(admin->snapshot().get(kServiceAccounts, ns, "default")) << ns;
    EXPECT_EQ(admin->snapshot().get(kConfigMaps, ns, "kube-root-ca.crt")["data"]["ca.crt"].str(), "PEM") << ns;
  }
  EXPECT_EQ(admin->snapshot().get(kServices, "default", "kubernetes")["spec"]["clusterIP"].str(), "10.43.0.1");
  EXPECT_EQ(admin->snapshot().get(kEndpoints, "default", "kubernetes")["subsets"].item(0)["addresses"].item(0)["ip"].str(), "192.0.2.1");
  EXPECT_TRUE(admin->snapshot().get(kEndpointSlices, "default", "kubernetes"));
}

TEST_F(RealApi, aggregated_roles_hold_what_they_select) {
  const ResourceId roles{"rbac.authorization.k8s.io", "v1", "clusterroles"};
  auto rules = [&](const char* name) { return admin->snapshot().get(roles, "", name)["rules"].size(); };
  EXPECT_EQ(rules("view"), rules("system:aggregate-to-view") + rules("system:aggregated-metrics-reader"));
  EXPECT_EQ(rules("edit"), rules("system:aggregate-to-edit") + rules("view"));
  EXPECT_EQ(rules("admin"), rules("system:aggregate-to-admin") + rules("edit"));
  must(admin->create(roles, "", json(R"({"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{"name":"more","labels":{"rbac.authorization.k8s.io/aggregate-to-view":"true"}},"rules":[{"verbs":["get"],"apiGroups":["example.com"],"resources":["things"]}]})")));
  size_t before = rules("admin");
  settle(5);
  EXPECT_EQ(rules("admin"), before + 1);
  must(admin->remove(roles, {"", "more"}, {}));
  settle(5);
  EXPECT_EQ(rules("admin"), before);
}

TEST_F(RealApi, rolls_out_and_back_and_serves) {
  add_node("n1", "4");
  settle(5);
  EXPECT_EQ(admin->snapshot().get(kNodes, "", "n1")["spec"]["podCIDR"].str(), "10.42.0.0/24");
  EXPECT_EQ(admin->snapshot().get(kNodes, "", "n1")["spec"]["taints"].size(), 0u);
  must(admin->create(kServices, "default", json(R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"web"},"spec":{"selector":{"app":"web"},"ports":[{"port":80,"targetPort":"http"}]}})")));
  must(admin->create(kDeployments, "default", json(deployment("v1", 3))));
  settle(30);
  ASSERT_EQ(ready("v1"), 3);
  Document d = admin->snapshot().get(kDeployments, "default", "web");
  EXPECT_TRUE(condition_is_true(d.root(), "Available")) << d.root().dump_pretty();
  EXPECT_EQ(find_condition(d["status"]["conditions"], "Progressing")["reason"].str(), "NewReplicaSetAvailable");
  EXPECT_EQ(d["status"]["readyReplicas"].integer(), 3);
  EXPECT_EQ(admin->snapshot().get(kEndpoints, "default", "web")["subsets"].item(0)["addresses"].size(), 3u);
  EXPECT_EQ(events("Deployment").size(), 1u);
  EXPECT_EQ(events("ReplicaSet").size(), 3u);
  EXPECT_EQ(events("Pod").size(), 3u);

  must(admin->patch(kDeployments, {"default", "web"}, PatchType::kStrategic, json(R"({"spec":{"template":{"spec":{"containers":[{"name":"c","image":"v2"}]}}}})")));
  settle(60);
  ASSERT_EQ(ready("v2"), 3);
  ASSERT_EQ(ready("v1"), 0);
  must(admin->patch(kDeployments, {"default", "web"}, PatchType::kStrategic, json(R"({"spec":{"template":{"spec":{"containers":[{"name":"c","image":"v1"}]}}}})")));
  settle(60);
  ASSERT_EQ(ready("v1"), 3);
  EXPECT_EQ(count(kReplicaSets, "default"), 2);
  EXPECT_EQ(admin->snapshot().get(kDeployments, "default", "web")["metadata"]["annotations"]["deployment.kubernetes.io/revision"].str(), "3");

  must(admin->remove(kDeployments, {"default", "web"}, {}));
  settle(60);
  EXPECT_EQ(count(kReplicaSets, "default"), 0);
  EXPECT_EQ(count(kPods, "default"), 0);
}

TEST_F(RealApi, a_budget_lets_pods_go_one_at_a_time) {
  const ResourceId budgets{"policy", "v1", "poddisruptionbudgets"};
  add_node("n1", "4");
  settle(5);
  must(admin->create(kDeployments, "default", json(deployment("v1", 3))));
  settle(30);
  ASSERT_EQ(ready("v1"), 3);
  must(admin->create(budgets, "default", json(R"({"apiVersion":"policy/v1","kind":"PodDisruptionBudget","metadata":{"name":"b"},"spec":{"maxUnavailable":1,"selector":{"matchLabels":{"app":"web"}}}})")));
  settle(5);
  auto status = [&](const char* field) { return admin->snapshot().get(budgets, "default", "b")["status"][field].integer(-1); };
  EXPECT_EQ(status("expectedPods"), 3);
  EXPECT_EQ(status("desiredHealthy"), 2);
  EXPECT_EQ(status("currentHealthy"), 3);
  EXPECT_EQ(status("disruptionsAllowed"), 1);
  std::vector<std::string> names;
  admin->snapshot().each(kPods, "default", [&](const Document& pod) {
    names.emplace_back(name_of(pod));
    return true;
  });
  auto evict = [&](const std::string& name) {
    Document eviction = json(cat(R"({"apiVersion":"policy/v1","kind":"Eviction","metadata":{"name":")", name, R"("}})"));
    WriteOptions options;
    options.subresource = "eviction";
    return done(admin->create(kPods, "default", eviction, options));
  };
  ASSERT_EQ(names.size(), 3u);
  Result<Document> first = evict(names[0]), second = evict(names[1]);
  EXPECT_TRUE(first.ok()) << first.error().message();
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code(), Code::kTooManyRequests);
  settle(60);
  EXPECT_EQ(ready("v1"), 3) << "replaced";
  EXPECT_FALSE(admin->snapshot().get(kPods, "default", names[0]));
  EXPECT_EQ(status("disruptionsAllowed"), 1);
  EXPECT_EQ(admin->snapshot().get(budgets, "default", "b")["status"]["disruptedPods"].size(), 0u);
  EXPECT_TRUE(evict(names[1]).ok());
}

TEST_F(RealApi, a_pod_that_fits_nowhere_says_why_and_goes_when_it_can) {
  add_node("n1", "1");
  settle(5);
  must(admin->create(kPods, "default", json(R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"big"},"spec":{"containers":[{"name":"c","image":"i","resources":{"requests":{"cpu":"2"}}}]}})")));
  settle(5);
  Document pod = admin->snapshot().get(kPods, "default", "big");
  Value scheduled = find_condition(pod["status"]["conditions"], "PodScheduled");
  EXPECT_EQ(scheduled["status"].str(), "False");
  EXPECT_EQ(scheduled["reason"].str(), "Unschedulable");
  EXPECT_EQ(scheduled["message"].str(), "0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.");
  add_node("n2", "4");
  settle(20);
  EXPECT_EQ(admin->snapshot().get(kPods, "default", "big")["spec"]["nodeName"].str(), "n2");
}

TEST_F(RealApi, foreground_deletion_orphaning_and_namespaces_end_as_they_should) {
  add_node("n1", "4");
  must(admin->create(kDeployments, "default", json(deployment("v1", 2))));
  settle(30);
  DeleteOptions orphan;
  orphan.propagation = "Orphan";
  must(admin->remove(kDeployments, {"default", "web"}, orphan));
  settle(30);
  EXPECT_FALSE(admin->snapshot().get(kDeployments, "default", "web"));
  EXPECT_EQ(count(kReplicaSets, "default"), 1);
  EXPECT_EQ(ready("v1"), 2);
  must(admin->create(kDeployments, "default", json(deployment("v1", 2))));  // adopts what was left
  settle(30);
  EXPECT_EQ(count(kReplicaSets, "default"), 1);
  DeleteOptions foreground;
  foreground.propagation = "Foreground";
  must(admin->remove(kDeployments, {"default", "web"}, foreground));
  settle(60);
  EXPECT_FALSE(admin->snapshot().get(kDeployments, "default", "web"));
  EXPECT_EQ(count(kPods, "default"), 0);

  must(admin->create(kNamespaces, "", json(R"({"apiVersion":"v1","kind":"Namespace","metadata":{"name":"x"}})")));
  settle(5);
  must(admin->create(kDeployments, "x", json(deployment("v1", 2))));
  settle(30);
  EXPECT_EQ(count(kPods, "x"), 2);
  must(admin->remove(kNamespaces, {"", "x"}, {}));
  settle(60);
  EXPECT_FALSE(admin->snapshot().get(kNamespaces, "", "x")) << admin->snapshot().get(kNamespaces, "", "x").root().dump_pretty();
}

// Its pods do not end, so the namespace stays, and each controller finds something missing that may not be made any more.
TEST_F(RealApi, controllers_give_up_quietly_in_a_namespace_that_ends) {
  add_node("n1", "4");
  must(admin->create(kNamespaces, "", json(R"({"apiVersion":"v1","kind":"Namespace","metadata":{"name":"x"}})")));
  settle(5);
  must(admin->create(kDeployments, "x", json(deployment("v1", 2))));
  must(admin->create(kServices, "x", json(R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"web"},"spec":{"selector":{"app":"web"},"ports":[{"port":80}]}})")));
  must(admin->create(kServices, "x", json(R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"own"},"spec":{"ports":[{"port":80}]}})")));
  must(admin->create(kEndpoints, "x", json(R"({"apiVersion":"v1","kind":"Endpoints","metadata":{"name":"own"},"subsets":[{"addresses":[{"ip":"192.0.2.9"}],"ports":[{"port":80}]}]})")));
  settle(30);
  ASSERT_EQ(count(kPods, "x"), 2);
  ASSERT_EQ(count(kEndpointSlices, "x"), 2);
  kubelets_work = false;
  must(admin->remove(kNamespaces, {"", "x"}, {}));
  settle(5);
  must(admin->patch(kDeployments, {"x", "web"}, PatchType::kStrategic, json(R"({"spec":{"template":{"spec":{"containers":[{"name":"c","image":"v2"}]}}}})")));
  must(admin->remove(kEndpoints, {"x", "web"}, {}));
  must(admin->remove(kServiceAccounts, {"x", "default"}, {}));
  must(admin->remove(kConfigMaps, {"x", "kube-root-ca.crt"}, {}));
  std::vector<std::string> slices;
  admin->snapshot().each(kEndpointSlices, "x", [&](const Document& s) {
    slices.emplace_back(name_of(s));
    return true;
  });
  for (const std::string& slice : slices) must(admin->remove(kEndpointSlices, {"x", slice}, {}));
  settle(30);
  std::set<std::string> tried;
  for (const std::string& r : refusals) {
    EXPECT_TRUE(r.ends_with("because it is being terminated")) << r;
    tried.insert(r.substr(0, r.find(':', r.find("kube-system:") + 12)));
  }
  std::string prefix = "system:serviceaccount:kube-system:";
  for (const char* account : {"replicaset-controller", "deployment-controller", "endpoint-controller", "endpointslice-controller", "endpointslicemirroring-controller"}) {
    EXPECT_TRUE(tried.contains(prefix + account)) << account << " was not put to the test";
  }
  refusals.clear();
  settle(900);
  EXPECT_LE(refusals.size(), 1u) << "the roll-out's deadline looks once more; nobody tries on and on";
  Document d = admin->snapshot().get(kDeployments, "x", "web");
  EXPECT_NE(find_condition(d["status"]["conditions"], "Progressing")["reason"].str(), "NewReplicaSetCreated");
  Document rs;
  admin->snapshot().each(kReplicaSets, "x", [&](const Document& set) { return rs = set, true; });
  EXPECT_FALSE(find_condition(rs["status"]["conditions"], "ReplicaFailure").exists());
}

// What the disk holds after a repair that lost a ReplicaSet and a Node.
class AfterRepair : public RealApi {
 protected:
  void SetUp() override {
    put(5, "/registry/core/pods/default/left", R"({"kind":"Pod","apiVersion":"v1","metadata":{"name":"left","namespace":"default","uid":"u1","resourceVersion":"7","creationTimestamp":"2026-01-01T00:00:00Z","ownerReferences":[{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"web-1","uid":"lost","controller":true}]},"spec":{"nodeName":"n9","containers":[{"name":"c","image":"v1"}]},"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"}]}})");
    disk->revision = 9;
    disk->epoch_changed = true;
    RealApi::SetUp();
  }
  void put(uint64_t id, const std::string& key, const std::string& value) { disk->rows[id] = {id, key, 7, make_buffer(value)}; }
  static Task<void> confirm(Store* store) {
    Status confirmed = co_await store->confirm_epoch();
    EXPECT_TRUE(confirmed.ok());
  }
  bool is_there() { return static_cast<bool>(admin->snapshot().get(kPods, "default", "left")); }
};

TEST_F(AfterRepair, nothing_is_deleted_for_an_absent_owner_or_node_until_that_is_confirmed) {
  settle(600);
  ASSERT_TRUE(is_there());
  tasks.start(confirm(&store));
  settle(600);
  EXPECT_TRUE(is_there()) << "nobody was told to look again";
  controllers->look_again();
  settle(120);
  EXPECT_FALSE(is_there());
}

TEST_F(AfterRepair, what_is_deleted_by_its_user_still_goes) {
  add_node("n1", "4");
  must(admin->create(kDeployments, "default", json(deployment("v1", 2))));
  settle(30);
  ASSERT_EQ(ready("v1"), 3);
  must(admin->remove(kDeployments, {"default", "web"}, {}));
  settle(60);
  EXPECT_EQ(count(kReplicaSets, "default"), 0);
  EXPECT_EQ(count(kPods, "default"), 1);
  EXPECT_TRUE(is_there());
}

TEST_F(RealApi, a_quota_holds_while_a_deployment_comes_and_goes) {
  const ResourceId quotas{"", "v1", "resourcequotas"};
  auto used = [&] { return admin->snapshot().get(quotas, "default", "q")["status"]["used"].dump(); };
  add_node("n1", "4");
  must(admin->create(quotas, "default", json(R"({"apiVersion":"v1","kind":"ResourceQuota","metadata":{"name":"q"},"spec":{"hard":{"pods":"3","requests.cpu":"1","count/replicasets.apps":"5"}}})")));
  settle(5);
  EXPECT_EQ(used(), R"({"count/replicasets.apps":"0","pods":"0","requests.cpu":"0"})");
  must(admin->create(kDeployments, "default", json(deployment("v1", 5))));
  settle(60);
  EXPECT_EQ(ready("v1"), 3);
  EXPECT_EQ(used(), R"({"count/replicasets.apps":"1","pods":"3","requests.cpu":"300m"})");
  ASSERT_FALSE(refusals.empty());
  EXPECT_NE(refusals[0].find("is forbidden: exceeded quota: q, requested: pods=1, used: pods=3, limited: pods=3"), std::string::npos) << refusals[0];
  Document one;
  admin->snapshot().each(kPods, "default", [&](const Document& pod) {
    one = pod;
    return false;
  });
  must(admin->remove(kPods, {"default", std::string(name_of(one))}, {}));
  settle(300);
  EXPECT_EQ(ready("v1"), 3);
  EXPECT_EQ(used(), R"({"count/replicasets.apps":"1","pods":"3","requests.cpu":"300m"})");
  must(admin->remove(kDeployments, {"default", "web"}, {}));
  settle(60);
  EXPECT_EQ(used(), R"({"count/replicasets.apps":"0","pods":"0","requests.cpu":"0"})");
}

TEST_F(RealApi, comes_to_rest) {
  add_node("n1", "4");
  must(admin->create(kDeployments, "default", json(deployment("v1", 3))));
  settle(60);
  size_t changes = 0;
  std::vector<ResourceId> watched{kPods, kReplicaSets, kDeployments, kEndpoints, kEndpointSlices, kNodes, kNamespaces, kEvents, kConfigMaps, kServices};
  auto subscription = admin->subscribe(watched, [&](const Change&) { changes++; });
  settle(900);
  EXPECT_EQ(changes, 0u);
}

}  // namespace
}  // namespace bramble

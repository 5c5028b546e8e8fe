// Controllers and scheduler over the real API, in process, on a store in memory; only nodes and time are made up. What FakeApi
// cannot show: that the rules, defaults and canonical forms of the real objects agree with what controllers expect of them.
#include <gtest/gtest.h>

#include "core/apiserver/apiserver.h"
#include "core/controllers/controllers.h"
#include "core/json/builder.h"
#include "core/resources/conditions.h"
#include "core/resources/pod_view.h"
#include "core/scheduler/scheduler.h"
#include "storage/memory/memory_store.h"
#include "tests/sim/fake_time.h"

namespace bramble {
namespace {

using namespace resource_ids;

class RealApi : public testing::Test {
 protected:
  Loop loop;
  FakeTime time;
  SeededRandom random{11};
  MemoryStore store{time.clock};
  WatchCache cache{time.clock};
  std::unique_ptr<Registry> registry;
  std::unique_ptr<ApiServer> api;
  std::unique_ptr<Client> admin;
  std::unique_ptr<Controllers> controllers;
  std::unique_ptr<Scheduler> scheduler;
  bool kubelets_work = true;
  TaskGroup tasks;

  void SetUp() override {
    ASSERT_TRUE(cache.load(store).ok());
    registry = std::make_unique<Registry>(store, cache, time.clock, random, Registry::Options());
    registry->adopt();
    ApiServer::Options options;
    auto key = PrivateKey::generate_p256();
    ASSERT_TRUE(key.ok());
    options.tokens.verify = {key->public_key()};
    options.tokens.sign = std::make_shared<PrivateKey>(std::move(*key));
    options.server_address = "192.0.2.1:6443";
    options.authorize_parts = true;  // each controller and the scheduler have what upstream's roles give them
    api = std::make_unique<ApiServer>(*registry, options);
    tasks.start(boot(api.get()));
    Identity id;
    id.user = "admin";
    id.groups = {"system:masters"};
    admin = api->client(id);
    ControllerOptions c;
    c.ca_pem = "PEM";
    c.advertise_address = "192.0.2.1";
    controllers = std::make_unique<Controllers>([this](Identity i) { return api->client(std::move(i)); }, time.clock, c, time.alarms());
    controllers->start();
    scheduler = std::make_unique<Scheduler>(api->client(scheduler_identity()), time.clock, random, SchedulerOptions{"host"}, time.alarms());
    scheduler->start();
    settle(5);
  }
  void TearDown() override {
    scheduler.reset();
    controllers.reset();
    admin.reset();
    tasks.cancel_all();
  }

  static Task<void> boot(ApiServer* server) {
    Status done = co_await server->bootstrap();
    EXPECT_TRUE(done.ok());
  }
  static Task<void> keep(Task<Result<Document>> call, std::optional<Result<Document>>* answer) {
    auto got = co_await call;
    *answer = std::move(got);
  }
  Result<Document> done(Task<Result<Document>> call) {
    auto answer = std::make_unique<std::optional<Result<Document>>>();
    tasks.start(keep(std::move(call), answer.get()));
    for (int i = 0; i < 20 && !*answer; i++) turn_loop();
    EXPECT_TRUE(answer->has_value());
    if (!*answer) return Error(Code::kInternal, "no answer");
    return std::move(**answer);
  }
  void must(Task<Result<Document>> call) {
    Result<Document> answer = done(std::move(call));
    EXPECT_TRUE(answer.ok()) << answer.error().message();
  }
  static Document json(const std::string& text) {
    Result<Document> d = Document::parse(text);
    EXPECT_TRUE(d.ok()) << text;
    return *d;
  }

  void turn_loop() {
    loop.post([this] { loop.stop(); });
    loop.run();
  }
  // Everybody acts until only time can change something; then time passes, up to so many seconds in all.
  void settle(int seconds) {
    int64_t until_us = time.clock.monotonic_us() + seconds * 1000000LL;
    int steps = 0;
    while (time.clock.monotonic_us() < until_us) {
      ASSERT_LT(steps++, 20000) << "somebody writes on and on";
      turn_loop();
      if (time.fire_one() || kubelet()) continue;
      renew_leases();
      int64_t left_us = until_us - time.clock.monotonic_us();
      if (!time.skip(std::min<int64_t>(left_us, 10 * 1000000LL))) time.clock.advance_us(std::min<int64_t>(left_us, 10 * 1000000LL));
    }
  }

  void add_node(const std::string& name, const std::string& cpu) {
    must(admin->create(kNodes, "", json(cat(R"({"apiVersion":"v1","kind":"Node","metadata":{"name":")", name, R"("}})"))));
    must(admin->patch(kNodes, {"", name}, PatchType::kMerge,
                      json(cat(R"({"status":{"capacity":{"cpu":")", cpu, R"(","memory":"8Gi","pods":"110"},"allocatable":{"cpu":")", cpu,
                               R"(","memory":"8Gi","pods":"110"},"conditions":[{"type":"Ready","status":"True","reason":"KubeletReady","message":"kubelet is posting ready status","lastHeartbeatTime":"2026-01-02T03:04:05Z","lastTransitionTime":"2026-01-02T03:04:05Z"}]}})")),
                      {"status", false}));
  }
  void renew_leases() {
    std::vector<std::string> nodes;
    admin->snapshot().each(kNodes, "", [&](const Document& n) {
      nodes.emplace_back(name_of(n));
      return true;
    });
    for (const std::string& name : nodes) {
      Document lease = json(cat(R"({"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{"name":")", name, R"(","namespace":"kube-node-lease"},"spec":{"holderIdentity":")", name,
                                R"(","leaseDurationSeconds":40,"renewTime":")", time.clock.now_rfc3339_micro(), R"("}})"));
      if (admin->snapshot().get(kLeases, "kube-node-lease", name)) must(admin->patch(kLeases, {"kube-node-lease", name}, PatchType::kMerge, lease));
      else must(admin->create(kLeases, "kube-node-lease", lease));
    }
  }
  bool kubelet() {
    if (!kubelets_work) return false;
    Document next_pod;
    admin->snapshot().each(kPods, "", [&](const Document& pod) {
      PodView view(pod);
      if (view.is_assigned() && (view.is_deleting() || !view.is_ready())) next_pod = pod;
      return !next_pod;
    });
    if (!next_pod) return false;
    ObjectKey key{std::string(namespace_of(next_pod)), std::string(name_of(next_pod))};
    if (PodView(next_pod).is_deleting()) {
      DeleteOptions now;
      now.grace_period_s = 0;
      must(admin->remove(kPods, key, now));
      return true;
    }
    Builder b;
    Mut status = b.root().object("status");
    status.set("phase", "Running");
    std::string ip = cat("10.42.0.", 2 + ++last_ip_ % 250);
    status.set("podIP", ip);
    status.array("podIPs").append_object().set("ip", ip);
    Mut ready = status.array("conditions").append_object();
    ready.set("type", "Ready");
    ready.set("status", "True");
    ready.set("lastTransitionTime", time.clock.now_rfc3339());
    must(admin->patch(kPods, key, PatchType::kStrategic, b.finish(), {"status", false}));
    return true;
  }

  int ready(const std::string& image) {
    int n = 0;
    admin->snapshot().each(kPods, "default", [&](const Document& pod) {
      PodView v(pod);
      n += v.is_ready() && v.is_active() && v.containers().item(0)["image"].str() == image;
      return true;
    });
    return n;
  }
  int count(const ResourceId& resource, const std::string& ns) {
    int n = 0;
    admin->snapshot().each(resource, ns, [&](const Document&) { n++; return true; });
    return n;
  }
  std::vector<std::string> events(const std::string& about) {
    std::vector<std::string> out;
    admin->snapshot().each(kEvents, "default", [&](const Document& e) {
      if (e["involvedObject"]["kind"].str() == about) out.push_back(cat(e["reason"].str(), ": ", e["message"].str()));
      return true;
    });
    return out;
  }
  static std::string deployment(const std::string& image, int replicas) {
    return cat(R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","labels":{"app":"web"}},"spec":{"replicas":)", replicas,
               R"(,"selector":{"matchLabels":{"app":"web"}},"template":{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"name":"c","image":")", image,
               R"(","ports":[{"name":"http","containerPort":80}],"resources":{"requests":{"cpu":"100m"}}}]}}}})");
  }

 private:
  int last_ip_ = 0;
};

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
  EXPECT_EQ(rules("view"), rules("system:aggregate-to-view"));
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

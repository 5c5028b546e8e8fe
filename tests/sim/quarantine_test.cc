// What ended the server before is left alone by its room, and by no other, until it changes; all else goes on.
#include "tests/core/quarantine/dying.h"
#include "tests/sim/real_api.h"

namespace bramble {
namespace {

using namespace resource_ids;

class Quarantined : public RealApi, public DyingProcesses {
 protected:
  void SetUp() override {}  // begin() does it: what is set aside is said first
  void begin() {
    quarantine_ = DyingProcesses::open();
    quarantine_->on_skip([this](const Quarantine::Entry& e, const Document& object) { skipped.push_back(cat(e.room, ": ", object["kind"].str(), " ", name_of(object))); });
    RealApi::SetUp();
    add_node("n1", "4");
    settle(5);
  }
  void TearDown() override {
    RealApi::TearDown();
    registry.reset();
  }
  Quarantine* quarantine() override { return quarantine_.get(); }
  void set_aside(const std::string& room, const std::string& key) { die_at(room, key, {}); }
  void pod(const std::string& name) {
    must(admin->create(kPods, "default", json(cat(R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":")", name, R"("},"spec":{"containers":[{"name":"c","image":"i"}]}})"))));
  }
  std::string node_of(const std::string& name) { return admin->snapshot().get(kPods, "default", name)["spec"]["nodeName"].text(); }
  void annotate(const ResourceId& resource, const std::string& ns, const std::string& name) {
    must(admin->patch(resource, {ns, name}, PatchType::kMerge, json(R"({"metadata":{"annotations":{"mended":"yes"}}})")));
  }

  std::vector<std::string> skipped;
  std::unique_ptr<Quarantine> quarantine_;
};

TEST_F(Quarantined, pod_is_not_scheduled_until_it_changes) {
  set_aside("scheduler", "pods default/bad");
  begin();
  pod("bad");
  pod("good");
  settle(600);
  EXPECT_EQ(node_of("bad"), "");
  EXPECT_EQ(node_of("good"), "n1");
  EXPECT_EQ(skipped, std::vector<std::string>{"scheduler: Pod bad"});
  annotate(kPods, "default", "bad");
  settle(10);
  EXPECT_EQ(node_of("bad"), "n1");
}

TEST_F(Quarantined, node_is_not_used_by_the_scheduler) {
  begin();
  add_node("n2", "64");
  settle(5);
  DyingProcesses schedulers;
  schedulers.die_at("scheduler", "nodes n2", {});
  auto its_own = schedulers.open();
  scheduler = std::make_unique<Scheduler>(api->client(scheduler_identity()), time.clock, random, SchedulerOptions{"host"}, time.alarms(), its_own.get());
  scheduler->start();
  for (const char* name : {"a", "b", "c"}) pod(name);
  settle(10);
  for (const char* name : {"a", "b", "c"}) EXPECT_EQ(node_of(name), "n1");
  scheduler.reset();
}

TEST_F(Quarantined, deployment_is_left_alone_by_its_controller_until_it_changes) {
  set_aside("controllers/deployment", "default/web");
  begin();
  must(admin->create(kDeployments, "default", json(deployment("v1", 1))));
  must(admin->create(kNamespaces, "", json(R"({"apiVersion":"v1","kind":"Namespace","metadata":{"name":"x"}})")));
  must(admin->create(kDeployments, "x", json(deployment("v1", 1))));
  settle(60);
  EXPECT_EQ(count(kReplicaSets, "default"), 0);
  EXPECT_EQ(count(kPods, "x"), 1);
  EXPECT_EQ(skipped, std::vector<std::string>{"controllers/deployment: Deployment web"});
  annotate(kDeployments, "default", "web");
  settle(60);
  EXPECT_EQ(count(kPods, "default"), 1);
}

TEST_F(Quarantined, object_is_not_looked_at_by_a_controller_that_died_reading_it) {
  set_aside("controllers/endpointslice", "pods default/bad");
  begin();
  must(admin->create(kServices, "default", json(R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"web"},"spec":{"selector":{"app":"web"},"ports":[{"port":80}]}})")));
  pod("bad");
  settle(10);
  EXPECT_EQ(skipped, std::vector<std::string>{"controllers/endpointslice: Pod bad"});
  EXPECT_EQ(node_of("bad"), "n1");
}

TEST_F(Quarantined, object_is_not_collected_until_it_changes) {
  set_aside("controllers/garbage-collector", "default//v1/configmaps/bad");
  begin();
  for (const char* name : {"bad", "good"}) {
    must(admin->create(kConfigMaps, "default", json(cat(R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":")", name,
                                                        R"(","ownerReferences":[{"apiVersion":"v1","kind":"ConfigMap","name":"never","uid":"u-0"}]}})"))));
  }
  settle(60);
  EXPECT_TRUE(admin->snapshot().get(kConfigMaps, "default", "bad"));
  EXPECT_FALSE(admin->snapshot().get(kConfigMaps, "default", "good"));
  EXPECT_EQ(skipped, std::vector<std::string>{"controllers/garbage-collector: ConfigMap bad"});
  must(admin->patch(kConfigMaps, {"default", "bad"}, PatchType::kMerge, json(R"({"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"ConfigMap","name":"never","uid":"u-1"}]}})")));
  settle(60);
  EXPECT_FALSE(admin->snapshot().get(kConfigMaps, "default", "bad"));
}

// Every controller has the same driver; none of them keeps the others or the API from their work.
TEST_F(Quarantined, all_controllers_may_be_set_aside_and_the_api_serves) {
  ControllerOptions options;
  options.pod_network = "10.42.0.0/16";
  for (const Controller& c : all_controllers(options)) set_aside(cat("controllers/", c.name), "namespaces default");
  begin();
  EXPECT_EQ(count(kServiceAccounts, "default"), 0);
  must(admin->create(kConfigMaps, "default", json(R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c"}})")));
  must(admin->create(kNamespaces, "", json(R"({"apiVersion":"v1","kind":"Namespace","metadata":{"name":"x"}})")));
  settle(5);
  must(admin->create(kDeployments, "x", json(deployment("v1", 2))));
  settle(30);
  EXPECT_EQ(count(kPods, "x"), 2);
}

TEST_F(Quarantined, service_does_not_keep_the_registry_from_starting) {
  set_aside("registry", "services default/bad");
  begin();
  must(admin->create(kServices, "default", json(R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"bad"},"spec":{"clusterIP":"10.43.7.7","ports":[{"port":80}]}})")));
  registry->adopt();
  EXPECT_EQ(skipped, std::vector<std::string>{"registry: Service bad"});
}

}  // namespace
}  // namespace bramble

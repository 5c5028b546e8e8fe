// RealApi: controllers and scheduler over the real API, in process, on a store in memory; only nodes and time are made up. What
// FakeApi cannot show: that the rules, defaults and canonical forms of the real objects agree with what controllers expect.
#pragma once

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

// A client that keeps the refusals of creates: "user: resource: message".
class WatchedClient final : public Client {
 public:
  WatchedClient(std::unique_ptr<Client> real, std::string user, std::vector<std::string>* refusals)
      : real_(std::move(real)), user_(std::move(user)), refusals_(refusals) {}
  const Snapshot& snapshot() const override { return real_->snapshot(); }
  std::unique_ptr<Subscription> subscribe(std::vector<ResourceId> resources, std::function<void(const Change&)> fn) override {
    return real_->subscribe(std::move(resources), std::move(fn));
  }
  Task<Result<Document>> create(ResourceId resource, std::string ns, Document object, WriteOptions options) override {
    auto answer = co_await real_->create(resource, ns, object, options);
    if (!answer.ok()) refusals_->push_back(cat(user_, ": ", resource.resource, ": ", answer.error().message()));
    co_return answer;
  }
  Task<Result<Document>> update(ResourceId resource, ObjectKey key, Document object, WriteOptions options) override {
    return real_->update(std::move(resource), std::move(key), std::move(object), std::move(options));
  }
  Task<Result<Document>> patch(ResourceId resource, ObjectKey key, PatchType type, Document patch, WriteOptions options) override {
    return real_->patch(std::move(resource), std::move(key), type, std::move(patch), std::move(options));
  }
  Task<Result<Document>> remove(ResourceId resource, ObjectKey key, DeleteOptions options) override {
    return real_->remove(std::move(resource), std::move(key), std::move(options));
  }

 private:
  std::unique_ptr<Client> real_;
  std::string user_;
  std::vector<std::string>* refusals_;
};

class RealApi : public testing::Test {
 protected:
  Loop loop;
  FakeTime time;
  SeededRandom random{11};
  std::shared_ptr<MemoryDisk> disk = std::make_shared<MemoryDisk>();
  MemoryStore store{time.clock, disk};
  WatchCache cache{time.clock};
  std::unique_ptr<Registry> registry;
  std::unique_ptr<ApiServer> api;
  std::unique_ptr<Client> admin;
  std::unique_ptr<Controllers> controllers;
  std::unique_ptr<Scheduler> scheduler;
  bool kubelets_work = true;
  std::vector<std::string> refusals;  // of what controllers tried to create
  TaskGroup tasks;

  void SetUp() override {
    ASSERT_TRUE(cache.load(store, quarantine()).ok());
    Registry::Options registry_options;
    registry_options.service_cidr = "10.43.0.0/16";
    registry_options.dns_address = "10.43.0.10";
    registry_options.node_port_first = 30000;
    registry_options.node_port_last = 32767;
    registry_options.quarantine = quarantine();
    registry = std::make_unique<Registry>(store, cache, time.clock, random, registry_options);
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
    c.api_port = 6443;
    c.api_cluster_ip = "10.43.0.1";
    c.pod_network = "10.42.0.0/16";
    auto watched = [this](Identity i) { return std::make_unique<WatchedClient>(api->client(i), i.user, &refusals); };
    controllers = std::make_unique<Controllers>(watched, time.clock, c, time.alarms(), quarantine());
    controllers->start();
    scheduler = std::make_unique<Scheduler>(api->client(scheduler_identity()), time.clock, random, SchedulerOptions{"host"}, time.alarms(), quarantine());
    scheduler->start();
    settle(5);
  }
  void TearDown() override {
    scheduler.reset();
    controllers.reset();
    admin.reset();
    tasks.cancel_all();
  }

  virtual Quarantine* quarantine() { return nullptr; }

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
    must(admin->create(resource_ids::kNodes, "", json(cat(R"({"apiVersion":"v1","kind":"Node","metadata":{"name":")", name, R"("}})"))));
    must(admin->patch(resource_ids::kNodes, {"", name}, PatchType::kMerge,
                      json(cat(R"({"status":{"capacity":{"cpu":")", cpu, R"(","memory":"8Gi","pods":"110"},"allocatable":{"cpu":")", cpu,
                               R"(","memory":"8Gi","pods":"110"},"conditions":[{"type":"Ready","status":"True","reason":"KubeletReady","message":"kubelet is posting ready status","lastHeartbeatTime":"2026-01-02T03:04:05Z","lastTransitionTime":"2026-01-02T03:04:05Z"}]}})")),
                      {"status", false}));
  }
  void renew_leases() {
    std::vector<std::string> nodes;
    admin->snapshot().each(resource_ids::kNodes, "", [&](const Document& n) {
      nodes.emplace_back(name_of(n));
      return true;
    });
    for (const std::string& name : nodes) {
      Document lease = json(cat(R"({"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{"name":")", name, R"(","namespace":"kube-node-lease"},"spec":{"holderIdentity":")", name,
                                R"(","leaseDurationSeconds":40,"renewTime":")", time.clock.now_rfc3339_micro(), R"("}})"));
      if (admin->snapshot().get(resource_ids::kLeases, "kube-node-lease", name)) must(admin->patch(resource_ids::kLeases, {"kube-node-lease", name}, PatchType::kMerge, lease));
      else must(admin->create(resource_ids::kLeases, "kube-node-lease", lease));
    }
  }
  bool kubelet() {
    if (!kubelets_work) return false;
    Document next_pod;
    admin->snapshot().each(resource_ids::kPods, "", [&](const Document& pod) {
      PodView view(pod);
      if (view.is_assigned() && (view.is_deleting() || !view.is_ready())) next_pod = pod;
      return !next_pod;
    });
    if (!next_pod) return false;
    ObjectKey key{std::string(namespace_of(next_pod)), std::string(name_of(next_pod))};
    if (PodView(next_pod).is_deleting()) {
      DeleteOptions now;
      now.grace_period_s = 0;
      must(admin->remove(resource_ids::kPods, key, now));
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
    must(admin->patch(resource_ids::kPods, key, PatchType::kStrategic, b.finish(), {"status", false}));
    return true;
  }

  int ready(const std::string& image) {
    int n = 0;
    admin->snapshot().each(resource_ids::kPods, "default", [&](const Document& pod) {
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
    admin->snapshot().each(resource_ids::kEvents, "default", [&](const Document& e) {
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

}  // namespace bramble

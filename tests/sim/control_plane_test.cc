// The control plane under a seed: all controllers and the scheduler over FakeApi, a kubelet made of chance, calls that are lost
// before or after they were done. What must hold at every change is checked at every change; at the end all must be as wanted,
// and nobody may go on writing.
#include <gtest/gtest.h>

#include <deque>

#include "core/controllers/controllers.h"
#include "core/resources/pod_view.h"
#include "core/scheduler/scheduler.h"
#include "tests/sim/fake_api.h"
#include "tests/core/json/json_text.h"
#include "tests/sim/fake_time.h"

namespace bramble {
namespace {

using namespace resource_ids;

// A node that nobody has heard of for a while: its kubelet does nothing.
bool is_silent(const Document& node) { return node["metadata"]["labels"]["silent"].exists(); }

class World {
 public:
  explicit World(uint64_t seed) : random(seed), api(time.clock, seed + 1), scheduler_random(seed + 2) {
    api.observer = [this](const Change& c) { check(c); };
  }

  void start() {
    controllers.reset();
    scheduler.reset();
    api.drop_calls();  // they die with the process
    ControllerOptions options;
    options.ca_pem = "PEM";
    options.advertise_address = "10.0.0.1";
    options.api_port = 6443;
    options.api_cluster_ip = "10.43.0.1";
    options.pod_network = "10.42.0.0/16";
    auto clients = [this](Identity) { return api.client(); };
    controllers = std::make_unique<Controllers>(clients, time.clock, options, time.alarms());
    controllers->start();
    scheduler = std::make_unique<Scheduler>(api.client(), time.clock, scheduler_random, SchedulerOptions{"host"}, time.alarms());
    scheduler->start();
  }

  void add_node(const std::string& name, const std::string& cpu) {
    ASSERT_TRUE(api.create(kNodes, "", json(cat(R"({"apiVersion":"v1","kind":"Node","metadata":{"name":")", name, R"("},"spec":{},"status":{"allocatable":{"cpu":")", cpu,
                                                R"(","memory":"8Gi","pods":"110"},"conditions":[{"type":"Ready","status":"True","lastHeartbeatTime":"2026-01-02T03:04:05Z"}]}})"))).ok());
  }

  // One step of somebody: the API answers, an alarm rings, a kubelet does something; else time passes.
  bool step() {
    uint64_t turn = random.below(3);
    for (uint64_t i = 0; i < 3; i++) {
      switch ((turn + i) % 3) {
        case 0: if (api.step()) return true; break;
        case 1: if (time.fire_one()) return true; break;
        default: if (kubelet()) return true;
      }
    }
    heartbeat();
    return time.skip(20 * 1000000LL);
  }
  void run(int steps) {
    for (int i = 0; i < steps && step() && !testing::Test::HasFatalFailure(); i++) {}
  }
  // Until nothing moves but the clock, for so many seconds.
  void settle(int seconds) {
    int64_t until_us = time.clock.monotonic_us() + seconds * 1000000LL;
    for (int i = 0; i < 200000 && time.clock.monotonic_us() < until_us; i++) {
      if (!step()) time.clock.advance_us(1000000);
    }
  }

  int ready_pods(const std::string& image) const {
    int n = 0;
    api.state.each(kPods, "default", [&](const Document& pod) {
      PodView view(pod);
      n += view.is_ready() && view.is_active() && view.containers().item(0)["image"].str() == image;
      return true;
    });
    return n;
  }
  int count(const ResourceId& resource, const std::string& ns) const {
    int n = 0;
    api.state.each(resource, ns, [&](const Document&) { n++; return true; });
    return n;
  }

  FakeTime time;
  SeededRandom random;
  FakeApi api;
  SeededRandom scheduler_random;
  std::unique_ptr<Controllers> controllers;
  std::unique_ptr<Scheduler> scheduler;
  int64_t size_max = 1000;  // of all sets together, and of available pods the least, in namespace default
  int available_min = 0;

 private:
  bool kubelet() {
    std::vector<Document> waiting;
    api.state.each(kPods, "", [&](const Document& pod) {
      PodView view(pod);
      if (!view.is_assigned() || is_silent(api.state.get(kNodes, "", view.node_name()))) return true;
      if (view.is_deleting() || !view.is_ready()) waiting.push_back(pod);
      return true;
    });
    if (waiting.empty()) return false;
    const Document& pod = waiting[random.below(waiting.size())];
    ObjectKey key{std::string(namespace_of(pod)), std::string(name_of(pod))};
    if (PodView(pod).is_deleting()) {
      DeleteOptions now;
      now.grace_period_s = 0;
      EXPECT_TRUE(api.remove(kPods, key, now).ok());
      return true;
    }
    std::string ip = cat("10.42.", random.below(250), ".", 1 + random.below(250));
    Builder next(pod.root());
    Mut status = next.root().object("status");
    status.set("phase", "Running");
    status.set("podIP", ip);
    status.array("podIPs").append_object().set("ip", ip);
    Mut ready = status.array("conditions").append_object();
    ready.set("type", "Ready");
    ready.set("status", "True");
    ready.set("lastTransitionTime", time.clock.now_rfc3339());
    EXPECT_TRUE(api.update(kPods, key, next.finish(), "status").ok());
    return true;
  }

  void heartbeat() {
    std::vector<Document> nodes;
    api.state.each(kNodes, "", [&](const Document& node) {
      nodes.push_back(node);
      return true;
    });
    for (const Document& node : nodes) {
      if (is_silent(node)) continue;
      std::string name(name_of(node));
      Document lease = json(cat(R"({"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{"name":")", name, R"(","namespace":"kube-node-lease"},"spec":{"renewTime":")", time.clock.now_rfc3339_micro(), R"("}})"));
      if (!api.state.get(kLeases, "kube-node-lease", name)) (void)api.create(kLeases, "kube-node-lease", lease).ok();
      else (void)api.patch(kLeases, {"kube-node-lease", name}, PatchType::kMerge, lease).ok();
    }
  }

  // The last changes of sets and pods, told when something does not hold.
  void remember(const Change& c) {
    if (c.resource != kPods && c.resource != kReplicaSets) return;
    const Document& d = c.after ? c.after : c.before;
    std::string line = cat(c.resource.resource, " ", name_of(d), c.before ? "" : " made", c.after ? "" : " gone");
    if (c.resource == kPods && c.after) {
      PodView view(c.after);
      line += cat(view.is_ready() ? " ready" : "", view.is_deleting() ? " ending" : "", " on ", view.node_name());
    } else if (c.after) {
      line += cat(" size ", d["spec"]["replicas"].integer(), " status ", d["status"].dump());
    }
    history_.push_back(std::move(line));
    if (history_.size() > 60) history_.pop_front();
  }
  std::string history() const { return join({history_.begin(), history_.end()}, "\n"); }

  // Holds at every change.
  void check(const Change& c) {
    remember(c);
    if (c.resource == kReplicaSets) check_sizes();
    if (c.resource != kPods) return;
    std::string_view was = c.before["spec"]["nodeName"].str(), is = c.after["spec"]["nodeName"].str();
    if (c.before && c.after && !was.empty()) {
      ASSERT_EQ(was, is) << "a pod never moves";
    }
    if (!was.empty() || is.empty()) {
      check_available();
      return;
    }
    int64_t used_milli = 0;
    api.state.each(kPods, "", [&](const Document& pod) {
      PodView view(pod);
      if (view.node_name() != is || view.is_terminal()) return true;
      ResourceAmounts requests = view.requests();
      if (auto it = requests.find("cpu"); it != requests.end()) used_milli += it->second.milli();
      return true;
    });
    Document node = api.state.get(kNodes, "", is);
    ASSERT_LE(used_milli, Quantity::parse(node["status"]["allocatable"]["cpu"].str())->milli()) << "a node is never overcommitted";
  }
  // Of what the sets shall have: a set may be given a new pod before another has let its own go.
  void check_sizes() {
    int64_t sizes = 0;
    api.state.each(kReplicaSets, "default", [&](const Document& rs) {
      sizes += rs["spec"]["replicas"].integer();
      return true;
    });
    ASSERT_LE(sizes, size_max) << history();
  }
  void check_available() {
    int available = 0;
    api.state.each(kPods, "default", [&](const Document& pod) {
      PodView view(pod);
      available += view.is_active() && view.is_ready();
      return true;
    });
    ASSERT_GE(available, available_min) << history();
  }
  std::deque<std::string> history_;
};

std::string deployment(const std::string& image, int replicas) {
  return cat(R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","namespace":"default"},"spec":{"replicas":)", replicas,
             R"(,"progressDeadlineSeconds":600,"revisionHistoryLimit":1,"strategy":{"type":"RollingUpdate","rollingUpdate":{"maxSurge":2,"maxUnavailable":1}},"selector":{"matchLabels":{"app":"web"}},"template":{"metadata":{"labels":{"app":"web"}},"spec":{"terminationGracePeriodSeconds":30,"containers":[{"name":"c","image":")",
             image, R"(","ports":[{"containerPort":80}],"resources":{"requests":{"cpu":"100m"}}}]}}}})");
}

void set_image(World& w, const std::string& image) {
  Document d = w.api.state.get(kDeployments, "default", "web");
  Builder next(d.root());
  next["spec"]["template"]["spec"]["containers"].item(0).set("image", image);
  ASSERT_TRUE(w.api.update(kDeployments, {"default", "web"}, next.finish()).ok());
}

size_t endpoint_addresses(World& w) {
  return w.api.state.get(kEndpoints, "default", "web")["subsets"].item(0)["addresses"].size();
}

class ControlPlane : public testing::TestWithParam<int> {};

TEST_P(ControlPlane, rolls_out_scales_and_cleans_up_whatever_calls_are_lost) {
  World w(static_cast<uint64_t>(GetParam()) * 7919);
  w.api.lose_before = 0.08;
  w.api.lose_after = 0.04;
  w.start();
  w.run(300);
  w.add_node("n1", "2");
  w.add_node("n2", "1");
  ASSERT_TRUE(w.api.create(kServices, "default", json(R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"web"},"spec":{"clusterIP":"10.43.0.9","selector":{"app":"web"},"ports":[{"port":80,"targetPort":80,"protocol":"TCP"}]}})")).ok());
  ASSERT_TRUE(w.api.create(kDeployments, "default", json(deployment("v1", 6))).ok());
  w.settle(120);
  ASSERT_EQ(w.ready_pods("v1"), 6);
  EXPECT_EQ(endpoint_addresses(w), 6u);

  // A roll-out keeps its budget at every change, whatever is lost; in its middle the control plane is started anew.
  w.size_max = 8;
  w.available_min = 5;
  set_image(w, "v2");
  w.run(150);
  w.start();
  w.settle(300);
  ASSERT_EQ(w.ready_pods("v2"), 6);
  ASSERT_EQ(w.ready_pods("v1"), 0);
  Document d = w.api.state.get(kDeployments, "default", "web");
  EXPECT_EQ(d["status"]["updatedReplicas"].integer(), 6);
  EXPECT_EQ(d["status"]["availableReplicas"].integer(), 6);
  EXPECT_EQ(d["metadata"]["annotations"]["deployment.kubernetes.io/revision"].str(), "2");
  EXPECT_EQ(endpoint_addresses(w), 6u);
  w.size_max = 1000;
  w.available_min = 0;

  // History: three templates, the oldest set goes.
  set_image(w, "v3");
  w.settle(300);
  EXPECT_EQ(w.count(kReplicaSets, "default"), 2);

  // More than fits: the rest waits and says so.
  ASSERT_TRUE(w.api.patch(kDeployments, {"default", "web"}, PatchType::kMerge, json(R"({"spec":{"replicas":40}})")).ok());
  w.settle(60);
  EXPECT_EQ(w.ready_pods("v3"), 30);
  w.add_node("n3", "4");
  w.settle(60);
  EXPECT_EQ(w.ready_pods("v3"), 40);

  // The end of the deployment is the end of everything that was its.
  ASSERT_TRUE(w.api.remove(kDeployments, {"default", "web"}, {}).ok());
  w.settle(300);
  EXPECT_EQ(w.count(kReplicaSets, "default"), 0);
  EXPECT_EQ(w.count(kPods, "default"), 0);
  EXPECT_EQ(endpoint_addresses(w), 0u);
}

TEST_P(ControlPlane, comes_to_rest_and_writes_no_more) {
  World w(static_cast<uint64_t>(GetParam()) * 104729);
  w.start();
  w.add_node("n1", "4");
  ASSERT_TRUE(w.api.create(kDeployments, "default", json(deployment("v1", 3))).ok());
  w.settle(120);
  ASSERT_EQ(w.ready_pods("v1"), 3);
  size_t leases = 0;
  size_t before = w.api.writes;
  w.api.observer = [&](const Change& c) { leases += c.resource == kLeases ? 1 : 0; };
  w.settle(900);
  EXPECT_EQ(w.api.writes - before, leases) << "only heartbeats";
}

TEST_P(ControlPlane, empties_and_ends_a_namespace) {
  World w(static_cast<uint64_t>(GetParam()) * 15485863);
  w.api.lose_before = 0.1;
  w.start();
  w.add_node("n1", "4");
  ASSERT_TRUE(w.api.create(kNamespaces, "", json(R"({"apiVersion":"v1","kind":"Namespace","metadata":{"name":"x"}})")).ok());
  w.settle(30);
  EXPECT_TRUE(w.api.state.get(kServiceAccounts, "x", "default"));
  EXPECT_TRUE(w.api.state.get(kConfigMaps, "x", "kube-root-ca.crt"));
  ASSERT_TRUE(w.api.create(kDeployments, "x", json(replace_all(deployment("v1", 3), R"("namespace":"default")", R"("namespace":"x")"))).ok());
  w.settle(60);
  ASSERT_EQ(w.count(kPods, "x"), 3);
  ASSERT_TRUE(w.api.remove(kNamespaces, {"", "x"}, {}).ok());
  w.settle(300);
  EXPECT_FALSE(w.api.state.get(kNamespaces, "", "x"));
  EXPECT_EQ(w.count(kPods, "x"), 0);
  EXPECT_EQ(w.count(kDeployments, "x"), 0);
}

TEST_P(ControlPlane, moves_pods_off_a_node_that_fell_silent) {
  World w(static_cast<uint64_t>(GetParam()) * 32452843);
  w.start();
  w.add_node("n1", "4");
  w.add_node("n2", "4");
  Document d = json(deployment("v1", 4));
  Builder tolerant(d.root());
  Mut toleration = tolerant["spec"]["template"]["spec"].array("tolerations").append_object();
  toleration.set("key", "node.kubernetes.io/unreachable");
  toleration.set("operator", "Exists");
  toleration.set("effect", "NoExecute");
  toleration.set("tolerationSeconds", 60);
  ASSERT_TRUE(w.api.create(kDeployments, "default", tolerant.finish()).ok());
  w.settle(60);
  ASSERT_EQ(w.ready_pods("v1"), 4);
  ASSERT_TRUE(w.api.patch(kNodes, {"", "n2"}, PatchType::kMerge, json(R"({"metadata":{"labels":{"silent":"1"}}})")).ok());
  w.settle(300);
  int on_n2 = 0;
  w.api.state.each(kPods, "default", [&](const Document& pod) {
    on_n2 += PodView(pod).node_name() == "n2" && PodView(pod).is_active();
    return true;
  });
  EXPECT_EQ(on_n2, 0);
  EXPECT_EQ(w.ready_pods("v1"), 4);
}

// A long campaign gives more seeds than a quick run has.
int seed_count() {
  const char* text = getenv("BRAMBLE_SIM_SEEDS");
  return text ? static_cast<int>(parse_int64(text).value_or(8)) : 8;
}
INSTANTIATE_TEST_SUITE_P(seeds, ControlPlane, testing::Range(1, 1 + seed_count()));

}  // namespace
}  // namespace bramble

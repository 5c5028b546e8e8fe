#include "core/scheduler/decision.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/client/map_snapshot.h"
#include "core/scheduler/scores.h"

namespace bramble {
namespace {

std::string node(const std::string& name, const std::string& spec = "{}", const std::string& labels = "{}", const std::string& allocatable = R"({"cpu":"2","memory":"4Gi","pods":"110"})") {
  return cat(R"({"apiVersion":"v1","kind":"Node","metadata":{"name":")", name, R"(","labels":)", labels, R"(},"spec":)", spec, R"(,"status":{"allocatable":)", allocatable, "}}");
}
std::string pod(const std::string& name, const std::string& requests = "{}", const std::string& more_spec = "", const std::string& ports = "") {
  return cat(R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":")", name, R"(","namespace":"default","uid":"u-)", name, R"("},"spec":{"containers":[{"name":"c","image":"i","resources":{"requests":)", requests, "}",
             ports.empty() ? "" : R"(,"ports":)", ports, "}]", more_spec, "}}");
}
std::string on(const std::string& node_name) { return cat(R"(,"nodeName":")", node_name, R"(")"); }

struct State {
  ClusterState cluster;
  explicit State(const std::vector<std::string>& objects) {
    for (const std::string& json : objects) {
      Document d = *Document::parse(json);
      if (d["kind"].str() == "Node") cluster.set_node(d);
      else cluster.set_pod(d);
    }
  }
};

Decision decide_for(const std::string& pod_json, const std::vector<std::string>& objects, const std::string& claims = "") {
  State s(objects);
  SeededRandom random(1);
  return decide(PodFacts(*Document::parse(pod_json)), s.cluster.nodes(), claims, random);
}

const std::string kAfter = " no new claims to deallocate, preemption: ";
const std::string kNotHelpful1 = "0/1 nodes are available: 1 Preemption is not helpful for scheduling.";
const std::string kNoVictims1 = "0/1 nodes are available: 1 No preemption victims found for incoming pod.";

TEST(Decision, says_in_upstreams_words_why_no_node_fits) {
  struct Case {
    const char* name;
    std::string pod;
    std::vector<std::string> objects;
    std::string node, message;
  };
  const std::string taint = R"({"taints":[{"key":"a","value":"b","effect":"NoSchedule"}]})";
  const std::vector<Case> cases = {
      {"fits", pod("p", R"({"cpu":"1"})"), {node("n1")}, "n1", ""},
      {"no nodes", pod("p"), {}, "", "no nodes available to schedule pods"},
      {"more cpu than the node has", pod("p", R"({"cpu":"3"})"), {node("n1")}, "", "0/1 nodes are available: 1 Insufficient cpu." + kAfter + kNotHelpful1},
      {"cpu is taken", pod("p", R"({"cpu":"1500m"})"), {node("n1"), pod("q", R"({"cpu":"1"})", on("n1"))}, "", "0/1 nodes are available: 1 Insufficient cpu." + kAfter + kNoVictims1},
      {"everything is short", pod("p", R"({"memory":"8Gi","cpu":"3","example.com/gpu":"1"})"), {node("n1")}, "",
       "0/1 nodes are available: 1 Insufficient cpu, 1 Insufficient example.com/gpu, 1 Insufficient memory." + kAfter + kNotHelpful1},
      {"too many pods", pod("p"), {node("n1", "{}", "{}", R"({"cpu":"1","pods":"1"})"), pod("q", "{}", on("n1"))}, "", "0/1 nodes are available: 1 Too many pods." + kAfter + kNoVictims1},
      {"taint", pod("p"), {node("n1", taint)}, "", "0/1 nodes are available: 1 node(s) had untolerated taint(s)." + kAfter + kNotHelpful1},
      {"tolerated taint", pod("p", "{}", R"(,"tolerations":[{"key":"a","operator":"Exists"}])"), {node("n1", taint)}, "n1", ""},
      {"cordoned", pod("p"), {node("n1", R"({"unschedulable":true})")}, "", "0/1 nodes are available: 1 node(s) were unschedulable." + kAfter + kNotHelpful1},
      {"cordoned and tolerated", pod("p", "{}", R"(,"tolerations":[{"key":"node.kubernetes.io/unschedulable","operator":"Exists"}])"), {node("n1", R"({"unschedulable":true})")}, "n1", ""},
      {"node selector", pod("p", "{}", R"(,"nodeSelector":{"disk":"ssd"})"), {node("n1"), node("n2", "{}", R"({"disk":"ssd"})")}, "n2", ""},
      {"affinity matches nothing", pod("p", "{}", R"(,"affinity":{"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":[{"matchExpressions":[{"key":"z","operator":"In","values":["1"]}]}]}}})"), {node("n1")}, "",
       "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector." + kAfter + kNotHelpful1},
      {"host port taken", pod("p", "{}", "", R"([{"containerPort":80,"hostPort":8080,"protocol":"TCP"}])"), {node("n1"), pod("q", "{}", on("n1"), R"([{"containerPort":1,"hostPort":8080,"protocol":"TCP"}])")}, "",
       "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports." + kAfter + kNoVictims1},
      {"two nodes, two reasons", pod("p", R"({"cpu":"1500m"})"), {node("n1", taint), node("n2"), pod("q", R"({"cpu":"1"})", on("n2"))}, "",
       "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint(s)." + kAfter + "0/2 nodes are available: 1 No preemption victims found for incoming pod, 1 Preemption is not helpful for scheduling."},
      {"never preempts", pod("p", R"({"cpu":"3"})", R"(,"preemptionPolicy":"Never")"), {node("n1")}, "", "0/1 nodes are available: 1 Insufficient cpu." + kAfter + "not eligible due to preemptionPolicy=Never."},
      {"ended pods need nothing", pod("p", R"({"cpu":"2"})"), {node("n1"), replace_all(pod("q", R"({"cpu":"2"})", on("n1")), "}]" + on("n1") + "}}", "}]" + on("n1") + R"(},"status":{"phase":"Succeeded"}})")}, "n1", ""},
  };
  for (const Case& test : cases) {
    SCOPED_TRACE(test.name);
    Decision d = decide_for(test.pod, test.objects);
    EXPECT_EQ(d.node, test.node);
    EXPECT_EQ(d.message, test.message);
  }
}

// Never placed against what it demands, though the demand cannot be judged yet.
TEST(Decision, a_pod_that_requires_what_is_not_served_waits_and_says_so) {
  const std::string required = R"("requiredDuringSchedulingIgnoredDuringExecution":[{"topologyKey":"kubernetes.io/hostname","labelSelector":{}}]})";
  const std::string preferred = R"("preferredDuringSchedulingIgnoredDuringExecution":[{"weight":1,"podAffinityTerm":{"topologyKey":"kubernetes.io/hostname"}}]})";
  const std::string hostname = R"({"kubernetes.io/hostname":"n1"})";
  auto affinity = [](const char* sort, const std::string& terms) { return cat(R"(,"affinity":{")", sort, R"(":{)", terms, "}"); };
  auto spread = [](const std::string& more) { return cat(R"(,"topologySpreadConstraints":[{"maxSkew":1,"topologyKey":"kubernetes.io/hostname")", more, "}]"); };
  const std::string strict = R"(,"whenUnsatisfiable":"DoNotSchedule")";
  struct Case {
    const char* name;
    std::string more_spec;
    std::vector<std::string> nodes;
    std::string node, demand;
  };
  const std::vector<Case> cases = {
      {"required anti-affinity", affinity("podAntiAffinity", required), {node("n1")}, "", "pod requires podAntiAffinity"},
      {"required affinity", affinity("podAffinity", required), {node("n1")}, "", "pod requires podAffinity"},
      {"preferred ones hold nobody up", affinity("podAntiAffinity", preferred), {node("n1")}, "n1", ""},
      {"strict spread over two nodes", spread(strict), {node("n1", "{}", hostname), node("n2")}, "", "pod requires a topology spread"},
      {"strict spread on the only node", spread(strict), {node("n1", "{}", hostname)}, "n1", ""},
      {"the only node is in no domain", spread(strict), {node("n1")}, "", "pod requires a topology spread"},
      {"strict spread over two domains at least", spread(strict + R"(,"minDomains":2)"), {node("n1", "{}", hostname)}, "", "pod requires a topology spread"},
      {"lenient spread", spread(R"(,"whenUnsatisfiable":"ScheduleAnyway")"), {node("n1")}, "n1", ""},
  };
  for (const Case& test : cases) {
    SCOPED_TRACE(test.name);
    Decision d = decide_for(pod("p", "{}", test.more_spec), test.nodes);
    EXPECT_EQ(d.node, test.node);
    if (test.demand.empty()) continue;
    std::string all = cat("0/", test.nodes.size(), " nodes are available: ");
    EXPECT_TRUE(d.message.starts_with(cat(all, test.demand, ", which this version of bramble does not serve yet ("))) << d.message;
    EXPECT_TRUE(d.message.ends_with(cat("preemption: ", all, test.nodes.size(), " Preemption is not helpful for scheduling."))) << d.message;
    EXPECT_EQ(d.objections, std::set<Plugin>{Plugin::kUnserved});
  }
}

TEST(Decision, volume_claims_stand_in_the_way_on_every_node) {
  Decision d = decide_for(pod("p"), {node("n1")}, "persistentvolumeclaim \"c\" not found");
  EXPECT_EQ(d.message, "0/1 nodes are available: persistentvolumeclaim \"c\" not found. no new claims to deallocate, preemption: " + kNotHelpful1);
  MapSnapshot s;
  Document p = *Document::parse(pod("p", "{}", R"(,"volumes":[{"name":"v","persistentVolumeClaim":{"claimName":"c"}}])"));
  EXPECT_EQ(claims_objection(s, PodView(p)), "persistentvolumeclaim \"c\" not found");
  s.put(resource_ids::kPersistentVolumeClaims, *Document::parse(R"({"metadata":{"name":"c","namespace":"default"},"spec":{}})"));
  EXPECT_EQ(claims_objection(s, PodView(p)), "pod has unbound immediate PersistentVolumeClaims");
  s.put(resource_ids::kPersistentVolumeClaims, *Document::parse(R"({"metadata":{"name":"c","namespace":"default"},"spec":{"volumeName":"v"}})"));
  EXPECT_EQ(claims_objection(s, PodView(p)), "");
}

TEST(Decision, prefers_the_emptier_the_untainted_and_the_wanted_node) {
  struct Case {
    const char* name;
    std::string pod;
    std::vector<std::string> objects;
    std::string node;
  };
  const std::vector<Case> cases = {
      {"emptier", pod("p", R"({"cpu":"100m"})"), {node("n1"), node("n2"), pod("q", R"({"cpu":"1","memory":"1Gi"})", on("n1"))}, "n2"},
      {"PreferNoSchedule", pod("p"), {node("n1", R"({"taints":[{"key":"a","effect":"PreferNoSchedule"}]})"), node("n2")}, "n2"},
      {"preferred affinity", pod("p", "{}", R"(,"affinity":{"nodeAffinity":{"preferredDuringSchedulingIgnoredDuringExecution":[{"weight":5,"preference":{"matchExpressions":[{"key":"disk","operator":"Exists"}]}}]}})"),
       {node("n1"), node("n2", "{}", R"({"disk":"ssd"})")}, "n2"},
      {"has the image", pod("p"), {node("n1"), replace_all(node("n2"), R"("allocatable")", R"("images":[{"names":["i:latest"],"sizeBytes":900000000}],"allocatable")")}, "n2"},
  };
  for (const Case& test : cases) {
    SCOPED_TRACE(test.name);
    EXPECT_EQ(decide_for(test.pod, test.objects).node, test.node);
  }
}

TEST(Decision, equal_nodes_are_drawn_by_lot) {
  State s({node("n1"), node("n2"), node("n3")});
  std::set<std::string> seen;
  SeededRandom random(7);
  PodFacts p(*Document::parse(pod("p")));
  for (int i = 0; i < 50; i++) seen.insert(decide(p, s.cluster.nodes(), "", random).node);
  EXPECT_EQ(seen.size(), 3u);
}

TEST(Scores, have_upstreams_figures) {
  State s({node("n1", "{}", "{}", R"({"cpu":"4","memory":"10000Mi","pods":"10"})"), pod("q", R"({"cpu":"1","memory":"2000Mi"})", on("n1"))});
  const NodeInfo& n1 = s.cluster.nodes().find("n1")->second;
  PodFacts p(*Document::parse(pod("p", R"({"cpu":"1","memory":"2000Mi"})")));
  EXPECT_EQ(score_least_allocated(p, n1), 55);     // (50 + 60) / 2
  EXPECT_EQ(score_balanced_allocation(p, n1), 95); // 0.5 and 0.4 of it
  PodFacts nothing(*Document::parse(pod("p2")));
  EXPECT_EQ(nothing.counted.find("cpu")->second.milli(), 100);
  std::vector<int64_t> scores{0, 2, 4};
  normalize(scores, false);
  EXPECT_THAT(scores, testing::ElementsAre(0, 50, 100));
  normalize(scores, true);
  EXPECT_THAT(scores, testing::ElementsAre(100, 50, 0));
}

TEST(ClusterState, assumed_pods_count_until_they_are_forgotten_or_seen) {
  State s({node("n1")});
  Document p = *Document::parse(pod("p", R"({"cpu":"2"})"));
  s.cluster.assume(p, "n1");
  s.cluster.set_pod(p);  // its status changed; the assignment is still on its way
  EXPECT_EQ(s.cluster.nodes().find("n1")->second.requested_of("cpu").milli(), 2000);
  s.cluster.forget("u-p");
  EXPECT_EQ(s.cluster.nodes().find("n1")->second.requested_of("cpu").milli(), 0);
  s.cluster.assume(p, "n1");
  s.cluster.set_pod(*Document::parse(pod("p", R"({"cpu":"2"})", on("n1"))));
  s.cluster.forget("u-p");  // true by now: stays
  EXPECT_EQ(s.cluster.nodes().find("n1")->second.requested_of("cpu").milli(), 2000);
  s.cluster.remove_pod("u-p");
  EXPECT_EQ(s.cluster.nodes().find("n1")->second.pods.size(), 0u);
}

}  // namespace
}  // namespace bramble

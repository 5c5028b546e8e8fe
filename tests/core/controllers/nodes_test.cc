#include <set>

#include "core/controllers/all.h"
#include "tests/core/controllers/plan_text.h"

namespace bramble {
namespace {

std::string node(const std::string& name, const std::string& ready, const std::string& spec = "{}") {
  return cat(R"({"apiVersion":"v1","kind":"Node","metadata":{"name":")", name, R"(","creationTimestamp":"2026-01-01T00:00:00Z"},"spec":)", spec,
             R"(,"status":{"conditions":[{"type":"Ready","status":")", ready, R"(","lastHeartbeatTime":"2026-01-02T03:00:00Z","reason":"KubeletReady"}]}})");
}
std::string lease(const std::string& name, const std::string& renewed) {
  return cat(R"({"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{"name":")", name, R"(","namespace":"kube-node-lease"},"spec":{"renewTime":")", renewed, R"("}})");
}
constexpr int64_t kSecond = 1000000;

TEST(NodeLifecycle, a_silent_node_becomes_unknown_after_the_grace) {
  Controller c = node_lifecycle_controller();
  MapSnapshot s = snapshot_of({node("n1", "True"), lease("n1", "2026-01-02T03:04:00.000000Z")});
  Plan plan = c.reconcile(s, {"", "n1"}, at());
  EXPECT_TRUE(plan.writes.empty());
  EXPECT_EQ(plan.requeue_after_ms.value_or(0), 50001);
  s.put(*Document::parse(lease("n1", "2026-01-02T03:04:40.000000Z")));  // it speaks
  EXPECT_TRUE(c.reconcile(s, {"", "n1"}, at(40 * kSecond)).writes.empty());
  EXPECT_TRUE(c.reconcile(s, {"", "n1"}, at(80 * kSecond)).writes.empty());
  expect_plan(c.reconcile(s, {"", "n1"}, at(91 * kSecond)),
              {"event Normal NodeNotReady: Node n1 status is now: NodeNotReady",
               R"(update nodes/status n1 ~ {"type":"Ready","status":"Unknown","lastHeartbeatTime":"2026-01-02T03:00:00Z","reason":"NodeStatusUnknown" ~ "message":"Kubelet stopped posting node status." ~ {"type":"MemoryPressure","status":"Unknown" ~ "reason":"NodeStatusNeverUpdated","message":"Kubelet never posted node status.")"});
}

// A board without a clock starts in 1970 and gets its time from the network later.
TEST(NodeLifecycle, a_step_of_the_wall_clock_is_no_silence) {
  Controller c = node_lifecycle_controller();
  MapSnapshot s = snapshot_of({node("n1", "True"), lease("n1", "1970-01-01T00:00:30.000000Z")});
  const ObjectKey key{"", "n1"};
  c.reconcile(s, key, {30 * kSecond, 30 * kSecond});
  EXPECT_TRUE(c.reconcile(s, key, {kNowUs, 31 * kSecond}).writes.empty());
  EXPECT_TRUE(c.reconcile(s, key, {kNowUs - 3600 * kSecond, 79 * kSecond}).writes.empty()) << "nor does a step back give it time";
  EXPECT_FALSE(c.reconcile(s, key, {kNowUs - 3600 * kSecond, 81 * kSecond}).writes.empty());
}

TEST(NodeLifecycle, conditions_become_taints) {
  const std::string other = node("n2", "True");
  check_reconcile(node_lifecycle_controller(),
                  {{"ready", {node("n1", "True")}, {"", "n1"}, {}},
                   {"not ready", {node("n1", "False"), other}, {"", "n1"},
                    {R"(update nodes n1 ~ "taints":[{"key":"node.kubernetes.io/not-ready","effect":"NoSchedule","timeAdded":"2026-01-02T03:04:05Z"},{"key":"node.kubernetes.io/not-ready","effect":"NoExecute" ~ )"}},
                   {"with every node down nothing is evicted", {node("n1", "False")}, {"", "n1"}, {R"(update nodes n1 ~ "taints":[{"key":"node.kubernetes.io/not-ready","effect":"NoSchedule","timeAdded":"2026-01-02T03:04:05Z"}])"}},
                   {"ready again", {node("n1", "True", R"({"taints":[{"key":"node.kubernetes.io/not-ready","effect":"NoSchedule"},{"key":"mine","effect":"NoSchedule"}]})")}, {"", "n1"},
                    {R"(update nodes n1 ~ "taints":[{"key":"mine","effect":"NoSchedule"}])"}},
                   {"cordoned", {node("n1", "True", R"({"unschedulable":true})")}, {"", "n1"}, {R"(update nodes n1 ~ "key":"node.kubernetes.io/unschedulable")"}}});
}

// Upstream's zone states: nodes are given up one after the other, not at all where most of a small zone is down.
TEST(NodeLifecycle, gives_up_nodes_at_the_rate_of_their_zone) {
  auto zoned = [](const std::string& name, const std::string& ready, const std::string& zone) {
    return replace_all(node(name, ready), R"("metadata":{)", cat(R"("metadata":{"labels":{"topology.kubernetes.io/zone":")", zone, R"("},)"));
  };
  auto gives_up = [](Controller& c, const MapSnapshot& s, const char* name, int64_t after_us) {
    Plan plan = c.reconcile(s, {"", name}, at(after_us));
    for (const std::string& line : text_of(plan))
      if (line.find("\"NoExecute\"") != std::string::npos) return std::string("given up");
    return plan.requeue_after_ms ? cat("again in ", *plan.requeue_after_ms) : std::string("never");
  };
  Controller c = node_lifecycle_controller();
  MapSnapshot s = snapshot_of({node("a", "False"), node("b", "False"), node("c", "True")});
  EXPECT_EQ(gives_up(c, s, "a", 0), "given up");
  EXPECT_EQ(gives_up(c, s, "a", 1000000), "given up") << "a write that failed is tried again";
  EXPECT_EQ(gives_up(c, s, "b", 1000000), "again in 9001");
  EXPECT_EQ(gives_up(c, s, "b", 10000000), "given up");

  Controller partial = node_lifecycle_controller();
  s = snapshot_of({node("a", "False"), node("b", "False"), node("c", "Unknown"), node("d", "True"), node("e", "True")});
  EXPECT_EQ(gives_up(partial, s, "a", 0), "again in 50001") << "60% of a small zone: only its heartbeat is waited for";
  Controller zones = node_lifecycle_controller();
  s = snapshot_of({zoned("a", "False", "1"), zoned("b", "False", "1"), zoned("c", "False", "1"), zoned("d", "True", "2")});
  EXPECT_EQ(gives_up(zones, s, "a", 0), "given up") << "a whole zone, while another lives";
  std::vector<std::string> large;
  for (int i = 0; i < 60; i++) large.push_back(node(cat("n", i), i < 40 ? "False" : "True"));
  Controller slow = node_lifecycle_controller();
  s = snapshot_of(large);
  EXPECT_EQ(gives_up(slow, s, "n0", 0), "given up");
  EXPECT_EQ(gives_up(slow, s, "n1", 11000000), "again in 50001") << "slowly: its heartbeat comes first";
  EXPECT_EQ(gives_up(slow, s, "n1", 30000000), "again in 31001");
}

TEST(NodeLifecycle, pods_of_a_lost_node_are_not_ready) {
  const std::string pod = R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","namespace":"default"},"spec":{"nodeName":"n1"},"status":{"conditions":[{"type":"Ready","status":"True"}]}})";
  const std::string tainted = R"({"taints":[{"key":"node.kubernetes.io/unreachable","effect":"NoSchedule"}]})";
  check_reconcile(node_lifecycle_controller(), {{"lost", {node("n1", "Unknown", tainted), pod}, {"", "n1"},
                                                {"event Warning NodeNotReady: Node is not ready", R"(update pods/status default/p ~ {"type":"Ready","status":"False","lastTransitionTime":"2026-01-02T03:04:05Z"})"}}});
}

TEST(TaintEviction, deletes_when_the_toleration_ends) {
  const std::string tainted = node("n1", "Unknown", R"({"taints":[{"key":"node.kubernetes.io/unreachable","effect":"NoExecute","timeAdded":"2026-01-02T03:00:00Z"}]})");
  auto pod = [](const std::string& tolerations) {
    return cat(R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","namespace":"default","uid":"u"},"spec":{"nodeName":"n1","tolerations":)", tolerations, "}}");
  };
  auto tolerates_for = [](const std::string& seconds) { return cat(R"([{"key":"node.kubernetes.io/unreachable","operator":"Exists","effect":"NoExecute")", seconds, "}]"); };
  const std::vector<std::string> evicted = {"event Normal TaintManagerEviction: Marking for deletion Pod default/p",
                                            R"(patch pods/status default/p ~ "reason":"DeletionByTaintManager","message":"Taint manager: deleting due to NoExecute taint")", "delete pods default/p"};
  Controller c = taint_eviction_controller();
  check_reconcile(c, {{"not tolerated", {tainted, pod("[]")}, {"default", "p"}, evicted},
                      {"time is up", {tainted, pod(tolerates_for(R"(,"tolerationSeconds":200)"))}, {"default", "p"}, evicted},
                      {"tolerated for good", {tainted, pod(tolerates_for(""))}, {"default", "p"}, {}},
                      {"no taint", {node("n1", "True"), pod("[]")}, {"default", "p"}, {}}});
  MapSnapshot s = snapshot_of({tainted, pod(tolerates_for(R"(,"tolerationSeconds":300)"))});
  EXPECT_EQ(c.reconcile(s, {"default", "p"}, at()).requeue_after_ms.value_or(0), 55001);
}

TEST(NodeIpam, gives_each_node_the_lowest_free_range) {
  check_reconcile(node_ipam_controller("10.42.0.0/16"),
                  {{"two new nodes", {node("a", "True"), node("b", "True", R"({"podCIDR":"10.42.0.0/24"})"), node("c", "True")}, {"", "nodes"},
                    {R"(patch nodes a {"spec":{"podCIDR":"10.42.1.0/24","podCIDRs":["10.42.1.0/24"]}})", R"(+patch nodes c {"spec":{"podCIDR":"10.42.2.0/24")"}}});
  check_reconcile(node_ipam_controller("10.42.0.0/24"),
                  {{"used up", {node("a", "True", R"({"podCIDR":"10.42.0.0/24"})"), node("b", "True")}, {"", "nodes"}, {"event Normal CIDRNotAvailable: Node b status is now: CIDRNotAvailable"}}});
  check_reconcile(node_ipam_controller("10.42.0.0/24", 26),
                  {{"of another size", {node("a", "True", R"({"podCIDR":"10.42.0.64/26"})"), node("b", "True")}, {"", "nodes"},
                    {R"(patch nodes b {"spec":{"podCIDR":"10.42.0.0/26","podCIDRs":["10.42.0.0/26"]}})"}}});
  check_reconcile(node_ipam_controller("10.42.0.0/16"),
                  {{"a node has a wide range of its own", {node("a", "True", R"({"podCIDR":"10.42.0.0/20"})"), node("b", "True")}, {"", "nodes"},
                    {R"(patch nodes b {"spec":{"podCIDR":"10.42.16.0/24","podCIDRs":["10.42.16.0/24"]}})"}}});
  check_reconcile(node_ipam_controller("10.42.0.0/23"),
                  {{"ranges of elsewhere take none away", {node("a", "True", R"({"podCIDR":"192.168.0.0/16"})"), node("b", "True"), node("c", "True")}, {"", "nodes"},
                    {R"(patch nodes b {"spec":{"podCIDR":"10.42.0.0/24","podCIDRs":["10.42.0.0/24"]}})", R"(+patch nodes c {"spec":{"podCIDR":"10.42.1.0/24")"}}});
}

TEST(NodeIpam, gives_all_ranges_of_a_cluster_and_the_range_of_a_deleted_node_again) {
  MapSnapshot all;
  std::set<std::string> given;
  Controller ipam = node_ipam_controller("10.42.0.0/16");
  for (int i = 0; i < 256; i++) all.put(*Document::parse(node(cat("n", 1000 + i), "True")));
  Moment now{};
  Plan plan = ipam.reconcile(all, {"", "nodes"}, now);
  ASSERT_EQ(plan.writes.size(), 256u);
  for (const Write& w : plan.writes) {
    given.insert(w.body["spec"]["podCIDR"].text());
    all.put(*Document::parse(node(w.key.name, "True", w.body["spec"].dump())));
  }
  EXPECT_EQ(given.size(), 256u);
  all.put(*Document::parse(node("n2000", "True")));
  plan = ipam.reconcile(all, {"", "nodes"}, now);
  EXPECT_TRUE(plan.writes.empty());
  ASSERT_EQ(plan.events.size(), 1u);
  EXPECT_EQ(plan.events[0].reason, "CIDRNotAvailable");
  Document gone = all.remove(resource_ids::kNodes, {"", "n1007"});
  std::vector<ObjectKey> woken;
  ipam.keys(all, {resource_ids::kNodes, gone, {}}, [&](const ObjectKey& k) { woken.push_back(k); });
  EXPECT_EQ(woken.size(), 1u);
  plan = ipam.reconcile(all, {"", "nodes"}, now);
  ASSERT_EQ(plan.writes.size(), 1u);
  EXPECT_EQ(plan.writes[0].body["spec"]["podCIDR"].str(), gone["spec"]["podCIDR"].str());
}

}  // namespace
}  // namespace bramble

#include "core/controllers/all.h"
#include "tests/core/controllers/plan_text.h"

namespace bramble {
namespace {

constexpr int64_t kSecond = 1000000;
const ObjectKey kKey{"default", "b"};

std::string budget(const std::string& spec, const std::string& status = "{}") {
  return cat(R"({"apiVersion":"policy/v1","kind":"PodDisruptionBudget","metadata":{"name":"b","namespace":"default","generation":3},"spec":{"selector":{"matchLabels":{"app":"web"}},)",
             spec, R"(},"status":)", status, "}");
}
std::string owner(const std::string& api_version, const std::string& kind, const std::string& name, int replicas, const std::string& more_meta = "") {
  return cat(R"({"apiVersion":")", api_version, R"(","kind":")", kind, R"(","metadata":{"name":")", name, R"(","namespace":"default","uid":"u-)", name, "\"", more_meta,
             R"(},"spec":{"replicas":)", replicas, "}}");
}
std::string ref(const std::string& api_version, const std::string& kind, const std::string& name) {
  return cat(R"(,"ownerReferences":[{"apiVersion":")", api_version, R"(","kind":")", kind, R"(","name":")", name, R"(","uid":"u-)", name, R"(","controller":true}])");
}
std::string pod(const std::string& name, const std::string& more_meta, bool ready = true) {
  return cat(R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":")", name, R"(","namespace":"default","labels":{"app":"web"})", more_meta,
             R"(},"status":{"phase":"Running","conditions":[{"type":"Ready","status":")", ready ? "True" : "False", R"("}]}})");
}
std::string status(int allowed, int healthy, int desired, int expected) {
  return cat(R"(update poddisruptionbudgets/status default/b ~ "status":{"observedGeneration":3,"disruptionsAllowed":)", allowed, R"(,"currentHealthy":)", healthy,
             R"(,"desiredHealthy":)", desired, R"(,"expectedPods":)", expected, R"(,"conditions":[{"type":"DisruptionAllowed","status":)", allowed ? "\"True\"" : "\"False\"",
             R"(,"observedGeneration":3,"lastTransitionTime":"2026-01-02T03:04:05Z","reason":)", allowed ? "\"SufficientPods\"" : "\"InsufficientPods\"", R"(,"message":""}]})");
}
std::string failed(const std::string& message) {
  return cat(R"(update poddisruptionbudgets/status ~ "disruptionsAllowed":0 ~ "status":"False" ~ "reason":"SyncFailed","message":)", message);
}

const std::string kSet = ref("apps/v1", "ReplicaSet", "set");

TEST(Disruption, counts_what_may_go) {
  const std::string set = owner("apps/v1", "ReplicaSet", "set", 4);
  check_reconcile(
      disruption_controller(),
      {
          {"gone", {}, kKey, {}},
          {"no pods", {budget(R"("minAvailable":0)")}, kKey, {"event Normal NoPods: No matching pods found", status(0, 0, 0, 0)}},
          {"a number needs no owners", {budget(R"("minAvailable":1)"), pod("a", ""), pod("b", "")}, kKey, {status(1, 2, 1, 2)}},
          {"unready and ending pods are not healthy",
           {budget(R"("minAvailable":1)"), pod("a", ""), pod("b", "", false), pod("c", R"(,"deletionTimestamp":"2026-01-02T03:04:05Z")")}, kKey, {status(0, 1, 1, 3)}},
          {"a percentage rounds up", {budget(R"("minAvailable":"30%")"), set, pod("a", kSet), pod("b", kSet), pod("c", kSet)}, kKey, {status(1, 3, 2, 4)}},
          {"maxUnavailable counts from the owner's scale", {budget(R"("maxUnavailable":1)"), set, pod("a", kSet), pod("b", kSet), pod("c", kSet)}, kKey, {status(0, 3, 3, 4)}},
          {"as a percentage", {budget(R"("maxUnavailable":"50%")"), set, pod("a", kSet), pod("b", kSet), pod("c", kSet)}, kKey, {status(1, 3, 2, 4)}},
          {"nothing new",
           {budget(R"("minAvailable":1)", R"({"observedGeneration":3,"disruptionsAllowed":0,"currentHealthy":1,"desiredHealthy":1,"expectedPods":1,"conditions":[{"type":"DisruptionAllowed","status":"False","observedGeneration":3,"lastTransitionTime":"2026-01-01T00:00:00Z","reason":"InsufficientPods","message":""}]})"),
            pod("a", "")},
           kKey, {}},
      });
}

TEST(Disruption, asks_the_owners_for_their_scale) {
  const std::string deployed = owner("apps/v1", "ReplicaSet", "set", 1, ref("apps/v1", "Deployment", "web"));
  const std::string spec = budget(R"("maxUnavailable":1)");
  check_reconcile(
      disruption_controller(),
      {
          {"a Deployment stands for its sets", {spec, owner("apps/v1", "Deployment", "web", 5), deployed, pod("a", kSet)}, kKey, {status(0, 1, 4, 5)}},
          {"a set whose Deployment is gone stands for itself", {spec, deployed, pod("a", kSet)}, kKey, {status(1, 1, 0, 1)}},
          {"a StatefulSet", {spec, owner("apps/v1", "StatefulSet", "sts", 2), pod("a", ref("apps/v1", "StatefulSet", "sts"))}, kKey, {status(0, 1, 1, 2)}},
          {"a ReplicationController", {spec, owner("v1", "ReplicationController", "rc", 2), pod("a", ref("v1", "ReplicationController", "rc"))}, kKey, {status(0, 1, 1, 2)}},
          {"two owners add up", {spec, owner("apps/v1", "ReplicaSet", "set", 2), owner("apps/v1", "StatefulSet", "sts", 2), pod("a", kSet), pod("b", ref("apps/v1", "StatefulSet", "sts"))},
           kKey, {status(0, 2, 3, 4)}},
          {"an owner that is gone", {spec, pod("a", kSet)}, kKey,
           {"event Warning CalculateExpectedPodCountFailed: Failed to calculate the number of expected pods: found no controllers for pod \"a\"",
            failed(R"("found no controllers for pod \"a\"")")}},
          {"an owner without a scale", {spec, pod("a", ref("batch/v1", "Job", "j"))}, kKey,
           {"event Warning CalculateExpectedPodCountFailed: Failed to calculate the number of expected pods: jobs.batch does not implement the scale subresource",
            failed(R"("jobs.batch does not implement the scale subresource")")}},
          {"an unknown owner", {spec, pod("a", ref("example.com/v1", "Thing", "t"))}, kKey,
           {"event Warning CalculateExpectedPodCountFailed: Failed to calculate the number of expected pods: no matches for kind \"Thing\" in version \"example.com/v1\"",
            failed(R"("no matches for kind)")}},
          {"pods without an owner", {spec, pod("a", "")}, kKey,
           {"event Warning UnmanagedPods: Pods selected by this PodDisruptionBudget (selector: &LabelSelector{MatchLabels:map[string]string{app: web,},MatchExpressions:[]LabelSelectorRequirement{},}) were found to be unmanaged. As a result, the status of the PDB cannot be calculated correctly, which may result in undefined behavior. To account for these pods please set \".spec.minAvailable\" field of the PDB to an integer value.",
            status(0, 1, 0, 0)}},
      });
}

TEST(Disruption, waits_two_minutes_for_granted_evictions) {
  Controller c = disruption_controller();
  const std::string granted = R"({"observedGeneration":3,"disruptionsAllowed":0,"currentHealthy":2,"desiredHealthy":1,"expectedPods":2,"disruptedPods":{"a":"2026-01-02T03:04:00Z","gone":"2026-01-02T03:04:00Z"}})";
  MapSnapshot s = snapshot_of({budget(R"("minAvailable":1)", granted), pod("a", ""), pod("b", "")});
  Plan plan = c.reconcile(s, kKey, at());
  expect_plan(plan, {R"(update poddisruptionbudgets/status default/b ~ "disruptedPods":{"a":"2026-01-02T03:04:00Z"} ~ "currentHealthy":1)"});
  EXPECT_EQ(plan.requeue_after_ms.value_or(0), 115001);
  plan = c.reconcile(s, kKey, at(116 * kSecond));
  ASSERT_EQ(plan.writes.size(), 1u);
  expect_plan(plan, {"event Warning NotDeleted: Pod was expected by PDB default/default to be deleted but it wasn't",
                     R"(update poddisruptionbudgets/status default/b ~ "disruptionsAllowed":1,"currentHealthy":2)"});
  EXPECT_FALSE(plan.writes[0].body["status"].has("disruptedPods"));
  EXPECT_FALSE(plan.requeue_after_ms);
}

TEST(Disruption, tells_of_pods_with_several_budgets) {
  std::string other = budget(R"("minAvailable":1)");
  other.replace(other.find(R"("name":"b")"), 10, R"("name":"a")");
  MapSnapshot s = snapshot_of({budget(R"("minAvailable":1)"), other, pod("p", "")});
  Controller c = disruption_controller();
  EXPECT_TRUE(c.reconcile(s, kKey, at()).events.empty());
  Plan plan = c.reconcile(s, {"default", "a"}, at());
  ASSERT_EQ(plan.events.size(), 1u);
  EXPECT_EQ(plan.events[0].message, "Pod \"default\"/\"p\" matches multiple PodDisruptionBudgets.  Chose \"a\" arbitrarily.");
}

TEST(Disruption, keys_lead_from_pods_to_their_budgets) {
  Controller c = disruption_controller();
  MapSnapshot s = snapshot_of({budget(R"("minAvailable":1)")});
  Document mine = *Document::parse(pod("p", "")), other = *Document::parse(R"({"metadata":{"name":"p","namespace":"default"}})");
  EXPECT_EQ(keys_of(c, s, {resource_ids::kPods, {}, mine}), std::vector<std::string>{"default/b"});
  EXPECT_EQ(keys_of(c, s, {resource_ids::kPods, mine, other}), std::vector<std::string>{"default/b"}) << "it left";
  EXPECT_TRUE(keys_of(c, s, {resource_ids::kPods, {}, other}).empty());
}

TEST(StaleDisruption, takes_back_what_did_not_happen) {
  auto target = [](const std::string& reason, const std::string& more_meta = "", const std::string& phase = "Running") {
    return cat(R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","namespace":"default")", more_meta, R"(},"status":{"phase":")", phase,
               R"(","conditions":[{"type":"DisruptionTarget","status":"True","lastProbeTime":null,"lastTransitionTime":"2026-01-02T03:02:00Z","reason":")", reason, R"(","message":"m"}]}})");
  };
  const ObjectKey key{"default", "p"};
  Controller c = stale_disruption_controller();
  check_reconcile(c, {{"after two minutes", {target("EvictionByEvictionAPI")}, key,
                       {R"(update pods/status default/p ~ "conditions":[{"type":"DisruptionTarget","status":"False","lastProbeTime":null,"lastTransitionTime":"2026-01-02T03:04:05Z"}])"}},
                      {"it ends", {target("EvictionByEvictionAPI", R"(,"deletionTimestamp":"2026-01-02T03:04:05Z")")}, key, {}},
                      {"it has ended", {target("EvictionByEvictionAPI", "", "Failed")}, key, {}},
                      {"the kubelet's own", {target("TerminationByKubelet")}, key, {}}});
  MapSnapshot s = snapshot_of({target("EvictionByEvictionAPI")});
  Plan plan = c.reconcile(s, key, at(-10 * kSecond));
  EXPECT_TRUE(plan.writes.empty());
  EXPECT_EQ(plan.requeue_after_ms.value_or(0), 5001);
}

}  // namespace
}  // namespace bramble

#include "core/controllers/all.h"
#include "core/controllers/pod_ranking.h"
#include "tests/core/controllers/plan_text.h"

namespace bramble {
namespace {

std::string rs(int replicas, const std::string& more_spec = "", const std::string& status = "{\"replicas\":0}") {
  return cat(R"({"apiVersion":"apps/v1","kind":"ReplicaSet","metadata":{"name":"web","namespace":"default","uid":"rs1","generation":1},)",
             R"("spec":{"replicas":)", replicas, more_spec,
             R"(,"selector":{"matchLabels":{"app":"web"}},"template":{"metadata":{"labels":{"app":"web"}},)",
             R"("spec":{"containers":[{"name":"c","image":"i"}]}}},"status":)", status, "}");
}

std::string pod(const std::string& name, const std::string& owner_uid, const std::string& status = R"({"phase":"Running"})",
                const std::string& more_meta = "", const std::string& label = "web") {
  std::string refs = owner_uid.empty() ? ""
                                       : cat(R"(,"ownerReferences":[{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"web","uid":")",
                                             owner_uid, R"(","controller":true}])");
  return cat(R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":")", name, R"(","namespace":"default","uid":"u-)", name,
             R"(","creationTimestamp":"2026-01-02T03:00:00Z","labels":{"app":")", label, R"("})", refs, more_meta,
             R"(},"spec":{"nodeName":"n1"},"status":)", status, "}");
}

const std::string kReady = R"({"phase":"Running","conditions":[{"type":"Ready","status":"True","lastTransitionTime":"2026-01-02T03:04:00Z"}]})";
const ObjectKey kWeb{"default", "web"};

TEST(ReplicaSet, creates_deletes_adopts_and_releases) {
  const std::string create = R"(create pods default ~ "generateName":"web-" ~ "ownerReferences":[{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"web","uid":"rs1","controller":true,"blockOwnerDeletion":true}] ~ "containers":[{"name":"c","image":"i"}])";
  const std::string created = "then Normal SuccessfulCreate: Created pod: {name}";
  check_reconcile(
      replicaset_controller(),
      {
          {"gone", {}, kWeb, {}},
          {"slow start: one, two, then the rest", {rs(5)}, kWeb,
           {create, created, create, created, "+" + create, created, create, created, "+" + create, created}},
          {"enough", {rs(1), pod("web-a", "rs1")}, kWeb, {}},
          {"failed and ending pods do not count",
           {rs(1), pod("web-a", "rs1", R"({"phase":"Failed"})"), pod("web-b", "rs1", "{}", R"(,"deletionTimestamp":"2026-01-02T03:04:05Z")")},
           kWeb, {create, created}},
          {"one too many: the pending one goes",
           {rs(1), pod("web-a", "rs1", kReady), pod("web-b", "rs1", R"({"phase":"Pending"})")}, kWeb,
           {"delete pods default/web-b", "then Normal SuccessfulDelete: Deleted pod: {name}"}},
          {"an orphan that matches is adopted", {rs(1), pod("stray", "")}, kWeb,
           {R"(patch pods default/stray ~ "ownerReferences":[{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"web","uid":"rs1","controller":true,"blockOwnerDeletion":true}],"uid":"u-stray")"}},
          {"an owned pod that no longer matches is released and replaced", {rs(1), pod("web-a", "rs1", kReady, "", "other")}, kWeb,
           {R"(patch pods default/web-a ~ "ownerReferences":[{"$patch":"delete","uid":"rs1"}])", create, created}},
          {"pods of another owner are left alone", {rs(0), pod("web-a", "someone")}, kWeb, {}},
      });
}

TEST(ReplicaSet, status_counts_pods_and_tells_of_failures) {
  check_finish(replicaset_controller(),
               {
                   {"counts", {rs(2), pod("web-a", "rs1", kReady), pod("web-b", "rs1")}, kWeb,
                    {R"(update replicasets/status default/web ~ "status":{"replicas":2,"fullyLabeledReplicas":2,"readyReplicas":1,"availableReplicas":1,"terminatingReplicas":0,"observedGeneration":1})"}},
                   {"nothing to say", {rs(0, "", R"({"replicas":0,"terminatingReplicas":0,"observedGeneration":1})")}, kWeb, {}},
                   {"ready but not yet available", {rs(1, R"(,"minReadySeconds":10)"), pod("web-a", "rs1", kReady)}, kWeb,
                    {R"(update replicasets/status ~ "readyReplicas":1,"terminatingReplicas":0)"}},
                   {"a failure that is over",
                    {rs(0, "", R"({"replicas":0,"conditions":[{"type":"ReplicaFailure","status":"True"}]})")}, kWeb,
                    {R"(update replicasets/status ~ "status":{"replicas":0,"terminatingReplicas":0,"observedGeneration":1}})"}},
               });
  Outcome failed;
  failed.error = Error(Code::kPermissionDenied, "pods \"web-\" is forbidden: exceeded quota");
  check_finish(replicaset_controller(),
               {{"failed", {rs(2)}, kWeb,
                 {R"(update replicasets/status ~ "conditions":[{"type":"ReplicaFailure","status":"True" ~ "reason":"FailedCreate" ~ "message":"pods \"web-\" is forbidden: exceeded quota")"}}},
               failed);
}

TEST(ReplicaSet, looks_again_when_a_ready_pod_becomes_available) {
  MapSnapshot s = snapshot_of({rs(1, R"(,"minReadySeconds":10)"), pod("web-a", "rs1", kReady)});
  Plan plan = replicaset_controller().finish(s, kWeb, at(), {});
  EXPECT_EQ(plan.requeue_after_ms.value_or(-1), 5001);
}

TEST(ReplicaSet, keys_lead_from_pods_to_their_set) {
  Controller c = replicaset_controller();
  MapSnapshot s = snapshot_of({rs(1)});
  Document owned = *Document::parse(pod("a", "rs1")), stray = *Document::parse(pod("b", "")), other = *Document::parse(pod("c", "x"));
  using testing::ElementsAre;
  EXPECT_THAT(keys_of(c, s, {resource_ids::kPods, {}, owned}), ElementsAre("default/web"));
  EXPECT_THAT(keys_of(c, s, {resource_ids::kPods, owned, {}}), ElementsAre("default/web"));
  EXPECT_THAT(keys_of(c, s, {resource_ids::kPods, {}, stray}), ElementsAre("default/web"));
  EXPECT_THAT(keys_of(c, s, {resource_ids::kPods, {}, other}), ElementsAre());
}

TEST(PodRanking, deletes_in_upstreams_order) {
  struct Case {
    const char* name;
    std::string first, second;  // the first goes before the second
  };
  auto at = [](const std::string& name, const std::string& spec, const std::string& status, const std::string& meta = "") {
    return cat(R"({"kind":"Pod","metadata":{"name":")", name, R"(","uid":")", name, R"(")", meta, R"(},"spec":)", spec, R"(,"status":)", status, "}");
  };
  auto ready_since = [](const char* time) {
    return cat(R"({"phase":"Running","conditions":[{"type":"Ready","status":"True","lastTransitionTime":")", time, R"("}]})");
  };
  const std::string n1 = R"({"nodeName":"n1"})";
  const std::vector<Case> cases = {
      {"unassigned before assigned", at("b", "{}", R"({"phase":"Running"})"), at("a", n1, R"({"phase":"Pending"})")},
      {"pending before running", at("b", n1, R"({"phase":"Pending"})"), at("a", n1, R"({"phase":"Running"})")},
      {"unready before ready", at("b", n1, R"({"phase":"Running"})"), at("a", n1, ready_since("2026-01-01T00:00:00Z"))},
      {"cheaper before dearer",
       at("b", n1, ready_since("2026-01-01T00:00:00Z"), R"(,"annotations":{"controller.kubernetes.io/pod-deletion-cost":"-5"})"),
       at("a", n1, ready_since("2026-01-02T00:00:00Z"))},
      {"lately ready before long ready", at("b", n1, ready_since("2026-01-02T03:00:00Z")), at("a", n1, ready_since("2026-01-01T00:00:00Z"))},
      {"often restarted first", at("b", n1, R"({"phase":"Running","containerStatuses":[{"restartCount":3}]})"), at("a", n1, R"({"phase":"Running"})")},
      {"younger before older", at("b", n1, R"({"phase":"Running"})", R"(,"creationTimestamp":"2026-01-02T03:04:00Z")"),
       at("a", n1, R"({"phase":"Running"})", R"(,"creationTimestamp":"2026-01-01T00:00:00Z")")},
  };
  for (const Case& test : cases) {
    SCOPED_TRACE(test.name);
    std::vector<Document> pods{*Document::parse(test.second), *Document::parse(test.first)};
    std::vector<Document> doomed = pods_to_delete(pods, {}, 1, kNowUs);
    ASSERT_EQ(doomed.size(), 1u);
    EXPECT_EQ(name_of(doomed[0]), name_of(pods[1]));
  }
}

}  // namespace
}  // namespace bramble

// pods/eviction with PodDisruptionBudgets, in upstream's words.
#include "tests/core/apiserver/api_fixture.h"

namespace bramble {
namespace {

constexpr std::string_view kBudgets = "/apis/policy/v1/namespaces/default/poddisruptionbudgets";

class Eviction : public ApiTest {
 protected:
  void make_pod(const std::string& name, std::string_view status) {
    ASSERT_EQ(call("POST", std::string(kPods), cat(R"({"metadata":{"name":")", name, R"(","labels":{"app":"web"}},"spec":{"nodeName":"n","containers":[{"name":"c","image":"i"}]}})"))->status, 201);
    ASSERT_EQ(patch(cat(kPods, "/", name, "/status"), cat(R"({"status":)", status, "}"))->status, 200);
  }
  void make_budget(const std::string& name, std::string_view status, std::string_view more_spec = {}) {
    auto made = call("POST", std::string(kBudgets),
                     cat(R"({"metadata":{"name":")", name, R"("},"spec":{"minAvailable":1,"selector":{"matchLabels":{"app":"web"}})", more_spec, "}}"));
    ASSERT_EQ(made->status, 201) << made->body;
    auto shown = patch(cat(kBudgets, "/", name, "/status"), cat(R"({"status":)", status, "}"));
    ASSERT_EQ(shown->status, 200) << shown->body;
  }
  std::shared_ptr<KeptAnswer> evict(const std::string& name, std::string_view options = {}, std::string_view query = {}) {
    return call("POST", cat(kPods, "/", name, "/eviction", query),
                cat(R"({"apiVersion":"policy/v1","kind":"Eviction","metadata":{"name":")", name, "\"}", options, "}"));
  }
  Document shown(std::string_view path) { return call("GET", std::string(path))->json(); }
};

constexpr std::string_view kReady = R"({"phase":"Running","conditions":[{"type":"Ready","status":"True"}]})";
constexpr std::string_view kUnready = R"({"phase":"Running","conditions":[{"type":"Ready","status":"False"}]})";
const std::string kPod = cat(kPods, "/web");
const std::string kBudget = cat(kBudgets, "/b");

TEST_F(Eviction, marks_the_pod_and_spends_its_budget) {
  make_pod("web", kReady);
  make_budget("b", R"({"observedGeneration":1,"disruptionsAllowed":1,"currentHealthy":2,"desiredHealthy":1,"expectedPods":2})");
  auto done = evict("web");
  EXPECT_EQ(done->status, 201);
  EXPECT_EQ(done->body, R"({"kind":"Status","apiVersion":"v1","metadata":{},"status":"Success","code":201})");
  Document pod = shown(kPod);
  EXPECT_TRUE(pod["metadata"]["deletionTimestamp"].exists());
  EXPECT_EQ(pod["status"]["conditions"].item(1).dump(),
            cat(R"({"type":"DisruptionTarget","observedGeneration":1,"status":"True","lastProbeTime":null,"lastTransitionTime":")", clock.now_rfc3339(),
                R"(","reason":"EvictionByEvictionAPI","message":"Eviction API: evicting"})"));
  Document budget = shown(kBudget);
  EXPECT_EQ(budget["status"]["disruptionsAllowed"].integer(-1), 0);
  EXPECT_EQ(budget["status"]["disruptedPods"]["web"].str(), clock.now_rfc3339());
  EXPECT_EQ(budget["status"]["conditions"].dump(),
            cat(R"([{"type":"DisruptionAllowed","status":"False","observedGeneration":1,"lastTransitionTime":")", clock.now_rfc3339(),
                R"(","reason":"InsufficientPods","message":""}])"));
  EXPECT_NE(budget["metadata"]["managedFields"].dump().find(R"("manager":"kube-apiserver","operation":"Update")"), std::string::npos);
  EXPECT_EQ(evict("web")->status, 201) << "it is on its way: nothing more to protect";
}

TEST_F(Eviction, is_refused_by_the_budget) {
  struct Case {
    const char* name;
    const char* status;
    int code;
    const char* answer;
    const char* retry_after;
  };
  const Case cases[] = {
      {"nothing allowed", R"({"observedGeneration":1,"disruptionsAllowed":0,"currentHealthy":1,"desiredHealthy":1,"expectedPods":1})", 429,
       R"({"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Cannot evict pod as it would violate the pod's disruption budget.","reason":"TooManyRequests","details":{"causes":[{"reason":"DisruptionBudget","message":"The disruption budget b needs 1 healthy pods and has 1 currently"}]},"code":429})",
       ""},
      {"not looked at yet", R"({"observedGeneration":0,"disruptionsAllowed":5,"currentHealthy":1,"desiredHealthy":1,"expectedPods":1})", 429,
       R"({"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Cannot evict pod as it would violate the pod's disruption budget.","reason":"TooManyRequests","details":{"causes":[{"reason":"DisruptionBudget","message":"The disruption budget b is still being processed by the server."}],"retryAfterSeconds":10},"code":429})",
       "10"},
  };
  make_pod("web", kReady);
  make_budget("b", cases[0].status);
  for (const Case& test : cases) {
    SCOPED_TRACE(test.name);
    ASSERT_EQ(patch(cat(kBudget, "/status"), cat(R"({"status":)", test.status, "}"))->status, 200);
    for (const char* query : {"", "?dryRun=All"}) {
      auto refused = evict("web", {}, query);
      EXPECT_EQ(refused->status, test.code);
      EXPECT_EQ(refused->body, test.answer);
      EXPECT_EQ(refused->header("retry-after"), test.retry_after);
    }
  }
  EXPECT_FALSE(shown(kPod)["metadata"]["deletionTimestamp"].exists());
  EXPECT_EQ(shown(kPod)["status"]["conditions"].size(), 1u);
}

TEST_F(Eviction, of_a_pod_with_two_budgets_is_an_error) {
  make_pod("web", kReady);
  make_budget("a", R"({"observedGeneration":1,"disruptionsAllowed":1,"currentHealthy":2,"desiredHealthy":1,"expectedPods":2})");
  make_budget("b", R"({"observedGeneration":1,"disruptionsAllowed":1,"currentHealthy":2,"desiredHealthy":1,"expectedPods":2})");
  auto refused = evict("web");
  EXPECT_EQ(refused->status, 500);
  EXPECT_EQ(refused->body,
            R"({"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.","code":500})");
}

TEST_F(Eviction, of_pods_that_disturb_nobody_passes_any_budget) {
  make_budget("b", R"({"observedGeneration":1,"disruptionsAllowed":0,"currentHealthy":0,"desiredHealthy":1,"expectedPods":1})");
  for (const char* phase : {"Pending", "Succeeded", "Failed"}) {
    SCOPED_TRACE(phase);
    std::string name = lower(phase);
    make_pod(name, cat(R"({"phase":")", phase, "\"}"));
    EXPECT_EQ(evict(name)->status, 201);
  }
  EXPECT_EQ(shown(kBudget)["status"]["disruptedPods"].size(), 0u);
}

TEST_F(Eviction, of_an_unready_pod_goes_by_the_budgets_policy) {
  struct Case {
    const char* name;
    const char* policy;
    int healthy, desired, code;
  };
  const Case cases[] = {
      {"the others suffice", "", 1, 1, 201},
      {"the others do not", "", 0, 1, 429},
      {"nothing is asked for", R"(,"unhealthyPodEvictionPolicy":"IfHealthyBudget")", 0, 0, 429},
      {"always", R"(,"unhealthyPodEvictionPolicy":"AlwaysAllow")", 0, 1, 201},
  };
  int n = 0;
  for (const Case& test : cases) {
    SCOPED_TRACE(test.name);
    std::string name = cat("web-", ++n);
    make_pod(name, kUnready);
    make_budget("b", cat(R"({"observedGeneration":1,"disruptionsAllowed":0,"expectedPods":2,"currentHealthy":)", test.healthy, R"(,"desiredHealthy":)", test.desired, "}"),
                test.policy);
    EXPECT_EQ(evict(name)->status, test.code);
    EXPECT_EQ(shown(kBudget)["status"]["disruptedPods"].size(), 0u);
    call("DELETE", kBudget);
  }
}

TEST_F(Eviction, dry_runs_change_nothing_and_must_agree) {
  make_pod("web", kReady);
  make_budget("b", R"({"observedGeneration":1,"disruptionsAllowed":1,"currentHealthy":2,"desiredHealthy":1,"expectedPods":2})");
  std::string before = call("GET", kPod)->body, budget = call("GET", kBudget)->body;
  EXPECT_EQ(evict("web", R"(,"deleteOptions":{"dryRun":["All"]})")->status, 201);
  EXPECT_EQ(evict("web", {}, "?dryRun=All")->status, 201);
  EXPECT_EQ(evict("web", R"(,"deleteOptions":{"dryRun":["All"]})", "?dryRun=All")->status, 201);
  auto refused = evict("web", R"(,"deleteOptions":{"dryRun":["All","All"]})", "?dryRun=All");
  EXPECT_EQ(refused->status, 500);
  EXPECT_EQ(refused->json()["message"].str(), "Non-matching dry-run options in request and content: [All] and [All All]");
  EXPECT_EQ(call("GET", kPod)->body, before);
  EXPECT_EQ(call("GET", kBudget)->body, budget);
}

TEST_F(Eviction, keeps_the_preconditions_of_its_delete) {
  make_pod("web", kReady);
  auto other = evict("web", R"(,"deleteOptions":{"preconditions":{"resourceVersion":"1"}})");
  EXPECT_EQ(other->status, 409);
  EXPECT_EQ(other->json()["message"].str(),
            cat("Operation cannot be fulfilled on Pod \"web\": the ResourceVersion in the precondition (1) does not match the ResourceVersion in record (",
                version_of(shown(kPod)), "). The object might have been modified"));
  EXPECT_EQ(evict("web", R"(,"deleteOptions":{"preconditions":{"uid":"other"}})")->status, 409);
  EXPECT_EQ(evict("web", cat(R"(,"deleteOptions":{"preconditions":{"resourceVersion":")", version_of(shown(kPod)), R"("}})"))->status, 201)
      << "its own mark is no other writer";
}

TEST_F(Eviction, names_its_pod) {
  make_pod("web", kReady);
  auto other = call("POST", cat(kPod, "/eviction"), R"({"metadata":{"name":"other"}})");
  EXPECT_EQ(other->status, 400);
  EXPECT_EQ(other->json()["message"].str(), "name in URL does not match name in Eviction object");
  EXPECT_EQ(evict("none")->json()["message"].str(), "pods \"none\" not found");
}

}  // namespace
}  // namespace bramble

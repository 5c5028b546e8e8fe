#include "core/controllers/all.h"
#include "core/controllers/deployment.h"
#include "tests/core/controllers/plan_text.h"

namespace bramble {
namespace {

const ObjectKey kWeb{"default", "web"};

std::string tmpl(const std::string& image, const std::string& hash = "") {
  std::string label = hash.empty() ? "" : cat(R"(,"pod-template-hash":")", hash, R"(")");
  return cat(R"({"metadata":{"labels":{"app":"web")", label, R"(}},"spec":{"containers":[{"name":"c","image":")", image, R"("}]}})");
}

struct D {
  int replicas = 3;
  std::string image = "v2";
  std::string spec = "";  // more members, each with a leading comma
  std::string status = R"({"conditions":[{"type":"Progressing","status":"True","reason":"ReplicaSetUpdated","lastUpdateTime":"2026-01-02T03:04:00Z","lastTransitionTime":"2026-01-02T03:04:00Z"}]})";
  std::string revision = "2";
  std::string strategy = R"({"type":"RollingUpdate","rollingUpdate":{"maxSurge":"25%","maxUnavailable":"25%"}})";
  std::string annotations = "";  // more of them, each with a leading comma
};

std::string deployment(const D& d) {
  return cat(R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","namespace":"default","uid":"d1","generation":1,"annotations":{"deployment.kubernetes.io/revision":")",
             d.revision, "\"", d.annotations, R"(}},"spec":{"replicas":)", d.replicas, R"(,"progressDeadlineSeconds":600,"revisionHistoryLimit":2)", d.spec,
             R"(,"strategy":)", d.strategy, R"(,"selector":{"matchLabels":{"app":"web"}},"template":)", tmpl(d.image), R"(},"status":)",
             d.status, "}");
}

std::string set(const std::string& image, int size, int available, int revision, int desired = 3, int max = 4) {
  return cat(R"({"apiVersion":"apps/v1","kind":"ReplicaSet","metadata":{"name":"web-)", image, R"(","namespace":"default","uid":"rs-)", image,
             R"(","creationTimestamp":"2026-01-01T00:00:0)", revision, R"(Z","generation":1,"labels":{"app":"web","pod-template-hash":")", image,
             R"("},"annotations":{"deployment.kubernetes.io/revision":")", revision, R"(","deployment.kubernetes.io/desired-replicas":")", desired,
             R"(","deployment.kubernetes.io/max-replicas":")", max,
             R"("},"ownerReferences":[{"apiVersion":"apps/v1","kind":"Deployment","name":"web","uid":"d1","controller":true}]},"spec":{"replicas":)",
             size, R"(,"selector":{"matchLabels":{"app":"web","pod-template-hash":")", image, R"("}},"template":)", tmpl(image, image),
             R"(},"status":{"replicas":)", size, R"(,"readyReplicas":)", available, R"(,"availableReplicas":)", available,
             R"(,"terminatingReplicas":0,"observedGeneration":1}})");
}

TEST(Deployment, takes_one_step_of_a_rolling_update_at_a_time) {
  check_reconcile(
      deployment_controller(),
      {
          {"gone", {}, kWeb, {}},
          {"first set", {deployment({.status = "{}", .revision = ""})}, kWeb,
           {R"(create replicasets default/web- ~ "deployment.kubernetes.io/revision":"1","deployment.kubernetes.io/desired-replicas":"3","deployment.kubernetes.io/max-replicas":"4" ~ "replicas":3,"selector":{"matchLabels":{"app":"web","pod-template-hash":")",
            "then Normal ScalingReplicaSet: Scaled up replica set web- ~  from 0 to 3",
            R"(update deployments/status default/web ~ "type":"Progressing","status":"True" ~ "reason":"NewReplicaSetCreated","message":"Created new replica set \"web-)"}},
          {"a new template gets a set of the surge", {deployment({.revision = "1"}), set("v1", 3, 3, 1)}, kWeb,
           {R"(create replicasets default/web- ~ "deployment.kubernetes.io/revision":"2" ~ "replicas":1,"selector")",
            "then Normal ScalingReplicaSet: Scaled up replica set web- ~  from 0 to 1", "update deployments/status default/web"}},
          {"its revision becomes the deployment's", {deployment({.revision = "1"}), set("v1", 3, 3, 1), set("v2", 1, 0, 2)}, kWeb,
           {R"(update deployments default/web ~ "annotations":{"deployment.kubernetes.io/revision":"2"} ~ "template":)"}},
          {"nothing to take away while the new pod is not available", {deployment({}), set("v1", 3, 3, 1), set("v2", 1, 0, 2)}, kWeb,
           {R"(update deployments/status default/web ~ "replicas":4,"updatedReplicas":1,"readyReplicas":3,"availableReplicas":3,"unavailableReplicas":1)"}},
          {"an available new pod lets an old one go", {deployment({}), set("v1", 3, 3, 1), set("v2", 1, 1, 2)}, kWeb,
           {R"(update replicasets default/web-v1 ~ "replicas":2)",
            "then Normal ScalingReplicaSet: Scaled down replica set web-v1 from 3 to 2", "update deployments/status default/web"}},
          {"and the new set grows", {deployment({}), set("v1", 2, 2, 1), set("v2", 1, 1, 2)}, kWeb,
           {R"(update replicasets default/web-v2 ~ "replicas":2)",
            "then Normal ScalingReplicaSet: Scaled up replica set web-v2 from 1 to 2", "update deployments/status default/web"}},
          {"unhealthy old pods go first", {deployment({}), set("v1", 3, 1, 1), set("v2", 1, 1, 2)}, kWeb,
           {R"(update replicasets default/web-v1 ~ "replicas":2)",
            "then Normal ScalingReplicaSet: Scaled down replica set web-v1 from 3 to 2", "update deployments/status default/web"}},
          {"pods that a smaller set has not let go yet are not counted twice", {deployment({.replicas = 6}), set("v1", 3, 5, 1, 6, 8), set("v2", 5, 4, 2, 6, 8)}, kWeb,
           {R"(update replicasets default/web-v1 ~ "replicas":1)", "then Normal ScalingReplicaSet", "update deployments/status"}},
          {"complete", {deployment({}), set("v1", 0, 0, 1), set("v2", 3, 3, 2)}, kWeb,
           {R"(update deployments/status default/web ~ "reason":"MinimumReplicasAvailable","message":"Deployment has minimum availability." ~ "reason":"NewReplicaSetAvailable","message":"ReplicaSet \"web-v2\" has successfully progressed.")"}},
          {"a roll-back gives the old set a new number", {deployment({.image = "v1"}), set("v1", 0, 0, 1), set("v2", 3, 3, 2)}, kWeb,
           {R"(update replicasets default/web-v1 ~ "deployment.kubernetes.io/revision":"3" ~ "deployment.kubernetes.io/revision-history":"1")"}},
      });
}

// What rollbackTo of the old versions asks for.
TEST(Deployment, goes_back_to_an_older_template_when_asked) {
  auto to = [](const char* revision) { return cat(R"(,"own":"x","deprecated.deployment.rollback.to":")", revision, R"(","kubernetes.io/change-cause":"now")"); };
  check_reconcile(
      deployment_controller(),
      {
          {"to a revision", {deployment({.revision = "3", .annotations = to("1")}), set("v1", 0, 0, 1), set("v3", 0, 0, 2), set("v2", 3, 3, 3)}, kWeb,
           {R"(update replicasets default/web-v2 ~ "own":"x","kubernetes.io/change-cause":"now")"}},
          {"to a revision, its sets being as it says", {deployment({.revision = "3", .annotations = R"(,"deprecated.deployment.rollback.to":"1")"}), set("v1", 0, 0, 1), set("v3", 0, 0, 2), set("v2", 3, 3, 3)}, kWeb,
           {R"(update deployments default/web ~ "annotations":{"deployment.kubernetes.io/revision":"3"} ~ "template":{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"name":"c","image":"v1"}]}})",
            "then Normal DeploymentRollback: Rolled back deployment \"web\" to revision 1"}},
          {"to the last but one", {deployment({.revision = "3", .annotations = R"(,"deprecated.deployment.rollback.to":"0")"}), set("v1", 0, 0, 1), set("v3", 0, 0, 2), set("v2", 3, 3, 3)}, kWeb,
           {R"(update deployments default/web ~ "image":"v3")", "then Normal DeploymentRollback: Rolled back deployment \"web\" to revision 2"}},
          {"to one that is not there", {deployment({.annotations = R"(,"deprecated.deployment.rollback.to":"7")"}), set("v1", 0, 0, 1), set("v2", 3, 3, 2)}, kWeb,
           {"event Warning DeploymentRollbackRevisionNotFound: Unable to find the revision to rollback to.",
            R"(update deployments default/web ~ "annotations":{"deployment.kubernetes.io/revision":"2"} ~ "image":"v2")"}},
          {"to the last, of one", {deployment({.revision = "1", .annotations = R"(,"deprecated.deployment.rollback.to":"0")"}), set("v2", 3, 3, 1)}, kWeb,
           {"event Warning DeploymentRollbackRevisionNotFound: Unable to find last revision.", "update deployments default/web"}},
          {"to what it is", {deployment({.annotations = R"(,"deprecated.deployment.rollback.to":"2")"}), set("v1", 0, 0, 1), set("v2", 3, 3, 2)}, kWeb,
           {"event Warning DeploymentRollbackTemplateUnchanged: The rollback revision contains the same template as current deployment \"web\"",
            R"(update deployments default/web ~ "annotations":{"deployment.kubernetes.io/revision":"2"} ~ "image":"v2")"}},
          {"not while it is paused", {deployment({.spec = R"(,"paused":true)", .annotations = R"(,"deprecated.deployment.rollback.to":"1")"}), set("v1", 0, 0, 1), set("v2", 3, 3, 2)}, kWeb,
           {"update deployments/status default/web"}},
          {"a number that is none is nobody's wish", {deployment({.annotations = R"(,"deprecated.deployment.rollback.to":"x")"}), set("v1", 0, 0, 1), set("v2", 3, 3, 2)}, kWeb,
           {"update deployments/status default/web"}},
      });
}

TEST(Deployment, recreate_waits_for_the_end_of_old_pods) {
  const std::string recreate = R"({"type":"Recreate"})";
  const std::string old_pod = R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","namespace":"default","ownerReferences":[{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"web-v1","uid":"rs-v1","controller":true}]},"status":{"phase":"Running"}})";
  check_reconcile(deployment_controller(),
                  {
                      {"old ones to nothing", {deployment({.revision = "1", .strategy = recreate}), set("v1", 3, 3, 1)}, kWeb,
                       {R"(update replicasets default/web-v1 ~ "replicas":0)",
                        "then Normal ScalingReplicaSet: Scaled down replica set web-v1 from 3 to 0", "update deployments/status"}},
                      {"a pod of them still runs", {deployment({.revision = "1", .strategy = recreate}), set("v1", 0, 0, 1), old_pod}, kWeb,
                       {"update deployments/status"}},
                      {"now the new set", {deployment({.revision = "1", .strategy = recreate}), set("v1", 0, 0, 1)}, kWeb,
                       {R"(create replicasets default/web- ~ "replicas":3,"selector")", "then Normal ScalingReplicaSet: ~  from 0 to 3",
                        "update deployments/status"}},
                  });
}

TEST(Deployment, scales_in_proportion_pauses_and_cleans_up) {
  check_reconcile(
      deployment_controller(),
      {
          {"one active set takes all", {deployment({.replicas = 5}), set("v2", 3, 3, 2)}, kWeb,
           {R"(update replicasets default/web-v2 ~ "deployment.kubernetes.io/desired-replicas":"5","deployment.kubernetes.io/max-replicas":"7" ~ "replicas":5)",
            "then Normal ScalingReplicaSet: Scaled up replica set web-v2 from 3 to 5", "update deployments/status"}},
          {"two active sets share", {deployment({.replicas = 20}), set("v1", 8, 8, 1, 10, 13), set("v2", 5, 2, 2, 10, 13)}, kWeb,
           {R"(update replicasets default/web-v1 ~ "replicas":15)", "then Normal ScalingReplicaSet: Scaled up replica set web-v1 from 8 to 15",
            R"(update replicasets default/web-v2 ~ "replicas":10)", "then Normal ScalingReplicaSet: Scaled up replica set web-v2 from 5 to 10",
            "update deployments/status"}},
          {"paused", {deployment({.spec = R"(,"paused":true)", .revision = "1"}), set("v1", 3, 3, 1)}, kWeb,
           {R"(update deployments/status ~ "type":"Progressing","status":"Unknown" ~ "reason":"DeploymentPaused","message":"Deployment is paused")"}},
          {"resumed",
           {deployment({.status = R"({"conditions":[{"type":"Progressing","status":"Unknown","reason":"DeploymentPaused","lastUpdateTime":"2026-01-02T03:04:00Z"}]})"}),
            set("v1", 3, 3, 1), set("v2", 1, 0, 2)},
           kWeb, {R"(update deployments/status ~ "type":"Progressing")"}},
          {"old sets beyond the limit go",
           {deployment({.image = "v4",
                        .status = R"({"replicas":3,"updatedReplicas":3,"readyReplicas":3,"availableReplicas":3,"observedGeneration":1,"terminatingReplicas":0,"conditions":[{"type":"Available","status":"True","reason":"MinimumReplicasAvailable"},{"type":"Progressing","status":"True","reason":"NewReplicaSetAvailable"}]})",
                        .revision = "4"}),
            set("v1", 0, 0, 1), set("v2", 0, 0, 2), set("v3", 0, 0, 3), set("v4", 3, 3, 4)},
           kWeb, {"delete replicasets default/web-v1"}},
      });
}

TEST(Deployment, says_when_the_deadline_passed) {
  D stuck;
  stuck.status = R"({"replicas":4,"updatedReplicas":1,"readyReplicas":3,"availableReplicas":3,"unavailableReplicas":1,"observedGeneration":1,"conditions":[{"type":"Progressing","status":"True","reason":"ReplicaSetUpdated","lastUpdateTime":"2026-01-02T02:00:00Z"}]})";
  check_reconcile(deployment_controller(),
                  {{"too late", {deployment(stuck), set("v1", 3, 3, 1), set("v2", 1, 0, 2)}, kWeb,
                    {R"(update deployments/status ~ "type":"Progressing","status":"False" ~ "reason":"ProgressDeadlineExceeded","message":"ReplicaSet \"web-v2\" has timed out progressing.")"}}});
  MapSnapshot s = snapshot_of({deployment({}), set("v1", 3, 3, 1), set("v2", 1, 0, 2)});
  Plan plan = deployment_controller().reconcile(s, kWeb, at());
  EXPECT_GT(plan.requeue_after_ms.value_or(-1), 595000);
}

TEST(Deployment, takes_another_name_after_a_collision) {
  D d{.status = "{}", .revision = ""};
  Document doc = *Document::parse(deployment(d));
  std::string hash = pod_template_hash(doc["spec"]["template"], 0);
  std::string stranger = cat(R"({"apiVersion":"apps/v1","kind":"ReplicaSet","metadata":{"name":"web-)", hash, R"(","namespace":"default","uid":"x"},"spec":{}})");
  check_reconcile(deployment_controller(), {{"taken", {deployment(d), stranger}, kWeb, {R"(update deployments/status ~ "collisionCount":1)"}}});
  EXPECT_NE(hash, pod_template_hash(doc["spec"]["template"], 1));
  EXPECT_EQ(hash, pod_template_hash(doc["spec"]["template"], 0));
  EXPECT_EQ(hash.find_first_not_of("bcdfghjklmnpqrstvwxz2456789"), std::string::npos);
}

TEST(Deployment, rounds_fence_posts_as_upstream_does) {
  struct Case {
    const char* name;
    int replicas;
    const char *surge, *unavailable;
    int64_t want_surge, want_unavailable;
  };
  for (const Case& c : std::vector<Case>{{"percent up and down", 10, R"("25%")", R"("25%")", 3, 2},
                                         {"never both nothing", 1, "0", R"("25%")", 0, 1},
                                         {"numbers", 10, "2", "1", 2, 1},
                                         {"no more than there are", 2, "1", "5", 1, 2}}) {
    SCOPED_TRACE(c.name);
    Document d = *Document::parse(deployment({.replicas = c.replicas, .strategy = cat(R"({"type":"RollingUpdate","rollingUpdate":{"maxSurge":)", c.surge, R"(,"maxUnavailable":)", c.unavailable, "}}")}));
    Fence f = fence_posts(d.root());
    EXPECT_EQ(f.surge, c.want_surge);
    EXPECT_EQ(f.unavailable, c.want_unavailable);
  }
}

}  // namespace
}  // namespace bramble

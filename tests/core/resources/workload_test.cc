#include <gtest/gtest.h>

#include "tests/core/resources/rule_case.h"

namespace bramble {
namespace {

const Kind& deployments() { return *find_kind("apps", "v1", "deployments"); }
const Kind& replicasets() { return *find_kind("apps", "v1", "replicasets"); }

Document workload(std::string_view more) {
  return json(cat(
      R"({"metadata":{"name":"d","namespace":"n"},"spec":{"selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"c","image":"i"}]}})",
      more, "}}"));
}

TEST(Deployment, gets_its_defaults) {
  const Document d = created(deployments(), workload(""));
  EXPECT_EQ(d["spec"]["replicas"].integer(), 1);
  EXPECT_EQ(d["spec"]["strategy"].dump(),
            R"({"type":"RollingUpdate","rollingUpdate":{"maxUnavailable":"25%","maxSurge":"25%"}})");
  EXPECT_EQ(d["spec"]["progressDeadlineSeconds"].integer(), 600);
  EXPECT_EQ(d["spec"]["revisionHistoryLimit"].integer(), 10);
  EXPECT_EQ(d["spec"]["template"]["spec"]["restartPolicy"].str(), "Always");
}

TEST(Deployment, refuses_bad_specs_with_upstreams_texts) {
  const struct {
    const char* name;
    const char* more;
    const char* want;
  } cases[] = {
      {"fine", "", ""},
      {"unknown strategy", R"(,"strategy":{"type":"Fast"})",
       "NotSupported spec.strategy: Unsupported value: {\"Type\":\"Fast\",\"RollingUpdate\":null}: supported values: "
       "\"Recreate\", \"RollingUpdate\""},
      {"negative replicas", R"(,"replicas":-1)", "Invalid spec.replicas: Invalid value: -1: must be greater than or equal to 0"},
      {"rolling settings of another strategy", R"(,"strategy":{"type":"Recreate","rollingUpdate":{"maxSurge":1}})",
       "Forbidden spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'"},
      {"neither more nor less", R"(,"strategy":{"rollingUpdate":{"maxSurge":0,"maxUnavailable":"0%"}})",
       "Invalid spec.strategy.rollingUpdate.maxUnavailable: Invalid value: \"0%\": may not be 0 when `maxSurge` is 0"},
      {"less than nothing", R"(,"strategy":{"rollingUpdate":{"maxUnavailable":-1}})",
       "Invalid spec.strategy.rollingUpdate.maxUnavailable: Invalid value: -1: must be greater than or equal to 0"},
      {"negative min ready", R"(,"minReadySeconds":-1)",
       "Invalid spec.minReadySeconds: Invalid value: -1: must be greater than or equal to 0"},
      {"negative deadline", R"(,"progressDeadlineSeconds":-1)",
       "Invalid spec.progressDeadlineSeconds: Invalid value: -1: must be greater than or equal to 0 | Invalid "
       "spec.progressDeadlineSeconds: Invalid value: -1: must be greater than minReadySeconds"},
      {"more than all", R"(,"strategy":{"rollingUpdate":{"maxUnavailable":"101%"}})",
       "Invalid spec.strategy.rollingUpdate.maxUnavailable: Invalid value: \"101%\": must not be greater than 100%"},
      {"no percentage", R"(,"strategy":{"rollingUpdate":{"maxSurge":"x"}})",
       "Invalid spec.strategy.rollingUpdate.maxSurge: Invalid value: \"x\": a valid percent string must be a numeric "
       "string followed by an ending '%' "
       "(e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')"},
      {"negative history", R"(,"revisionHistoryLimit":-1)",
       "Invalid spec.revisionHistoryLimit: Invalid value: -1: must be greater than or equal to 0"},
      {"deadline not after min ready", R"(,"minReadySeconds":600)",
       "Invalid spec.progressDeadlineSeconds: Invalid value: 600: must be greater than minReadySeconds"},
  };
  for (const auto& c : cases) EXPECT_EQ(create_errors(deployments(), workload(c.more)), c.want) << c.name;
}

// What both kinds say of selector and template.
TEST(Workloads, selector_and_template_must_fit) {
  const struct {
    const char* name;
    std::vector<const char*> path;
    const char *value, *want;
  } cases[] = {
      {"empty selector", {"spec", "selector"}, "{}", "Invalid spec.selector: Invalid value: {}: empty selector is invalid for deployment"},
      {"no selector", {"spec", "selector"}, "",
       "Required spec.selector: Required value | Invalid spec.template.metadata.labels: Invalid value: {\"a\":\"b\"}: `selector` does "
       "not match template `labels`"},
      {"selector of others", {"spec", "selector"}, R"({"matchLabels":{"a":"c"}})",
       "Invalid spec.template.metadata.labels: Invalid value: {\"a\":\"b\"}: `selector` does not match template `labels`"},
      {"unknown operator", {"spec", "selector"}, R"({"matchExpressions":[{"key":"a","operator":"Near"}]})",
       "Invalid spec.selector.matchExpressions[0].operator: Invalid value: \"Near\": not a valid selector operator | Invalid "
       "spec.selector: Invalid value: {\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"Near\"}]}: invalid label selector"},
      {"operator without values", {"spec", "selector"}, R"({"matchLabels":{"a":"b"},"matchExpressions":[{"key":"a","operator":"In"}]})",
       "Required spec.selector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn' | "
       "Invalid spec.selector: Invalid value: "
       "{\"matchLabels\":{\"a\":\"b\"},\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"In\"}]}: invalid label selector"},
      {"restart policy", {"spec", "template", "spec", "restartPolicy"}, "\"OnFailure\"",
       "NotSupported spec.template.spec.restartPolicy: Unsupported value: \"OnFailure\": supported values: \"Always\""},
      {"deadline", {"spec", "template", "spec", "activeDeadlineSeconds"}, "1",
       "Forbidden spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in ReplicaSet is not Supported"},
      {"ephemeral containers", {"spec", "template", "spec", "ephemeralContainers"}, R"([{"name":"e","image":"i"}])",
       "Forbidden spec.template.spec.ephemeralContainers: Forbidden: ephemeral containers not allowed in pod template"},
      {"the template's pod", {"spec", "template", "spec", "containers"}, R"([{"name":"c"}])",
       "Required spec.template.spec.containers[0].image: Required value"},
      {"the template's annotations", {"spec", "template", "metadata", "annotations"}, R"({"seccomp.security.alpha.kubernetes.io/pod":"x"})",
       "Invalid spec.template.annotations.seccomp.security.alpha.kubernetes.io/pod: Invalid value: \"x\": must be a valid seccomp profile"},
  };
  for (const auto& c : cases) {
    Builder b(workload("").root());
    Mut at = b.root();
    for (size_t i = 0; i + 1 < c.path.size(); ++i) at = at.object(c.path[i]);
    if (c.value[0]) at.set(c.path.back(), json(c.value).root());
    else at.remove(c.path.back());
    const Document body = b.finish();
    EXPECT_EQ(create_errors(deployments(), body), c.want) << c.name;
    EXPECT_EQ(create_errors(replicasets(), body), c.want) << c.name;
  }
}

TEST(Deployment, selector_may_not_change) {
  const Document old = created(deployments(), workload(""));
  EXPECT_EQ(update_errors(deployments(), with(workload(""), {"spec", "replicas"}, "5"), old), "");
  EXPECT_EQ(update_errors(deployments(),
                          with(workload(""), {"spec", "selector"}, R"({"matchLabels":{"a":"b","c":"d"}})"), old),
            "Invalid spec.template.metadata.labels: Invalid value: {\"a\":\"b\"}: `selector` does not match template "
            "`labels` | "
            "Invalid spec.selector: Invalid value: {\"matchLabels\":{\"a\":\"b\",\"c\":\"d\"}}: field is immutable");
}

TEST(Deployment, update_keeps_the_status_and_status_update_the_spec) {
  const Document old = with(created(deployments(), workload("")), {"status", "replicas"}, "3");
  Builder update(with(workload(""), {"status", "replicas"}, "9").root());
  deployments().prepare_update(update.root(), old.root());
  EXPECT_EQ(update["status"]["replicas"].integer(), 3);
  Builder status(with(old, {"spec", "replicas"}, "9").root());
  deployments().prepare_status_update(status.root(), old.root());
  EXPECT_EQ(status["spec"]["replicas"].integer(), 1);
}

TEST(Deployment, status_counts_must_fit) {
  const Document old = with(created(deployments(), workload("")), {"status", "collisionCount"}, "2");
  EXPECT_EQ(
      status_errors(
          deployments(),
          with(old, {"status"}, R"({"replicas":1,"readyReplicas":2,"availableReplicas":1,"collisionCount":1})"), old),
      "Invalid status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas | "
      "Invalid status.collisionCount: Invalid value: 1: cannot be decremented");
  EXPECT_EQ(
      status_errors(
          deployments(),
          with(old, {"status"}, R"({"replicas":2,"readyReplicas":0,"availableReplicas":1,"collisionCount":2})"), old),
      "Invalid status.availableReplicas: Invalid value: 1: cannot be greater than readyReplicas");
}

TEST(ReplicaSet, refuses_bad_specs_with_upstreams_texts) {
  const struct {
    const char *name, *more, *want;
  } cases[] = {
      {"fine", "", ""},
      {"negative replicas", R"(,"replicas":-1)", "Invalid spec.replicas: Invalid value: -1: must be greater than or equal to 0"},
      {"negative min ready", R"(,"minReadySeconds":-1)",
       "Invalid spec.minReadySeconds: Invalid value: -1: must be greater than or equal to 0"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(create_errors(replicasets(), workload(c.more)), c.want) << c.name;
    EXPECT_EQ(update_errors(replicasets(), workload(c.more), created(replicasets(), workload(""))), c.want) << c.name;
  }
}

TEST(ReplicaSet, status_counts_must_fit) {
  const Document old = created(replicasets(), workload(""));
  const struct {
    const char *name, *status, *want;
  } cases[] = {
      {"fine", R"({"replicas":3,"fullyLabeledReplicas":3,"readyReplicas":2,"availableReplicas":1})", ""},
      {"negative", R"({"replicas":-1})", "Invalid status.replicas: Invalid value: -1: must be greater than or equal to 0 | Invalid "
       "status.fullyLabeledReplicas: Invalid value: 0: cannot be greater than status.replicas | Invalid status.readyReplicas: Invalid "
       "value: 0: cannot be greater than status.replicas | Invalid status.availableReplicas: Invalid value: 0: cannot be greater than "
       "status.replicas"},
      {"more labelled than there are", R"({"replicas":1,"fullyLabeledReplicas":2})",
       "Invalid status.fullyLabeledReplicas: Invalid value: 2: cannot be greater than status.replicas"},
      {"more ready than there are", R"({"replicas":1,"readyReplicas":2})",
       "Invalid status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas"},
      {"more available than ready", R"({"replicas":3,"readyReplicas":1,"availableReplicas":2})",
       "Invalid status.availableReplicas: Invalid value: 2: cannot be greater than readyReplicas"},
  };
  for (const auto& c : cases) EXPECT_EQ(status_errors(replicasets(), with(old, {"status"}, c.status), old), c.want) << c.name;
}

TEST(ReplicaSet, selector_may_not_change) {
  const Document old = created(replicasets(), workload(""));
  const Document now = with(with(workload(""), {"spec", "selector"}, R"({"matchLabels":{"x":"y"}})"),
                            {"spec", "template", "metadata", "labels"}, R"({"x":"y"})");
  EXPECT_EQ(update_errors(replicasets(), now, old),
            "Invalid spec.selector: Invalid value: {\"matchLabels\":{\"x\":\"y\"}}: field is immutable");
}

TEST(Cells, of_workloads) {
  const Document d = with(created(deployments(), workload("")), {"status"},
                          R"({"readyReplicas":1,"updatedReplicas":2,"availableReplicas":1})");
  EXPECT_EQ(cells_of(deployments(), d, 0), R"(["d","1/1",2,1,"<unknown>","c","i","a=b"])");
  const Document r = with(created(replicasets(), workload("")), {"status"}, R"({"replicas":3,"readyReplicas":2})");
  EXPECT_EQ(cells_of(replicasets(), r, 0), R"(["d",1,3,2,"<unknown>","c","i","a=b"])");
}

TEST(DaemonSet, counts_changes_of_its_template) {
  const Kind& kind = *find_kind("apps", "v1", "daemonsets");
  const Document old = created(kind, workload(""));
  EXPECT_EQ(old["metadata"]["annotations"]["deprecated.daemonset.template.generation"].str(), "1");
  Builder b(
      with(defaulted(kind, workload("")), {"spec", "template", "spec", "containers", "0", "image"}, "\"j\"").root());
  kind.prepare_update(b.root(), old.root());
  EXPECT_EQ(b["metadata"]["annotations"]["deprecated.daemonset.template.generation"].str(), "2");
}

TEST(StatefulSet, only_some_fields_may_change) {
  const Kind& kind = *find_kind("apps", "v1", "statefulsets");
  const Document old = created(kind, workload(R"(,"serviceName":"s")"));
  EXPECT_EQ(update_errors(kind, workload(R"(,"serviceName":"s","replicas":3,"minReadySeconds":1)"), old), "");
  EXPECT_EQ(update_errors(kind, workload(R"(,"serviceName":"t")"), old).substr(0, 25), "Forbidden spec: Forbidden");
}

TEST(Job, template_may_not_change) {
  const Kind& kind = *find_kind("batch", "v1", "jobs");
  const Document body = json(
      R"({"metadata":{"name":"j","namespace":"n","uid":"u"},"spec":{"template":{"spec":{"restartPolicy":"Never","containers":[{"name":"c","image":"i"}]}}}})");
  const Document old = created(kind, body);
  EXPECT_EQ(update_errors(kind, with(old, {"spec", "parallelism"}, "3"), old), "");
  EXPECT_EQ(update_errors(kind, with(old, {"spec", "template", "spec", "containers", "0", "image"}, "\"j\""), old)
                .substr(0, 28),
            "Invalid spec.template: Inval");
}

}  // namespace
}  // namespace bramble

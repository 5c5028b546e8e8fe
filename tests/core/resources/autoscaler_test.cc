// HorizontalPodAutoscaler between its two versions, by upstream's conversion (pkg/apis/autoscaling/v1/conversion.go).
#include "core/resources/autoscaler_versions.h"
#include "tests/core/resources/rule_case.h"

namespace bramble {
namespace {

Document autoscaler(std::string_view version, std::string_view spec, std::string_view status = "{}", std::string_view annotations = "{}") {
  return json(cat(R"({"kind":"HorizontalPodAutoscaler","apiVersion":"autoscaling/)", version,
                  R"(","metadata":{"name":"h","annotations":)", annotations,
                  R"(},"spec":{"scaleTargetRef":{"kind":"Deployment","name":"d","apiVersion":"apps/v1"},"maxReplicas":3)",
                  spec.empty() ? "" : ",", spec, R"(},"status":)", status, "}"));
}

// The annotation that v1 has for this part of v2.
std::string annotation(Value v1, std::string_view what) {
  return v1["metadata"]["annotations"][cat("autoscaling.alpha.kubernetes.io/", what)].text();
}

TEST(Autoscaler, metrics_of_v2_are_annotations_of_v1_and_come_back) {
  const struct {
    const char* name;
    const char* v2;   // spec.metrics
    const char* cpu;  // v1: targetCPUUtilizationPercentage
    const char* v1;   // v1: the annotation
  } cases[] = {
      {"share of the cpu", R"([{"type":"Resource","resource":{"name":"cpu","target":{"type":"Utilization","averageUtilization":70}}}])", "70", ""},
      {"amount of the cpu", R"([{"type":"Resource","resource":{"name":"cpu","target":{"type":"AverageValue","averageValue":"1"}}}])", "",
       R"([{"type":"Resource","resource":{"name":"cpu","targetAverageValue":"1"}}])"},
      {"one container",
       R"([{"type":"ContainerResource","containerResource":{"name":"cpu","target":{"type":"Utilization","averageUtilization":70},"container":"c"}}])", "",
       R"([{"type":"ContainerResource","containerResource":{"name":"cpu","targetAverageUtilization":70,"container":"c"}}])"},
      {"pods",
       R"([{"type":"Pods","pods":{"metric":{"name":"m","selector":{"matchLabels":{"a":"b"}}},"target":{"type":"AverageValue","averageValue":"5"}}}])", "",
       R"([{"type":"Pods","pods":{"metricName":"m","targetAverageValue":"5","selector":{"matchLabels":{"a":"b"}}}}])"},
      {"an object's value",
       R"([{"type":"Object","object":{"describedObject":{"kind":"Service","name":"s","apiVersion":"v1"},"target":{"type":"Value","value":"5"},"metric":{"name":"m"}}}])",
       "", R"([{"type":"Object","object":{"target":{"kind":"Service","name":"s","apiVersion":"v1"},"metricName":"m","targetValue":"5"}}])"},
      {"external", R"([{"type":"External","external":{"metric":{"name":"m"},"target":{"type":"AverageValue","averageValue":"5"}}}])", "",
       R"([{"type":"External","external":{"metricName":"m","targetAverageValue":"5"}}])"},
  };
  for (const auto& c : cases) {
    const Document v2 = autoscaler("v2", cat(R"("minReplicas":1,"metrics":)", c.v2));
    const Document v1 = autoscaler_as_v1(v2.root());
    EXPECT_EQ(v1["apiVersion"].str(), "autoscaling/v1") << c.name;
    const Value cpu = v1["spec"]["targetCPUUtilizationPercentage"];
    EXPECT_EQ(cpu ? cpu.dump() : "", c.cpu) << c.name;
    EXPECT_EQ(annotation(v1.root(), "metrics"), c.v1) << c.name;
    EXPECT_FALSE(v1["spec"].has("metrics")) << c.name;
    const Document back = autoscaler_as_v2(v1.root());
    EXPECT_EQ(back["spec"]["metrics"].dump(), c.v2) << c.name;
    EXPECT_FALSE(back["metadata"].has("annotations")) << c.name;
  }
}

TEST(Autoscaler, the_cpu_share_of_v1_comes_after_the_other_metrics) {
  const Document v1 = autoscaler("v1", R"("targetCPUUtilizationPercentage":50)", "{}",
                                 R"({"autoscaling.alpha.kubernetes.io/metrics":"[{\"type\":\"Pods\",\"pods\":{\"metricName\":\"m\",\"targetAverageValue\":\"5\"}}]","own":"x"})");
  const Document v2 = autoscaler_as_v2(v1.root());
  EXPECT_EQ(v2["spec"]["metrics"].dump(),
            R"([{"type":"Pods","pods":{"metric":{"name":"m"},"target":{"type":"AverageValue","averageValue":"5"}}},)"
            R"({"type":"Resource","resource":{"name":"cpu","target":{"type":"Utilization","averageUtilization":50}}}])");
  EXPECT_EQ(v2["metadata"]["annotations"].dump(), R"({"own":"x"})");
  const Document none = autoscaler_as_v2(autoscaler("v1", "").root());
  EXPECT_EQ(none["spec"]["metrics"].dump(),
            R"([{"type":"Resource","resource":{"name":"cpu","target":{"type":"Utilization","averageUtilization":80}}}])");
}

TEST(Autoscaler, behaviour_and_status_of_v2_are_annotations_of_v1_and_come_back) {
  const Document v2 = autoscaler(
      "v2", R"("minReplicas":1,"behavior":{"scaleUp":{"stabilizationWindowSeconds":0,"selectPolicy":"Max","policies":[{"type":"Pods","value":4,"periodSeconds":15}]},"scaleDown":{"selectPolicy":"Disabled","policies":[{"type":"Percent","value":100,"periodSeconds":15}]}})",
      R"({"lastScaleTime":"2026-01-02T03:04:05Z","currentReplicas":1,"desiredReplicas":2,"currentMetrics":[{"type":"Resource","resource":{"name":"cpu","current":{"averageValue":"5m","averageUtilization":40}}}],"conditions":[{"type":"AbleToScale","status":"True","lastTransitionTime":"2026-01-02T03:04:05Z","reason":"R","message":"m"}]})");
  const Document v1 = autoscaler_as_v1(v2.root());
  EXPECT_EQ(annotation(v1.root(), "behavior"),
            R"({"ScaleUp":{"StabilizationWindowSeconds":0,"SelectPolicy":"Max","Policies":[{"Type":"Pods","Value":4,"PeriodSeconds":15}],"Tolerance":null},)"
            R"("ScaleDown":{"StabilizationWindowSeconds":null,"SelectPolicy":"Disabled","Policies":[{"Type":"Percent","Value":100,"PeriodSeconds":15}],"Tolerance":null}})");
  EXPECT_EQ(annotation(v1.root(), "current-metrics"),
            R"([{"type":"Resource","resource":{"name":"cpu","currentAverageUtilization":40,"currentAverageValue":"5m"}}])");
  EXPECT_EQ(annotation(v1.root(), "conditions"),
            R"([{"type":"AbleToScale","status":"True","lastTransitionTime":"2026-01-02T03:04:05Z","reason":"R","message":"m"}])");
  EXPECT_EQ(v1["status"].dump(),
            R"({"lastScaleTime":"2026-01-02T03:04:05Z","currentReplicas":1,"desiredReplicas":2,"currentCPUUtilizationPercentage":40})");
  const Document back = autoscaler_as_v2(v1.root());
  EXPECT_EQ(back["spec"]["behavior"].dump(), v2["spec"]["behavior"].dump());
  EXPECT_EQ(back["status"].dump(), v2["status"].dump());
}

// As upstream: what cannot be read is as if it were not there, and it does not come back.
TEST(Autoscaler, annotations_that_cannot_be_read_count_for_nothing) {
  for (const char* bad : {"x", "5", "{}", R"([5])", R"([{\"type\":5}])", R"([{\"type\":\"Pods\",\"status\":5,\"pods\":{\"targetAverageValue\":\"x\",\"currentAverageValue\":\"x\"}}])"}) {
    std::string annotations;
    for (const char* what : {"metrics", "current-metrics", "conditions", "behavior"})
      annotations += cat(annotations.empty() ? "" : ",", R"("autoscaling.alpha.kubernetes.io/)", what, R"(":")", bad, R"(")");
    const Document v1 = autoscaler("v1", R"("targetCPUUtilizationPercentage":50)", R"({"currentCPUUtilizationPercentage":7})", cat("{", annotations, "}"));
    const Document v2 = autoscaler_as_v2(v1.root());
    EXPECT_EQ(v2["spec"]["metrics"].size(), 1u) << bad;
    EXPECT_FALSE(v2["spec"].has("behavior")) << bad;
    EXPECT_EQ(v2["status"]["currentMetrics"].dump(), R"([{"type":"Resource","resource":{"name":"cpu","current":{"averageUtilization":7}}}])") << bad;
    EXPECT_EQ(v2["status"]["conditions"].size(), 0u) << bad;
    EXPECT_FALSE(v2["metadata"].has("annotations")) << bad;
  }
}

}  // namespace
}  // namespace bramble

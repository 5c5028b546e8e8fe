#include "core/resources/pod_view.h"

#include <gtest/gtest.h>

#include "core/resources/conditions.h"
#include "core/resources/node_affinity.h"
#include "core/resources/taints.h"
#include "tests/core/resources/rule_case.h"

namespace bramble {
namespace {

std::string amounts(const ResourceAmounts& a) {
  std::string out;
  for (const auto& [name, q] : a) out += cat(out.empty() ? "" : " ", name, "=", q.text());
  return out;
}

TEST(PodView, sums_what_the_scheduler_reserves) {
  const struct {
    const char* name;
    const char* spec;
    const char* want;
  } cases[] = {
      {"nothing", R"({"containers":[{"name":"a"}]})", ""},
      {"containers add up",
       R"({"containers":[{"resources":{"requests":{"cpu":"100m","memory":"1Mi"}}},{"resources":{"requests":{"cpu":"1"}}}]})",
       "cpu=1100m memory=1Mi"},
      {"the greatest init container counts",
       R"({"initContainers":[{"resources":{"requests":{"cpu":"2"}}},{"resources":{"requests":{"cpu":"1"}}}],"containers":[{"resources":{"requests":{"cpu":"500m"}}}]})",
       "cpu=2"},
      {"sidecars run beside all that comes later",
       R"({"initContainers":[{"restartPolicy":"Always","resources":{"requests":{"cpu":"1"}}},{"resources":{"requests":{"cpu":"1500m"}}}],"containers":[{"resources":{"requests":{"cpu":"1"}}}]})",
       "cpu=2500m"},
      {"overhead", R"({"overhead":{"cpu":"10m"},"containers":[{"resources":{"requests":{"cpu":"1"}}}]})", "cpu=1010m"},
  };
  for (const auto& c : cases) {
    const Document pod = json(cat("{\"spec\":", c.spec, "}"));
    EXPECT_EQ(amounts(PodView(pod).requests()), c.want) << c.name;
  }
}

TEST(PodView, finds_the_quality_of_service) {
  const struct {
    const char* name;
    const char* resources;
    QosClass want;
  } cases[] = {
      {"nothing", "{}", QosClass::kBestEffort},
      {"zero is nothing", R"({"requests":{"cpu":"0"}})", QosClass::kBestEffort},
      {"request only", R"({"requests":{"cpu":"1"}})", QosClass::kBurstable},
      {"all equal", R"({"requests":{"cpu":"1","memory":"1Gi"},"limits":{"cpu":"1000m","memory":"1024Mi"}})",
       QosClass::kGuaranteed},
      {"cpu alone", R"({"requests":{"cpu":"1"},"limits":{"cpu":"1"}})", QosClass::kBurstable},
      {"lower request", R"({"requests":{"cpu":"1","memory":"1Mi"},"limits":{"cpu":"1","memory":"2Mi"}})",
       QosClass::kBurstable},
  };
  for (const auto& c : cases) {
    const Document pod = json(cat(R"({"spec":{"containers":[{"name":"c","resources":)", c.resources, "}]}}"));
    EXPECT_EQ(qos_name(PodView(pod).qos()), qos_name(c.want)) << c.name;
  }
}

TEST(PodView, is_available_after_min_ready_seconds) {
  const Document pod = json(
      R"({"status":{"conditions":[{"type":"Ready","status":"True","lastTransitionTime":"2026-01-02T03:04:05Z"}]}})");
  constexpr int64_t kReadySince = 1767323045000000;
  EXPECT_TRUE(PodView(pod).is_available(0, 0));
  EXPECT_FALSE(PodView(pod).is_available(10, kReadySince + 9000000));
  EXPECT_TRUE(PodView(pod).is_available(10, kReadySince + 10000000));
  EXPECT_EQ(PodView(pod).available_at_us(10), kReadySince + 10000000);
  EXPECT_EQ(PodView(pod).available_at_us(0), 0);
  const Document not_ready = json(R"({"status":{"conditions":[{"type":"Ready","status":"False","lastTransitionTime":"2026-01-02T03:04:05Z"}]}})");
  EXPECT_EQ(PodView(not_ready).available_at_us(0), std::nullopt);
}

TEST(PodView, reads_the_tag_of_an_image) {
  const std::pair<const char*, const char*> cases[] = {{"nginx", "latest"},          {"nginx:1.25", "1.25"},
                                                       {"reg:5000/nginx", "latest"}, {"reg:5000/a/nginx:x", "x"},
                                                       {"nginx@sha256:00", ""},      {"nginx:1@sha256:00", "1"}};
  for (const auto& [image, tag] : cases) EXPECT_EQ(image_tag(image), tag) << image;
}

TEST(PodView, knows_conflicting_host_ports) {
  const HostPort any{"", "TCP", 80};
  EXPECT_TRUE(host_ports_conflict(any, {"10.0.0.1", "TCP", 80}));
  EXPECT_FALSE(host_ports_conflict(any, {"", "UDP", 80}));
  EXPECT_FALSE(host_ports_conflict({"10.0.0.1", "TCP", 80}, {"10.0.0.2", "TCP", 80}));
}

TEST(Taints, are_tolerated_as_the_operators_say) {
  const Document taint = json(R"({"key":"k","value":"5","effect":"NoSchedule"})");
  const std::pair<const char*, bool> cases[] = {{R"({"operator":"Exists"})", true},
                                                {R"({"key":"k","operator":"Exists"})", true},
                                                {R"({"key":"k","value":"5"})", true},
                                                {R"({"key":"k","value":"6"})", false},
                                                {R"({"key":"k","operator":"Exists","effect":"NoExecute"})", false},
                                                {R"({"key":"k","operator":"Lt","value":"6"})", true},
                                                {R"({"key":"k","operator":"Gt","value":"6"})", false},
                                                {R"({"key":"j","operator":"Exists"})", false}};
  for (const auto& [toleration, want] : cases)
    EXPECT_EQ(tolerates(json(toleration).root(), taint.root()), want) << toleration;
}

TEST(Taints, of_the_asked_effects_are_found) {
  const Document taints = json(
      R"([{"key":"a","effect":"PreferNoSchedule"},{"key":"b","effect":"NoSchedule"},{"key":"c","effect":"NoExecute"}])");
  const Document tolerations = json(R"([{"key":"b","operator":"Exists"}])");
  EXPECT_EQ(first_untolerated(taints.root(), Value(), true, true)["key"].str(), "b");
  EXPECT_EQ(first_untolerated(taints.root(), tolerations.root(), true, true)["key"].str(), "c");
  EXPECT_FALSE(first_untolerated(taints.root(), tolerations.root(), true, false));
  EXPECT_EQ(count_untolerated_preferences(taints.root(), tolerations.root()), 1);
  EXPECT_TRUE(has_taint(taints.root(), "c", "NoExecute"));
}

TEST(NodeAffinity, needs_one_term_and_every_expression_of_it) {
  const Document node = json(R"({"metadata":{"name":"n1","labels":{"zone":"a","size":"8"}}})");
  const std::pair<const char*, bool> cases[] = {
      {R"({"matchExpressions":[{"key":"zone","operator":"In","values":["a","b"]}]})", true},
      {R"({"matchExpressions":[{"key":"zone","operator":"NotIn","values":["a"]}]})", false},
      {R"({"matchExpressions":[{"key":"none","operator":"NotIn","values":["a"]}]})", true},
      {R"({"matchExpressions":[{"key":"none","operator":"Exists"}]})", false},
      {R"({"matchExpressions":[{"key":"none","operator":"DoesNotExist"}]})", true},
      {R"({"matchExpressions":[{"key":"size","operator":"Gt","values":["7"]}]})", true},
      {R"({"matchExpressions":[{"key":"size","operator":"Lt","values":["7"]}]})", false},
      {R"({"matchFields":[{"key":"metadata.name","operator":"In","values":["n1"]}]})", true},
      {R"({"matchExpressions":[{"key":"zone","operator":"Exists"}],"matchFields":[{"key":"metadata.name","operator":"In","values":["n2"]}]})",
       false},
      {"{}", false}};
  for (const auto& [term, want] : cases) EXPECT_EQ(node_matches_term(node.root(), json(term).root()), want) << term;
  EXPECT_FALSE(node_matches_selector(node.root(), json(R"({"nodeSelectorTerms":[]})").root()));
  EXPECT_FALSE(node_matches_pod(node.root(), json(R"({"spec":{"nodeSelector":{"zone":"b"}}})").root()));
  EXPECT_TRUE(node_matches_pod(node.root(), json(R"({"spec":{"nodeSelector":{"zone":"a"}}})").root()));
}

TEST(Conditions, keep_their_transition_time_until_the_status_flips) {
  Builder b;
  Mut list = b.root().array("conditions");
  EXPECT_TRUE(set_condition(list, {"Ready", "False", "Starting", ""}, "T1"));
  EXPECT_FALSE(set_condition(list, {"Ready", "False", "Starting", ""}, "T2"));
  EXPECT_TRUE(set_condition(list, {"Ready", "False", "Waiting", "m"}, "T2"));
  EXPECT_EQ(find_condition(list, "Ready")["lastTransitionTime"].str(), "T1");
  EXPECT_TRUE(set_condition(list, {"Ready", "True", "", ""}, "T3"));
  EXPECT_EQ(list.dump(), R"([{"type":"Ready","status":"True","lastTransitionTime":"T3"}])");
  EXPECT_TRUE(remove_condition(list, "Ready"));
  EXPECT_FALSE(remove_condition(list, "Ready"));
}

}  // namespace
}  // namespace bramble

// What an update may not change, of kinds whose own tests tell of their creation alone.
#include <gtest/gtest.h>

#include "tests/core/resources/kind_cases.h"

namespace bramble {
namespace {

TEST(DaemonSet, selector_may_not_change) {
  auto set = [](const char* selector, const char* labels) {
    return cat(R"({"metadata":{"name":"d"},"spec":{"selector":{"matchLabels":)", selector, R"(},"template":{"metadata":{"labels":)", labels,
               R"(},"spec":{"containers":[{"name":"c","image":"i"}]}}}})");
  };
  const std::string good = set(R"({"a":"b"})", R"({"a":"b"})");
  expect_update(v1("apps", "daemonsets"), {
      {"its labels grow", good, set(R"({"a":"b"})", R"({"a":"b","c":"d"})"), ""},
      {"another selector", good, set(R"({"c":"d"})", R"({"c":"d"})"),
       "Invalid spec.selector: Invalid value: {\"matchLabels\":{\"c\":\"d\"}}: field is immutable"},
      {"a template without its labels", good, set(R"({"a":"b"})", R"({"c":"d"})"),
       "Invalid spec.template.metadata.labels: Invalid value: {\"c\":\"d\"}: `selector` does not match template `labels`"},
  });
}

TEST(KindUpdates, keep_what_names_or_governs) {
  const std::string role_ref = R"("roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"NAME"})";
  auto binding = [&](const char* name) { return cat("{", replace_all(role_ref, "NAME", name), "}"); };
  for (const char* resource : {"rolebindings", "clusterrolebindings"})
    expect_update(v1("rbac.authorization.k8s.io", resource), {
        {"more subjects", binding("r"), cat("{", replace_all(role_ref, "NAME", "r"), R"(,"subjects":[{"kind":"User","name":"u"}]})"), ""},
        {"another role", binding("r"), binding("s"),
         "Invalid roleRef: Invalid value: {\"APIGroup\":\"rbac.authorization.k8s.io\",\"Kind\":\"ClusterRole\",\"Name\":\"s\"}: cannot change roleRef"},
    });
  for (const char* resource : {"roles", "clusterroles"})
    expect_update(v1("rbac.authorization.k8s.io", resource), {
        {"other rules", R"({"rules":[]})", R"({"rules":[{"verbs":["get"],"apiGroups":[""],"resources":["pods"]}]})", ""},
        {"bad rules", R"({"rules":[]})", R"({"rules":[{"verbs":[],"apiGroups":[""],"resources":["pods"]}]})",
         "Required rules[0].verbs: Required value: verbs must contain at least one value"},
    });
  expect_update(v1("networking.k8s.io", "ingressclasses"), {
      {"parameters", R"({"spec":{"controller":"a.b/c"}})", R"({"spec":{"controller":"a.b/c","parameters":{"kind":"K","name":"n"}}})", ""},
      {"another controller", R"({"spec":{"controller":"a.b/c"}})", R"({"spec":{"controller":"a.b/d"}})",
       "Invalid spec.controller: Invalid value: \"a.b/d\": field is immutable"},
  });
  expect_update(v1("networking.k8s.io", "ingresses"), {
      {"a bad backend", R"({"spec":{"defaultBackend":{"service":{"name":"s","port":{"number":80}}}}})", R"({"spec":{"defaultBackend":{"service":{"name":"s"}}}})",
       "Required spec.defaultBackend: Required value: port name or number is required"},
  });
  expect_update(v1("policy", "poddisruptionbudgets"), {
      {"its number", R"({"spec":{"minAvailable":1}})", R"({"spec":{"minAvailable":2}})", ""},
      {"negative", R"({"spec":{"minAvailable":1}})", R"({"spec":{"minAvailable":-1}})",
       "Invalid spec.minAvailable: Invalid value: -1: must be greater than or equal to 0"},
  });
  expect_update(v1("", "limitranges"), {
      {"another limit", R"({"spec":{"limits":[{"type":"Pod","max":{"cpu":"1"}}]}})", R"({"spec":{"limits":[{"type":"Pod","max":{"cpu":"2"}}]}})", ""},
      {"least above most", R"({"spec":{"limits":[]}})", R"({"spec":{"limits":[{"type":"Pod","min":{"cpu":"2"},"max":{"cpu":"1"}}]}})",
       "Invalid spec.limits[0].min[cpu]: Invalid value: \"2\": min value 2 is greater than max value 1"},
  });
}

TEST(CustomResourceDefinition, names_stay_and_stored_versions_remain) {
  const Kind& kind = v1("apiextensions.k8s.io", "customresourcedefinitions");
  const std::string good =
      R"({"metadata":{"name":"as.g.com"},"spec":{"group":"g.com","scope":"Cluster","names":{"plural":"as","kind":"A"},"versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object"}}}]}})";
  const Document old = created(kind, json(good));
  const Document established = with(old, {"status", "conditions"}, R"([{"type":"Established","status":"True"}])");
  const std::string other = replace_all(replace_all(good, "\"kind\":\"A\"", "\"kind\":\"B\""), "Cluster", "Namespaced");
  EXPECT_EQ(update_errors(kind, json(other), old), "");
  EXPECT_EQ(update_errors(kind, json(other), established),
            "Invalid spec.scope: Invalid value: \"Namespaced\": field is immutable | Invalid spec.names.kind: Invalid value: \"B\": field is immutable");
  EXPECT_EQ(update_errors(kind, json(replace_all(good, "\"group\":\"g.com\"", "\"group\":\"h.com\"")), old),
            "Invalid spec.group: Invalid value: \"h.com\": field is immutable");
  EXPECT_EQ(update_errors(kind, json(replace_all(good, "\"v1\"", "\"v2\"")), old),
            "Invalid status.storedVersions[0]: Invalid value: \"v1\": missing from spec.versions; v1 was previously a storage version, and must remain in "
            "spec.versions until a storage migration ensures no data remains persisted in v1 and removes v1 from status.storedVersions");
}

}  // namespace
}  // namespace bramble

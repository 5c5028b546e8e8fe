// The audit policy: what is refused with which words, and which rule decides about whom.
#include <gtest/gtest.h>

#include "core/apiserver/audit_policy.h"

namespace bramble {
namespace {

constexpr std::string_view kHead = "apiVersion: audit.k8s.io/v1\nkind: Policy\n";

std::string problem(std::string_view rest, std::string_view head = kHead) {
  auto policy = AuditPolicy::parse(cat(head, rest));
  return policy.ok() ? std::string() : policy.error().message();
}

TEST(AuditPolicy, is_refused_with_upstreams_words) {
  struct Row {
    const char* name;
    const char* rest;
    const char* problem;
  };
  for (const Row& row : {
           Row{"good", "rules:\n- level: Metadata\n", ""},
           Row{"unknown fields are passed over", "rules:\n- level: None\n  colour: blue\n", ""},
           Row{"no rules", "rules: []\n", "loaded illegal policy with 0 rules"},
           Row{"no level", "rules:\n- users: [a]\n", "rules[0].level: Required value"},
           Row{"another level", "rules:\n- level: All\n",
               "rules[0].level: Unsupported value: \"All\": supported values: \"None\", \"Metadata\", \"Request\", \"RequestResponse\""},
           Row{"another stage", "omitStages: [Start]\nrules:\n- level: None\n",
               "omitStages[0]: Invalid value: \"Start\": allowed stages are RequestReceived,ResponseStarted,ResponseComplete,Panic"},
           Row{"a path without a slash", "rules:\n- level: None\n  nonResourceURLs: [metrics]\n",
               "rules[0].nonResourceURLs[0]: Invalid value: \"metrics\": non-resource URL rules must begin with a '/' character"},
           Row{"a star in the middle", "rules:\n- level: None\n  nonResourceURLs: [/a*b]\n",
               "rules[0].nonResourceURLs[0]: Invalid value: \"/a*b\": non-resource URL wildcards '*' must be the final character of the rule"},
           Row{"names without resources", "rules:\n- level: None\n  resources:\n  - group: ''\n    resourceNames: [a]\n",
               "rules[0].resources.resourceNames: Invalid value: [\"a\"]: using resourceNames requires at least one resource"},
           Row{"both", "rules:\n- level: None\n  namespaces: [a]\n  nonResourceURLs: [/a]\n",
               "rules[0].nonResourceURLs: Invalid value: [\"/a\"]: rules cannot apply to both regular resources and non-resource URLs"},
           Row{"two problems", "rules:\n- level: None\n- {}\n- level: x\n",
               "[rules[1].level: Required value, rules[2].level: Unsupported value: \"x\": supported values: \"None\", \"Metadata\", \"Request\", "
               "\"RequestResponse\"]"},
       }) {
    EXPECT_EQ(problem(row.rest), row.problem) << row.name;
  }
  EXPECT_EQ(problem("x", "kind: Policy\n#"), "failed decoding: Object 'apiVersion' is missing in 'kind: Policy\n#x'");
  EXPECT_EQ(problem("rules: []", "apiVersion: audit.k8s.io/v1beta1\nkind: Policy\n"),
            "failed decoding: no kind \"Policy\" is registered for version \"audit.k8s.io/v1beta1\" in scheme \"k8s.io/apiserver/pkg/audit/scheme.go:30\"");
  EXPECT_TRUE(problem("rules: 7\n").starts_with("failed decoding: json: cannot unmarshal number into Go struct field Policy.rules")) << problem("rules: 7\n");
  EXPECT_NE(problem("rules: [}"), "");
}

Attributes resource(std::string verb, std::string group, std::string ns, std::string resource_name, std::string sub = "", std::string name = "") {
  Attributes a;
  a.verb = std::move(verb), a.group = std::move(group), a.version = "v1", a.ns = std::move(ns);
  a.resource = std::move(resource_name), a.subresource = std::move(sub), a.name = std::move(name);
  return a;
}

Attributes path(std::string what) {
  Attributes a;
  a.resource_request = false;
  a.verb = "get";
  a.path = std::move(what);
  return a;
}

TEST(AuditPolicy, the_first_rule_that_matches_decides) {
  auto policy = AuditPolicy::parse(cat(kHead, R"(
omitStages: [RequestReceived]
omitManagedFields: true
rules:
- {level: None, users: ["system:kube-proxy"], verbs: [watch]}
- {level: None, nonResourceURLs: ["/healthz*", /version]}
- {level: Request, userGroups: [auditors], omitManagedFields: false}
- {level: RequestResponse, namespaces: [prod], resources: [{group: apps, resources: [deployments, "deployments/*"]}]}
- {level: Metadata, resources: [{group: "", resources: ["*/status"]}]}
- {level: Request, resources: [{group: "", resources: [configmaps], resourceNames: [special]}], omitStages: [Panic]}
- {level: Metadata, resources: [{group: "", resources: [secrets]}, {group: "*", resources: [leases]}]}
)"));
  ASSERT_TRUE(policy.ok()) << policy.error().message();
  struct Row {
    const char* name;
    const char* user;
    std::vector<std::string> groups;
    Attributes what;
    AuditLevel level;
    unsigned omitted;
  };
  const std::vector<Row> rows = {
      {"proxy watches", "system:kube-proxy", {}, resource("watch", "", "", "secrets"), AuditLevel::kNone, kRequestReceived},
      {"proxy lists", "system:kube-proxy", {}, resource("list", "", "", "secrets"), AuditLevel::kMetadata, kRequestReceived},
      {"health", "a", {}, path("/healthz/etcd"), AuditLevel::kNone, kRequestReceived},
      {"a path of no rule", "a", {}, path("/versions"), AuditLevel::kNone, kRequestReceived},
      {"group", "a", {"x", "auditors"}, path("/metrics"), AuditLevel::kRequest, kRequestReceived},
      {"deployment", "a", {}, resource("get", "apps", "prod", "deployments"), AuditLevel::kRequestResponse, kRequestReceived},
      {"its scale", "a", {}, resource("get", "apps", "prod", "deployments", "scale"), AuditLevel::kRequestResponse, kRequestReceived},
      {"elsewhere", "a", {}, resource("get", "apps", "test", "deployments"), AuditLevel::kNone, kRequestReceived},
      {"any status", "a", {}, resource("patch", "", "test", "pods", "status"), AuditLevel::kMetadata, kRequestReceived},
      {"a name", "a", {}, resource("get", "", "test", "configmaps", "", "special"), AuditLevel::kRequest, kRequestReceived | kPanic},
      {"another name", "a", {}, resource("get", "", "test", "configmaps", "", "b"), AuditLevel::kNone, kRequestReceived},
      {"any group", "a", {}, resource("get", "coordination.k8s.io", "test", "leases"), AuditLevel::kMetadata, kRequestReceived},
  };
  for (const Row& row : rows) {
    Identity user;
    user.user = row.user, user.groups = row.groups;
    AuditDecision decision = policy->decide(user, row.what);
    EXPECT_EQ(decision.level, row.level) << row.name;
    EXPECT_EQ(decision.omit_stages, row.omitted) << row.name;
    EXPECT_EQ(decision.omit_managed_fields, row.groups.empty()) << row.name;
  }
}

}  // namespace
}  // namespace bramble

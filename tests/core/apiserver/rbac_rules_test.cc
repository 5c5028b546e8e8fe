// Rules of roles alone: matching, covering, printing; and what reconciliation makes of default roles.
#include "core/apiserver/rbac_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/apiserver/authz.h"
#include "core/apiserver/role_reconcile.h"
#include "tests/core/json/json_text.h"

namespace bramble {
namespace {

using testing::ElementsAre;

// "verb group/resource[/sub] [name]" or "verb /path".
Attributes asks(const std::string& text) {
  std::vector<std::string_view> words = split(text, ' ');
  Attributes a;
  a.verb = words[0];
  if (words[1][0] == '/') {
    a.resource_request = false;
    a.path = words[1];
    return a;
  }
  std::vector<std::string_view> parts = split(words[1], '/');
  a.group = parts[0] == "core" ? "" : parts[0];
  a.resource = parts[1];
  if (parts.size() > 2) a.subresource = parts[2];
  if (words.size() > 2) a.name = words[2];
  return a;
}

TEST(PolicyRule, allows_what_it_lists_and_no_more) {
  struct Row {
    const char* name;
    const char* rule;
    const char* asked;
    bool allowed;
  };
  for (const Row& row : {
           Row{"listed", R"({"verbs":["get"],"apiGroups":[""],"resources":["pods"]})", "get core/pods", true},
           Row{"another verb", R"({"verbs":["get"],"apiGroups":[""],"resources":["pods"]})", "list core/pods", false},
           Row{"another group", R"({"verbs":["get"],"apiGroups":[""],"resources":["deployments"]})", "get apps/deployments", false},
           Row{"another resource", R"({"verbs":["get"],"apiGroups":[""],"resources":["pods"]})", "get core/secrets", false},
           Row{"a subresource is another resource", R"({"verbs":["get"],"apiGroups":[""],"resources":["pods"]})", "get core/pods/log", false},
           Row{"the subresource", R"({"verbs":["get"],"apiGroups":[""],"resources":["pods/log"]})", "get core/pods/log", true},
           Row{"not its parent", R"({"verbs":["get"],"apiGroups":[""],"resources":["pods/log"]})", "get core/pods", false},
           Row{"the subresource of all", R"({"verbs":["get"],"apiGroups":["*"],"resources":["*/scale"]})", "get apps/deployments/scale", true},
           Row{"of all, another one", R"({"verbs":["get"],"apiGroups":["*"],"resources":["*/scale"]})", "get apps/deployments/status", false},
           Row{"a longer subresource", R"({"verbs":["get"],"apiGroups":["*"],"resources":["*/scale"]})", "get apps/deployments/upscale", false},
           Row{"stars", R"({"verbs":["*"],"apiGroups":["*"],"resources":["*"]})", "deletecollection apps/deployments/status", true},
           Row{"stars are no paths", R"({"verbs":["*"],"apiGroups":["*"],"resources":["*"]})", "get /metrics", false},
           Row{"the name", R"({"verbs":["get"],"apiGroups":[""],"resources":["pods"],"resourceNames":["a","b"]})", "get core/pods b", true},
           Row{"another name", R"({"verbs":["get"],"apiGroups":[""],"resources":["pods"],"resourceNames":["a"]})", "get core/pods b", false},
           Row{"no name", R"({"verbs":["list"],"apiGroups":[""],"resources":["pods"],"resourceNames":["a"]})", "list core/pods", false},
           Row{"a star is no name", R"({"verbs":["get"],"apiGroups":[""],"resources":["pods"],"resourceNames":["*"]})", "get core/pods b", false},
           Row{"path", R"({"verbs":["get"],"nonResourceURLs":["/healthz"]})", "get /healthz", true},
           Row{"longer path", R"({"verbs":["get"],"nonResourceURLs":["/healthz"]})", "get /healthz/ping", false},
           Row{"path with a star", R"({"verbs":["get"],"nonResourceURLs":["/healthz/*"]})", "get /healthz/ping", true},
           Row{"the star needs the slash", R"({"verbs":["get"],"nonResourceURLs":["/healthz/*"]})", "get /healthz", false},
           Row{"every path", R"({"verbs":["*"],"nonResourceURLs":["*"]})", "post /x", true},
           Row{"paths are no resources", R"({"verbs":["*"],"nonResourceURLs":["*"]})", "get core/pods", false},
           Row{"empty", R"({"verbs":["get"]})", "get core/pods", false},
       }) {
    EXPECT_EQ(rule_allows(json(row.rule).root(), asks(row.asked)), row.allowed) << row.name;
  }
}

std::vector<std::string> missing(const std::string& owned, const std::string& wanted) {
  return compact_texts(uncovered(policy_rules(json(owned).root()), policy_rules(json(wanted).root())));
}

TEST(PolicyRule, covers_piece_by_piece) {
  struct Row {
    const char* name;
    const char* owned;
    const char* wanted;
    std::vector<std::string> missing;
  };
  const char* pods = R"([{"verbs":["get","list"],"apiGroups":[""],"resources":["pods","secrets"]}])";
  for (const Row& row : {
           Row{"the same", pods, pods, {}},
           Row{"from two rules", R"([{"verbs":["get"],"apiGroups":[""],"resources":["*"]},{"verbs":["list"],"apiGroups":["*"],"resources":["pods","secrets"]}])", pods, {}},
           Row{"a verb less", R"([{"verbs":["get"],"apiGroups":[""],"resources":["pods","secrets"]}])", pods,
               {R"({APIGroups:[""], Resources:["pods"], Verbs:["list"]})", R"({APIGroups:[""], Resources:["secrets"], Verbs:["list"]})"}},
           Row{"nothing", "[]", pods, {R"({APIGroups:[""], Resources:["pods"], Verbs:["get" "list"]})", R"({APIGroups:[""], Resources:["secrets"], Verbs:["get" "list"]})"}},
           Row{"named only", R"([{"verbs":["*"],"apiGroups":[""],"resources":["pods"],"resourceNames":["a"]}])",
               R"([{"verbs":["get"],"apiGroups":[""],"resources":["pods"]}])", {R"({APIGroups:[""], Resources:["pods"], Verbs:["get"]})"}},
           Row{"a name of all", R"([{"verbs":["get"],"apiGroups":[""],"resources":["pods"]}])",
               R"([{"verbs":["get"],"apiGroups":[""],"resources":["pods"],"resourceNames":["a"]}])", {}},
           Row{"a name too many", R"([{"verbs":["get"],"apiGroups":[""],"resources":["pods"],"resourceNames":["a"]}])",
               R"([{"verbs":["get"],"apiGroups":[""],"resources":["pods"],"resourceNames":["a","b"]}])",
               {R"({APIGroups:[""], Resources:["pods"], ResourceNames:["b"], Verbs:["get"]})"}},
           Row{"subresource of all", R"([{"verbs":["get"],"apiGroups":["*"],"resources":["*/scale"]}])",
               R"([{"verbs":["get"],"apiGroups":["apps"],"resources":["deployments/scale"]}])", {}},
           Row{"paths", R"([{"verbs":["get"],"nonResourceURLs":["/api/*"]}])", R"([{"verbs":["get","put"],"nonResourceURLs":["/api/v1","/x"]}])",
               {R"({NonResourceURLs:["/api/v1"], Verbs:["put"]})", R"({NonResourceURLs:["/x"], Verbs:["get"]})", R"({NonResourceURLs:["/x"], Verbs:["put"]})"}},
           Row{"a star is not the sum of what there is", R"([{"verbs":["get","list","watch","create","update","patch","delete","deletecollection"],"apiGroups":["*"],"resources":["*"]}])",
               R"([{"verbs":["*"],"apiGroups":[""],"resources":["pods"]}])", {R"({APIGroups:[""], Resources:["pods"], Verbs:["*"]})"}},
       }) {
    EXPECT_EQ(missing(row.owned, row.wanted), row.missing) << row.name;
  }
}

TEST(Authz, several_problems_are_one_text) {
  EXPECT_EQ(aggregate_text({"a"}), "a");
  EXPECT_EQ(aggregate_text({"a", "a"}), "a");
  EXPECT_EQ(aggregate_text({"a", "b", "a"}), "[a, b]");
}

std::string step(const Reconciliation& r) {
  static constexpr const char* kSteps[] = {"none", "create", "update", "recreate"};
  return kSteps[static_cast<int>(r.step)];
}

constexpr const char* kRole =
    R"({"metadata":{"name":"r","labels":{"kubernetes.io/bootstrapping":"rbac-defaults"},"annotations":{"rbac.authorization.kubernetes.io/autoupdate":"true"}},
        "rules":[{"verbs":["get","list"],"apiGroups":[""],"resources":["pods"]}]})";

TEST(RoleReconcile, adds_what_is_missing_and_takes_nothing_away) {
  Document wanted = json(kRole);
  EXPECT_EQ(step(reconcile_role(Document(), wanted)), "create");
  EXPECT_EQ(step(reconcile_role(wanted, wanted)), "none");
  Document more = json(R"({"metadata":{"name":"r","labels":{"kubernetes.io/bootstrapping":"rbac-defaults","a":"b"},"annotations":{"rbac.authorization.kubernetes.io/autoupdate":"true"}},
                           "rules":[{"verbs":["*"],"apiGroups":["*"],"resources":["*"]}]})");
  EXPECT_EQ(step(reconcile_role(more, wanted)), "none") << "covered by other rules";
  Document less = json(R"({"metadata":{"name":"r","labels":{"kubernetes.io/bootstrapping":"mine"}},"rules":[{"verbs":["get"],"apiGroups":[""],"resources":["pods"]}]})");
  Reconciliation r = reconcile_role(less, wanted);
  ASSERT_EQ(step(r), "update");
  EXPECT_EQ(r.object["rules"].dump(),
            R"([{"verbs":["get"],"apiGroups":[""],"resources":["pods"]},{"verbs":["list"],"apiGroups":[""],"resources":["pods"]}])");
  EXPECT_EQ(r.object["metadata"]["labels"]["kubernetes.io/bootstrapping"].str(), "mine") << "what exists wins";
  EXPECT_EQ(r.object["metadata"]["annotations"][kAutoUpdateAnnotation].str(), "true");
  Document kept = json(R"({"metadata":{"name":"r","annotations":{"rbac.authorization.kubernetes.io/autoupdate":"false"}},"rules":[]})");
  EXPECT_EQ(step(reconcile_role(kept, wanted)), "none");
}

TEST(RoleReconcile, keeps_aggregation_as_wanted) {
  Document wanted = default_cluster_role("view");
  ASSERT_TRUE(wanted);
  Builder filled(wanted.root());
  filled.root().array("rules").append_object().array("verbs").append("get");
  EXPECT_EQ(step(reconcile_role(filled.finish(), wanted)), "none") << "gathered rules stay";
  Builder without(wanted.root());
  without.root().remove("aggregationRule");
  Reconciliation r = reconcile_role(without.finish(), wanted);
  ASSERT_EQ(step(r), "update");
  EXPECT_TRUE(equal(r.object["aggregationRule"], wanted["aggregationRule"]));
}

TEST(RoleReconcile, adds_subjects_and_makes_a_binding_to_another_role_anew) {
  const char* text = R"({"metadata":{"name":"b"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"r"},"subjects":[%S]})";
  auto binding = [&](const std::string& subjects) { return json(replace_all(text, "%S", subjects)); };
  const std::string a = R"({"kind":"Group","apiGroup":"rbac.authorization.k8s.io","name":"a"})", b = R"({"kind":"Group","apiGroup":"rbac.authorization.k8s.io","name":"b"})";
  EXPECT_EQ(step(reconcile_binding(binding(cat(a, ",", b)), binding(a))), "none");
  Reconciliation r = reconcile_binding(binding(b), binding(a));
  ASSERT_EQ(step(r), "update");
  EXPECT_EQ(r.object["subjects"].size(), 2u);
  Builder other(binding(a).root());
  other.root().object("roleRef").set("name", "x");
  EXPECT_EQ(step(reconcile_binding(other.finish(), binding(a))), "recreate");
}

// The facts of the table, counted: a line lost in it would grant less without a word.
TEST(DefaultRoles, are_upstreams) {
  size_t roles = 0, bindings = 0, rules = 0;
  each_default_rbac_object([&](const DefaultObject& o) {
    bool role = o.resource.resource == "clusterroles" || o.resource.resource == "roles";
    (role ? roles : bindings)++;
    rules += o.object["rules"].size();
    EXPECT_EQ(o.object["metadata"]["labels"]["kubernetes.io/bootstrapping"].str(), "rbac-defaults") << o.key.text();
    EXPECT_EQ(o.object["metadata"]["annotations"][kAutoUpdateAnnotation].str(), "true") << o.key.text();
    EXPECT_TRUE(find_kind(o.resource.group, o.resource.version, o.resource.resource) != nullptr) << o.key.text();
  });
  EXPECT_EQ(roles, 77u + 2 + 5) << "upstream's, metrics-server's, bramble:well-known-viewer and those by which nodes join";
  EXPECT_EQ(bindings, 58u + 1 + 7);
  EXPECT_EQ(rules, 328u + 2 + 10);
  EXPECT_EQ(default_cluster_role("system:basic-user")["rules"].dump(),
            R"([{"verbs":["create"],"apiGroups":["authorization.k8s.io"],"resources":["selfsubjectaccessreviews","selfsubjectrulesreviews"]},)"
            R"({"verbs":["create"],"apiGroups":["authentication.k8s.io"],"resources":["selfsubjectreviews"]}])");
}

}  // namespace
}  // namespace bramble

// Authorization over the pipeline: who may what by roles and bindings, what nobody may grant, reviews, impersonation.
#include "tests/core/apiserver/api_fixture.h"

namespace bramble {
namespace {

constexpr std::string_view kRbac = "/apis/rbac.authorization.k8s.io/v1";
constexpr std::string_view kAuthz = "/apis/authorization.k8s.io/v1";

class Rbac : public ApiTest {
 protected:
  void as(std::string name, std::vector<std::string> of = {}) { user = std::move(name), groups = std::move(of); }
  void as_admin() { as("admin", {"system:masters"}); }

  // A write by the administrator that must succeed; who asks is as before.
  void must(const std::string& method, const std::string& target, const std::string& body = {}) {
    std::string was = user;
    std::vector<std::string> were = groups;
    as_admin();
    auto a = call(method, target, body);
    EXPECT_LT(a->status, 300) << target << ": " << a->body;
    as(was, were);
  }
  void make_namespace(const std::string& name) { must("POST", "/api/v1/namespaces", cat(R"({"metadata":{"name":")", name, R"("}})")); }
  static std::string in(const std::string& ns, std::string_view resource) { return cat(kRbac, "/namespaces/", ns, "/", resource); }
  static std::string role(const std::string& name, const std::string& rules, std::string_view more = {}) {
    return cat(R"({"metadata":{"name":")", name, R"("},"rules":)", rules, more, "}");
  }
  static std::string binding(const std::string& name, const std::string& ref_kind, const std::string& ref, const std::string& subjects) {
    return cat(R"({"metadata":{"name":")", name, R"("},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":")", ref_kind, R"(","name":")", ref,
               R"("},"subjects":[)", subjects, "]}");
  }
  static std::string person(const std::string& name) { return cat(R"({"kind":"User","name":")", name, R"("})"); }
  // Binds a ClusterRole of these rules to a user everywhere.
  void grant(const std::string& name, const std::string& whom, const std::string& rules) {
    must("POST", cat(kRbac, "/clusterroles"), role(name, rules));
    must("POST", cat(kRbac, "/clusterrolebindings"), binding(name, "ClusterRole", name, person(whom)));
  }
  std::string message(const std::shared_ptr<KeptAnswer>& a) { return a->json()["message"].text(); }
  int status(const std::string& method, const std::string& target, const std::string& body = {}) { return call(method, target, body)->status; }
};

constexpr const char* kReadPods = R"([{"verbs":["get","list"],"apiGroups":[""],"resources":["pods"]}])";

TEST_F(Rbac, a_binding_holds_in_its_namespace_and_a_cluster_binding_everywhere) {
  make_namespace("other");
  must("POST", cat(kRbac, "/clusterroles"), role("pods", kReadPods));
  must("POST", in("default", "rolebindings"), binding("b", "ClusterRole", "pods", person("jane")));
  as("jane");
  EXPECT_EQ(status("GET", "/api/v1/namespaces/default/pods"), 200);
  EXPECT_EQ(status("GET", "/api/v1/namespaces/other/pods"), 403);
  EXPECT_EQ(status("GET", "/api/v1/pods"), 403);
  must("POST", cat(kRbac, "/clusterrolebindings"), binding("b", "ClusterRole", "pods", person("jane")));
  EXPECT_EQ(status("GET", "/api/v1/namespaces/other/pods"), 200);
  EXPECT_EQ(status("GET", "/api/v1/pods"), 200);
  must("DELETE", cat(kRbac, "/clusterrolebindings/b"));
  EXPECT_EQ(status("GET", "/api/v1/pods"), 403);
  must("DELETE", cat(kRbac, "/clusterroles/pods"));
  EXPECT_EQ(status("GET", "/api/v1/namespaces/default/pods"), 403) << "the role is gone";
}

TEST_F(Rbac, subjects_are_users_groups_and_service_accounts) {
  must("POST", cat(kRbac, "/clusterroles"), role("pods", kReadPods));
  struct Row {
    const char* name;
    const char* subject;
    const char* user;
    std::vector<std::string> groups;
    bool allowed;
  };
  for (const Row& row : {
           Row{"user", R"({"kind":"User","name":"jane"})", "jane", {}, true},
           Row{"another user", R"({"kind":"User","name":"jane"})", "june", {"jane"}, false},
           Row{"group", R"({"kind":"Group","name":"dev"})", "jane", {"ops", "dev"}, true},
           Row{"all who are known", R"({"kind":"Group","name":"system:authenticated"})", "x", {}, true},
           Row{"service account", R"({"kind":"ServiceAccount","name":"a","namespace":"other"})", "system:serviceaccount:other:a", {}, true},
           Row{"service account of the namespace", R"({"kind":"ServiceAccount","name":"a"})", "system:serviceaccount:default:a", {}, true},
           Row{"account elsewhere", R"({"kind":"ServiceAccount","name":"a"})", "system:serviceaccount:other:a", {}, false},
           Row{"accounts of a namespace", R"({"kind":"Group","name":"system:serviceaccounts:other"})", "system:serviceaccount:other:a",
               {"system:serviceaccounts", "system:serviceaccounts:other"}, true},
       }) {
    must("POST", in("default", "rolebindings"), binding("b", "ClusterRole", "pods", row.subject));
    as(row.user, row.groups);
    EXPECT_EQ(status("GET", "/api/v1/namespaces/default/pods"), row.allowed ? 200 : 403) << row.name;
    must("DELETE", in("default", "rolebindings/b"));
    EXPECT_EQ(status("GET", "/api/v1/namespaces/default/pods"), 403) << row.name << ", taken back";
  }
}

TEST_F(Rbac, a_change_of_role_or_binding_holds_at_once) {
  must("POST", in("default", "roles"), role("r", kReadPods));
  must("POST", in("default", "rolebindings"), binding("b", "Role", "r", person("jane")));
  as("jane");
  EXPECT_EQ(status("GET", "/api/v1/namespaces/default/pods"), 200);
  must("PUT", in("default", "roles/r"), role("r", R"([{"verbs":["get"],"apiGroups":[""],"resources":["pods"],"resourceNames":["p"]}])"));
  EXPECT_EQ(status("GET", "/api/v1/namespaces/default/pods"), 403);
  EXPECT_EQ(status("GET", "/api/v1/namespaces/default/pods/p"), 404) << "may look, nothing there";
  EXPECT_EQ(status("GET", "/api/v1/namespaces/default/pods/q"), 403);
  must("PUT", in("default", "rolebindings/b"), binding("b", "Role", "r", person("june")));
  EXPECT_EQ(status("GET", "/api/v1/namespaces/default/pods/p"), 403);
}

TEST_F(Rbac, refusals_have_upstreams_words) {
  as("jane");
  EXPECT_EQ(message(call("GET", "/api/v1/namespaces/default/pods")),
            R"(pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the namespace "default")");
  EXPECT_EQ(message(call("GET", "/apis/apps/v1/namespaces/default/deployments/d/scale")),
            R"(deployments.apps "d" is forbidden: User "jane" cannot get resource "deployments/scale" in API group "apps" in the namespace "default")");
  EXPECT_EQ(message(call("GET", "/api/v1/nodes")), R"(nodes is forbidden: User "jane" cannot list resource "nodes" in API group "" at the cluster scope)");
  auto path = call("GET", "/metrics");
  EXPECT_EQ(message(path), R"(forbidden: User "jane" cannot get path "/metrics")");
  EXPECT_EQ(path->json()["details"].dump(), "{}");
  as("<jane> & co");
  EXPECT_EQ(message(call("GET", "/api/v1/nodes")),
            R"(nodes is forbidden: User "&lt;jane&gt; &amp; co" cannot list resource "nodes" in API group "" at the cluster scope)");
  as("jane");
  must("POST", in("default", "rolebindings"), binding("a", "Role", "none", person("jane")));
  EXPECT_EQ(message(call("GET", "/api/v1/namespaces/default/pods")),
            R"(pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the namespace "default": RBAC: role.rbac.authorization.k8s.io "none" not found)");
  must("POST", cat(kRbac, "/clusterrolebindings"), binding("a", "ClusterRole", "none", person("jane")));
  EXPECT_EQ(message(call("GET", "/api/v1/namespaces/default/pods")),
            R"(pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the namespace "default": )"
            R"(RBAC: [clusterrole.rbac.authorization.k8s.io "none" not found, role.rbac.authorization.k8s.io "none" not found])");
}

TEST_F(Rbac, the_default_roles_are_there_and_mend_themselves_at_start) {
  Document view = call("GET", cat(kRbac, "/clusterroles/view"))->json();
  EXPECT_TRUE(view["rules"].is_null());
  EXPECT_EQ(view["aggregationRule"].dump(), R"({"clusterRoleSelectors":[{"matchLabels":{"rbac.authorization.k8s.io/aggregate-to-view":"true"}}]})");
  must("PUT", cat(kRbac, "/clusterroles/system:kube-dns"), role("system:kube-dns", R"([{"verbs":["get"],"apiGroups":[""],"resources":["nodes"]}])"));
  must("DELETE", cat(kRbac, "/clusterrolebindings/system:basic-user"));
  must("DELETE", cat(kRbac, "/clusterrolebindings/system:discovery"));
  must("POST", cat(kRbac, "/clusterrolebindings"), binding("system:discovery", "ClusterRole", "view", person("jane")));
  must("PUT", cat(kRbac, "/clusterroles/system:heapster"),
       R"({"metadata":{"name":"system:heapster","annotations":{"rbac.authorization.kubernetes.io/autoupdate":"false"}},"rules":[]})");
  uint64_t before = cache.revision();
  tasks.start(boot(api.get()));
  settle();
  EXPECT_EQ(call("GET", cat(kRbac, "/clusterroles/system:kube-dns"))->json()["rules"].size(), 5u) << "one of its own, four pieces added";
  EXPECT_EQ(status("GET", cat(kRbac, "/clusterrolebindings/system:basic-user")), 200);
  EXPECT_EQ(call("GET", cat(kRbac, "/clusterrolebindings/system:discovery"))->json()["roleRef"]["name"].str(), "system:discovery");
  EXPECT_EQ(call("GET", cat(kRbac, "/clusterroles/system:heapster"))->json()["rules"].size(), 0u);
  EXPECT_EQ(cache.revision(), before + 4) << "an update, a create, a delete and a create";
  before = cache.revision();
  tasks.start(boot(api.get()));
  settle();
  EXPECT_EQ(cache.revision(), before) << "nothing to mend";
}

TEST_F(Rbac, anybody_sees_health_and_version_and_who_is_known_also_discovery) {
  struct Row {
    const char* path;
    int nobody, known;
  };
  for (const Row& row : {Row{"/readyz", 200, 200}, Row{"/livez", 200, 200}, Row{"/version", 200, 200}, Row{"/api", 403, 200},
                         Row{"/apis/apps/v1", 403, 200}, Row{"/openapi/v3", 403, 200}, Row{"/metrics", 403, 403}, Row{"/readyz/ping", 403, 403}}) {
    as("");
    EXPECT_EQ(status("GET", row.path), row.nobody) << row.path;
    as("jane");
    EXPECT_EQ(status("GET", row.path), row.known) << row.path;
  }
  as("system:node:n", {"system:monitoring"});
  EXPECT_EQ(status("GET", "/metrics"), 200);
  EXPECT_EQ(status("GET", "/readyz/ping"), 200);
}

TEST_F(Rbac, nodes_may_what_their_role_lists) {
  as("system:node:n", {"system:nodes"});
  EXPECT_EQ(status("GET", "/api/v1/services"), 200);
  EXPECT_EQ(status("GET", "/api/v1/pods?fieldSelector=spec.nodeName%3Dn"), 200);
  EXPECT_EQ(status("DELETE", "/api/v1/nodes/n"), 403);
  EXPECT_EQ(status("GET", "/apis/apps/v1/deployments"), 403);
  as("system:node:n");
  EXPECT_EQ(status("GET", "/api/v1/services"), 403) << "a name alone is no node";
}

TEST_F(Rbac, a_create_by_update_needs_create) {
  grant("u", "jane", R"([{"verbs":["update","get"],"apiGroups":["coordination.k8s.io"],"resources":["leases"]}])");
  as("jane");
  std::string lease = R"({"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{"name":"l"},"spec":{}})";
  std::string path = "/apis/coordination.k8s.io/v1/namespaces/default/leases/l";
  auto refused = call("PUT", path, lease);
  EXPECT_EQ(message(refused),
            R"(leases.coordination.k8s.io "l" is forbidden: User "jane" cannot create resource "leases" in API group "coordination.k8s.io" in the namespace "default")");
  grant("c", "jane", R"([{"verbs":["create"],"apiGroups":["coordination.k8s.io"],"resources":["leases"]}])");
  EXPECT_EQ(status("PUT", path, lease), 201);
}

TEST_F(Rbac, a_create_by_apply_needs_create) {
  grant("u", "jane", R"([{"verbs":["patch","get"],"apiGroups":["coordination.k8s.io"],"resources":["leases"]}])");
  as("jane");
  std::string lease = R"({"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{"name":"l"},"spec":{}})";
  std::string path = "/apis/coordination.k8s.io/v1/namespaces/default/leases/l?fieldManager=m";
  auto apply = [&] { return call("PATCH", path, lease, {{"content-type", "application/apply-patch+yaml"}}); };
  auto refused = apply();
  EXPECT_EQ(refused->status, 403);
  EXPECT_EQ(message(refused),
            R"(leases.coordination.k8s.io "l" is forbidden: User "jane" cannot create resource "leases" in API group "coordination.k8s.io" in the namespace "default")");
  grant("c", "jane", R"([{"verbs":["create"],"apiGroups":["coordination.k8s.io"],"resources":["leases"]}])");
  EXPECT_EQ(apply()->status, 201);
}

class Escalation : public Rbac {
 protected:
  void SetUp() override {
    Rbac::SetUp();
    must("POST", cat(kRbac, "/clusterroles"), role("writes-roles", R"([{"verbs":["*"],"apiGroups":["rbac.authorization.k8s.io"],"resources":["roles","rolebindings","clusterroles","clusterrolebindings"],"resourceNames":[]}])"));
    // All verbs but escalate and bind.
    must("PUT", cat(kRbac, "/clusterroles/writes-roles"),
         role("writes-roles",
              R"([{"verbs":["create","update","patch","get","delete"],"apiGroups":["rbac.authorization.k8s.io"],"resources":["roles","rolebindings","clusterroles","clusterrolebindings"]}])"));
    must("POST", cat(kRbac, "/clusterrolebindings"), binding("writes-roles", "ClusterRole", "writes-roles", person("jane")));
    must("POST", cat(kRbac, "/clusterroles"), role("pods", kReadPods));
    must("POST", cat(kRbac, "/clusterrolebindings"), binding("pods", "ClusterRole", "pods", person("jane")));
    as("jane");
  }
};

constexpr const char* kGetSecrets = R"([{"verbs":["get"],"apiGroups":[""],"resources":["secrets","pods"]}])";
constexpr const char* kNotHeld =
    R"(user "jane" (groups=["system:authenticated"]) is attempting to grant RBAC permissions not currently held:
{APIGroups:[""], Resources:["secrets"], Verbs:["get"]})";

TEST_F(Escalation, roles_hold_no_more_than_their_writer) {
  auto refused = call("POST", in("default", "roles"), role("r", kGetSecrets));
  EXPECT_EQ(refused->status, 403);
  EXPECT_EQ(message(refused), cat(R"(roles.rbac.authorization.k8s.io "r" is forbidden: )", kNotHeld));
  EXPECT_EQ(status("POST", in("default", "roles"), role("r", kReadPods)), 201);
  EXPECT_EQ(message(call("PUT", in("default", "roles/r"), role("r", kGetSecrets))), cat(R"(roles.rbac.authorization.k8s.io "r" is forbidden: )", kNotHeld));
  EXPECT_EQ(patch(in("default", "roles/r"), cat(R"({"rules":)", kGetSecrets, "}"))->status, 403);
  EXPECT_EQ(patch(in("default", "roles/r"), R"({"metadata":{"finalizers":["example.com/f"]}})")->status, 200);
  EXPECT_EQ(message(call("POST", cat(kRbac, "/clusterroles"), role("c", kGetSecrets))),
            cat(R"(clusterroles.rbac.authorization.k8s.io "c" is forbidden: )", kNotHeld));
  // An owner of the larger role may still let go of it, and others may not touch it.
  must("PUT", in("default", "roles/r"), role("r", kGetSecrets));
  EXPECT_EQ(patch(in("default", "roles/r"), R"({"metadata":{"labels":{"a":"b"}}})")->status, 403);
  EXPECT_EQ(patch(in("default", "roles/r"), R"({"metadata":{"finalizers":null}})")->status, 200);
}

TEST_F(Escalation, the_verb_escalate_lifts_it) {
  must("POST", in("default", "roles"), role("esc", R"([{"verbs":["escalate"],"apiGroups":["rbac.authorization.k8s.io"],"resources":["roles"],"resourceNames":["r"]}])"));
  must("POST", in("default", "rolebindings"), binding("esc", "Role", "esc", person("jane")));
  EXPECT_EQ(status("POST", in("default", "roles"), role("r", kGetSecrets)), 403) << "a create has no name to allow";
  must("POST", in("default", "roles"), role("r", "[]"));
  EXPECT_EQ(status("PUT", in("default", "roles/r"), role("r", kGetSecrets)), 200);
  EXPECT_EQ(status("PUT", in("default", "roles/s"), role("s", kGetSecrets)), 403);
}

TEST_F(Escalation, bindings_need_the_permissions_or_the_verb_bind) {
  must("POST", cat(kRbac, "/clusterroles"), role("secrets", kGetSecrets));
  auto refused = call("POST", in("default", "rolebindings"), binding("b", "ClusterRole", "secrets", person("june")));
  EXPECT_EQ(message(refused), cat(R"(rolebindings.rbac.authorization.k8s.io "b" is forbidden: )", kNotHeld));
  EXPECT_EQ(message(call("POST", cat(kRbac, "/clusterrolebindings"), binding("b", "ClusterRole", "secrets", person("june")))),
            cat(R"(clusterrolebindings.rbac.authorization.k8s.io "b" is forbidden: )", kNotHeld));
  EXPECT_EQ(message(call("POST", in("default", "rolebindings"), binding("b", "Role", "none", person("june")))),
            R"(roles.rbac.authorization.k8s.io "none" not found)");
  EXPECT_EQ(status("POST", in("default", "rolebindings"), binding("b", "ClusterRole", "pods", person("june"))), 201);
  grant("binds", "jane", R"([{"verbs":["bind"],"apiGroups":["rbac.authorization.k8s.io"],"resources":["clusterroles"],"resourceNames":["secrets"]}])");
  EXPECT_EQ(status("POST", in("default", "rolebindings"), binding("c", "ClusterRole", "secrets", person("june"))), 201);
  EXPECT_EQ(status("POST", in("default", "rolebindings"), binding("d", "ClusterRole", "cluster-admin", person("june"))), 403);
}

TEST_F(Escalation, an_aggregation_rule_needs_full_authority) {
  std::string body = role("agg", "[]", R"(,"aggregationRule":{"clusterRoleSelectors":[{"matchLabels":{"a":"b"}}]})");
  auto refused = call("POST", cat(kRbac, "/clusterroles"), body);
  EXPECT_EQ(message(refused), R"(clusterroles.rbac.authorization.k8s.io "agg" is forbidden: must have cluster-admin privileges to use the aggregationRule)");
  must("POST", cat(kRbac, "/clusterroles"), body);
  EXPECT_EQ(status("PUT", cat(kRbac, "/clusterroles/agg"), role("agg", "[]")), 403) << "taking it away as well";
  must("POST", cat(kRbac, "/clusterrolebindings"), binding("all", "ClusterRole", "cluster-admin", person("jane")));
  EXPECT_EQ(status("PUT", cat(kRbac, "/clusterroles/agg"), role("agg", "[]")), 200);
}

class AccessReview : public Rbac {
 protected:
  Document review(std::string_view resource, const std::string& spec) {
    bool local = resource == "localsubjectaccessreviews";
    auto a = call("POST", cat(kAuthz, local ? "/namespaces/default/" : "/", resource), cat(R"({"spec":)", spec, "}"));
    return a->json();
  }
};

TEST_F(AccessReview, tells_what_allows) {
  must("POST", in("default", "roles"), role("r", kReadPods));
  must("POST", in("default", "rolebindings"), binding("b", "Role", "r", cat(person("jane"), R"(,{"kind":"ServiceAccount","name":"a"})")));
  grant("c", "jane", R"([{"verbs":["get"],"nonResourceURLs":["/metrics"]}])");
  struct Row {
    const char* name;
    const char* resource;
    const char* spec;
    const char* status;
  };
  const char* in_default = R"("resourceAttributes":{"namespace":"default","verb":"list","resource":"pods"})";
  for (const Row& row : {
           Row{"role", "subjectaccessreviews", R"({"user":"jane",%R})", R"({"allowed":true,"reason":"RBAC: allowed by RoleBinding \"b/default\" of Role \"r\" to User \"jane\""})"},
           Row{"account", "subjectaccessreviews", R"({"user":"system:serviceaccount:default:a",%R})",
               R"({"allowed":true,"reason":"RBAC: allowed by RoleBinding \"b/default\" of Role \"r\" to ServiceAccount \"a/default\""})"},
           Row{"nobody", "subjectaccessreviews", R"({"user":"june",%R})", R"({"allowed":false})"},
           Row{"group", "subjectaccessreviews", R"({"groups":["system:masters"],%R})", R"({"allowed":true})"},
           Row{"path", "subjectaccessreviews", R"({"user":"jane","nonResourceAttributes":{"verb":"get","path":"/metrics"}})",
               R"({"allowed":true,"reason":"RBAC: allowed by ClusterRoleBinding \"c\" of ClusterRole \"c\" to User \"jane\""})"},
           Row{"local", "localsubjectaccessreviews", R"({"user":"jane",%R})",
               R"({"allowed":true,"reason":"RBAC: allowed by RoleBinding \"b/default\" of Role \"r\" to User \"jane\""})"},
           Row{"selectors that cannot be read", "subjectaccessreviews",
               R"({"user":"june","resourceAttributes":{"verb":"list","resource":"pods","fieldSelector":{"rawSelector":"a"},"labelSelector":{"requirements":[{"key":"a","operator":"Exists"},{"key":"b","operator":"What"}]}}})",
               R"({"allowed":false,"evaluationError":"spec.resourceAttributes.fieldSelector ignored due to parse error; spec.resourceAttributes.labelSelector partially ignored due to parse error"})"},
       }) {
    EXPECT_EQ(review(row.resource, replace_all(row.spec, "%R", in_default))["status"].dump(), row.status) << row.name;
  }
  as("jane");
  EXPECT_TRUE(review("selfsubjectaccessreviews", cat("{", in_default, "}"))["status"]["allowed"].boolean());
  EXPECT_EQ(review("subjectaccessreviews", cat(R"({"user":"x",)", in_default, "}"))["reason"].str(), "Forbidden") << "of others needs permission";
  EXPECT_EQ(review("localsubjectaccessreviews", cat(R"({"user":"x",)", in_default, "}"))["reason"].str(), "Forbidden");
}

TEST_F(AccessReview, refuses_what_is_no_question) {
  struct Row {
    const char* resource;
    const char* spec;
    const char* message;
  };
  for (const Row& row : {
           Row{"subjectaccessreviews", R"({"user":"a"})",
               R"(.authorization.k8s.io "" is invalid: spec.resourceAttributes: Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be specified)"},
           Row{"subjectaccessreviews", R"({"resourceAttributes":{}})",
               R"(.authorization.k8s.io "" is invalid: spec.user: Invalid value: "": at least one of user or group must be specified)"},
           Row{"selfsubjectaccessreviews", R"({"resourceAttributes":{"fieldSelector":{}}})",
               R"(.authorization.k8s.io "" is invalid: spec.resourceAttributes.fieldSelector.requirements: Required value: when spec.resourceAttributes.fieldSelector is specified, requirements or rawSelector is required)"},
           Row{"localsubjectaccessreviews", R"({"user":"a","resourceAttributes":{"namespace":"x"}})",
               R"(.authorization.k8s.io "" is invalid: spec.resourceAttributes.namespace: Invalid value: "x": must match metadata.namespace)"},
           Row{"localsubjectaccessreviews", R"({"user":"a","nonResourceAttributes":{"path":"/"}})",
               R"(.authorization.k8s.io "" is invalid: spec.nonResourceAttributes: Invalid value: {"Path":"/","Verb":""}: disallowed on this kind of request)"},
       }) {
    EXPECT_EQ(review(row.resource, row.spec)["message"].str(), row.message) << row.spec;
  }
  auto named = call("POST", cat(kAuthz, "/subjectaccessreviews"), R"({"metadata":{"name":"n"},"spec":{"user":"a","resourceAttributes":{}}})");
  EXPECT_EQ(message(named), R"(.authorization.k8s.io "" is invalid: metadata: Invalid value: {"name":"n"}: must be empty)");
}

TEST_F(AccessReview, lists_the_rules_of_oneself) {
  must("POST", in("default", "roles"), role("r", kReadPods));
  must("POST", in("default", "rolebindings"), binding("b", "Role", "r", person("jane")));
  must("POST", in("default", "rolebindings"), binding("c", "Role", "none", person("jane")));
  as("jane");
  Document all = call("POST", cat(kAuthz, "/selfsubjectrulesreviews"), R"({"spec":{"namespace":"default"}})")->json();
  std::string rules = all["status"]["resourceRules"].dump();
  EXPECT_NE(rules.find(R"({"verbs":["get","list"],"apiGroups":[""],"resources":["pods"]})"), std::string::npos) << rules;
  EXPECT_NE(rules.find("selfsubjectaccessreviews"), std::string::npos);
  EXPECT_NE(all["status"]["nonResourceRules"].dump().find(R"("/openapi/*")"), std::string::npos);
  EXPECT_FALSE(all["status"]["incomplete"].boolean(true));
  EXPECT_EQ(all["status"]["evaluationError"].str(), R"(role.rbac.authorization.k8s.io "none" not found)");
  as("system:node:n", {"system:nodes"});
  Document of_node = call("POST", cat(kAuthz, "/selfsubjectrulesreviews"), R"({"spec":{"namespace":"default"}})")->json();
  EXPECT_TRUE(of_node["status"]["incomplete"].boolean());
  EXPECT_EQ(of_node["status"]["evaluationError"].str(), "node authorizer does not support user rule resolution");
}

class Impersonation : public Rbac {
 protected:
  // Who the request is done as, or the refusal.
  std::string whoami(std::vector<Header> headers) {
    auto a = call("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", "{}", std::move(headers));
    Document d = a->json();
    return a->status < 300 ? d["status"]["userInfo"].dump() : d["message"].text();
  }
};

TEST_F(Impersonation, administrators_become_anybody) {
  struct Row {
    const char* name;
    std::vector<Header> headers;
    const char* expected;
  };
  for (const Row& row : {
           Row{"user", {{"impersonate-user", "a"}}, R"({"username":"a","groups":["system:authenticated"]})"},
           Row{"group", {{"impersonate-user", "a"}, {"impersonate-group", "g"}, {"impersonate-group", "h"}}, R"({"username":"a","groups":["g","h","system:authenticated"]})"},
           Row{"all", {{"impersonate-user", "a"}, {"impersonate-uid", "u"}, {"impersonate-extra-some%2fkey", "v"}, {"impersonate-extra-some%2fkey", "w"}},
               R"({"username":"a","uid":"u","groups":["system:authenticated"],"extra":{"some/key":["v","w"]}})"},
           Row{"service account", {{"impersonate-user", "system:serviceaccount:x:y"}},
               R"({"username":"system:serviceaccount:x:y","groups":["system:serviceaccounts","system:serviceaccounts:x","system:authenticated"]})"},
           Row{"node", {{"impersonate-user", "system:node:n"}}, R"({"username":"system:node:n","groups":["system:nodes","system:authenticated"]})"},
           Row{"an empty name asks for nothing", {{"impersonate-user", ""}}, R"({"username":"admin","groups":["system:masters","system:authenticated"]})"},
           Row{"a group without a user", {{"impersonate-group", "g"}},
               R"(requested &user.DefaultInfo{Name:"", UID:"", Groups:[]string{"g"}, Extra:map[string][]string(nil)} without impersonating a user name)"},
           Row{"extra without a user", {{"impersonate-extra-k", "v"}},
               R"(requested &user.DefaultInfo{Name:"", UID:"", Groups:[]string(nil), Extra:map[string][]string{"k":[]string{"v"}}} without impersonating a user name)"},
       }) {
    EXPECT_EQ(whoami(row.headers), row.expected) << row.name;
  }
}

TEST_F(Impersonation, needs_permission_for_each_part) {
  as("jane");
  EXPECT_EQ(message(call("GET", std::string(kPods), "", {{"impersonate-user", "a"}})),
            R"(pods is forbidden: User "jane" cannot impersonate-on:user-info:list resource "pods" in API group "" in the namespace "default")");
  grant("i", "jane",
        R"([{"verbs":["impersonate"],"apiGroups":[""],"resources":["users","groups"],"resourceNames":["a","g"]},)"
        R"({"verbs":["impersonate"],"apiGroups":["authentication.k8s.io"],"resources":["userextras/k"],"resourceNames":["v"]}])");
  EXPECT_EQ(whoami({{"impersonate-user", "a"}, {"impersonate-group", "g"}, {"impersonate-extra-k", "v"}}),
            R"({"username":"a","groups":["g","system:authenticated"],"extra":{"k":["v"]}})");
  // From now on the way that worked is the one whose refusal is shown.
  EXPECT_EQ(whoami({{"impersonate-user", "b"}}), R"(users "b" is forbidden: User "jane" cannot impersonate resource "users" in API group "" at the cluster scope)");
  EXPECT_EQ(whoami({{"impersonate-user", "a"}, {"impersonate-group", "h"}}),
            R"(groups "h" is forbidden: User "jane" cannot impersonate resource "groups" in API group "" at the cluster scope)");
  EXPECT_EQ(whoami({{"impersonate-user", "a"}, {"impersonate-uid", "u"}}),
            R"(uids.authentication.k8s.io "u" is forbidden: User "jane" cannot impersonate resource "uids" in API group "authentication.k8s.io" at the cluster scope)");
  EXPECT_EQ(whoami({{"impersonate-user", "a"}, {"impersonate-extra-k", "w"}}),
            R"(userextras.authentication.k8s.io "w" is forbidden: User "jane" cannot impersonate resource "userextras/k" in API group "authentication.k8s.io" at the cluster scope)");
  EXPECT_EQ(status("GET", std::string(kPods)), 403);
}

TEST_F(Impersonation, may_be_constrained_to_verbs) {
  grant("c", "jane",
        R"([{"verbs":["impersonate:user-info"],"apiGroups":["authentication.k8s.io"],"resources":["users","groups"]},)"
        R"({"verbs":["impersonate-on:user-info:list"],"apiGroups":[""],"resources":["pods"]},)"
        R"({"verbs":["impersonate:serviceaccount"],"apiGroups":["authentication.k8s.io"],"resources":["serviceaccounts"]},)"
        R"({"verbs":["impersonate-on:serviceaccount:list"],"apiGroups":[""],"resources":["pods"]}])");
  must("POST", cat(kRbac, "/clusterroles"), role("pods", kReadPods));
  must("POST", cat(kRbac, "/clusterrolebindings"),
       binding("pods", "ClusterRole", "pods", cat(person("a"), R"(,{"kind":"ServiceAccount","namespace":"default","name":"s"})")));
  as("jane");
  EXPECT_EQ(call("GET", std::string(kPods), "", {{"impersonate-user", "a"}})->status, 200);
  EXPECT_EQ(message(call("GET", cat(kPods, "/p"), "", {{"impersonate-user", "a"}})),
            R"(pods "p" is forbidden: User "jane" cannot impersonate-on:user-info:get resource "pods" in API group "" in the namespace "default")");
  EXPECT_EQ(message(call("GET", std::string(kPods), "", {{"impersonate-user", "a"}, {"impersonate-group", "system:masters"}})),
            R"(groups.authentication.k8s.io "system:masters" is forbidden: User "jane" cannot impersonate:user-info resource "groups" in API group "authentication.k8s.io" at the cluster scope: impersonating the system:masters group is not allowed)");
  EXPECT_EQ(call("GET", std::string(kPods), "", {{"impersonate-user", "system:serviceaccount:default:s"}})->status, 200);
  EXPECT_EQ(message(call("GET", std::string(kPods), "", {{"impersonate-user", "system:node:n"}})),
            R"(pods is forbidden: User "jane" cannot impersonate-on:arbitrary-node:list resource "pods" in API group "" in the namespace "default")");
}

class Streams : public Rbac {};

TEST_F(Streams, a_websocket_to_a_pod_needs_create_too) {
  call("POST", std::string(kPods), pod("p"));
  grant("get", "jane", R"([{"verbs":["get"],"apiGroups":[""],"resources":["pods/exec","pods/attach","pods/portforward","pods/log"]}])");
  as("jane");
  for (const char* sub : {"exec", "attach", "portforward"}) {
    auto refused = call("GET", cat(kPods, "/p/", sub, "?command=a&stdout=1"));
    EXPECT_EQ(refused->status, 403) << sub;
    EXPECT_EQ(message(refused), R"(pods "p" is forbidden: )") << sub;
  }
  EXPECT_EQ(status("GET", cat(kPods, "/p/log")), 200);
  grant("create", "jane", R"([{"verbs":["create"],"apiGroups":[""],"resources":["pods/exec"]}])");
  EXPECT_EQ(status("GET", cat(kPods, "/p/exec?command=a&stdout=1")), 400) << "no node yet, but allowed";
  EXPECT_EQ(status("GET", cat(kPods, "/p/attach?stdout=1")), 403);
}

// The parts of a node that are no controllers: what each writes, its role allows.
TEST_F(Rbac, each_part_of_a_node_may_do_its_work) {
  struct Row {
    const char* who;
    const char* group;
    const char* verb;
    const char* resource;  // group/resource[/sub]
    bool allowed;
  };
  for (const Row& row : {
           Row{"system:node:n", "system:nodes", "create", "/nodes", true},
           Row{"system:node:n", "system:nodes", "patch", "/nodes/status", true},
           Row{"system:node:n", "system:nodes", "update", "/nodes", true},
           Row{"system:node:n", "system:nodes", "patch", "/pods/status", true},
           Row{"system:node:n", "system:nodes", "delete", "/pods", true},
           Row{"system:node:n", "system:nodes", "create", "/events", true},
           Row{"system:node:n", "system:nodes", "patch", "/events", true},
           Row{"system:node:n", "system:nodes", "create", "/pods/eviction", true},
           Row{"system:node:n", "system:nodes", "create", "/pods/exec", false},
           Row{"system:kube-proxy", "", "watch", "/services", true},
           Row{"system:kube-proxy", "", "watch", "discovery.k8s.io/endpointslices", true},
           Row{"system:kube-proxy", "", "watch", "/secrets", false},
           Row{"system:serviceaccount:kube-system:kube-dns", "", "watch", "/endpoints", true},
           Row{"system:serviceaccount:kube-system:kube-dns", "", "watch", "/pods", false},
           Row{"system:kube-scheduler", "", "create", "/pods/binding", true},
           Row{"system:kube-scheduler", "", "update", "/pods", false},
       }) {
    Identity who{row.who, "", {"system:authenticated"}, {}};
    if (row.group[0] != 0) who.groups.emplace_back(row.group);
    std::vector<std::string_view> parts = split(row.resource, '/');
    Attributes what;
    what.verb = row.verb, what.group = parts[0], what.resource = parts[1];
    if (parts.size() > 2) what.subresource = parts[2];
    EXPECT_EQ(api->authorizer().allows(who, what), row.allowed) << row.who << " " << row.verb << " " << row.resource;
  }
}

}  // namespace
}  // namespace bramble

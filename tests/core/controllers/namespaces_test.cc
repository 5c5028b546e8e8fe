#include "core/controllers/all.h"
#include "tests/core/controllers/plan_text.h"

namespace bramble {
namespace {

std::string ns(const std::string& name, bool ending = false) {
  return cat(R"({"apiVersion":"v1","kind":"Namespace","metadata":{"name":")", name, R"("})",
             ending ? R"(,"spec":{"finalizers":["kubernetes"]},"status":{"phase":"Terminating"}})" : R"(,"status":{"phase":"Active"}})");
}
std::string ending(const std::string& name) { return replace_all(ns(name, true), R"("})", R"(","deletionTimestamp":"2026-01-02T03:04:05Z"})"); }

TEST(SystemNamespaces, are_made_when_missing) {
  Controller c = system_namespaces_controller();
  EXPECT_EQ(c.standing_keys.size(), 4u);
  check_reconcile(c, {{"missing", {}, {"", "kube-system"}, {R"(create namespaces kube-system ~ "metadata":{"name":"kube-system"})"}},
                      {"there", {ns("default")}, {"", "default"}, {}}});
}

TEST(ServiceAccount, default_is_in_each_active_namespace) {
  check_reconcile(service_account_controller(),
                  {{"new namespace", {ns("x")}, {"", "x"}, {R"(create serviceaccounts x/default ~ "kind":"ServiceAccount")"}},
                   {"there", {ns("x"), R"({"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"default","namespace":"x"}})"}, {"", "x"}, {}},
                   {"ending namespace", {ending("x")}, {"", "x"}, {}},
                   {"no namespace", {}, {"", "x"}, {}}});
}

TEST(RootCaPublisher, keeps_the_config_map_as_it_shall_be) {
  auto config_map = [](const std::string& data) {
    return cat(R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"kube-root-ca.crt","namespace":"x"},"data":)", data, "}");
  };
  check_reconcile(root_ca_publisher_controller("PEM"),
                  {{"new namespace", {ns("x")}, {"", "x"}, {R"(create configmaps x/kube-root-ca.crt ~ "kubernetes.io/description" ~ "data":{"ca.crt":"PEM"})"}},
                   {"changed by somebody", {ns("x"), config_map(R"({"ca.crt":"EVIL","more":"x"})")}, {"", "x"},
                    {R"(update configmaps x/kube-root-ca.crt ~ "data":{"ca.crt":"PEM"})"}},
                   {"ending namespace", {ending("x")}, {"", "x"}, {}}});
}

TEST(Namespace, is_emptied_pods_first_and_then_finalized) {
  const std::string pod = R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","namespace":"x","uid":"u1"}})";
  const std::string going = R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","namespace":"x","uid":"u1","deletionTimestamp":"2026-01-02T03:04:05Z","finalizers":["example.com/f"]}})";
  const std::string secret = R"({"apiVersion":"v1","kind":"Secret","metadata":{"name":"s","namespace":"x","uid":"u2"}})";
  Controller c = namespace_controller();
  check_reconcile(c, {{"active", {ns("x"), pod}, {"", "x"}, {}},
                      {"pods first", {ending("x"), pod, secret}, {"", "x"}, {"delete pods x/p"}},
                      {"a pod is still going", {ending("x"), going, secret}, {"", "x"}, {}},
                      {"then the rest", {ending("x"), secret}, {"", "x"}, {"delete secrets x/s"}}});
  check_finish(c, {{"content remains", {ending("x"), going, secret}, {"", "x"},
                    {R"(update namespaces/status x ~ {"type":"NamespaceDeletionDiscoveryFailure","status":"False" ~ "reason":"SomeResourcesRemain" ~ "message":"Some resources are remaining: pods. has 1 resource instances, secrets. has 1 resource instances" ~ "reason":"SomeFinalizersRemain" ~ "Some finalizers are remaining: example.com/f in 1 resource instances")"}},
                   {"empty", {ending("x")}, {"", "x"}, {R"(update namespaces/finalize x ~ "finalizers":[])"}}});
  Outcome failed;
  failed.error = Error(Code::kInternal, "boom");
  check_finish(c, {{"failed", {ending("x"), secret}, {"", "x"},
                    {R"(update namespaces/status x ~ "reason":"ContentDeletionFailed","message":"Failed to delete all resource types, 1 remaining: boom")"}}},
               failed);
}

TEST(Namespace, every_change_inside_an_ending_one_wakes_it) {
  MapSnapshot s = snapshot_of({ending("x"), ns("y")});
  Document in_x = *Document::parse(R"({"metadata":{"name":"p","namespace":"x"}})");
  Document in_y = *Document::parse(R"({"metadata":{"name":"p","namespace":"y"}})");
  Controller c = namespace_controller();
  EXPECT_THAT(keys_of(c, s, {resource_ids::kPods, in_x, {}}), testing::ElementsAre("x"));
  EXPECT_THAT(keys_of(c, s, {resource_ids::kPods, in_y, {}}), testing::ElementsAre());
}

std::string cluster_role(const std::string& name, const std::string& labels, const std::string& rules, const std::string& selectors = {}) {
  std::string aggregation = selectors.empty() ? std::string() : cat(R"(,"aggregationRule":{"clusterRoleSelectors":[)", selectors, "]}");
  return cat(R"({"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{"name":")", name, R"(","labels":)", labels, R"(},"rules":)", rules,
             aggregation, "}");
}

TEST(ClusterRoleAggregation, gathers_rules_by_label_each_once) {
  const std::string a = R"({"matchLabels":{"to":"a"}})", b = R"({"matchExpressions":[{"key":"to","operator":"In","values":["b"]}]})";
  const std::string get = R"({"verbs":["get"],"apiGroups":[""],"resources":["pods"]})", list = R"({"verbs":["list"],"apiGroups":[""],"resources":["pods"]})";
  const std::string x = cluster_role("x", R"({"to":"a"})", cat("[", get, "]")), y = cluster_role("y", R"({"to":"b"})", cat("[", list, ",", get, "]")),
                    z = cluster_role("z", "{}", cat("[", list, "]"));
  auto sum = [&](const std::string& rules) { return cluster_role("sum", R"({"to":"a"})", rules, cat(b, ",", a)); };
  const std::string both = cat("[", list, ",", get, "]");
  Controller c = clusterrole_aggregation_controller();
  check_reconcile(c, {{"empty", {x, y, z, sum("null")}, {"", "sum"}, {cat("update clusterroles sum ~ \"rules\":", both)}},
                      {"as it should be", {x, y, z, sum(both)}, {"", "sum"}, {}},
                      {"one left", {y, z, sum(both), cluster_role("x", "{}", "[]")}, {"", "sum"}, {}},
                      {"none left", {z, sum(both)}, {"", "sum"}, {"update clusterroles sum ~ \"rules\":[]"}},
                      {"nothing to gather", {z, sum("null")}, {"", "sum"}, {}},
                      {"its own rules count", {x}, {"", "x"}, {}},
                      {"gone", {x}, {"", "sum"}, {}}});
  MapSnapshot s = snapshot_of({x, sum("null")});
  Document changed = *Document::parse(std::string_view(x));
  EXPECT_THAT(keys_of(c, s, {ResourceId{"rbac.authorization.k8s.io", "v1", "clusterroles"}, changed, {}}), testing::ElementsAre("sum"));
}

}  // namespace
}  // namespace bramble

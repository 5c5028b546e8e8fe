// What counts towards a ResourceQuota, and how much.
#include "core/resources/quota_usage.h"

#include <gtest/gtest.h>

#include "core/base/clock.h"
#include "tests/core/resources/rule_case.h"

namespace bramble {
namespace {

constexpr int64_t kNowUs = 1767323045000000;  // 2026-01-02T03:04:05Z

QuotaEvaluator evaluator_of(std::string_view group, std::string_view resource) { return *QuotaEvaluator::of(*find_kind(group, "v1", resource)); }
std::string text(const ResourceAmounts& amounts) {
  std::vector<std::string> out;
  for (const auto& [name, amount] : amounts) out.push_back(cat(name, "=", amount.text()));
  return join(out, " ");
}

TEST(QuotaUsage, of_each_sort_of_object) {
  const struct {
    const char *name, *group, *resource, *object, *want;
  } cases[] = {
      {"pod", "", "pods", R"({"spec":{"containers":[{"resources":{"requests":{"cpu":"100m","memory":"1Gi","example.com/gpu":"2","hugepages-2Mi":"4Mi"},"limits":{"cpu":"1","ephemeral-storage":"1Gi"}}},{"resources":{"requests":{"cpu":"200m"}}}]}})",
       "count/pods=1 cpu=300m hugepages-2Mi=4Mi limits.cpu=1 limits.ephemeral-storage=1Gi memory=1Gi pods=1 requests.cpu=300m requests.example.com/gpu=2 requests.hugepages-2Mi=4Mi requests.memory=1Gi"},
      {"pod that ended", "", "pods", R"({"spec":{"containers":[{"resources":{"requests":{"cpu":"1"}}}]},"status":{"phase":"Succeeded"}})", "count/pods=1"},
      {"pod that is overdue", "", "pods", R"({"metadata":{"deletionTimestamp":"2026-01-02T03:03:30Z","deletionGracePeriodSeconds":30},"spec":{"containers":[]}})", "count/pods=1"},
      {"pod that may still go", "", "pods", R"({"metadata":{"deletionTimestamp":"2026-01-02T03:03:40Z","deletionGracePeriodSeconds":30},"spec":{"containers":[]}})", "count/pods=1 pods=1"},
      {"pod with an amount of its own", "", "pods", R"({"spec":{"resources":{"requests":{"cpu":"2"}},"overhead":{"cpu":"250m"},"containers":[{"resources":{"requests":{"cpu":"1"}}}]}})",
       "count/pods=1 cpu=2250m pods=1 requests.cpu=2250m"},
      {"pod whose overhead adds to limits that bound", "", "pods", R"({"spec":{"overhead":{"cpu":"250m","memory":"1Mi"},"containers":[{"resources":{"limits":{"cpu":"0","memory":"2Mi"}}}]}})",
       "count/pods=1 cpu=250m limits.cpu=0 limits.memory=3Mi memory=1Mi pods=1 requests.cpu=250m requests.memory=1Mi"},
      {"cluster address", "", "services", R"({"spec":{"type":"ClusterIP","ports":[{"port":1}]}})", "count/services=1 services=1 services.loadbalancers=0 services.nodeports=0"},
      {"node ports", "", "services", R"({"spec":{"type":"NodePort","ports":[{"port":1},{"port":2}]}})", "count/services=1 services=1 services.loadbalancers=0 services.nodeports=2"},
      {"load balancer", "", "services", R"({"spec":{"type":"LoadBalancer","ports":[{"port":1}]}})", "count/services=1 services=1 services.loadbalancers=1 services.nodeports=1"},
      {"load balancer without node ports", "", "services", R"({"spec":{"type":"LoadBalancer","allocateLoadBalancerNodePorts":false,"ports":[{"port":1},{"port":2,"nodePort":30001}]}})",
       "count/services=1 services=1 services.loadbalancers=1 services.nodeports=1"},
      {"claim", "", "persistentvolumeclaims", R"({"spec":{"storageClassName":"gold","resources":{"requests":{"storage":"1500m"}}}})",
       "count/persistentvolumeclaims=1 gold.storageclass.storage.k8s.io/persistentvolumeclaims=1 gold.storageclass.storage.k8s.io/requests.storage=2 persistentvolumeclaims=1 requests.storage=2"},
      {"claim that has more", "", "persistentvolumeclaims", R"({"spec":{"resources":{"requests":{"storage":"1Gi"}}},"status":{"allocatedResources":{"storage":"2Gi"}}})",
       "count/persistentvolumeclaims=1 persistentvolumeclaims=1 requests.storage=2Gi"},
      {"devices", "resource.k8s.io", "resourceclaims", R"({"spec":{"devices":{"requests":[{"name":"a","exactly":{"deviceClassName":"gpu","allocationMode":"ExactCount","count":2}},{"name":"b","exactly":{"deviceClassName":"nic","allocationMode":"All"}},{"name":"c","firstAvailable":[{"deviceClassName":"gpu","count":1},{"deviceClassName":"gpu","count":4}]}]}}})",
       "count/resourceclaims.resource.k8s.io=1 gpu.deviceclass.resource.k8s.io/devices=6 nic.deviceclass.resource.k8s.io/devices=32"},
      {"secret", "", "secrets", "{}", "count/secrets=1 secrets=1"},
      {"deployment", "apps", "deployments", "{}", "count/deployments.apps=1"},
  };
  for (const auto& c : cases) {
    const Document object = json(c.object);
    EXPECT_EQ(text(evaluator_of(c.group, c.resource).usage(object.root(), kNowUs)), c.want) << c.name;
  }
  EXPECT_FALSE(QuotaEvaluator::of(*find_kind("", "v1", "events")));
  EXPECT_FALSE(QuotaEvaluator::of(*find_kind("", "v1", "nodes")));
}

TEST(QuotaUsage, names_belong_to_resources) {
  const struct {
    const char *group, *resource, *name;
    bool want;
  } cases[] = {
      {"", "pods", "pods", true},          {"", "pods", "count/pods", true},     {"", "pods", "cpu", true},
      {"", "pods", "limits.memory", true}, {"", "pods", "limits.example.com/gpu", false}, {"", "pods", "requests.example.com/gpu", true},
      {"", "pods", "example.com/gpu", false}, {"", "pods", "requests.storage", false}, {"", "pods", "requests.hugepages-1Gi", true},
      {"", "pods", "secrets", false},      {"", "secrets", "secrets", true},     {"", "secrets", "count/secrets", true},
      {"apps", "deployments", "count/deployments.apps", true}, {"apps", "deployments", "count/deployments", false},
      {"", "services", "services.nodeports", true}, {"", "persistentvolumeclaims", "requests.storage", true},
      {"", "persistentvolumeclaims", "x.storageclass.storage.k8s.io/requests.storage", true},
      {"", "pods", "x.storageclass.storage.k8s.io/requests.storage", false},
      {"resource.k8s.io", "resourceclaims", "gpu.deviceclass.resource.k8s.io/devices", true},
  };
  for (const auto& c : cases) EXPECT_EQ(evaluator_of(c.group, c.resource).counts_as(c.name), c.want) << c.resource << " " << c.name;
}

TEST(QuotaUsage, scopes_choose_objects) {
  const char* plain = R"({"spec":{"containers":[{"name":"c"}]}})";
  const char* asking = R"({"spec":{"priorityClassName":"high","activeDeadlineSeconds":10,"containers":[{"name":"c","resources":{"requests":{"cpu":"1"}}}],
    "affinity":{"podAffinity":{"preferredDuringSchedulingIgnoredDuringExecution":[{"weight":1,"podAffinityTerm":{"topologyKey":"x","namespaceSelector":{}}}]}}}})";
  auto scope = [](std::string_view s) { return cat(R"({"scopes":[")", s, R"("]})"); };
  auto selector = [](std::string_view s, std::string_view op, std::string_view values) {
    return cat(R"({"scopeSelector":{"matchExpressions":[{"scopeName":")", s, R"(","operator":")", op, R"(","values":)", values, "}]}}");
  };
  const struct {
    const char* name;
    std::string spec;
    bool plain, asking;
  } cases[] = {
      {"none", "{}", true, true},
      {"BestEffort", scope("BestEffort"), true, false},
      {"NotBestEffort", scope("NotBestEffort"), false, true},
      {"Terminating", scope("Terminating"), false, true},
      {"NotTerminating", scope("NotTerminating"), true, false},
      {"PriorityClass", scope("PriorityClass"), false, true},
      {"affinity", scope("CrossNamespacePodAffinity"), false, true},
      {"two", R"({"scopes":["NotBestEffort","NotTerminating"]})", false, false},
      {"of a class", selector("PriorityClass", "In", R"(["low","high"])"), false, true},
      {"of another class", selector("PriorityClass", "In", R"(["low"])"), false, false},
      {"not of a class", selector("PriorityClass", "NotIn", R"(["high"])"), true, false},
      {"of none", selector("PriorityClass", "DoesNotExist", "[]"), true, false},
  };
  for (const auto& c : cases) {
    const Document spec = json(c.spec), a = json(plain), b = json(asking);
    EXPECT_EQ(evaluator_of("", "pods").in_scopes(spec.root(), a.root()), c.plain) << c.name;
    EXPECT_EQ(evaluator_of("", "pods").in_scopes(spec.root(), b.root()), c.asking) << c.name;
  }
  const Document of_class = json(R"({"scopeSelector":{"matchExpressions":[{"scopeName":"VolumeAttributesClass","operator":"In","values":["fast"]}]}})");
  const Document claim = json(R"({"spec":{},"status":{"currentVolumeAttributesClassName":"fast"}})");
  EXPECT_TRUE(evaluator_of("", "persistentvolumeclaims").in_scopes(of_class.root(), claim.root()));
  EXPECT_FALSE(evaluator_of("", "services").in_scopes(json(scope("BestEffort")).root(), claim.root()));
}

TEST(QuotaUsage, containers_must_say_what_is_counted) {
  const Document pod = json(R"({"spec":{"containers":[{"name":"b"},{"name":"a","resources":{"requests":{"cpu":"1"}}}],"initContainers":[{"name":"i"}]}})");
  EXPECT_EQ(evaluator_of("", "pods").missing({"limits.cpu", "pods", "requests.cpu", "requests.ephemeral-storage"}, pod.root()),
            "must specify limits.cpu for: a,b,i; requests.cpu for: b,i");
  const Document whole = json(R"({"spec":{"resources":{"limits":{"cpu":"1"}},"containers":[{"name":"b"}]}})");
  EXPECT_EQ(evaluator_of("", "pods").missing({"limits.cpu"}, whole.root()), "");
}

TEST(QuotaUsage, is_summed_over_what_there_is) {
  const Document quota = json(R"({"spec":{"hard":{"pods":"9","requests.cpu":"1","count/deployments.apps":"1","secrets":"3","services.nodeports":"0"}}})");
  const Document a = json(R"({"spec":{"containers":[{"resources":{"requests":{"cpu":"100m"}}}]}})");
  const Document going = json(R"({"metadata":{"deletionTimestamp":"2026-01-02T03:04:00Z","deletionGracePeriodSeconds":30},"spec":{"containers":[]}})");
  auto each = [&](const Kind& kind, const std::function<void(Value)>& fn) {
    if (kind.resource == "pods") fn(a.root()), fn(a.root()), fn(going.root());
    if (kind.resource == "secrets") fn(a.root());
  };
  QuotaSum sum = quota_sum(quota.root(), each, kNowUs);
  EXPECT_EQ(text(sum.used), "count/deployments.apps=0 pods=3 requests.cpu=200m secrets=1 services.nodeports=0");
  ASSERT_TRUE(sum.changes_us);
  EXPECT_EQ(*sum.changes_us, kNowUs + 25 * 1000000);
}

TEST(ResourceQuotaRules, scopes_fit_what_they_limit) {
  const struct {
    const char *name, *spec, *want;
  } cases[] = {
      {"fine", R"({"hard":{"pods":"1","requests.cpu":"1","count/pods":"1"},"scopes":["NotTerminating"]})", ""},
      {"fine by selector", R"({"hard":{"pods":"1"},"scopeSelector":{"matchExpressions":[{"scopeName":"PriorityClass","operator":"In","values":["a"]}]}})", ""},
      {"not of pods", R"({"hard":{"secrets":"1"},"scopes":["Terminating"]})", R"(Invalid spec.scopes: Invalid value: ["Terminating"]: unsupported scope applied to resource)"},
      {"not best effort", R"({"hard":{"cpu":"1"},"scopes":["BestEffort"]})", R"(Invalid spec.scopes: Invalid value: ["BestEffort"]: unsupported scope applied to resource)"},
      {"claims", R"({"hard":{"requests.storage":"1"},"scopeSelector":{"matchExpressions":[{"scopeName":"VolumeAttributesClass","operator":"Exists"}]}})", ""},
      {"of claims alone", R"({"hard":{"pods":"1"},"scopeSelector":{"matchExpressions":[{"scopeName":"VolumeAttributesClass","operator":"Exists"}]}})",
       R"(Invalid spec.scopeSelector.matchExpressions: Invalid value: {"MatchExpressions":[{"ScopeName":"VolumeAttributesClass","Operator":"Exists","Values":null}]}: unsupported scope applied to resource)"},
      {"only existence", R"({"hard":{"pods":"1"},"scopeSelector":{"matchExpressions":[{"scopeName":"BestEffort","operator":"In","values":["a"]}]}})",
       R"(Invalid spec.scopeSelector.matchExpressions.operator: Invalid value: "In": must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity)"},
      {"no values", R"({"hard":{"pods":"1"},"scopeSelector":{"matchExpressions":[{"scopeName":"PriorityClass","operator":"NotIn"}]}})",
       "Required spec.scopeSelector.matchExpressions.values: Required value: must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"},
      {"too many values", R"({"hard":{"pods":"1"},"scopeSelector":{"matchExpressions":[{"scopeName":"PriorityClass","operator":"Exists","values":["a"]}]}})",
       "Invalid spec.scopeSelector.matchExpressions.values: Invalid value: [\"a\"]: must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"},
      {"unknown", R"({"hard":{"pods":"1"},"scopeSelector":{"matchExpressions":[{"scopeName":"Some","operator":"Like"}]}})",
       R"(Invalid spec.scopeSelector.matchExpressions.scopeName: Invalid value: "Some": unsupported scope | Invalid spec.scopeSelector.matchExpressions.operator: Invalid value: "Like": not a valid selector operator)"},
      {"both", R"({"hard":{"pods":"1"},"scopeSelector":{"matchExpressions":[{"scopeName":"Terminating","operator":"Exists"},{"scopeName":"NotTerminating","operator":"Exists"}]}})",
       "Invalid spec.scopeSelector.matchExpressions: Invalid value: null: conflicting scopes"},
  };
  const Kind& kind = *find_kind("", "v1", "resourcequotas");
  for (const auto& c : cases) {
    EXPECT_EQ(create_errors(kind, json(cat(R"({"apiVersion":"v1","kind":"ResourceQuota","metadata":{"name":"q"},"spec":)", c.spec, "}"))), c.want) << c.name;
  }
}

}  // namespace
}  // namespace bramble

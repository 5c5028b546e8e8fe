// What of a node is kept from pods, and how much swap they may have: tables of values.
#include "core/kubelet/node_reserves.h"

#include <gtest/gtest.h>

#include "core/kubelet/container_spec.h"

namespace bramble {
namespace {

ResourceAmounts amounts(std::initializer_list<std::pair<const char*, const char*>> from) {
  ResourceAmounts out;
  for (const auto& [name, text] : from) out.insert_or_assign(name, *Quantity::parse(text));
  return out;
}

std::string text_of(const ResourceAmounts& from) {
  std::string out;
  for (const auto& [name, amount] : from) out += cat(name, "=", amount.text(), " ");
  return out;
}

TEST(NodeAllocatable, is_the_capacity_less_reserves_and_hard_thresholds) {
  const ResourceAmounts capacity = amounts({{"cpu", "4"}, {"memory", "512Mi"}, {"ephemeral-storage", "1000"}, {"pods", "110"}});
  struct Case {
    const char* name;
    NodeReserves reserves;
    BySignal hard, soft;
    const char* allocatable;
    int64_t group_memory_mi;
  };
  NodeReserves some, too_much, not_enforced;
  some.system = amounts({{"memory", "100Mi"}, {"cpu", "500m"}, {"ephemeral-storage", "100"}, {"pid", "1000"}});
  some.kube = amounts({{"memory", "28Mi"}});
  too_much.system = amounts({{"memory", "1Gi"}});
  not_enforced = some;
  not_enforced.enforce.clear();
  for (const Case& c : {Case{"nothing", {}, {}, {}, "cpu=4 ephemeral-storage=1k memory=512Mi pods=110 ", 512}, Case{"thresholds", {}, {{"memory.available", "12Mi"}, {"nodefs.available", "10%"}, {"imagefs.available", "50%"}}, {{"memory.available", "300Mi"}}, "cpu=4 ephemeral-storage=900 memory=500Mi pods=110 ", 512},
                        Case{"reserves", some, {{"memory.available", "84Mi"}}, {}, "cpu=3500m ephemeral-storage=900 memory=300Mi pods=110 ", 384}, Case{"more than there is", too_much, {}, {}, "cpu=4 ephemeral-storage=1k memory=0 pods=110 ", 0},
                        Case{"not enforced", not_enforced, {}, {}, "cpu=3500m ephemeral-storage=900 memory=384Mi pods=110 ", 512}}) {
    auto thresholds = parse_thresholds(c.hard, c.soft, {{"memory.available", "1s"}}, {}, true);
    ASSERT_TRUE(thresholds.ok()) << thresholds.error().message();
    EXPECT_EQ(text_of(less_reserved(capacity, capacity, c.reserves, *thresholds)), c.allocatable) << c.name;
    EXPECT_EQ(pods_limits(capacity, c.reserves, 30000).memory_bytes, c.group_memory_mi << 20) << c.name;
  }
  EXPECT_EQ(pods_limits(capacity, some, 30000).pids, 29000);
  EXPECT_EQ(pods_limits(capacity, not_enforced, 30000).pids, 30000);
  EXPECT_EQ(pods_limits(capacity, some, 0).pids, std::nullopt);
}

TEST(LimitedSwap, is_the_share_that_a_burstable_container_asks_for_of_memory) {
  struct Case {
    const char *name, *resources, *spec;
    bool v2, limited;
    int64_t swap_mi;
  };
  for (const Case& c : {Case{"a quarter", R"({"requests":{"memory":"128Mi"}})", "", true, true, 256}, Case{"with a higher limit", R"({"requests":{"memory":"128Mi"},"limits":{"memory":"256Mi"}})", "", true, true, 256},
                        Case{"request and limit are one", R"({"requests":{"memory":"128Mi"},"limits":{"memory":"128Mi"}})", "", true, true, 0}, Case{"best effort", "{}", "", true, true, 0},
                        Case{"burstable by its cpu", R"({"requests":{"cpu":"1"}})", "", true, true, 0}, Case{"guaranteed", R"({"requests":{"memory":"1Mi","cpu":"1"},"limits":{"memory":"1Mi","cpu":"1"}})", "", true, true, 0},
                        Case{"critical", R"({"requests":{"memory":"128Mi"}})", R"("priority":2000000000,)", true, true, 0}, Case{"nobody may", R"({"requests":{"memory":"128Mi"}})", "", true, false, 0},
                        Case{"cgroup version 1", R"({"requests":{"memory":"128Mi"}})", "", false, true, 0}}) {
    auto pod = Document::parse(cat(R"({"metadata":{"name":"p"},"spec":{)", c.spec, R"("containers":[{"name":"a","resources":)", c.resources, "}]}}"));
    ASSERT_TRUE(pod.ok()) << c.name;
    ContainerPlan plan;
    plan.pod = pod->root();
    plan.container = (*pod)["spec"]["containers"].item(0);
    plan.cgroup_v2 = c.v2;
    plan.swap = c.limited ? SwapBehavior::kLimited : SwapBehavior::kNone;
    plan.node_memory_bytes = 512LL << 20;
    plan.node_swap_bytes = 1024LL << 20;
    EXPECT_EQ(swap_limit(plan), c.swap_mi << 20) << c.name;
  }
}

TEST(LimitedSwap, is_in_the_runtimes_configuration) {
  for (bool v2 : {false, true}) {
    ContainerSpec spec;
    spec.cgroup_v2 = v2;
    spec.resources.memory_bytes = 1000;
    spec.resources.swap_bytes = 0;
    Document d = oci_config(spec);
    Value resources = d["linux"]["resources"];
    EXPECT_EQ(resources["unified"]["memory.swap.max"].str(), v2 ? "0" : "");
    EXPECT_EQ(resources["memory"]["swap"].integer(), v2 ? 0 : 1000);
    spec.resources.memory_bytes.reset();
    Document unlimited = oci_config(spec);
    EXPECT_FALSE(unlimited["linux"]["resources"]["memory"].has("swap")) << "version 1 knows no limit of swap alone";
  }
}

}  // namespace
}  // namespace bramble

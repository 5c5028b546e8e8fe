// Real pods on a node that is short of something: thresholds that no machine keeps to.
#include "tests/core/kubelet/kubelet_fixture.h"

namespace bramble {
namespace {

class EvictionTest : public KubeletTest {
 protected:
  void start_short_of(BySignal hard) {
    settings_.eviction_hard = std::move(hard);
    start_kubelet();
  }
  void put_sleeper(const std::string& name, const std::string& more = "") {
    put_pod(name, cat(R"("terminationGracePeriodSeconds":30,)", more, R"("containers":[{"name":"a","image":"busybox:1","imagePullPolicy":"IfNotPresent","command":["sleep","100000"]}])"));
  }
  // The node looks beside its heartbeat, or when an image came: the clock is moved on, and it is told of an image, until it is so.
  Task<void> until_failed(std::string name) {
    for (int i = 0; i < 1000 && PodView(pod(name)).phase() != "Failed"; ++i) {
      if (i % 50 == 0) {
        clock_.pass_us(limits::kEvictionScanPeriodUs);
        kubelet_->image_pulled();
      }
      co_await sleep_ms(10);
    }
    EXPECT_EQ(PodView(pod(name)).phase(), "Failed") << pod(name)["status"].dump();
  }
};

TEST_F(EvictionTest, a_node_short_of_memory_ends_a_pod_and_refuses_others) {
  RUN({
    // Pods run first; then the node is told to keep more memory than there is.
    start_short_of({});
    put_sleeper("victim");
    co_await until_phase("victim", "Running");
    kubelet_.reset();
    start_short_of({{"memory.available", "900Ti"}});
    const int64_t began_us = clock_.monotonic_us();
    Task<Document> failing = until_phase("victim", "Failed");
    Document d = co_await failing;
    EXPECT_LT(clock_.monotonic_us() - began_us, 15 * 1000000) << "a sleep does not end by SIGTERM; it has a second, not its own thirty";
    EXPECT_EQ(d["status"]["reason"].str(), "Evicted");
    EXPECT_TRUE(d["status"]["message"].str().starts_with("The node was low on resource: memory. Threshold quantity: 900Ti, available: ")) << d["status"]["message"].str();
    EXPECT_NE(d["status"]["message"].str().find("Container a was using "), std::string_view::npos);
    EXPECT_EQ(condition_status(d.root(), "DisruptionTarget"), "True");
    EXPECT_EQ(find_condition(d["status"]["conditions"], "DisruptionTarget")["reason"].str(), "TerminationByKubelet");
    co_await until_event("victim", cat("Evicted: ", d["status"]["message"].str()));
    co_await until_event("n1", "EvictionThresholdMet: Attempting to reclaim memory");
    for (int i = 0; i < 500 && condition_status(node(), "MemoryPressure") != "True"; ++i) co_await sleep_ms(10);
    EXPECT_EQ(find_condition(node()["status"]["conditions"], "MemoryPressure")["reason"].str(), "KubeletHasInsufficientMemory");
    EXPECT_EQ(condition_status(node(), "DiskPressure"), "False");
    co_await until_event("n1", "NodeHasInsufficientMemory: Node n1 status is now: NodeHasInsufficientMemory");
    put_sleeper("late");
    Task<Document> refusing = until_phase("late", "Failed");
    Document late = co_await refusing;
    EXPECT_EQ(late["status"]["reason"].str(), "Evicted");
    EXPECT_EQ(late["status"]["message"].str(), "Pod was rejected: The node had condition: [MemoryPressure]. ");
    EXPECT_EQ(condition_status(late.root(), "DisruptionTarget"), "");
    co_await until_event("late", "Evicted: The node had condition: [MemoryPressure]. ");
  });
}

TEST_F(EvictionTest, critical_pods_stay) {
  RUN({
    start_short_of({});
    put_sleeper("critical", R"("priority":2000001000,)");
    put_sleeper("plain");
    co_await until_phase("critical", "Running");
    co_await until_phase("plain", "Running");
    kubelet_.reset();
    start_short_of({{"nodefs.available", "900Ti"}});
    Task<Document> failing = until_phase("plain", "Failed");
    Document d = co_await failing;
    EXPECT_EQ(d["status"]["reason"].str(), "Evicted");
    for (int i = 0; i < 5; ++i) {
      clock_.pass_us(30 * 1000000LL);
      kubelet_->image_pulled();  // it looks again, and finds nobody
      co_await sleep_ms(50);
    }
    EXPECT_EQ(PodView(pod("critical")).phase(), "Running");
  });
}

TEST_F(EvictionTest, a_pod_that_holds_more_than_it_may_goes) {
  RUN({
    start_short_of({});
    put_pod("full", R"("terminationGracePeriodSeconds":0,"volumes":[{"name":"v","emptyDir":{"sizeLimit":"1Mi"}}],
      "containers":[{"name":"a","image":"busybox:1","imagePullPolicy":"IfNotPresent","volumeMounts":[{"name":"v","mountPath":"/v"}],
      "command":["sh","-c","i=0; while [ $i -lt 64 ]; do cat /bin/busybox > /v/$i; i=$((i+1)); done; echo up; sleep 100000"]}])");
    put_sleeper("neighbour");
    co_await until_phase("full", "Running");
    co_await until_failed("full");
    Document d = pod("full");
    EXPECT_EQ(d["status"]["reason"].str(), "Evicted");
    EXPECT_EQ(d["status"]["message"].str(), "Usage of EmptyDir volume \"v\" exceeds the limit \"1Mi\". ");
    EXPECT_EQ(condition_status(d.root(), "DisruptionTarget"), "");
    co_await until_event("full", "Evicted: Usage of EmptyDir volume \"v\" exceeds the limit \"1Mi\". ");
    EXPECT_EQ(PodView(pod("neighbour")).phase(), "Running");
  });
}

TEST_F(EvictionTest, what_a_container_writes_into_its_own_layer_counts) {
  RUN({
    start_short_of({});
    put_pod("full", R"("terminationGracePeriodSeconds":0,
      "containers":[{"name":"a","image":"busybox:1","imagePullPolicy":"IfNotPresent","resources":{"limits":{"ephemeral-storage":"1Mi"}},
      "command":["sh","-c","i=0; while [ $i -lt 64 ]; do cat /bin/busybox > /tmp/$i; i=$((i+1)); done; echo up; sleep 100000"]},
      {"name":"b","image":"busybox:1","imagePullPolicy":"IfNotPresent","command":["sleep","100000"],"resources":{"limits":{"ephemeral-storage":"100Gi"}}}])");
    co_await until_phase("full", "Running");
    co_await until_failed("full");
    EXPECT_EQ(pod("full")["status"]["message"].str(), "Container a exceeded its local ephemeral storage limit \"1Mi\". ");
  });
}

TEST_F(EvictionTest, the_kernel_tells_of_memory_that_goes) {
  auto task = []() -> Task<void> {
    // A mark that the next 64 MB cross; the node has no reason to look by itself for ten seconds.
    Cgroups::Options o;
    auto cgroups = Cgroups::open(o);
    EXPECT_TRUE(cgroups.ok());
    int told = 0;
    MemoryWatch watch(*cgroups, [&told] { ++told; });
    if (cgroups->v2()) {
      EXPECT_TRUE(watch.told_of_stalls());
      co_return;
    }
    auto used = read_cgroup_usage(*cgroups, "/", Detail::kBasic).memory_bytes;
    EXPECT_TRUE(used.has_value());
    watch.mark(*used + (64 << 20));
    EXPECT_TRUE(watch.told_of_marks());
    std::vector<char> memory;
    for (int i = 0; i < 500 && !told; ++i) {
      if (memory.size() < size_t{1} << 30) memory.resize(memory.size() + (8 << 20), 1);
      co_await sleep_ms(10);
    }
    EXPECT_GT(told, 0);
  };
  run(task());
}

TEST_F(EvictionTest, what_is_reserved_is_kept_from_pods) {
  RUN({
    settings_.eviction_hard = BySignal{{"memory.available", "64Mi"}};
    settings_.reserves.system.insert_or_assign("memory", *Quantity::parse("128Mi"));
    settings_.reserves.kube.insert_or_assign("cpu", *Quantity::parse("100m"));
    start_kubelet();
    co_await until_node("True");
    auto amount = [this](const char* of, const char* name) { return *Quantity::parse(node()["status"][of][name].str()); };
    EXPECT_EQ((amount("capacity", "memory") - amount("allocatable", "memory")).text(), "192Mi");
    EXPECT_EQ((amount("capacity", "cpu") - amount("allocatable", "cpu")).text(), "100m");
    auto opened = Cgroups::open({});
    const std::string group = opened->folder("memory", cat("/bkt-", tag_));
    auto limit = parse_int64(trim(slurp(group + (opened->v2() ? "/memory.max" : "/memory.limit_in_bytes"))));
    EXPECT_EQ(limit, (amount("capacity", "memory") - *Quantity::parse("128Mi")).value() / 4096 * 4096) << "what is kept free before evictions is for pods yet";
    co_await until_event("n1", "NodeAllocatableEnforced: Updated Node Allocatable limit across pods");
  });
}

}  // namespace
}  // namespace bramble

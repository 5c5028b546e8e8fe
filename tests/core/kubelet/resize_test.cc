// Resize in place, on real containers.
#include "kubelet_fixture.h"

namespace bramble {
namespace {

class ResizeTest : public KubeletTest {
 protected:
  static std::string spec(const std::string& amounts, const std::string& more = "") {
    return cat(R"("terminationGracePeriodSeconds":1,"containers":[{"name":"c","image":"busybox:1","command":["sleep","1000"],)", more, R"("resources":)", amounts, "}]");
  }
  static std::string amounts(const char* cpu, const char* memory) {
    return cat(R"({"limits":{"cpu":")", cpu, R"(","memory":")", memory, R"("},"requests":{"cpu":")", cpu, R"(","memory":")", memory, R"("}})");
  }
  void change(const std::string& name, const std::string& given, int64_t generation) {
    Builder b(pod(name).root());
    auto resources = Document::parse(given);
    ASSERT_TRUE(resources.ok());
    b.root()["spec"]["containers"].item(0).set("resources", resources->root());
    b.root()["metadata"].set("generation", generation);
    client_.put(kPods, b.finish());
  }
  // "<shares or weight>/<quota>/<memory>" of the pod and of its container.
  std::string cgroups(const std::string& pod_name, const std::string& id) const {
    std::string root = cat("bkt-", tag_, "/poduid-", pod_name), out;
    for (const std::string& at : {root, cat(root, "/", id)}) {
      auto file = [&at](const char* controller, const char* v1, const char* v2) {
        std::string path = cat("/sys/fs/cgroup/", controller, "/", at, "/", v1);
        return std::string(trim(fs::exists(path) ? slurp(path) : slurp(cat("/sys/fs/cgroup/", at, "/", v2))));
      };
      out += cat(out.empty() ? "" : " ", file("cpu", "cpu.cfs_quota_us", "cpu.max"), "/", file("memory", "memory.limit_in_bytes", "memory.max"));
    }
    return out;
  }
  static std::string expected(int64_t quota, int64_t mib) {
    bool v2 = fs::exists("/sys/fs/cgroup/cgroup.controllers");
    std::string one = cat(quota, v2 ? " 100000" : "", "/", mib << 20);
    return cat(one, " ", one);
  }
  static std::string id_of(const Document& d) { return d["status"]["containerStatuses"].item(0)["containerID"].text().substr(10); }
  static std::function<bool(const Document&)> shows(std::string cpu) {
    return [cpu](const Document& d) {
      return d["status"]["containerStatuses"].item(0)["resources"]["limits"]["cpu"].str() == cpu && !find_condition(d["status"]["conditions"], "PodResizeInProgress");
    };
  }
};

TEST_F(ResizeTest, changes_the_cgroups_of_what_runs_and_is_known_after_a_kill) {
  start_kubelet();
  RUN({
    put_pod("p", spec(amounts("100m", "64Mi")));
    auto d = co_await until_phase("p", "Running");
    std::string id = id_of(d);
    EXPECT_EQ(cgroups("p", id), expected(10000, 64));
    std::string started = d["status"]["containerStatuses"].item(0)["state"].dump();
    change("p", amounts("200m", "96Mi"), 2);
    Task<Document> waiting = until("p", shows("200m"));
    d = co_await waiting;
    EXPECT_EQ(cgroups("p", id), expected(20000, 96));
    EXPECT_EQ(d["status"]["containerStatuses"].item(0)["allocatedResources"]["cpu"].str(), "200m");
    EXPECT_EQ(d["status"]["resources"]["limits"]["memory"].str(), "96Mi") << d["status"].dump();
    // Another kubelet finds it so, and takes it back.
    kubelet_.reset();
    change("p", amounts("150m", "80Mi"), 3);
    start_kubelet();
    Task<Document> again = until("p", shows("150m"));
    d = co_await again;
    EXPECT_EQ(cgroups("p", id), expected(15000, 80));
    EXPECT_EQ(id_of(d), id);
    EXPECT_EQ(d["status"]["containerStatuses"].item(0)["state"].dump(), started);
    EXPECT_EQ(d["status"]["containerStatuses"].item(0)["restartCount"].integer(), 0);
    std::string events = join(client_.events("p"), "\n");
    for (const char* wanted : {R"(ResizeStarted: Pod resize started: {"containers":[{"name":"c","resources":{"limits":{"cpu":"200m","memory":"96Mi"},"requests":{"cpu":"200m","memory":"96Mi"}}}],"generation":2})",
                               "ResizeCompleted: Pod resize completed: {", R"("generation":3})"})
      EXPECT_NE(events.find(wanted), std::string::npos) << wanted << "\n" << events;
    co_await remove_pod("p", 0);
    co_await until_gone("p");
  });
}

TEST_F(ResizeTest, restarts_the_container_when_its_policy_says_so) {
  start_kubelet();
  RUN({
    std::string policy = R"("resizePolicy":[{"resourceName":"memory","restartPolicy":"RestartContainer"}],)";
    put_pod("p", spec(amounts("100m", "64Mi"), policy));
    auto d = co_await until_phase("p", "Running");
    std::string id = id_of(d);
    change("p", amounts("100m", "32Mi"), 2);
    std::function<bool(const Document&)> restarted = [](const Document& x) {
      return x["status"]["containerStatuses"].item(0)["restartCount"].integer() == 1 && PodView(x).is_ready() && !find_condition(x["status"]["conditions"], "PodResizeInProgress");
    };
    Task<Document> waiting = until("p", restarted);
    d = co_await waiting;
    EXPECT_NE(id_of(d), id);
    EXPECT_EQ(cgroups("p", id_of(d)), expected(10000, 32));
    co_await until_event("p", "Killing: Container c resize requires restart");
    co_await remove_pod("p", 0);
    co_await until_gone("p");
  });
}

TEST_F(ResizeTest, waits_for_room_and_says_so) {
  start_kubelet();
  RUN({
    int64_t cpus = sysconf(_SC_NPROCESSORS_ONLN);
    std::string wanted = cat(cpus * 1000 - 100, "m");
    put_pod("small", spec(amounts("200m", "32Mi")));
    auto other = co_await until_phase("small", "Running");
    put_pod("p", spec(amounts("100m", "32Mi")));
    auto d = co_await until_phase("p", "Running");
    std::string id = id_of(d);
    change("p", amounts(wanted.c_str(), "32Mi"), 2);
    std::function<bool(const Document&)> deferred = [](const Document& x) { return find_condition(x["status"]["conditions"], "PodResizePending").exists(); };
    Task<Document> waiting = until("p", deferred);
    d = co_await waiting;
    Value c = find_condition(d["status"]["conditions"], "PodResizePending");
    EXPECT_EQ(c["reason"].str(), "Deferred");
    EXPECT_TRUE(c["message"].str().starts_with("Node didn't have enough resource: cpu, requested: ")) << c.dump();
    EXPECT_EQ(c["observedGeneration"].integer(), 2);
    EXPECT_EQ(cgroups("p", id), expected(10000, 32));
    EXPECT_EQ(d["status"]["containerStatuses"].item(0)["allocatedResources"]["cpu"].str(), "100m");
    // A kubelet that is killed meanwhile does not take it for allocated.
    kubelet_.reset();
    start_kubelet();
    co_await sleep_ms(300);
    EXPECT_EQ(cgroups("p", id), expected(10000, 32));
    // When another goes there is room.
    co_await remove_pod("small", 0);
    Task<Document> resized = until("p", shows(wanted));
    d = co_await resized;
    EXPECT_FALSE(find_condition(d["status"]["conditions"], "PodResizePending").exists());
    EXPECT_EQ(cgroups("p", id), expected((cpus * 1000 - 100) * 100, 32));
    std::string events = join(client_.events("p"), "\n");
    EXPECT_NE(events.find("ResizeDeferred: Pod resize OutOfcpu: {"), std::string::npos) << events;
    co_await remove_pod("p", 0);
    co_await until_gone("p");
  });
}

TEST_F(ResizeTest, takes_no_memory_that_is_in_use_and_tells_why) {
  start_kubelet();
  RUN({
    put_pod("p", spec(amounts("100m", "64Mi")));
    auto d = co_await until_phase("p", "Running");
    std::string id = id_of(d);
    change("p", amounts("100m", "4Ki"), 2);
    std::function<bool(const Document&)> failed = [](const Document& x) { return find_condition(x["status"]["conditions"], "PodResizeInProgress")["reason"].str() == "Error"; };
    Task<Document> waiting = until("p", failed);
    d = co_await waiting;
    Value c = find_condition(d["status"]["conditions"], "PodResizeInProgress");
    EXPECT_TRUE(c["message"].str().starts_with("cannot decrease memory limits: [attempting to set pod memory limit (4096) below current usage (")) << c.dump();
    EXPECT_EQ(cgroups("p", id), expected(10000, 64));
    EXPECT_EQ(d["status"]["containerStatuses"].item(0)["resources"]["limits"]["memory"].str(), "64Mi") << d["status"].dump();
    // Asked for what it can give, it does.
    change("p", amounts("300m", "48Mi"), 3);
    Task<Document> resized = until("p", shows("300m"));
    d = co_await resized;
    EXPECT_EQ(cgroups("p", id), expected(30000, 48));
    co_await remove_pod("p", 0);
    co_await until_gone("p");
  });
}

}  // namespace
}  // namespace bramble

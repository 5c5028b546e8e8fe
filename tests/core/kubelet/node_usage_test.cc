// What real containers use, against the kernel's own counters; who gets at the kubelet's port.
#include "core/kubelet/claims.h"
#include "core/kubelet/kubelet_port.h"
#include "tests/core/kubelet/kubelet_fixture.h"

namespace bramble {
namespace {

class NodeUsageTest : public KubeletTest {
 protected:
  void put_burner(const std::string& name) {
    put_pod(name, R"("restartPolicy":"Never","terminationGracePeriodSeconds":0,"volumes":[{"name":"v","emptyDir":{}}],
      "containers":[{"name":"burn","image":"busybox:1","imagePullPolicy":"IfNotPresent","command":["sh","-c","printf %100000s x > /written; printf %50000s x > /v/f; echo up; while :; do :; done"],
                     "volumeMounts":[{"name":"v","mountPath":"/v"}]},
                    {"name":"idle","image":"busybox:1","imagePullPolicy":"IfNotPresent","command":["sleep","100000"]}])");
  }
  // The kernel's counter of CPU of a container, in nanoseconds.
  uint64_t counter(const std::string& pod_name, const std::string& container) {
    Value status = PodView(pod(pod_name)).container_status(container);
    std::string id = status["containerID"].text();
    id = id.substr(id.rfind('/') + 1);
    Cgroups::Options o;
    o.root = "bkt-" + tag_;
    auto cgroups = Cgroups::open(o);
    EXPECT_TRUE(cgroups.ok());
    CgroupUsage u = read_cgroup_usage(*cgroups, cat(cgroups->pod_path("BestEffort", "uid-" + pod_name), "/", id), Detail::kBasic);
    EXPECT_TRUE(u.cpu_ns) << pod_name << " " << id;
    return u.cpu_ns.value_or(0);
  }
  Task<Document> summary() {
    Task<NodePage> asking = kubelet_->pages().page("GET", "/stats/summary", "");
    NodePage page = co_await asking;
    EXPECT_EQ(page.status, 200);
    auto d = Document::parse(std::string_view(page.body));
    EXPECT_TRUE(d.ok()) << page.body;
    co_return d.ok() ? *d : Document();
  }
};

TEST_F(NodeUsageTest, a_rate_is_what_the_kernel_counted_over_its_window) {
  RUN({
    start_kubelet();
    put_burner("burn");
    co_await until_phase("burn", "Running");
    const uint64_t before = counter("burn", "burn");
    Task<Result<NodeSample>> asking = kubelet_->pages().sample();
    auto sample = co_await asking;
    const uint64_t after = counter("burn", "burn"), idle = counter("burn", "idle");
    EXPECT_TRUE(sample.ok());
    if (!sample.ok()) co_return;
    EXPECT_EQ(sample->pods.size(), 1u);
    if (sample->pods.size() != 1 || sample->pods[0].containers.size() != 2) co_return;
    const PodSample& p = sample->pods[0];
    EXPECT_EQ(p.pod, key("burn"));
    // The window lies between the two looks of this test at the counter.
    const double told_ns = static_cast<double>(p.containers[0].usage.cpu_nano_cores) * static_cast<double>(p.window_us) / 1e6;
    EXPECT_LE(told_ns, static_cast<double>(after - before) * 1.05);
    EXPECT_GE(told_ns, static_cast<double>(after - before) * 0.25);
    EXPECT_GT(after, idle) << "the one that burns, not the one that sleeps";
    EXPECT_GT(p.containers[0].usage.cpu_nano_cores, p.containers[1].usage.cpu_nano_cores);
    EXPECT_GT(p.containers[0].usage.memory_bytes, 0u);
    EXPECT_GT(sample->usage.cpu_nano_cores, 0u);
    EXPECT_GT(sample->usage.memory_bytes, p.containers[0].usage.memory_bytes);
  });
}

TEST_F(NodeUsageTest, the_summary_counts_layers_logs_volumes_and_links) {
  RUN({
    start_kubelet();
    put_burner("burn");
    co_await until_phase("burn", "Running");
    Task<Document> asking = summary();
    Document d = co_await asking;
    Value p = d["pods"].item(0);
    EXPECT_EQ(p["podRef"]["name"].str(), "burn");
    EXPECT_EQ(p["containers"].size(), 2u);
    Value c = p["containers"].item(0);
    EXPECT_GE(c["rootfs"]["usedBytes"].integer(), 100000) << d.root().dump();
    EXPECT_LT(c["rootfs"]["usedBytes"].integer(), 1000000) << "its own layer, not the image";
    EXPECT_GT(c["logs"]["usedBytes"].integer(), 0);
    EXPECT_GE(p["volume"].item(0)["usedBytes"].integer(), 50000);
    EXPECT_GE(p["ephemeral-storage"]["usedBytes"].integer(), 150000);
    EXPECT_TRUE(p["network"]["interfaces"].is_array() || !p.has("network"));
    EXPECT_GE(p["process_stats"]["process_count"].integer(), 2);
    EXPECT_GT(c["cpu"]["usageCoreNanoSeconds"].integer(), 0);
    EXPECT_GT(d["node"]["memory"]["availableBytes"].integer(), 0);
    EXPECT_GT(d["node"]["fs"]["capacityBytes"].integer(), 0);
  });
}

TEST_F(NodeUsageTest, the_summary_names_the_claims_of_volumes) {
  RUN({
    start_kubelet();
    fs::create_directories(base_ + "/disk");
    client_.put_json(kPersistentVolumeClaims, R"({"apiVersion":"v1","kind":"PersistentVolumeClaim","metadata":{"name":"data","namespace":"default","uid":"u-data"},"spec":{"volumeName":"pv"},"status":{"phase":"Bound"}})");
    client_.put_json(kPersistentVolumes, cat(R"({"apiVersion":"v1","kind":"PersistentVolume","metadata":{"name":"pv"},"spec":{"claimRef":{"name":"data","namespace":"default","uid":"u-data"},"local":{"path":")", base_, R"(/disk"}}})"));
    put_pod("p", R"("volumes":[{"name":"v","persistentVolumeClaim":{"claimName":"data"}}],"containers":[{"name":"c","image":"busybox:1","command":["sleep","1000"],"volumeMounts":[{"name":"v","mountPath":"/v"}]}])");
    co_await until_phase("p", "Running");
    Task<Document> asking = summary();
    Document d = co_await asking;
    Value v = d["pods"].item(0)["volume"].item(0);
    EXPECT_EQ(v["pvcRef"]["name"].str(), "data") << d.root().dump();
    EXPECT_EQ(v["pvcRef"]["namespace"].str(), "default");
    EXPECT_GT(v["capacityBytes"].integer(), 0);
    Task<NodePage> paging = kubelet_->pages().page("GET", "/metrics", "");
    NodePage page = co_await paging;
    EXPECT_NE(page.body.find(R"(kubelet_volume_stats_capacity_bytes{namespace="default",persistentvolumeclaim="data"} )"), std::string::npos);
  });
}

TEST_F(NodeUsageTest, pages_tell_the_pods_and_the_configuration) {
  RUN({
    start_kubelet();
    put_pod("p", R"("containers":[{"name":"c","image":"busybox:1","command":["sleep","1000"]}])");
    put_pod("ended", R"("restartPolicy":"Never","containers":[{"name":"c","image":"busybox:1","command":["true"]}])");
    co_await until_phase("p", "Running");
    co_await until_phase("ended", "Succeeded");
    std::map<std::string, Document> pages;
    for (const char* path : {"/pods", "/runningpods", "/configz", "/runningpods/"}) {
      Task<NodePage> paging = kubelet_->pages().page("GET", path, "");
      NodePage page = co_await paging;
      EXPECT_EQ(page.status, 200);
      EXPECT_EQ(page.content_type, "application/json");
      auto read = Document::parse(page.body);
      EXPECT_TRUE(read.ok()) << page.body;
      if (read.ok()) pages[path] = *read;
    }
    EXPECT_EQ(pages["/pods"]["kind"].str(), "PodList");
    EXPECT_EQ(pages["/pods"]["items"].size(), 2u);
    EXPECT_FALSE(pages["/pods"]["items"].item(0).has("kind"));
    EXPECT_EQ(pages["/runningpods"]["items"].dump(),
              R"([{"metadata":{"name":"p","namespace":"default","uid":"uid-p"},"spec":{"containers":[{"name":"c","image":"sha256:1111111111111111111111111111111111111111111111111111111111111111","resources":{}}]},"status":{}}])");
    EXPECT_EQ(pages["/configz"]["kubeletconfig"]["maxPods"].integer(), 110);
    EXPECT_EQ(pages["/configz"]["kubeletconfig"]["imageGCHighThresholdPercent"].integer(), 85);
    EXPECT_EQ(pages["/configz"]["kubeletconfig"]["crashLoopBackOff"]["maxContainerRestartPeriod"].str(), "5m0s");
    Task<NodePage> paging = kubelet_->pages().page("POST", "/pods", "");
    NodePage refused = co_await paging;
    EXPECT_EQ(refused.status, 405);
  });
}

TEST_F(NodeUsageTest, pages_name_the_containers_that_run_and_forget_those_that_went) {
  RUN({
    start_kubelet();
    put_burner("burn");
    co_await until_phase("burn", "Running");
    std::vector<std::string> paths;
    paths.push_back("/metrics/resource");
    paths.push_back("/metrics/cadvisor");
    for (const std::string& path : paths) {
      Task<NodePage> asking = kubelet_->pages().page("GET", path, "");
      NodePage page = co_await asking;
      EXPECT_EQ(page.status, 200);
      EXPECT_NE(page.body.find("container=\"burn\""), std::string::npos) << path;
      EXPECT_NE(page.body.find("pod=\"burn\""), std::string::npos) << path;
    }
    Task<NodePage> own = kubelet_->pages().page("GET", "/metrics", "");
    NodePage metrics = co_await own;
    for (const char* line : {"kubelet_node_name{node=\"n1\"} 1\n", "kubelet_running_pods 1\n", "kubelet_running_containers{container_state=\"running\"} 2\n", "kubelet_pod_start_duration_seconds_count 1\n"})
      EXPECT_NE(metrics.body.find(line), std::string::npos) << line << metrics.body;
    Task<NodePage> none = kubelet_->pages().page("GET", "/nope", "");
    NodePage nope = co_await none;
    EXPECT_EQ(nope.status, 404);
    co_await remove_pod("burn", 0);
    co_await until_gone("burn");
    NodePage after;
    for (int i = 0; i < 500; ++i) {  // the API let go of it first
      clock_.pass_us(2000000);
      Task<NodePage> later = kubelet_->pages().page("GET", "/metrics/resource", "");
      after = co_await later;
      if (after.body.find("burn") == std::string::npos) break;
      co_await sleep_ms(10);
    }
    EXPECT_EQ(after.body.find("burn"), std::string::npos) << after.body;
    EXPECT_NE(after.body.find("node_memory_working_set_bytes "), std::string::npos);
  });
}

TEST_F(NodeUsageTest, questions_at_once_share_a_reading) {
  RUN({
    start_kubelet();
    put_burner("burn");
    co_await until_phase("burn", "Running");
    std::vector<std::string> bodies;
    size_t left = 5;
    Event all;
    auto one = [](Kubelet* k, std::vector<std::string>* out, size_t* rest, Event* done) -> Task<void> {
      Task<NodePage> asking = k->pages().page("GET", "/metrics/resource", "");
      NodePage page = co_await asking;
      out->push_back(page.body);
      if (--*rest == 0) done->set();
    };
    TaskGroup tasks;
    for (int i = 0; i < 5; ++i) tasks.start(one(kubelet_.get(), &bodies, &left, &all));
    co_await all.wait();
    co_await sleep_ms(0);
    EXPECT_EQ(bodies.size(), 5u);
    for (const std::string& body : bodies) EXPECT_EQ(body, bodies[0]) << "the same counters of the same moment";
  });
}

// An API that knows one token, and lets its holder read metrics.
class Reviewer final : public Client {
 public:
  const Snapshot& snapshot() const override { return none_; }
  std::unique_ptr<Subscription> subscribe(std::vector<ResourceId>, std::function<void(const Change&)>) override { return nullptr; }
  Task<Result<Document>> create(ResourceId resource, std::string, Document object, WriteOptions) override {
    Builder b(object.root());
    if (resource.resource == "tokenreviews" && object["spec"]["token"].str() == "good") {
      b.root().object("status").set("authenticated", true);
      b.root().object("status").object("user").set("username", "prometheus");
      b.root().object("status").object("user").array("groups").append("system:authenticated");
    }
    Value what = object["spec"]["resourceAttributes"];
    bool may = what["subresource"].str() == "metrics" && what["verb"].str() == "get" && what["name"].str() == "n1" && object["spec"]["user"].str() == "prometheus";
    if (resource.resource == "subjectaccessreviews") b.root().object("status").set("allowed", may);
    co_return b.finish();
  }
  Task<Result<Document>> update(ResourceId, ObjectKey, Document, WriteOptions) override { co_return Error(Code::kInternal, "no"); }
  Task<Result<Document>> patch(ResourceId, ObjectKey, PatchType, Document, WriteOptions) override { co_return Error(Code::kInternal, "no"); }
  Task<Result<Document>> remove(ResourceId, ObjectKey, DeleteOptions) override { co_return Error(Code::kInternal, "no"); }

 private:
  MapSnapshot none_;
};

class PageOfPath final : public NodeReadings {
 public:
  Task<Result<NodeSample>> sample() override { co_return Error(Code::kUnavailable, "none"); }
  Task<NodePage> page(std::string, std::string path, std::string) override {
    NodePage page;
    page.body = path;
    co_return page;
  }
};

class TextResponder final : public Responder {
 public:
  int status = 0;
  std::string body;
  Event gone_event;
  void send(int s, std::vector<Header>, Buffer b) override { status = s, body = *b; }
  void begin(int s, std::vector<Header>) override { status = s; }
  Task<bool> write(Buffer) override { co_return true; }
  void end() override {}
  Task<std::unique_ptr<WebSocket>> accept_websocket(std::vector<std::string>) override { co_return nullptr; }
  std::unique_ptr<WebSocket> hand_over(std::vector<Header>) override { return nullptr; }
  Event& gone() override { return gone_event; }
  void peer_is_known() override {}
};

TEST(KubeletPortAccess, is_for_those_that_the_api_knows_and_allows) {
  struct Case {
    const char *name, *certificate, *token, *path;
    int status;
    const char* body;
  };
  Loop loop;
  Reviewer api;
  PageOfPath pages;
  KubeletPort port(api, "n1");
  for (const Case& c : {
           Case{"nobody", "", "", "/metrics", 401, "Unauthorized"},
           Case{"a token that nobody gave", "", "bad", "/metrics", 401, "Unauthorized"},
           Case{"a good one", "", "good", "/metrics/resource", 200, "/metrics/resource"},
           Case{"what its holder may not read", "", "good", "/stats/summary", 403, "Forbidden (user=prometheus, verb=get, resource=nodes, subresource(s)=[stats])\n"},
           Case{"either of two would do", "", "good", "/pods", 403, "Forbidden (user=prometheus, verb=get, resource=nodes, subresource(s)=[pods proxy])\n"},
           Case{"a certificate", "prometheus", "", "/metrics", 200, "/metrics"},
           Case{"somebody else's", "mallory", "", "/metrics", 403, "Forbidden (user=mallory, verb=get, resource=nodes, subresource(s)=[metrics])\n"},
       }) {
    auto request = std::make_shared<HttpRequest>();
    request->method = "GET";
    request->path = c.path;
    request->peer.common_name = c.certificate;
    if (*c.token) request->headers.push_back({"authorization", cat("Bearer ", c.token)});
    auto responder = std::make_shared<TextResponder>();
    TaskGroup tasks;
    tasks.start(port.handle(request, responder, &pages, nullptr));
    for (int i = 0; i < 4; ++i) {
      loop.post([&loop] { loop.stop(); });
      loop.run();
    }
    EXPECT_EQ(responder->status, c.status) << c.name;
    EXPECT_EQ(responder->body, c.body) << c.name;
  }
}

}  // namespace
}  // namespace bramble

// Static pods: manifests as pods, and real ones through the life of their files.
#include "core/kubelet/static_pods.h"

#include "tests/core/kubelet/kubelet_fixture.h"

namespace bramble {
namespace {

constexpr const char* kManifest = R"(apiVersion: v1
kind: Pod
metadata:
  name: web
  labels: {app: web}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: c
    image: busybox:1
    command: [sh, -c, "trap 'exit 0' TERM; while :; do sleep 0.1; done"]
)";

TEST(StaticPod, is_made_of_its_manifest_as_upstream_makes_it) {
  auto pod = static_pod(kManifest, "/m/web.yaml", "n1", 1767323045000000);
  ASSERT_TRUE(pod.ok()) << pod.error().message();
  EXPECT_EQ((*pod)["metadata"]["name"].str(), "web-n1");
  EXPECT_EQ((*pod)["metadata"]["namespace"].str(), "default");
  EXPECT_EQ((*pod)["spec"]["nodeName"].str(), "n1");
  EXPECT_EQ((*pod)["spec"]["restartPolicy"].str(), "Always");
  std::string uid((*pod)["metadata"]["uid"].str());
  EXPECT_EQ(uid.size(), 32u);
  Value annotations = (*pod)["metadata"]["annotations"];
  EXPECT_EQ(annotations["kubernetes.io/config.hash"].str(), uid);
  EXPECT_EQ(annotations["kubernetes.io/config.source"].str(), "file");
  EXPECT_EQ(annotations["kubernetes.io/config.seen"].str(), "2026-01-02T03:04:05.000000Z");
  EXPECT_EQ((*pod)["spec"]["tolerations"].item(0).dump(), R"({"operator":"Exists","effect":"NoExecute"})");
  auto same = static_pod(kManifest, "/m/web.yaml", "n1", 99), other_place = static_pod(kManifest, "/m/x.yaml", "n1", 99), other_node = static_pod(kManifest, "/m/web.yaml", "n2", 99);
  EXPECT_EQ(uid_of(*same), uid);
  EXPECT_NE(uid_of(*other_place), uid);
  EXPECT_NE(uid_of(*other_node), uid);
  auto node = Document::parse(R"({"metadata":{"name":"n1","uid":"node-uid"}})");
  Document mirror = mirror_of(*pod, *node);
  EXPECT_EQ(mirror["metadata"]["annotations"]["kubernetes.io/config.mirror"].str(), uid);
  EXPECT_FALSE(mirror["metadata"].has("uid"));
  EXPECT_EQ(mirror["metadata"]["ownerReferences"].item(0).dump(), R"({"apiVersion":"v1","kind":"Node","name":"n1","uid":"node-uid","controller":true})");
}

TEST(StaticPod, a_manifest_that_is_none_is_refused_and_says_why) {
  struct Row {
    const char *name, *text, *says;
  };
  const Row rows[] = {
      {"empty", "", "not a Pod"},
      {"another kind", "apiVersion: v1\nkind: Service\nmetadata: {name: x}\n", "not a Pod"},
      {"no name", "apiVersion: v1\nkind: Pod\nspec: {containers: [{name: c, image: x}]}\n", "metadata.name"},
      {"no containers", "apiVersion: v1\nkind: Pod\nmetadata: {name: x}\nspec: {}\n", "spec.containers"},
      {"no yaml", "apiVersion: v1\nkind: [Pod\n", "yaml"},
      {"half written", "apiVersion: v1\nkind: Pod\nmetadata: {name: x}\nspec:\n  containers:\n  - name: c\n", "image"},
      {"a type that does not fit", "apiVersion: v1\nkind: Pod\nmetadata: {name: x}\nspec: {containers: 7}\n", "cannot unmarshal"},
  };
  for (const auto& row : rows) {
    auto pod = static_pod(row.text, "/m/x", "n1", 0);
    ASSERT_FALSE(pod.ok()) << row.name;
    EXPECT_NE(pod.error().message().find(row.says), std::string::npos) << row.name << ": " << pod.error().message();
  }
}

class StaticPodsTest : public KubeletTest {
 protected:
  std::string path(const std::string& name = "web.yaml") const { return cat(base_, "/data/pod-manifests/", name); }
  void write(const std::string& text, const std::string& name = "web.yaml") {
    std::ofstream(path("." + name)) << text;
    fs::rename(path("." + name), path(name));
  }
  void start() {
    fs::create_directories(base_ + "/data/pod-manifests");
    start_kubelet();
  }
  size_t running() const {
    size_t n = 0;
    std::error_code ec;
    for (fs::directory_iterator it(base_ + "/run/pods", ec), end; !ec && it != end; it.increment(ec)) ++n;
    return n;
  }
  static std::string id_of(const Document& d) { return d["status"]["containerStatuses"].item(0)["containerID"].text(); }
};

TEST_F(StaticPodsTest, live_with_their_files_and_are_shown_by_mirror_pods) {
  start();
  RUN({
    write(kManifest);
    Document d = co_await until_phase("web-n1", "Running");
    EXPECT_TRUE(PodView(d).is_mirror());
    EXPECT_EQ(d["metadata"]["ownerReferences"].item(0)["kind"].str(), "Node");
    EXPECT_EQ(d["metadata"]["labels"]["app"].str(), "web");
    std::string id = id_of(d), uid(uid_of(d));
    // Deleting what shows it changes nothing but that.
    co_await remove_pod("web-n1", 30);
    std::function<bool(const Document&)> again = [uid](const Document& x) { return x && uid_of(x) != uid && PodView(x).is_ready(); };
    Task<Document> waiting = until("web-n1", again);
    d = co_await waiting;
    EXPECT_EQ(id_of(d), id);
    // Nor does a restart of the kubelet.
    kubelet_.reset();
    start_kubelet();
    co_await sleep_ms(500);
    d = pod("web-n1");
    EXPECT_EQ(id_of(d), id);
    EXPECT_TRUE(PodView(d).is_ready());
    // Another manifest is another pod, after the first has ended.
    std::string hash = d["metadata"]["annotations"]["kubernetes.io/config.hash"].text();
    write(replace_all(kManifest, "app: web", "app: other"));
    std::function<bool(const Document&)> other = [hash](const Document& x) { return x && x["metadata"]["annotations"]["kubernetes.io/config.hash"].str() != hash && PodView(x).is_ready(); };
    waiting = until("web-n1", other);
    d = co_await waiting;
    EXPECT_EQ(d["metadata"]["labels"]["app"].str(), "other");
    EXPECT_NE(id_of(d), id);
    EXPECT_EQ(running(), 1u);
    fs::remove(path());
    co_await until_gone("web-n1");
    for (int i = 0; i < 300 && running() > 0; ++i) co_await sleep_ms(10);
    EXPECT_EQ(running(), 0u);
  });
}

TEST_F(StaticPodsTest, a_changed_manifest_does_not_wait_for_its_mirror_to_go) {
  start();
  RUN({
    write(kManifest);
    Document d = co_await until_phase("web-n1", "Running");
    std::string id = id_of(d), uid(uid_of(d)), hash = d["metadata"]["annotations"]["kubernetes.io/config.hash"].text();
    client_.refuse_removes = true;
    write(replace_all(kManifest, "app: web", "app: other"));
    auto pods = [this] {
      std::string out;
      std::error_code ec;
      for (fs::directory_iterator it(base_ + "/run/pods", ec), end; !ec && it != end; it.increment(ec))
        if (slurp(it->path().string() + "/records.json").find("\"phase\":1") != std::string::npos) out = it->path().filename().string();
      return out;
    };
    for (int i = 0; i < 1000 && (pods().empty() || pods() == hash); ++i) co_await sleep_ms(10);
    EXPECT_NE(pods(), hash) << "the pod of the first manifest";
    EXPECT_FALSE(pods().empty()) << "nothing runs";
    EXPECT_EQ(uid_of(pod("web-n1")), uid) << "the mirror is still there";
    client_.refuse_removes = false;
    std::function<bool(const Document&)> other = [hash](const Document& x) { return x && x["metadata"]["annotations"]["kubernetes.io/config.hash"].str() != hash && PodView(x).is_ready(); };
    Task<Document> waiting = until("web-n1", other);
    d = co_await waiting;
    EXPECT_NE(id_of(d), id);
    // Nor does one that is gone.
    client_.refuse_removes = true;
    fs::remove(path());
    for (int i = 0; i < 1000 && running() > 0; ++i) co_await sleep_ms(10);
    EXPECT_EQ(running(), 0u);
    EXPECT_TRUE(pod("web-n1"));
    client_.refuse_removes = false;
    co_await until_gone("web-n1");
  });
}

TEST_F(StaticPodsTest, a_file_that_went_while_the_kubelet_was_away_takes_its_pod_along) {
  start();
  RUN({
    write(kManifest);
    write("nonsense: [", "bad.yaml");
    Document d = co_await until_phase("web-n1", "Running");
    kubelet_.reset();
    fs::remove(path());
    start_kubelet();
    co_await until_gone("web-n1");
    for (int i = 0; i < 500 && running() > 0; ++i) co_await sleep_ms(10);
    EXPECT_EQ(running(), 0u);
  });
}

TEST_F(StaticPodsTest, an_annotation_alone_makes_none_of_a_pod_of_the_api) {
  start();
  put_pod("p", R"("containers":[{"name":"c","image":"busybox:1","command":["sleep","1000"]}])", R"("annotations":{"kubernetes.io/config.source":"file","kubernetes.io/config.hash":"x"})");
  RUN({
    Document d = co_await until_phase("p", "Running");
    EXPECT_EQ(uid_of(d), "uid-p");
    co_await remove_pod("p", 0);
    co_await until_gone("p");
  });
}

}  // namespace
}  // namespace bramble

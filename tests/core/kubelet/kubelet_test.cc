// Real pods from the API's side.
#include <signal.h>

#include "tests/core/kubelet/kubelet_fixture.h"
#include "tests/core/quarantine/dying.h"

namespace bramble {
namespace {

TEST_F(KubeletTest, registers_the_node_with_lease_and_ready_condition) {
  start_kubelet();
  RUN({
    for (int i = 0; i < 100 && !client_.objects.get(kNodes, "", "n1")["status"].has("conditions"); ++i) co_await sleep_ms(10);
    Document node = client_.objects.get(kNodes, "", "n1");
    EXPECT_EQ(node["metadata"]["labels"]["kubernetes.io/os"].str(), "linux");
    EXPECT_EQ(node["metadata"]["labels"]["kubernetes.io/hostname"].str(), "n1");
    Value ready;
    for (Value c : node["status"]["conditions"].items())
      if (c["type"].str() == "Ready") ready = c;
    EXPECT_EQ(ready["status"].str(), "True");
    EXPECT_EQ(ready["message"].str(), "kubelet is posting ready status");
    EXPECT_EQ(node["status"]["addresses"].item(0)["address"].str(), "192.0.2.1");
    EXPECT_EQ(node["status"]["images"].item(0)["names"].item(0)["x"].exists(), false);
    EXPECT_EQ(node["status"]["images"].size(), 1u);
    Document lease = client_.objects.get(kLeases, "kube-node-lease", "n1");
    EXPECT_EQ(lease["spec"]["holderIdentity"].str(), "n1");
  });
}

TEST_F(KubeletTest, runs_a_pod_with_environment_volumes_and_files_and_removes_everything) {
  client_.put_json(kConfigMaps, R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"cm","namespace":"default","uid":"c1"},"data":{"key":"value1","other":"o"}})");
  client_.put_json(kSecrets, R"({"apiVersion":"v1","kind":"Secret","metadata":{"name":"s","namespace":"default","uid":"s1"},"data":{"pw":"aHVudGVyMg=="}})");
  client_.put_json(kServices, R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"my-db","namespace":"default","uid":"v1"},"spec":{"clusterIP":"10.43.1.2","ports":[{"name":"sql","port":5432,"protocol":"TCP"}]}})");
  start_kubelet();
  put_pod("web", R"("restartPolicy":"Always","containers":[{"name":"c","image":"busybox:1","command":["sh","-c","echo $A $B $NODE $IP $MY_DB_SERVICE_PORT $FROM_IMAGE; cat /cm/key; echo; cat /sec/pw; echo; cat /tok/token; echo; cat /etc/hosts /etc/resolv.conf; hostname; echo data >/shared/f; cat /sub; exec sleep 1000"],
    "env":[{"name":"A","value":"a"},{"name":"B","value":"$(A)b"},{"name":"NODE","valueFrom":{"fieldRef":{"fieldPath":"spec.nodeName"}}},{"name":"IP","valueFrom":{"fieldRef":{"fieldPath":"status.podIP"}}}],
    "resources":{"requests":{"cpu":"100m","memory":"16Mi"},"limits":{"cpu":"500m","memory":"64Mi"}},
    "volumeMounts":[{"name":"cm","mountPath":"/cm"},{"name":"sec","mountPath":"/sec","readOnly":true},{"name":"tok","mountPath":"/tok"},{"name":"e","mountPath":"/shared"},{"name":"cm","mountPath":"/sub","subPath":"other"}]}],
    "volumes":[{"name":"cm","configMap":{"name":"cm"}},{"name":"sec","secret":{"secretName":"s"}},{"name":"e","emptyDir":{}},
      {"name":"tok","projected":{"sources":[{"serviceAccountToken":{"path":"token","expirationSeconds":3607}},{"downwardAPI":{"items":[{"path":"labels","fieldRef":{"fieldPath":"metadata.labels"}}]}}]}}])");
  RUN({
    Document d = co_await until_phase("web", "Running");
    EXPECT_EQ(d["status"]["podIP"].str(), "10.99.0.2");
    EXPECT_EQ(d["status"]["hostIP"].str(), "192.0.2.1");
    EXPECT_EQ(d["status"]["qosClass"].str(), "Burstable");
    Value s = d["status"]["containerStatuses"].item(0);
    EXPECT_TRUE(s["containerID"].str().starts_with("bramble://"));
    EXPECT_TRUE(s["ready"].boolean());
    EXPECT_TRUE(s["state"].has("running"));
    EXPECT_EQ(s["image"].str(), "docker.io/library/busybox:1");
    for (const char* type : {"PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"}) EXPECT_EQ(PodView(d).condition(type)["status"].str(), "True") << type;
    // Events are written beside the status, not before it.
    for (int i = 0; i < 500 && client_.events("web").size() < 3; ++i) co_await sleep_ms(10);
    auto events = client_.events("web");
    EXPECT_EQ(events.size(), 3u);
    if (events.size() == 3) {
      EXPECT_NE(std::find(events.begin(), events.end(), "Pulled: Container image \"busybox:1\" already present on machine and can be accessed by the pod"), events.end());
      EXPECT_NE(std::find(events.begin(), events.end(), "Created: Container created"), events.end());
      EXPECT_NE(std::find(events.begin(), events.end(), "Started: Container started"), events.end());
    }
    LogOptions o;
    std::string out;
    for (int i = 0; i < 500 && !out.ends_with("web\no"); ++i) {
      auto log = co_await kubelet_->logs(key("web"), o);
      EXPECT_TRUE(log.ok()) << log.error().message();
      if (!log.ok()) co_return;
      out = co_await read_all(log->get());
      co_await sleep_ms(10);
    }
    EXPECT_TRUE(out.starts_with("a ab n1 10.99.0.2 5432 yes\nvalue1\nhunter2\ntoken-1\n# Kubernetes-managed hosts file.\n")) << out;
    EXPECT_NE(out.find("10.99.0.2\tweb\n"), std::string::npos);
    EXPECT_NE(out.find("search default.svc.cluster.local svc.cluster.local cluster.local"), std::string::npos);
    EXPECT_NE(out.find("nameserver 10.43.0.10\noptions ndots:5\nweb\n"), std::string::npos) << out;
    std::string memory = slurp(cat("/sys/fs/cgroup/memory/bkt-", tag_, "/burstable/poduid-web/memory.limit_in_bytes"));
    bool right = memory.empty() || memory == "67108864\n";
    EXPECT_TRUE(right) << memory;
    // Live update of the ConfigMap; the subPath mount keeps what it had.
    client_.put_json(kConfigMaps, R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"cm","namespace":"default","uid":"c1"},"data":{"key":"value2","other":"new"}})");
    std::string path = base_ + "/kubelet/pods/uid-web/volumes/kubernetes.io~configmap/cm/key";
    for (int i = 0; i < 200 && slurp(path) != "value2"; ++i) co_await sleep_ms(10);
    EXPECT_EQ(slurp(path), "value2");
    ExecOptions e;
    e.command = {"sh", "-c", "cat /cm/key /sub; echo $A; exit 42"};
    e.stdout_on = true;
    auto session = co_await kubelet_->exec(key("web"), e);
    EXPECT_TRUE(session.ok());
    std::string seen;
    int code = -1;
    while (session.ok()) {
      auto more = co_await (*session)->next();
      if (!more) break;
      seen += more->bytes;
      if (more->kind == ExecSession::Output::kExit) code = more->exit_code;
    }
    EXPECT_EQ(seen, "value2oa\n");
    EXPECT_EQ(code, 42);
    DeleteOptions del;
    del.grace_period_s = 1;
    auto removed = co_await client_.remove(kPods, key("web"), del);
    EXPECT_TRUE(removed.ok());
    co_await until_gone("web");
    EXPECT_FALSE(fs::exists(base_ + "/run/pods/uid-web"));
    EXPECT_FALSE(fs::exists(base_ + "/kubelet/pods/uid-web"));
    EXPECT_FALSE(fs::exists(base_ + "/data/pods/uid-web"));
    EXPECT_FALSE(fs::exists(base_ + "/pods/default_web_uid-web"));
    EXPECT_TRUE(fs::is_empty(base_ + "/containers"));
    EXPECT_EQ(network_.dels, 1);
    EXPECT_TRUE(fs::is_empty(base_ + "/run/runc"));
    EXPECT_FALSE(fs::exists(cat("/sys/fs/cgroup/cpu/bkt-", tag_, "/burstable/poduid-web")));
  });
}

TEST_F(KubeletTest, adopts_pods_with_the_same_container_and_pid_and_follows_their_log) {
  start_kubelet();
  put_pod("a", R"("restartPolicy":"Always","containers":[{"name":"c","image":"busybox:1","command":["sh","-c","i=0; while :; do i=$((i+1)); echo $i; sleep 0.05; done"]}])");
  RUN({
    Document before = co_await until_phase("a", "Running");
    std::string id = before["status"]["containerStatuses"].item(0)["containerID"].text();
    std::string pid = slurp(base_ + "/run/pods/uid-a/containers/" + id.substr(10) + "/pid");
    EXPECT_FALSE(pid.empty());
    kubelet_.reset();
    start_kubelet();
    co_await sleep_ms(100);
    Document after = co_await until_phase("a", "Running");
    EXPECT_EQ(after["status"]["containerStatuses"].item(0)["containerID"].text(), id);
    EXPECT_EQ(after["status"]["containerStatuses"].item(0)["restartCount"].integer(), 0);
    EXPECT_EQ(after["status"]["containerStatuses"].item(0)["state"]["running"]["startedAt"].text(), before["status"]["containerStatuses"].item(0)["state"]["running"]["startedAt"].text());
    EXPECT_EQ(slurp(base_ + "/run/pods/uid-a/containers/" + id.substr(10) + "/pid"), pid);
    EXPECT_EQ(::kill(static_cast<pid_t>(*parse_int64(pid)), 0), 0);
    LogOptions o;
    o.follow = true;
    auto log = co_await kubelet_->logs(key("a"), o);
    EXPECT_TRUE(log.ok());
    if (!log.ok()) co_return;
    DeleteOptions del;
    del.grace_period_s = 1;
    auto removed = co_await client_.remove(kPods, key("a"), del);
    std::string out = co_await read_all(log->get());
    std::istringstream in(out);
    long expected = 1, number = 0;
    while (in >> number) EXPECT_EQ(number, expected++);
    EXPECT_GT(expected, 3);
    co_await until_gone("a");
  });
}

TEST_F(KubeletTest, backs_off_a_crashing_container_and_keeps_its_previous_log) {
  start_kubelet();
  put_pod("crash", R"("restartPolicy":"Always","containers":[{"name":"c","image":"busybox:1","command":["sh","-c","echo out; echo sorry >/dev/termination-log; exit 3"]}])");
  RUN({
    std::function<bool(const Document&)> good = [](const Document& d) {
      return d["status"]["containerStatuses"].item(0)["state"]["waiting"]["reason"].str() == "CrashLoopBackOff";
    };
    Task<Document> waiting = until("crash", good);
    Document d = co_await waiting;
    Value s = d["status"]["containerStatuses"].item(0);
    EXPECT_EQ(s["restartCount"].integer(), 1);
    EXPECT_EQ(s["state"]["waiting"]["message"].str(), "back-off 10s restarting failed container=c pod=crash_default(uid-crash)");
    EXPECT_EQ(s["lastState"]["terminated"]["exitCode"].integer(), 3);
    EXPECT_EQ(s["lastState"]["terminated"]["reason"].str(), "Error");
    EXPECT_EQ(s["lastState"]["terminated"]["message"].str(), "sorry\n");
    EXPECT_EQ(d["status"]["phase"].str(), "Running");
    EXPECT_EQ(PodView(d).condition("Ready")["reason"].str(), "ContainersNotReady");
    LogOptions o;
    o.previous = true;
    auto log = co_await kubelet_->logs(key("crash"), o);
    EXPECT_TRUE(log.ok());
    if (!log.ok()) co_return;
    std::string out = co_await read_all(log->get());
    EXPECT_EQ(out, "out\n");
  });
}

TEST_F(KubeletTest, runs_init_containers_in_order_and_ends_succeeded) {
  start_kubelet();
  put_pod("job", R"("restartPolicy":"Never","initContainers":[{"name":"i1","image":"busybox:1","command":["sh","-c","echo 1 >/d/f"],"volumeMounts":[{"name":"d","mountPath":"/d"}]},
    {"name":"i2","image":"busybox:1","command":["sh","-c","cat /d/f; echo 2 >>/d/f"],"volumeMounts":[{"name":"d","mountPath":"/d"}]}],
    "containers":[{"name":"c","image":"busybox:1","command":["cat","/d/f"],"volumeMounts":[{"name":"d","mountPath":"/d"}]}],"volumes":[{"name":"d","emptyDir":{"medium":"Memory"}}])");
  RUN({
    Document d = co_await until_phase("job", "Succeeded");
    EXPECT_EQ(d["status"]["initContainerStatuses"].size(), 2u);
    EXPECT_EQ(d["status"]["initContainerStatuses"].item(1)["state"]["terminated"]["reason"].str(), "Completed");
    EXPECT_EQ(PodView(d).condition("Ready")["reason"].str(), "PodCompleted");
    LogOptions o;
    auto log = co_await kubelet_->logs(key("job"), o);
    EXPECT_TRUE(log.ok()) << log.error().message();
    if (!log.ok()) co_return;
    std::string out = co_await read_all(log->get());
    EXPECT_EQ(out, "1\n2\n");
  });
}

TEST_F(KubeletTest, clears_what_nobody_owns_before_it_takes_on_pods) {
  client_.put_json(kNamespaces, R"({"apiVersion":"v1","kind":"Namespace","metadata":{"name":"kube-system","uid":"ours"}})");
  fs::create_directories(base_ + "/data/pod-marks");
  for (const char* name : {"old", "others", "foreign"}) {
    fs::create_directories(cat(base_, "/kubelet/pods/", name, "/volumes"));
    fs::create_directories(cat(base_, "/data/pods/", name, "/x"));
  }
  std::ofstream(base_ + "/data/pod-marks/old") << "store ours\n";
  std::ofstream(base_ + "/data/pod-marks/others") << "store theirs\n";
  start_kubelet();
  put_pod("new", R"("containers":[{"name":"c","image":"busybox:1","command":["sleep","1000"]}])");
  RUN({
    Document d = co_await until_phase("new", "Running");
    EXPECT_FALSE(fs::exists(base_ + "/kubelet/pods/old"));
    EXPECT_FALSE(fs::exists(base_ + "/data/pods/old"));
    EXPECT_FALSE(fs::exists(base_ + "/data/pod-marks/old"));
    // Of another kubelet, or of another store: none of ours.
    for (const char* name : {"others", "foreign"}) {
      EXPECT_TRUE(fs::exists(cat(base_, "/kubelet/pods/", name, "/volumes"))) << name;
      EXPECT_TRUE(fs::exists(cat(base_, "/data/pods/", name, "/x"))) << name;
    }
    EXPECT_TRUE(fs::exists(base_ + "/kubelet/pods/uid-new/etc-hosts"));
  });
}

// The server's mask keeps others out of its own files, and must not keep containers and log shippers out of theirs.
TEST_F(KubeletTest, a_container_that_is_not_root_reaches_its_files_whatever_the_mask) {
  mode_t before = umask(077);
  client_.put_json(kConfigMaps, R"({"metadata":{"name":"cm","namespace":"default"},"data":{"k":"shown"}})");
  start_kubelet();
  put_pod("p", R"("restartPolicy":"Never","securityContext":{"runAsUser":1000,"runAsGroup":1000},"containers":[{"name":"c","image":"busybox:1",
    "command":["sh","-c","cat /cm/a/b && cat /etc/hosts /etc/resolv.conf /etc/hostname >/dev/null && ls / >/dev/null && echo x >/e/f && echo x >/e2/f && echo ended >/dev/termination-log && umask"],
    "volumeMounts":[{"name":"cm","mountPath":"/cm"},{"name":"e","mountPath":"/e"},{"name":"e","mountPath":"/e2","subPath":"s/t"}]}],
    "volumes":[{"name":"cm","configMap":{"name":"cm","items":[{"key":"k","path":"a/b"}]}},{"name":"e","emptyDir":{}}])");
  RUN({
    Document d = co_await until_phase("p", "Succeeded");
    Value ended = d["status"]["containerStatuses"].item(0)["state"]["terminated"];
    EXPECT_EQ(ended["message"].str(), "ended\n") << log_of("p", "c");
    std::string log = log_of("p", "c");
    EXPECT_NE(log.find("shown"), std::string::npos) << log;
    EXPECT_NE(log.find("0022"), std::string::npos) << log;
  });
  umask(before);
  std::string logs = base_ + "/pods/default_p_uid-p";
  for (const std::string& path : {base_ + "/pods", logs, logs + "/c", base_ + "/containers"}) EXPECT_EQ(fs::status(path).permissions(), fs::perms(0755)) << path;
  EXPECT_EQ(fs::status(base_ + "/run/pods/uid-p/records.json").permissions(), fs::perms(0600));
}

// A reboot empties /run and with it what was known of containers; what they wrote is on the disk.
TEST_F(KubeletTest, removes_the_layers_of_containers_that_no_record_names) {
  std::string disk = disk_of("p");
  fs::create_directories(disk + "/before-the-reboot/work/upper");
  std::ofstream(disk + "/before-the-reboot/work/upper/file") << "x";
  put_pod("p", R"("containers":[{"name":"c","image":"busybox:1","command":["sh","-c","trap : TERM; echo up; while :; do sleep 0.1; done"]}])");
  start_kubelet();
  RUN({
    Document d = co_await until_phase("p", "Running");
    EXPECT_FALSE(fs::exists(disk_of("p") + "/before-the-reboot"));
    std::string id = d["status"]["containerStatuses"].item(0)["containerID"].text().substr(10);
    kubelet_.reset();
    fs::create_directories(disk_of("p") + "/lost/work");
    start_kubelet();
    for (int i = 0; i < 1000 && fs::exists(disk_of("p") + "/lost"); ++i) co_await sleep_ms(10);
    EXPECT_FALSE(fs::exists(disk_of("p") + "/lost"));
    EXPECT_TRUE(fs::exists(cat(disk_of("p"), "/", id, "/rootfs/bin/busybox"))) << "the one that runs";
  });
}

TEST_F(KubeletTest, ends_what_runs_for_a_pod_that_the_cluster_no_longer_has) {
  start_kubelet();
  put_pod("gone", R"("containers":[{"name":"c","image":"busybox:1","command":["sh","-c","trap : TERM; echo up; while :; do sleep 0.1; done"]}])");
  RUN({
    Document d = co_await until_phase("gone", "Running");
    std::string id = d["status"]["containerStatuses"].item(0)["containerID"].text();
    int pid = static_cast<int>(parse_int64(slurp(base_ + "/run/pods/uid-gone/containers/" + id.substr(10) + "/pid")).value_or(0));
    EXPECT_EQ(::kill(pid, 0), 0);
    kubelet_.reset();
    client_.objects.remove(kPods, key("gone"));
    start_kubelet();
    for (int i = 0; i < 1000 && fs::exists(base_ + "/run/pods/uid-gone"); ++i) co_await sleep_ms(10);
    EXPECT_FALSE(fs::exists(base_ + "/run/pods/uid-gone"));
    EXPECT_FALSE(fs::exists(base_ + "/kubelet/pods/uid-gone"));
    EXPECT_NE(::kill(pid, 0), 0);
  });
}

TEST_F(KubeletTest, leaves_alone_what_came_from_another_store) {
  client_.put_json(kNamespaces, R"({"apiVersion":"v1","kind":"Namespace","metadata":{"name":"kube-system","uid":"ours"}})");
  start_kubelet();
  put_pod("p", R"("containers":[{"name":"c","image":"busybox:1","command":["sh","-c","trap : TERM; echo up; while :; do sleep 0.1; done"]}])");
  RUN({
    Document d = co_await until_phase("p", "Running");
    std::string id = d["status"]["containerStatuses"].item(0)["containerID"].text();
    int pid = static_cast<int>(parse_int64(slurp(base_ + "/run/pods/uid-p/containers/" + id.substr(10) + "/pid")).value_or(0));
    kubelet_.reset();
    client_.objects.remove(kPods, key("p"));
    client_.put_json(kNamespaces, R"({"apiVersion":"v1","kind":"Namespace","metadata":{"name":"kube-system","uid":"theirs"}})");
    start_kubelet();
    put_pod("other", R"("containers":[{"name":"c","image":"busybox:1","command":["sleep","1000"]}])");
    d = co_await until_phase("other", "Running");
    EXPECT_EQ(::kill(pid, 0), 0);
    EXPECT_TRUE(fs::exists(base_ + "/kubelet/pods/uid-p/etc-hosts"));
  });
}

// Set aside: not started; one that runs is neither ended nor adopted; changed, it is taken on; gone, it is cleared away.
TEST_F(KubeletTest, leaves_a_pod_alone_that_ended_the_server_until_it_changes) {
  DyingProcesses died;
  start_kubelet();
  put_pod("runs", R"("containers":[{"name":"c","image":"busybox:1","command":["sh","-c","trap : TERM; echo up; while :; do sleep 0.1; done"]}])");
  RUN({
    Document d = co_await until_phase("runs", "Running");
  });
  kubelet_.reset();
  for (const char* name : {"runs", "new"}) died.die_at("kubelet", cat("pods default/", name), {});
  auto quarantine = died.open();
  std::vector<std::string> skipped;
  quarantine->on_skip([&](const Quarantine::Entry&, const Document& object) { skipped.emplace_back(name_of(object)); });
  quarantine_ = quarantine.get();
  put_pod("new", R"("containers":[{"name":"c","image":"busybox:1","command":["sleep","1000"]}])");
  put_pod("other", R"("containers":[{"name":"c","image":"busybox:1","command":["sleep","1000"]}])");
  start_kubelet();
  auto more = [this]() -> Task<void> {
    Document other = co_await until_phase("other", "Running");
    EXPECT_FALSE(pod("new")["status"].exists());
    std::string id = pod("runs")["status"]["containerStatuses"].item(0)["containerID"].text();
    std::string pid_file = base_ + "/run/pods/uid-runs/containers/" + id.substr(10) + "/pid";
    int pid = static_cast<int>(parse_int64(slurp(pid_file)).value_or(0));
    EXPECT_EQ(::kill(pid, 0), 0);
    // Its image is not to go.
    client_.objects.remove(kPods, key("other"));
    client_.objects.remove(kPods, key("new"));
    EXPECT_TRUE(kubelet_->images_in_use().contains("sha256:1111111111111111111111111111111111111111111111111111111111111111"));
    put_pod("new", R"("containers":[{"name":"c","image":"busybox:1","command":["sleep","1000"]}])");
    Document body = *Document::parse(std::string_view(R"({"metadata":{"annotations":{"mended":"yes"}}})"));
    WriteOptions options;
    auto patched = co_await client_.patch(kPods, key("new"), PatchType::kMerge, body, options);
    Document now = co_await until_phase("new", "Running");
    client_.objects.remove(kPods, key("runs"));  // by force: no grace
    Document was = *Document::parse(std::string_view(R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"runs","namespace":"default","uid":"uid-runs"},"spec":{"nodeName":"n1","containers":[{"name":"c"}]}})"));
    client_.tell({kPods, was, {}});
    for (int i = 0; i < 1000 && fs::exists(base_ + "/run/pods/uid-runs"); ++i) co_await sleep_ms(10);
    EXPECT_FALSE(fs::exists(base_ + "/run/pods/uid-runs"));
    EXPECT_NE(::kill(pid, 0), 0);
  };
  run(more());
  EXPECT_EQ(skipped, (std::vector<std::string>{"new", "runs"}));
  kubelet_.reset();
}

// After a repair of the store that lost the pod: its container runs on, its volumes stay, until somebody says that it is gone.
TEST_F(KubeletTest, leaves_alone_what_the_cluster_may_have_lost) {
  start_kubelet();
  put_pod("lost", R"("containers":[{"name":"c","image":"busybox:1","command":["sh","-c","trap : TERM; echo up; while :; do sleep 0.1; done"]}])");
  RUN({
    Document d = co_await until_phase("lost", "Running");
    std::string id = d["status"]["containerStatuses"].item(0)["containerID"].text();
    int pid = static_cast<int>(parse_int64(slurp(base_ + "/run/pods/uid-lost/containers/" + id.substr(10) + "/pid")).value_or(0));
    kubelet_.reset();
    client_.objects.remove(kPods, key("lost"));
    client_.objects.doubt(true);
    fs::create_directories(base_ + "/kubelet/pods/stopped/volumes");
    start_kubelet();
    put_pod("next", R"("containers":[{"name":"c","image":"busybox:1","command":["sleep","1000"]}])");
    d = co_await until_phase("next", "Running");
    EXPECT_EQ(::kill(pid, 0), 0);
    EXPECT_TRUE(fs::exists(base_ + "/run/pods/uid-lost"));
    EXPECT_TRUE(fs::exists(base_ + "/kubelet/pods/stopped"));
    client_.objects.doubt(false);
    kubelet_->look_again();
    for (int i = 0; i < 1000 && fs::exists(base_ + "/run/pods/uid-lost"); ++i) co_await sleep_ms(10);
    EXPECT_FALSE(fs::exists(base_ + "/run/pods/uid-lost"));
    EXPECT_NE(::kill(pid, 0), 0);
    EXPECT_EQ(PodView(pod("next")).phase(), "Running");
  });
}

TEST_F(KubeletTest, replaces_a_shim_that_died_and_restarts_its_containers) {
  start_kubelet();
  put_pod("s", R"("containers":[{"name":"c","image":"busybox:1","command":["sleep","1000"]}])");
  RUN({
    Document d = co_await until_phase("s", "Running");
    std::string procs = slurp(cat("/sys/fs/cgroup/systemd/bkt-shims-", tag_, "/cgroup.procs"));
    if (procs.empty()) procs = slurp(cat("/sys/fs/cgroup/bkt-shims-", tag_, "/cgroup.procs"));
    auto shim = parse_int64(trim(procs));
    EXPECT_TRUE(shim.has_value()) << procs;
    if (!shim) co_return;
    ::kill(static_cast<pid_t>(*shim), SIGKILL);
    std::function<bool(const Document&)> good = [](const Document& p) { return p["status"]["containerStatuses"].item(0)["restartCount"].integer() == 1 && PodView(p).is_ready(); };
    Task<Document> waiting = until("s", good);
    Document after = co_await waiting;
    EXPECT_EQ(after["status"]["containerStatuses"].item(0)["lastState"]["terminated"]["exitCode"].integer(), 137);
    EXPECT_EQ(after["status"]["podIP"].str(), "10.99.0.2");
  });
}

TEST_F(KubeletTest, tells_the_end_of_a_container_with_its_message_or_not_yet) {
  start_kubelet();
  int seen = 0;
  std::function<void(const Change&)> look = [&seen](const Change& c) {
    for (Value status : c.after["status"]["containerStatuses"].items()) {
      Value t = status["state"]["terminated"];
      if (!t) continue;
      EXPECT_EQ(t["message"].str(), "why") << t.dump();
      seen++;
    }
  };
  auto sub = client_.subscribe({kPods}, look);
  std::string containers;
  for (const char* name : {"a", "b", "c", "d"}) {
    containers += cat(containers.empty() ? "" : ",", R"({"name":")", name,
                      R"(","image":"busybox:1","command":["sh","-c","printf why >/dev/termination-log; exit 7"],"terminationMessagePath":"/dev/termination-log"})");
  }
  put_pod("ends", cat(R"("restartPolicy":"Never","containers":[)", containers, "]"));
  RUN({ co_await until_phase("ends", "Failed"); });
  EXPECT_GE(seen, 4);
}

TEST_F(KubeletTest, uses_a_present_image_without_asking_when_the_policy_lets_it) {
  start_kubelet();
  for (const char* policy : {"IfNotPresent", "Never"}) {
    put_pod(lower(policy), cat(R"("containers":[{"name":"c","image":"busybox:1","imagePullPolicy":")", policy, R"(","command":["sleep","1000"]}])"));
  }
  RUN({
    for (const char* name : {"ifnotpresent", "never"}) {
      Document d = co_await until_phase(name, "Running");
      std::vector<std::string> events = client_.events(name);
      EXPECT_TRUE(!events.empty() && events[0] == "Pulled: Container image \"busybox:1\" already present on machine and can be accessed by the pod") << join(events, "\n");
    }
  });
}

TEST_F(KubeletTest, restarts_a_container_whose_image_changed) {
  start_kubelet();
  put_pod("p", R"("restartPolicy":"Never","terminationGracePeriodSeconds":1,"containers":[{"name":"c","image":"busybox:1","command":["sh","-c","trap 'exit 3' TERM; echo up; while :; do sleep 0.1; done"]}])");
  RUN({
    Document d = co_await until_phase("p", "Running");
    Builder b(d.root());
    b.root()["spec"]["containers"].item(0).set("image", "busybox:2");
    client_.put(kPods, b.finish());
    std::function<bool(const Document&)> good = [](const Document& now) {
      Value s = now["status"]["containerStatuses"].item(0);
      return s["restartCount"].integer() == 1 && s["state"].has("running");
    };
    Task<Document> waiting = until("p", good);
    d = co_await waiting;
    EXPECT_EQ(d["status"]["containerStatuses"].item(0)["lastState"]["terminated"]["exitCode"].integer(), 3);
    EXPECT_EQ(d["status"]["containerStatuses"].item(0)["image"].str(), "docker.io/library/busybox:2");
    co_await until_event("p", "Killing: Container c definition changed, will be restarted");
  });
}

TEST_F(KubeletTest, says_why_a_container_cannot_start) {
  struct Row {
    const char* name;
    const char* container;
    const char* reason;
    const char* message;
  };
  static const Row rows[] = {
      {"never", R"("image":"absent:1","imagePullPolicy":"Never")", "ErrImageNeverPull", "Container image \"absent:1\" is not present with pull policy of Never"},
      {"pull", R"("image":"absent:1","imagePullPolicy":"IfNotPresent")", "ImagePullBackOff", "Back-off pulling image \"absent:1\": ErrImagePull: "},
      {"always", R"("image":"busybox:1","imagePullPolicy":"Always")", "ImagePullBackOff", "Back-off pulling image \"busybox:1\": ErrImagePull: this node asks no registry; import the image with: bramble images import <archive>"},
      {"name", R"("image":"Bad:::x")", "InvalidImageName", "Failed to apply default image tag \"Bad:::x\": couldn't parse image name \"Bad:::x\""},
      {"config", R"("image":"busybox:1","env":[{"name":"A","valueFrom":{"configMapKeyRef":{"name":"none","key":"k"}}}])", "CreateContainerConfigError", "configmap \"none\" not found"},
      {"root", R"("image":"busybox:1","securityContext":{"runAsNonRoot":true})", "CreateContainerConfigError", "container has runAsNonRoot and image will run as root (pod: \"root_default(uid-root)\", container: c)"},
      {"cmd", R"("image":"busybox:1","command":["/no/such"])", "CrashLoopBackOff", "back-off 10s restarting failed container=c pod=cmd_default(uid-cmd)"},
  };
  start_kubelet();
  for (const auto& row : rows) put_pod(row.name, cat(R"("restartPolicy":"Always","containers":[{"name":"c",)", row.container, "}]"));
  RUN({
    for (const auto& row : rows) {
      const Row* r = &row;
      std::function<bool(const Document&)> good = [r](const Document& d) { return d["status"]["containerStatuses"].item(0)["state"]["waiting"]["reason"].str() == r->reason; };
      Task<Document> waiting = until(row.name, good);
      Document d = co_await waiting;
      EXPECT_TRUE(d["status"]["containerStatuses"].item(0)["state"]["waiting"]["message"].str().starts_with(row.message)) << row.name << ": " << d["status"]["containerStatuses"].dump();
      EXPECT_EQ(d["status"]["phase"].str(), std::string_view(row.name) == "cmd" ? "Running" : "Pending") << row.name;
    }
    Value last = pod("cmd")["status"]["containerStatuses"].item(0)["lastState"]["terminated"];
    EXPECT_EQ(last["reason"].str(), "StartError");
    EXPECT_EQ(last["exitCode"].integer(), 128);
    EXPECT_EQ(last["startedAt"].str(), "1970-01-01T00:00:00Z");
  });
}

}  // namespace
}  // namespace bramble

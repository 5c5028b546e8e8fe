// The life of real pods beside the plain one: sidecars, ephemeral containers, deadlines, hooks that sleep, rules of restart.
#include "tests/core/kubelet/kubelet_fixture.h"

namespace bramble {
namespace {

constexpr int64_t kSecondUs = 1000000;

class PodLife : public KubeletTest {
 protected:
  static Value c(const Document& d, const char* list = "containerStatuses", size_t i = 0) { return d["status"][list].item(i); }
  std::string shared(const char* name) { return cat(base_, "/kubelet/pods/uid-p/volumes/kubernetes.io~empty-dir/d/", name); }
  std::string shared_text(const char* name) { return slurp(shared(name)); }
  Task<Document> until_good(std::function<bool(const Document&)> good) {
    Task<Document> waiting = until("p", good);
    auto d = co_await waiting;
    co_return d;
  }
};

constexpr const char* kMount = R"("volumeMounts":[{"name":"d","mountPath":"/d"}])";
constexpr const char* kVolume = R"("volumes":[{"name":"d","emptyDir":{}}])";

// One that notes in /d/log when it is told to end.
std::string noting(const char* name, const char* more = "") {
  return cat(R"({"name":")", name, R"(","image":"busybox:1","command":["sh","-c","trap 'echo )", name, R"( >>/d/log; exit 0' TERM; echo up; while :; do sleep 0.05; done"],)", kMount, more, "}");
}

TEST_F(PodLife, a_sidecars_startup_probe_holds_up_what_comes_after_and_sidecars_end_last_in_reverse) {
  start_kubelet();
  std::string gate = R"(,"restartPolicy":"Always","startupProbe":{"exec":{"command":["test","-e","/d/go"]},"periodSeconds":1,"failureThreshold":1000})";
  put_pod("p", cat(R"("terminationGracePeriodSeconds":20,"initContainers":[)", noting("s1", gate.c_str()), ",", noting("s2", R"(,"restartPolicy":"Always")"), R"(],"containers":[)", noting("a"), "],", kVolume));
  RUN({
    co_await until_event("p", "Unhealthy: Startup probe failed: ");
    Document d = pod("p");
    EXPECT_TRUE(c(d, "initContainerStatuses")["state"].has("running"));
    EXPECT_FALSE(c(d, "initContainerStatuses")["started"].boolean());
    EXPECT_EQ(c(d, "initContainerStatuses", 1)["state"]["waiting"]["reason"].str(), "PodInitializing");
    EXPECT_EQ(c(d)["state"]["waiting"]["reason"].str(), "PodInitializing");
    EXPECT_EQ(PodView(d).condition("Initialized")["message"].str(), "containers with incomplete status: [s1 s2]");
    std::ofstream(shared("go")) << "yes";
    d = co_await until_phase("p", "Running");
    for (int i = 0; i < 500 && log_of("p", "s2").find(" up\n") == std::string::npos; ++i) co_await sleep_ms(10);
    co_await remove_pod("p", 20);
    // What the volume holds goes with the pod; it is read on the way.
    std::string last;
    for (int i = 0; i < 2000 && pod("p"); ++i) {
      std::string now = shared_text("log");
      if (!now.empty()) last = now;
      co_await sleep_ms(1);
    }
    EXPECT_TRUE(std::string("a\ns2\ns1\n").starts_with(last)) << last;
    EXPECT_TRUE(last.starts_with("a\ns2\n")) << last;
  });
}

TEST_F(PodLife, a_sidecar_ends_when_the_work_is_done_and_the_pod_is_told_as_ended_only_then) {
  start_kubelet();
  put_pod("p", cat(R"("restartPolicy":"Never","terminationGracePeriodSeconds":20,"initContainers":[{"name":"s","image":"busybox:1","restartPolicy":"Always","command":["sh","-c","trap 'sleep 1; exit 3' TERM; echo up; while :; do sleep 0.05; done"]}],
    "containers":[{"name":"a","image":"busybox:1","command":["sh","-c","sleep 1"]}])"));
  RUN({
    bool early = false;
    std::function<void(const Change&)> watch = [&early](const Change& change) {
      early = early || (change.after && PodView(change.after).is_terminal() && change.after["status"]["initContainerStatuses"].item(0)["state"].has("running"));
    };
    auto sub = client_.subscribe({kPods}, watch);
    Document d = co_await until_phase("p", "Succeeded");
    EXPECT_FALSE(early);
    EXPECT_EQ(c(d, "initContainerStatuses")["state"]["terminated"]["exitCode"].integer(), 3);
    EXPECT_EQ(PodView(d).condition("Ready")["reason"].str(), "PodCompleted");
    co_await until_event("p", "Killing: Stopping container s");
  });
}

TEST_F(PodLife, a_sidecar_that_fails_its_startup_probe_is_restarted) {
  start_kubelet();
  put_pod("p", R"("restartPolicy":"Never","initContainers":[{"name":"s","image":"busybox:1","restartPolicy":"Always","command":["sleep","1000"],"startupProbe":{"exec":{"command":["test","-e","/no"]},"periodSeconds":1,"failureThreshold":1,"terminationGracePeriodSeconds":1}}],
    "containers":[{"name":"a","image":"busybox:1","command":["sleep","1000"]}])");
  RUN({
    std::function<bool(const Document&)> restarted = [](const Document& d) { return d["status"]["initContainerStatuses"].item(0)["restartCount"].integer() > 0; };
    Document d = co_await until_good(restarted);
    co_await until_event("p", "Killing: Init container s failed startup probe");
    EXPECT_TRUE(c(d)["state"].has("waiting"));
  });
}

TEST_F(PodLife, an_ephemeral_container_starts_beside_a_running_one_and_sees_its_processes) {
  start_kubelet();
  put_pod("p", R"("containers":[{"name":"c","image":"busybox:1","command":["sleep","4321"]}])");
  RUN({
    Document d = co_await until_phase("p", "Running");
    Builder b(d.root());
    Mut list = b.root().object("spec").array("ephemeralContainers");
    auto debug = Document::parse(R"x({"name":"debug","image":"busybox:1","targetContainerName":"c","command":["sh","-c","cat /proc/1/cmdline; echo; echo $$"]})x");
    auto lost = Document::parse(R"({"name":"lost","image":"busybox:1","targetContainerName":"nobody","command":["true"]})");
    list.append(debug->root());
    list.append(lost->root());
    client_.put(kPods, b.finish());
    std::function<bool(const Document&)> over = [](const Document& x) { return x["status"]["ephemeralContainerStatuses"].item(0)["state"].has("terminated") && x["status"]["ephemeralContainerStatuses"].item(1)["state"].has("waiting"); };
    d = co_await until_good(over);
    EXPECT_EQ(c(d, "ephemeralContainerStatuses")["state"]["terminated"]["exitCode"].integer(), 0);
    EXPECT_FALSE(c(d, "ephemeralContainerStatuses").has("started"));
    std::string log = log_of("p", "debug");
    EXPECT_NE(log.find(std::string("sleep\0004321", 10)), std::string::npos) << log;
    EXPECT_EQ(c(d, "ephemeralContainerStatuses", 1)["state"]["waiting"]["message"].str(), R"(unable to find target container "nobody")");
    co_await sleep_ms(300);
    EXPECT_EQ(c(pod("p"), "ephemeralContainerStatuses")["restartCount"].integer(), 0) << "it is never run again";
    EXPECT_TRUE(PodView(pod("p")).is_ready());
  });
}

TEST_F(PodLife, a_pod_has_failed_when_its_time_is_over_and_nothing_of_it_runs) {
  start_kubelet();
  put_pod("p", R"("activeDeadlineSeconds":600,"terminationGracePeriodSeconds":1,"containers":[{"name":"c","image":"busybox:1","command":["sleep","1000"]}])");
  RUN({
    Document d = co_await until_phase("p", "Running");
    co_await sleep_ms(200);
    clock_.pass_us(601 * kSecondUs);
    d = co_await until_phase("p", "Failed");
    EXPECT_EQ(d["status"]["reason"].str(), "DeadlineExceeded");
    EXPECT_EQ(d["status"]["message"].str(), "Pod was active on the node longer than the specified deadline");
    EXPECT_TRUE(c(d)["state"].has("terminated"));
    EXPECT_EQ(PodView(d).condition("Ready")["reason"].str(), "PodFailed");
    co_await until_event("p", "DeadlineExceeded: Pod was active on the node longer than the specified deadline");
  });
}

TEST_F(PodLife, a_container_may_have_its_own_rules_of_restart) {
  start_kubelet();
  put_pod("p", cat(R"("restartPolicy":"Never","containers":[{"name":"a","image":"busybox:1","restartPolicy":"Never","restartPolicyRules":[{"action":"Restart","exitCodes":{"operator":"In","values":[42]}}],
    "command":["sh","-c","[ -e /d/second ] && exit 7; echo >/d/second; exit 42"],)", kMount, R"(}],)", kVolume));
  RUN({
    Document d = co_await until_phase("p", "Failed");
    EXPECT_EQ(c(d)["restartCount"].integer(), 1);
    EXPECT_EQ(c(d)["lastState"]["terminated"]["exitCode"].integer(), 42);
    EXPECT_EQ(c(d)["state"]["terminated"]["exitCode"].integer(), 7);
  });
}

TEST_F(PodLife, a_pre_stop_hook_may_sleep_and_the_stop_signal_be_another) {
  start_kubelet();
  put_pod("p", cat(R"("terminationGracePeriodSeconds":20,"containers":[{"name":"c","image":"busybox:1","command":["sh","-c","trap 'exit 4' TERM; trap 'exit 5' USR1; echo up; while :; do sleep 0.05; done"],
    "lifecycle":{"stopSignal":"SIGUSR1","preStop":{"sleep":{"seconds":1}}}}])"));
  RUN({
    Document d = co_await until_phase("p", "Running");
    EXPECT_EQ(c(d)["stopSignal"].str(), "SIGUSR1");
    int64_t from = clock_.monotonic_us();
    int code = 0;
    std::function<void(const Change&)> watch = [&code](const Change& change) {
      if (Value end = change.after["status"]["containerStatuses"].item(0)["state"]["terminated"]) code = static_cast<int>(end["exitCode"].integer());
    };
    auto sub = client_.subscribe({kPods}, watch);
    co_await remove_pod("p", 20);
    co_await until_gone("p");
    EXPECT_EQ(code, 5);
    EXPECT_GE(clock_.monotonic_us() - from, kSecondUs);
  });
}

TEST_F(PodLife, containers_may_share_their_processes_below_a_first_one_that_shows_them_nothing) {
  start_kubelet();
  put_pod("p", R"x("shareProcessNamespace":true,"terminationGracePeriodSeconds":1,"restartPolicy":"Always","containers":[
    {"name":"a","image":"busybox:1","command":["sh","-c","sleep 4321 & exec sleep 1000"]},
    {"name":"b","image":"busybox:1","command":["sh","-c","for p in /proc/[0-9]*; do echo $p $(cat $p/comm); done; ls /proc/1/root /proc/1/root/bin; (sleep 0.1 &) ; echo end; exec sleep 1000"]}])x");
  RUN({
    Document d = co_await until_phase("p", "Running");
    for (int i = 0; i < 500 && log_of("p", "b").find(" end\n") == std::string::npos; ++i) co_await sleep_ms(10);
    std::string log = log_of("p", "b");
    EXPECT_NE(log.find("/proc/1 pause"), std::string::npos) << log;
    EXPECT_NE(log.find("sleep"), std::string::npos) << log;
    EXPECT_EQ(log.find("busybox\n"), std::string::npos) << log;
    EXPECT_NE(log.find("ermission denied"), std::string::npos) << "the first process's root cannot be entered: " << log;
    // Neither container's end is the other's.
    std::string first = slurp(base_ + "/run/pods/uid-p/ns/first");
    int pid = static_cast<int>(parse_int64(trim(slurp(cat(base_, "/run/pods/uid-p/containers/", c(d)["containerID"].text().substr(10), "/pid")))).value_or(0));
    EXPECT_GT(pid, 1);
    if (pid > 1) ::kill(pid, SIGKILL);
    std::function<bool(const Document&)> again = [](const Document& x) { return c(x)["restartCount"].integer() == 1 && c(x)["state"].has("running"); };
    d = co_await until_good(again);
    EXPECT_EQ(c(d, "containerStatuses", 1)["restartCount"].integer(), 0);
    EXPECT_EQ(slurp(base_ + "/run/pods/uid-p/ns/first"), first);
    // A first process that somebody killed takes the containers along; they come back below another.
    int one = static_cast<int>(parse_int64(trim(first)).value_or(0));
    EXPECT_GT(one, 1);
    if (one > 1) ::kill(one, SIGKILL);
    std::function<bool(const Document&)> both = [](const Document& x) { return c(x, "containerStatuses", 1)["restartCount"].integer() >= 1 && c(x, "containerStatuses", 1)["state"].has("running"); };
    d = co_await until_good(both);
    std::string second = slurp(base_ + "/run/pods/uid-p/ns/first");
    EXPECT_NE(second, first);
    co_await remove_pod("p", 1);
    co_await until_gone("p");
    for (int i = 0; i < 300 && fs::exists(cat("/proc/", trim(second))); ++i) co_await sleep_ms(10);
    std::string left = slurp(cat("/proc/", trim(second), "/comm"));
    EXPECT_NE(left, "pause\n");
  });
}

TEST_F(PodLife, containers_may_have_the_nodes_processes_and_ipc) {
  start_kubelet();
  constexpr const char* kShow = R"("terminationGracePeriodSeconds":1,"containers":[{"name":"c","image":"busybox:1","command":["sh","-c","readlink /proc/self/ns/pid; readlink /proc/self/ns/ipc; exec sleep 1000"]}])";
  put_pod("host", cat(R"("hostPID":true,"hostIPC":true,)", kShow));
  put_pod("own", kShow);
  RUN({
    Document d = co_await until_phase("host", "Running");
    d = co_await until_phase("own", "Running");
    for (const char* ns : {"pid", "ipc"}) {
      std::string here = fs::read_symlink(cat("/proc/self/ns/", ns)).string();
      for (int i = 0; i < 500 && (log_of("host", "c").find(" ipc:") == std::string::npos || log_of("own", "c").find(" ipc:") == std::string::npos); ++i) co_await sleep_ms(10);
      EXPECT_NE(log_of("host", "c").find(here), std::string::npos) << ns << ": " << log_of("host", "c");
      EXPECT_EQ(log_of("own", "c").find(here), std::string::npos) << ns << ": " << log_of("own", "c");
    }
    for (const char* name : {"host", "own"}) co_await remove_pod(name, 0);
    for (const char* name : {"host", "own"}) co_await until_gone(name);
  });
}

TEST_F(PodLife, containers_that_start_at_once_share_one_first_process) {
  start_kubelet();
  std::string containers;
  for (const char* name : {"a", "b", "c", "d"}) containers += cat(containers.empty() ? "" : ",", R"({"name":")", name, R"(","image":"busybox:1","command":["sleep","1000"]})");
  put_pod("p", cat(R"("terminationGracePeriodSeconds":1,"shareProcessNamespace":true,"containers":[)", containers, "]"));
  RUN({
    Document d = co_await until_phase("p", "Running");
    std::string ns = base_ + "/run/pods/uid-p/ns";
    for (int round = 1; round <= 3; ++round) {
      // Its end is theirs: all are to be started again at the same time.
      int first = static_cast<int>(parse_int64(trim(slurp(ns + "/first"))).value_or(0));
      EXPECT_GT(first, 0);
      if (first <= 0) co_return;
      ::kill(first, SIGKILL);
      std::function<bool(const Document&)> again = [round](const Document& x) {
        bool all = PodView(x).is_ready();
        for (Value s : x["status"]["containerStatuses"].items()) all = all && s["restartCount"].integer() >= round;
        return all;
      };
      for (int i = 0; i < 400 && !again(pod("p")); ++i) {
        clock_.pass_us(30 * 1000000LL);  // of their back-off
        co_await sleep_ms(50);
      }
      d = pod("p");
      EXPECT_TRUE(again(d)) << d["status"].dump();
      std::string mounts = slurp("/proc/self/mountinfo"), at = cat(" ", ns, "/pid ");
      size_t count = 0;
      for (size_t i = mounts.find(at); i != std::string::npos; i = mounts.find(at, i + 1)) ++count;
      EXPECT_EQ(count, 1u) << mounts;
      std::set<std::string> spaces;
      for (Value s : d["status"]["containerStatuses"].items()) {
        std::string pid(trim(slurp(cat(base_, "/run/pods/uid-p/containers/", s["containerID"].str().substr(10), "/pid"))));
        std::error_code ec;
        spaces.insert(fs::read_symlink(cat("/proc/", pid, "/ns/pid"), ec).string());
      }
      EXPECT_EQ(spaces.size(), 1u);
    }
    co_await remove_pod("p", 0);
    co_await until_gone("p");
  });
}

// (KEP 5532.)
TEST_F(PodLife, all_containers_begin_anew_when_a_rule_says_so) {
  start_kubelet();
  put_pod("p", R"("restartPolicy":"Never","terminationGracePeriodSeconds":1,"initContainers":[{"name":"i","image":"busybox:1","command":["sh","-c","echo init; exit 0"]}],
    "containers":[{"name":"a","image":"busybox:1","restartPolicy":"Never","restartPolicyRules":[{"action":"RestartAllContainers","exitCodes":{"operator":"In","values":[88]}}],
      "command":["sh","-c","trap 'exit 88' TERM; echo up; while :; do sleep 0.1; done"]},{"name":"b","image":"busybox:1","command":["sh","-c","trap 'exit 0' TERM; echo up; while :; do sleep 0.1; done"]}])");
  RUN({
    Document d = co_await until_phase("p", "Running");
    EXPECT_EQ(find_condition(d["status"]["conditions"], "AllContainersRestarting")["status"].str(), "False");
    std::string id = d["status"]["containerStatuses"].item(0)["containerID"].text().substr(10);
    ::kill(static_cast<int>(parse_int64(trim(slurp(cat(base_, "/run/pods/uid-p/containers/", id, "/pid")))).value_or(0)), SIGTERM);
    bool told = false;
    std::function<bool(const Document&)> again = [&told](const Document& x) {
      told = told || find_condition(x["status"]["conditions"], "AllContainersRestarting")["status"].str() == "True";
      bool all = PodView(x).is_ready() && x["status"]["initContainerStatuses"].item(0)["restartCount"].integer() == 1;
      for (Value s : x["status"]["containerStatuses"].items()) all = all && s["restartCount"].integer() == 1;
      EXPECT_NE(PodView(x).phase(), "Failed");
      EXPECT_NE(PodView(x).phase(), "Succeeded");
      return all;
    };
    Task<Document> waiting = until("p", again);
    d = co_await waiting;
    EXPECT_TRUE(told);
    EXPECT_EQ(find_condition(d["status"]["conditions"], "AllContainersRestarting")["status"].str(), "False");
    EXPECT_EQ(d["status"]["containerStatuses"].item(1)["lastState"]["terminated"]["reason"].str(), "RestartingAllContainers");
    EXPECT_NE(log_of("p", "i", 1).find("init"), std::string::npos);
    co_await until_event("p", "Killing: killing");
    co_await remove_pod("p", 1);
    co_await until_gone("p");
  });
}

TEST_F(PodLife, a_readiness_gate_is_another_partys_word) {
  start_kubelet();
  put_pod("p", R"("readinessGates":[{"conditionType":"example.com/lb"}],"containers":[{"name":"c","image":"busybox:1","command":["sleep","1000"]}])", R"("generation":3)");
  RUN({
    std::function<bool(const Document&)> up = [](const Document& d) { return d && PodView(d).condition("ContainersReady")["status"].str() == "True"; };
    Document d = co_await until_good(up);
    EXPECT_EQ(PodView(d).condition("Ready")["reason"].str(), "ReadinessGatesNotReady");
    EXPECT_EQ(PodView(d).condition("Ready")["message"].str(), R"(corresponding condition of pod readiness gate "example.com/lb" does not exist.)");
    EXPECT_EQ(d["status"]["observedGeneration"].integer(), 3);
    Builder b(d.root());
    Mut gate = b.root().object("status").array("conditions").append_object();
    gate.set("type", "example.com/lb");
    gate.set("status", "True");
    client_.put(kPods, b.finish());
    std::function<bool(const Document&)> ready = [](const Document& x) { return x && PodView(x).is_ready(); };
    d = co_await until_good(ready);
    EXPECT_EQ(PodView(d).condition("Ready")["observedGeneration"].integer(), 3);
  });
}

}  // namespace
}  // namespace bramble

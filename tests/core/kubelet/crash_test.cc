// What a kill -9 leaves half done is found and finished by the next kubelet: set-up, starting and removing containers. A crash is
// played by dropping the kubelet; the shim and what it runs go on.
#include "tests/core/kubelet/kubelet_fixture.h"

namespace bramble {
namespace {

constexpr int64_t kSecondUs = 1000000;
constexpr const char* kSleeper = R"("terminationGracePeriodSeconds":1,"containers":[{"name":"c","image":"busybox:1","command":["sh","-c","trap 'exit 0' TERM; echo up; while :; do sleep 0.1; done"]}])";

class Crash : public KubeletTest {
 protected:
  // runc, which notes each command in <base>/commands, fails at a command while <base>/refuse-COMMAND is there, and waits at it
  // while <base>/hold-COMMAND is.
  void wrap_runtime() {
    runtime_ = base_ + "/runc";
    std::ofstream(runtime_) << "#!/bin/sh\nfor command; do case $command in create|start|delete|kill|exec) break;; esac; done\necho $command >>" << base_ << "/commands\n[ -e " << base_ << "/refuse-$command ] && echo not today >&2 && exit 1\n"
                            << "while [ -e " << base_ << "/hold-$command ]; do sleep 0.02; done\nexec runc \"$@\"\n";
    chmod(runtime_.c_str(), 0755);
  }
  void put_file(const std::string& name) { std::ofstream(cat(base_, "/", name)) << ""; }
  void drop_file(const std::string& name) { fs::remove(cat(base_, "/", name)); }
  int commands(std::string_view command) const {
    int n = 0;
    std::string text = slurp(base_ + "/commands");
    for (auto line : split(text, '\n')) n += line == command ? 1 : 0;
    return n;
  }
  Task<void> until_commands(std::string command, int n) {
    for (int i = 0; i < 1000 && commands(command) < n; ++i) co_await sleep_ms(10);
    EXPECT_GE(commands(command), n) << command;
  }
  void crash() { kubelet_.reset(); }
  std::string run_dir(const char* name) const { return cat(base_, "/run/pods/uid-", name); }
  Task<void> until_no_run_dir(std::string name) {
    std::string dir = run_dir(name.c_str());
    for (int i = 0; i < 1000 && fs::exists(dir); ++i) co_await sleep_ms(10);
    EXPECT_FALSE(fs::exists(dir)) << join(client_.events(name), "\n");
  }
  // It runs, and never ran before.
  static void expect_first(const Document& d) {
    Value status = d["status"]["containerStatuses"].item(0);
    EXPECT_TRUE(status["state"].has("running")) << status.dump();
    EXPECT_EQ(status["restartCount"].integer(), 0) << status.dump();
    EXPECT_EQ(status["lastState"].size(), 0u) << status.dump();
  }
};

TEST_F(Crash, a_set_up_that_did_not_end_goes_on) {
  start_kubelet();
  network_.refuse_adds = true;
  put_pod("p", kSleeper);
  RUN({
    for (int i = 0; i < 1000 && network_.adds == 0; ++i) co_await sleep_ms(10);
    crash();
    network_.refuse_adds = false;
    start_kubelet();
    Document d = co_await until_phase("p", "Running");
    expect_first(d);
    EXPECT_EQ(d["status"]["podIP"].str(), "10.99.0.2");
    EXPECT_TRUE(fs::exists(base_ + "/kubelet/pods/uid-p/etc-hosts"));
  });
}

TEST_F(Crash, a_pod_whose_network_namespace_is_lost_gets_a_new_one) {
  start_kubelet();
  put_pod("p", kSleeper);
  RUN({
    Document d = co_await until_phase("p", "Running");
    crash();
    EXPECT_EQ(umount2((run_dir("p") + "/ns/net").c_str(), MNT_DETACH), 0);
    fs::remove(run_dir("p") + "/ns/net");
    start_kubelet();
    std::function<bool(const Document&)> good = [](const Document& now) {
      Value s = now["status"]["containerStatuses"].item(0);
      return s["restartCount"].integer() == 1 && s["state"].has("running");
    };
    Task<Document> waiting = until("p", good);
    d = co_await waiting;
    EXPECT_TRUE(is_mount_point(run_dir("p") + "/ns/net"));
    co_await until_event("p", "SandboxChanged: Pod sandbox changed, it will be killed and re-created.");
  });
}

TEST_F(Crash, a_container_that_starts_meanwhile_is_adopted) {
  wrap_runtime();
  for (const char* command : {"create", "start"}) {
    std::string name = command;
    put_file("hold-" + name);
    start_kubelet();
    put_pod(name, kSleeper);
    int before = commands("create"), starts = commands("start");
    auto task = [&]() -> Task<void> {
      co_await until_commands(name, name == "create" ? before + 1 : starts + 1);
      crash();
      start_kubelet();
      co_await sleep_ms(300);  // the new one meets it half done
      drop_file("hold-" + name);
      Document d = co_await until_phase(name, "Running");
      expect_first(d);
      EXPECT_EQ(commands("create"), before + 1);
      EXPECT_EQ(commands("start"), starts + 1);
    };
    run(task());
    kubelet_.reset();
  }
}

TEST_F(Crash, a_container_that_was_not_removed_is_removed_later) {
  wrap_runtime();
  put_file("refuse-delete");
  start_kubelet();
  put_pod("p", R"("restartPolicy":"Never","containers":[{"name":"c","image":"busybox:1","command":["true"]}])");
  RUN({
    co_await until_commands("delete", 1);
    co_await sleep_ms(100);
    crash();
    start_kubelet();
    Document d = co_await until_phase("p", "Succeeded");
    co_await remove_pod("p", 0);
    co_await until_commands("delete", 2);
    co_await sleep_ms(1500);
    EXPECT_LE(commands("delete"), 5);
    drop_file("refuse-delete");
    clock_.pass_us(200 * kSecondUs);
    co_await until_no_run_dir("p");
  });
}

TEST_F(Crash, a_container_that_cannot_be_ended_is_not_started_a_second_time) {
  wrap_runtime();
  start_kubelet();
  put_pod("p", kSleeper);
  RUN({
    Document d = co_await until_phase("p", "Running");
    std::string id = d["status"]["containerStatuses"].item(0)["containerID"].text().substr(10);
    int pid = static_cast<int>(parse_int64(slurp(cat(run_dir("p"), "/containers/", id, "/pid"))).value_or(0));
    std::string procs = slurp(cat("/sys/fs/cgroup/systemd/bkt-shims-", tag_, "/cgroup.procs"));
    if (procs.empty()) procs = slurp(cat("/sys/fs/cgroup/bkt-shims-", tag_, "/cgroup.procs"));
    auto shim = parse_int64(trim(procs));
    EXPECT_TRUE(shim && pid > 0) << procs;
    if (!shim || pid <= 0) co_return;
    put_file("refuse-delete");
    ::kill(static_cast<pid_t>(*shim), SIGKILL);
    co_await until_commands("delete", 2);
    EXPECT_EQ(commands("create"), 1);
    EXPECT_EQ(::kill(pid, 0), 0);
    EXPECT_TRUE(PodView(pod("p")).is_ready());
    drop_file("refuse-delete");
    clock_.pass_us(200 * kSecondUs);
    std::function<bool(const Document&)> good = [](const Document& now) { return now["status"]["containerStatuses"].item(0)["restartCount"].integer() == 1 && PodView(now).is_ready(); };
    Task<Document> waiting = until("p", good);
    d = co_await waiting;
    EXPECT_EQ(commands("create"), 2);
    EXPECT_EQ(slurp(cat("/proc/", pid, "/cmdline")), "");  // gone, or a zombie
  });
}

TEST_F(Crash, containers_that_no_record_names_go_with_their_pod) {
  start_kubelet();
  put_pod("p", kSleeper);
  RUN({
    Document d = co_await until_phase("p", "Running");
    crash();
    fs::remove(run_dir("p") + "/records.json");
    client_.objects.remove(kPods, key("p"));
    start_kubelet();
    co_await until_no_run_dir("p");
  });
}

// Killed while a postStart hook runs: the hook is not lost, and the container is told as running when it is over.
TEST_F(Crash, a_hook_in_which_the_kubelet_ended_is_run_again) {
  start_kubelet();
  put_pod("p", R"("terminationGracePeriodSeconds":1,"containers":[{"name":"c","image":"busybox:1","command":["sleep","1000"],
    "lifecycle":{"postStart":{"exec":{"command":["sh","-c","echo begun >> /tmp/hook; while ! test -e /tmp/go; do sleep 0.1; done"]}}}}])");
  RUN({
    auto hooks = [this] {
      std::string out;
      std::error_code ec;
      for (fs::directory_iterator it(disk_of("p"), ec), end; !ec && it != end; it.increment(ec)) out += slurp(it->path().string() + "/work/upper/tmp/hook");
      return out;
    };
    for (int i = 0; i < 1000 && hooks().empty(); ++i) co_await sleep_ms(10);
    EXPECT_EQ(hooks(), "begun\n");
    EXPECT_NE(PodView(pod("p")).phase(), "Running");
    kubelet_.reset();
    start_kubelet();
    for (int i = 0; i < 1000 && hooks() != "begun\nbegun\n"; ++i) co_await sleep_ms(10);
    EXPECT_EQ(hooks(), "begun\nbegun\n");
    EXPECT_NE(PodView(pod("p")).phase(), "Running");
    std::error_code ec;
    for (fs::directory_iterator it(disk_of("p"), ec), end; !ec && it != end; it.increment(ec)) std::ofstream(it->path().string() + "/rootfs/tmp/go") << "go";
    Document d = co_await until_phase("p", "Running");
    EXPECT_EQ(d["status"]["containerStatuses"].item(0)["restartCount"].integer(), 0);
    // Over, it is not run again.
    kubelet_.reset();
    start_kubelet();
    co_await sleep_ms(500);
    EXPECT_EQ(hooks(), "begun\nbegun\n");
    EXPECT_TRUE(PodView(pod("p")).is_ready());
    co_await remove_pod("p", 0);
    co_await until_gone("p");
  });
}

}  // namespace
}  // namespace bramble

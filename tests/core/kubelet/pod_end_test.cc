// How pods and their containers end: hooks, grace, what is given back, and what happens when that fails.
#include <sys/resource.h>
#include <time.h>

#include "core/loop/socket.h"
#include "tests/core/kubelet/kubelet_fixture.h"

namespace bramble {
namespace {

constexpr int64_t kSecondUs = 1000000;

class PodEnd : public KubeletTest {
 protected:
  std::string empty_dir(const char* pod_name) { return cat(base_, "/kubelet/pods/uid-", pod_name, "/volumes/kubernetes.io~empty-dir/d/"); }
  Task<void> until_file(std::string path) {
    for (int i = 0; i < 1000 && !fs::exists(path); ++i) co_await sleep_ms(10);
    EXPECT_TRUE(fs::exists(path)) << path;
  }
  static size_t entries(const std::string& path) {
    size_t n = 0;
    std::error_code ec;
    for (fs::directory_iterator it(path, ec), end; !ec && it != end; it.increment(ec)) ++n;
    return n;
  }
};

TEST_F(PodEnd, a_clean_up_that_fails_is_tried_again_with_back_off) {
  start_kubelet();
  put_pod("p", R"("containers":[{"name":"c","image":"busybox:1","command":["true"]}],"restartPolicy":"Never")");
  network_.refuse_dels = true;
  RUN({
    for (int i = 0; i < 1000 && network_.dels == 0; ++i) co_await sleep_ms(10);
    co_await sleep_ms(4000);
    EXPECT_LE(network_.dels, 4);  // at 0, 0.5, 1.5, 3.5 seconds
    network_.refuse_dels = false;
    clock_.pass_us(200 * kSecondUs);
    for (int i = 0; i < 500 && fs::exists(base_ + "/kubelet/pods/uid-p"); ++i) co_await sleep_ms(10);
    EXPECT_FALSE(fs::exists(base_ + "/kubelet/pods/uid-p"));
  });
}

TEST_F(PodEnd, pre_stop_hooks_of_a_pod_run_beside_each_other) {
  start_kubelet();
  std::string lifecycle = R"("image":"busybox:1","command":["sh","-c","trap 'exit 0' TERM; echo up; while :; do sleep 0.1; done"],"volumeMounts":[{"name":"d","mountPath":"/d"}],
    "lifecycle":{"preStop":{"exec":{"command":["sh","-c","echo >/d/$N; while ! [ -e /d/a -a -e /d/b ]; do sleep 0.05; done"]}}})";
  put_pod("p", cat(R"("containers":[{"name":"a","env":[{"name":"N","value":"a"}],)", lifecycle, R"(},{"name":"b","env":[{"name":"N","value":"b"}],)", lifecycle, R"(}],"volumes":[{"name":"d","emptyDir":{}}])"));
  RUN({
    Document d = co_await until_phase("p", "Running");
    co_await remove_pod("p", 1000);
    co_await until_gone("p");  // each waits for the other's
  });
}

TEST_F(PodEnd, a_last_deletion_that_lost_its_race_is_tried_again) {
  start_kubelet();
  put_pod("p", R"("containers":[{"name":"c","image":"busybox:1","command":["sh","-c","trap 'exit 0' TERM; echo up; while :; do sleep 0.1; done"]}])");
  RUN({
    Document d = co_await until_phase("p", "Running");
    client_.lose_removes = 1;
    co_await remove_pod("p", 5);
    co_await until_gone("p");
    EXPECT_EQ(client_.lose_removes, 0);
  });
}

TEST_F(PodEnd, a_stop_signal_that_did_not_get_through_is_sent_again) {
  start_kubelet();
  put_pod("p", R"("restartPolicy":"Never","containers":[{"name":"c","image":"busybox:1","command":["sh","-c","trap 'exit 7' TERM; echo up; while :; do sleep 0.1; done"]}])");
  RUN({
    Document d = co_await until_phase("p", "Running");
    rlimit all{}, none{};
    getrlimit(RLIMIT_NOFILE, &all);
    int free_fd = dup(0);
    close(free_fd);
    none = all;
    none.rlim_cur = static_cast<rlim_t>(free_fd);
    setrlimit(RLIMIT_NOFILE, &none);
    co_await remove_pod("p", 1000);
    co_await until_event("p", "Killing: Stopping container c");
    co_await sleep_ms(50);
    setrlimit(RLIMIT_NOFILE, &all);
    std::function<bool(const Document&)> good = [](const Document& now) { return !now || now["status"]["containerStatuses"].item(0)["state"]["terminated"]["exitCode"].integer() == 7; };
    Task<Document> waiting = until("p", good);
    d = co_await waiting;
  });
}

TEST_F(PodEnd, a_force_deletion_waits_for_no_hook) {
  start_kubelet();
  put_pod("p", R"("containers":[{"name":"c","image":"busybox:1","command":["sleep","1000"],"volumeMounts":[{"name":"d","mountPath":"/d"}],
    "lifecycle":{"preStop":{"exec":{"command":["sh","-c","echo >/d/hook; exec sleep 1000"]}}}}],"volumes":[{"name":"d","emptyDir":{}}])");
  RUN({
    Document d = co_await until_phase("p", "Running");
    co_await remove_pod("p", 900);
    co_await until_file(empty_dir("p") + "hook");
    co_await remove_pod("p", 0);
    for (int i = 0; i < 1000 && fs::exists(base_ + "/run/pods/uid-p"); ++i) co_await sleep_ms(10);
    EXPECT_FALSE(fs::exists(base_ + "/run/pods/uid-p"));
  });
}

TEST_F(PodEnd, a_shorter_grace_period_cuts_a_hook_that_runs) {
  start_kubelet();
  put_pod("p", R"("containers":[{"name":"c","image":"busybox:1","command":["sh","-c","trap 'exit 0' TERM; echo up; while :; do sleep 0.1; done"],"volumeMounts":[{"name":"d","mountPath":"/d"}],
    "lifecycle":{"preStop":{"exec":{"command":["sh","-c","echo >/d/hook; exec sleep 1000"]}}}}],"volumes":[{"name":"d","emptyDir":{}}])");
  RUN({
    Document d = co_await until_phase("p", "Running");
    co_await remove_pod("p", 900);
    co_await until_file(empty_dir("p") + "hook");
    co_await remove_pod("p", 1);
    co_await until_gone("p");
  });
}

// One HTTP request as a hook's server gets it; then the connection is closed without an answer when `answer` is empty.
struct OneRequest {
  std::unique_ptr<Listener> listener;
  std::string seen;
  Event came;
  TaskGroup tasks;
  explicit OneRequest(std::string answer) {
    auto at = SocketAddress::ip("127.0.0.1", 0);
    auto made = Listener::listen(*at);
    CHECK(made.ok(), "listen");
    listener = std::move(*made);
    tasks.start(serve(std::move(answer)));
  }
  Task<void> serve(std::string answer) {
    auto fd = co_await listener->accept();
    if (!fd.ok()) co_return;
    Stream stream(std::move(*fd));
    while (seen.find("\r\n\r\n") == std::string::npos) {
      auto more = co_await stream.read_some(4096);
      if (!more.ok() || more->empty()) break;
      seen += *more;
    }
    if (!answer.empty()) {
      auto sent = co_await stream.write_all(std::move(answer));
      EXPECT_TRUE(sent.ok());
    }
    came.set();
  }
};

TEST_F(PodEnd, http_hooks_are_sent_and_only_a_connection_that_fails_counts) {
  OneRequest good("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 3\r\n\r\nno\n"), bad("");
  start_kubelet();
  put_pod("p", cat(R"("containers":[{"name":"c","image":"busybox:1","command":["sh","-c","trap 'exit 0' TERM; echo up; while :; do sleep 0.1; done"],"ports":[{"name":"web","containerPort":)", good.listener->port(),
                   R"(}],"lifecycle":{"postStart":{"httpGet":{"host":"127.0.0.1","port":"web","path":"/hello?x=1","scheme":"HTTP","httpHeaders":[{"name":"X-Who","value":"me"}]}},
    "preStop":{"httpGet":{"host":"127.0.0.1","port":)", bad.listener->port(), R"(,"path":"/bye","scheme":"HTTP"}}}}])"));
  RUN({
    Document d = co_await until_phase("p", "Running");
    co_await remove_pod("p", 1);
    co_await until_gone("p");
    co_await until_event("p", "FailedPreStopHook: PreStopHook failed");
  });
  EXPECT_TRUE(good.seen.starts_with("GET /hello?x=1 HTTP/1.1\r\n")) << good.seen;
  std::vector<std::string> headers = {"user-agent: kube-lifecycle/1.36", "x-who: me", "accept: */*", cat("host: 127.0.0.1:", good.listener->port())};
  for (const auto& header : headers)
    EXPECT_NE(lower(good.seen).find(header + "\r\n"), std::string::npos) << header << " in " << good.seen;
  EXPECT_TRUE(bad.seen.starts_with("GET /bye HTTP/1.1\r\n")) << bad.seen;
}

TEST_F(PodEnd, a_failed_post_start_hook_ends_the_container) {
  start_kubelet();
  put_pod("p", R"("restartPolicy":"Never","containers":[{"name":"c","image":"busybox:1","command":["sh","-c","trap 'exit 9' TERM; echo >/up; while :; do sleep 0.1; done"],
    "lifecycle":{"postStart":{"exec":{"command":["sh","-c","while ! [ -e /up ]; do sleep 0.05; done; exit 3"]}}}}])");
  RUN({
    Document d = co_await until_phase("p", "Failed");
    EXPECT_EQ(d["status"]["containerStatuses"].item(0)["state"]["terminated"]["exitCode"].integer(), 9);
    co_await until_event("p", "FailedPostStartHook: PostStartHook failed");
    co_await until_event("p", "Killing: FailedPostStartHook");
  });
}

TEST_F(PodEnd, a_pod_may_go_while_its_post_start_hook_runs) {
  start_kubelet();
  put_pod("p", R"("containers":[{"name":"c","image":"busybox:1","command":["sh","-c","trap 'exit 0' TERM; echo up; while :; do sleep 0.1; done"],"volumeMounts":[{"name":"d","mountPath":"/d"}],
    "lifecycle":{"postStart":{"exec":{"command":["sh","-c","echo >/d/hook; exec sleep 1000"]}}}}],"volumes":[{"name":"d","emptyDir":{}}])");
  RUN({
    co_await until_file(empty_dir("p") + "hook");
    co_await remove_pod("p", 5);
    co_await until_gone("p");
  });
}

TEST_F(PodEnd, containers_that_ended_leave_only_their_record_and_log) {
  start_kubelet();
  put_pod("p", R"("restartPolicy":"Always","containers":[{"name":"c","image":"busybox:1","command":["sh","-c","echo bye >/dev/termination-log; exit 1"]}])");
  put_pod("bad", R"("restartPolicy":"Always","containers":[{"name":"c","image":"busybox:1","securityContext":{"runAsNonRoot":true}}])");
  RUN({
    std::function<bool(const Document&)> good = [](const Document& d) { return d["status"]["containerStatuses"].item(0)["state"]["waiting"]["reason"].str() == "CrashLoopBackOff"; };
    Task<Document> waiting = until("p", good);
    Document d = co_await waiting;
    EXPECT_EQ(d["status"]["containerStatuses"].item(0)["lastState"]["terminated"]["message"].str(), "bye\n");
    EXPECT_EQ(d["status"]["containerStatuses"].item(0)["restartCount"].integer(), 1);
    co_await until_event("bad", "Failed: Error: container has runAsNonRoot and image will run as root (pod: \"bad_default(uid-bad)\", container: c)");
    // The status comes before the last step of the clean up.
    for (const char* name : {"p", "bad"}) {
      std::string disk = cat(base_, "/data/pods/uid-", name), messages = cat(base_, "/kubelet/pods/uid-", name, "/containers/c");
      for (int i = 0; i < 300 && entries(disk) + entries(messages) > 0; ++i) co_await sleep_ms(10);
      EXPECT_EQ(entries(disk), 0u) << name;
      EXPECT_EQ(entries(messages), 0u) << name;
    }
  });
}

// What a bramble that ended in between has left in the records.
class Interrupted : public PodEnd {
 protected:
  void edit_records(std::string_view from, std::string_view to) {
    std::string path = base_ + "/run/pods/uid-p/records.json", before = slurp(path), after = replace_all(before, from, to);
    EXPECT_NE(before, after) << before;
    std::ofstream(path) << after;
  }
  static std::string id_of(const Document& d) { return d["status"]["containerStatuses"].item(0)["containerID"].text().substr(10); }
};

TEST_F(Interrupted, the_clean_up_of_a_container_is_taken_up_again) {
  start_kubelet();
  put_pod("p", R"("restartPolicy":"Never","containers":[{"name":"a","image":"busybox:1","command":["true"]},{"name":"b","image":"busybox:1","command":["sleep","1000"]}])");
  RUN({
    std::function<bool()> cleaned = [this] { return slurp(base_ + "/run/pods/uid-p/records.json").find("\"removed\":true") != std::string::npos && entries(base_ + "/data/pods/uid-p") == 1; };
    for (int i = 0; i < 1000 && !cleaned(); ++i) co_await sleep_ms(10);
    EXPECT_TRUE(cleaned());
    kubelet_.reset();
    edit_records("\"removed\":true", "\"removed\":false");
    std::string left = cat(base_, "/data/pods/uid-p/", id_of(pod("p")));
    fs::create_directories(left + "/work");
    start_kubelet();
    for (int i = 0; i < 1000 && fs::exists(left); ++i) co_await sleep_ms(10);
    EXPECT_FALSE(fs::exists(left));
  });
}

TEST_F(Interrupted, a_container_that_ran_to_its_end_is_not_run_again) {
  start_kubelet();
  put_pod("p", R"("restartPolicy":"Never","containers":[{"name":"c","image":"busybox:1","command":["sh","-c","trap 'exit 4' TERM; echo up; while :; do sleep 0.05; done"]}])");
  RUN({
    Document d = co_await until_phase("p", "Running");
    std::string id = id_of(d), written = slurp(cat(base_, "/run/pods/uid-p/containers/", id, "/pid"));
    kubelet_.reset();
    int pid = static_cast<int>(parse_int64(trim(written)).value_or(0));
    EXPECT_GT(pid, 1);
    if (pid <= 1) co_return;
    EXPECT_EQ(::kill(pid, SIGTERM), 0);
    while (::kill(pid, 0) == 0) co_await sleep_ms(10);
    edit_records("\"phase\":1", "\"phase\":0");
    start_kubelet();
    d = co_await until_phase("p", "Failed");
    EXPECT_EQ(id_of(d), id);
    EXPECT_EQ(d["status"]["containerStatuses"].item(0)["state"]["terminated"]["exitCode"].integer(), 4);
  });
}

}  // namespace
}  // namespace bramble

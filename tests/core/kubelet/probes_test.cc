// Probes of real containers: what they say, what follows from it, and servers and commands that behave badly.
#include "core/http/client.h"
#include "core/http/wire.h"
#include "tests/core/http/grpc_health_server.h"
#include "tests/core/http/http_fixture.h"
#include "tests/core/kubelet/kubelet_fixture.h"

namespace bramble {
namespace {

constexpr int64_t kSecondUs = 1000000;

// With the test's locals.
#define RUN_HERE(...)                          \
  auto task = [&]() -> Task<void> __VA_ARGS__; \
  run(task())

// Answers each request on 127.0.0.1 with what `answer` says; with endless, goes on for ever after that.
struct WebServer {
  std::unique_ptr<Listener> listener;
  std::string answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
  bool endless = false, hangs = false;
  std::shared_ptr<TlsServerContext> tls;
  int asked = 0;
  std::string seen;  // the last request
  TaskGroup tasks;
  WebServer() {
    auto at = SocketAddress::ip("127.0.0.1", 0);
    auto made = Listener::listen(*at);
    CHECK(made.ok(), "listen");
    listener = std::move(*made);
    tasks.start(accept());
  }
  int port() const { return listener->port(); }
  Task<void> accept() {
    for (;;) {
      auto fd = co_await listener->accept();
      if (!fd.ok()) co_return;
      tasks.start(serve(std::move(*fd)));
    }
  }
  void use_tls() {
    tls = TestIdentity().server();  // an authority that nobody knows
  }
  Task<void> serve_tls(UniqueFd fd) {
    Wire wire(std::make_unique<Stream>(std::move(fd)));
    wire.use_tls(*tls);
    auto shaken = co_await wire.handshake();
    std::string request;
    while (shaken.ok() && request.find("\r\n\r\n") == std::string::npos) {
      char bytes[4096];
      auto got = wire.try_read(bytes, sizeof bytes);
      if (got.kind == Wire::Got::kBytes) request.append(bytes, got.bytes);
      else if (got.kind == Wire::Got::kWait) co_await wire.readable();
      else co_return;
    }
    if (!shaken.ok()) co_return;
    ++asked;
    seen = request;
    SendQueue queue;
    queue.append(std::string(answer));
    auto sent = co_await wire.flush(&queue);
    EXPECT_TRUE(sent.ok());
    wire.finish();
  }
  Task<void> serve(UniqueFd fd) {
    if (tls) {
      co_await serve_tls(std::move(fd));
      co_return;
    }
    Stream stream(std::move(fd));
    std::string request;
    while (request.find("\r\n\r\n") == std::string::npos) {
      auto more = co_await stream.read_some(4096);
      if (!more.ok() || more->empty()) co_return;
      request += *more;
    }
    ++asked;
    seen = request;
    if (hangs) {
      auto gone = co_await stream.read_some(1);
      co_return;
    }
    std::string text = answer;
    auto sent = co_await stream.write_all(std::move(text));
    while (endless && sent.ok()) {
      std::string more(4096, 'x');
      auto again = co_await stream.write_all(std::move(more));
      sent = again;
    }
  }
};

class Probes : public KubeletTest {
 protected:
  static constexpr const char* kPlain = R"("name":"c","image":"busybox:1","command":["sh","-c","trap 'exit 0' TERM; echo up; while :; do sleep 0.1; done"])";
  void put_probed(const std::string& probes, const std::string& more = "") { put_pod("p", cat(R"("restartPolicy":"Always",)", more, R"("containers":[{)", kPlain, ",", probes, "}]")); }
  static Value c(const Document& d) { return d["status"]["containerStatuses"].item(0); }
  Task<Document> until_ready(std::string name, bool ready) {
    std::function<bool(const Document&)> good = [ready](const Document& d) { return d && PodView(d).phase() == "Running" && PodView(d).is_ready() == ready; };
    Task<Document> waiting = until(name, good);
    auto d = co_await waiting;
    co_return d;
  }
  Task<Document> until_restarts(std::string name, int n) {
    std::function<bool(const Document&)> good = [n](const Document& d) { return d && c(d)["restartCount"].integer() >= n && c(d)["state"].has("running"); };
    Task<Document> waiting = until(name, good);
    auto d = co_await waiting;
    co_return d;
  }
  bool told(const std::string& start) {
    for (const auto& e : client_.events("p"))
      if (e.starts_with(start)) return true;
    return false;
  }
  Task<void> until_told(std::string start) {
    for (int i = 0; i < 1000 && !told(start); ++i) co_await sleep_ms(10);
    EXPECT_TRUE(told(start)) << start << "\nin\n" << join(client_.events("p"), "\n");
  }
  std::string rootfs_of(const Document& d) const { return cat(base_, "/data/pods/uid-p/", c(d)["containerID"].text().substr(10), "/rootfs"); }
};

TEST_F(Probes, a_command_makes_a_container_ready_and_unready) {
  start_kubelet();
  put_probed(R"x("env":[{"name":"F","value":"/ready"}],"readinessProbe":{"exec":{"command":["cat","$(F)"]},"periodSeconds":1,"failureThreshold":1})x");
  RUN_HERE({
    Document d = co_await until_ready("p", false);
    EXPECT_TRUE(c(d)["started"].boolean());
    EXPECT_FALSE(c(d)["ready"].boolean());
    for (const char* type : {"Ready", "ContainersReady"}) {
      EXPECT_EQ(PodView(d).condition(type)["reason"].str(), "ContainersNotReady") << type;
      EXPECT_EQ(PodView(d).condition(type)["message"].str(), "containers with unready status: [c]") << type;
    }
    co_await until_told("Unhealthy: Readiness probe failed: cat: can't open '/ready': No such file or directory");
    std::ofstream(rootfs_of(d) + "/ready") << "yes";
    d = co_await until_ready("p", true);
    EXPECT_EQ(c(d)["restartCount"].integer(), 0);
    fs::remove(rootfs_of(d) + "/ready");
    d = co_await until_ready("p", false);
    EXPECT_EQ(c(d)["restartCount"].integer(), 0);
    Task<NodePage> asking = kubelet_->pages().page("GET", "/metrics/probes", "");
    auto page = co_await asking;
    for (const char* result : {"failed", "successful"}) {
      const std::string row = cat(R"(pod="p",pod_uid="uid-p",probe_type="Readiness",result=")", result, "\"} ");
      EXPECT_NE(page.body.find(row), std::string::npos) << row << page.body;
    }
  });
}

TEST_F(Probes, a_command_that_hangs_is_killed_when_its_time_is_over) {
  start_kubelet();
  put_probed(R"("readinessProbe":{"exec":{"command":["sleep","7654"]},"periodSeconds":1,"timeoutSeconds":1,"failureThreshold":1})");
  RUN_HERE({
    co_await until_told(R"(Unhealthy: Readiness probe failed: command "sleep 7654" timed out)");
    co_await sleep_ms(3000);
    int left = 0;
    for (const auto& entry : fs::directory_iterator("/proc")) {
      std::string line = slurp(entry.path().string() + "/cmdline");
      left += line == std::string("sleep\0007654\0", 11) ? 1 : 0;
    }
    EXPECT_LE(left, 1);  // the one that is being tried just now
    co_await remove_pod("p", 0);
  });
}

TEST_F(Probes, a_container_that_fails_its_liveness_probe_is_restarted_with_the_probes_grace_period) {
  WebServer web;
  start_kubelet();
  put_pod("p", cat(R"("restartPolicy":"OnFailure","terminationGracePeriodSeconds":900,"containers":[{"name":"c","image":"busybox:1","command":["sh","-c","trap '' TERM; echo up; while :; do sleep 0.1; done"],
    "livenessProbe":{"httpGet":{"host":"127.0.0.1","port":)", web.port(), R"(,"path":"/live","httpHeaders":[{"name":"X-Who","value":"me"},{"name":"Host","value":"example.org"}]},"periodSeconds":1,"failureThreshold":2,"terminationGracePeriodSeconds":1}}])"));
  RUN_HERE({
    Document d = co_await until_phase("p", "Running");
    std::string first = c(d)["containerID"].text();
    for (int i = 0; i < 500 && !web.asked; ++i) co_await sleep_ms(10);
    EXPECT_TRUE(web.seen.starts_with("GET /live HTTP/1.1\r\n")) << web.seen;
    for (const char* header : {"\r\nx-who: me\r\n", "\r\nhost: example.org\r\n", "\r\nuser-agent: kube-probe/1.36\r\n", "\r\naccept: */*\r\n"}) EXPECT_NE(web.seen.find(header), std::string::npos) << header << " in " << web.seen;
    web.answer = "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 6\r\n\r\nsecret";
    d = co_await until_restarts("p", 1);
    co_await until_told("Unhealthy: Liveness probe failed: HTTP probe failed with statuscode: 500");
    co_await until_told("Killing: Container c failed liveness probe, will be restarted");
    EXPECT_EQ(c(d)["lastState"]["terminated"]["exitCode"].integer(), 137);
    EXPECT_NE(c(d)["containerID"].str(), first);
    web.answer = "HTTP/1.1 204 No Content\r\n\r\n";
    int asked = web.asked;
    for (int i = 0; i < 500 && web.asked < asked + 2; ++i) co_await sleep_ms(10);
    EXPECT_EQ(c(pod("p"))["restartCount"].integer(), 1);
    co_await remove_pod("p", 0);
    co_await until_gone("p");
    EXPECT_FALSE(told("Unhealthy: Readiness"));
  });
}

TEST_F(Probes, a_failed_liveness_probe_restarts_nothing_that_never_restarts) {
  start_kubelet();
  put_pod("p", cat(R"("restartPolicy":"Never","containers":[{)", kPlain, R"(,"livenessProbe":{"exec":{"command":["test","-e","/no"]},"periodSeconds":1,"failureThreshold":1}}])"));
  RUN_HERE({
    Document d = co_await until_phase("p", "Succeeded");
    co_await until_told("Killing: Container c failed liveness probe");
    EXPECT_FALSE(told("Killing: Container c failed liveness probe, will be restarted"));
  });
}

TEST_F(Probes, nothing_else_is_asked_before_the_startup_probe_has_succeeded) {
  start_kubelet();
  put_probed(R"("startupProbe":{"exec":{"command":["test","-e","/up"]},"periodSeconds":1,"failureThreshold":100},"livenessProbe":{"exec":{"command":["sh","-c","echo >/asked; test -e /up"]},"periodSeconds":1,"failureThreshold":1},
    "readinessProbe":{"exec":{"command":["sh","-c","echo >/asked"]},"periodSeconds":1})");
  RUN_HERE({
    co_await until_told("Unhealthy: Startup probe failed: ");
    co_await sleep_ms(1500);
    Document d = pod("p");
    EXPECT_FALSE(c(d)["started"].boolean());
    EXPECT_FALSE(c(d)["ready"].boolean());
    EXPECT_FALSE(fs::exists(rootfs_of(d) + "/asked"));
    std::ofstream(rootfs_of(d) + "/up") << "yes";
    d = co_await until_ready("p", true);
    EXPECT_TRUE(c(d)["started"].boolean());
    EXPECT_EQ(c(d)["restartCount"].integer(), 0);
  });
}

TEST_F(Probes, a_container_that_does_not_start_up_is_restarted) {
  start_kubelet();
  put_probed(R"("startupProbe":{"exec":{"command":["test","-e","/up"]},"periodSeconds":1,"failureThreshold":2,"terminationGracePeriodSeconds":1})");
  RUN_HERE({
    Document d = co_await until_restarts("p", 1);
    EXPECT_TRUE(told("Killing: Container c failed startup probe, will be restarted"));
  });
}

TEST_F(Probes, servers_that_behave_badly_are_told_and_hold_up_nothing) {
  WebServer endless, hangs, garbage, moved, loops, local;
  endless.answer = "HTTP/1.1 200 OK\r\n\r\n";
  endless.endless = true;
  hangs.hangs = true;
  garbage.answer = "SSH-2.0-OpenSSH_9.2\r\n";
  moved.answer = "HTTP/1.1 302 Found\r\nLocation: http://192.0.2.99:1/\r\nContent-Length: 4\r\n\r\ngone";
  loops.answer = cat("HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n");
  local.answer = cat("HTTP/1.1 301 Moved\r\nLocation: http://127.0.0.1:", endless.port(), "/x\r\nContent-Length: 0\r\n\r\n");
  start_kubelet();
  std::string containers;
  auto add = [&](const char* name, int port, const char* scheme = "HTTP") {
    containers += cat(containers.empty() ? "" : ",", R"({"name":")", name, R"(","image":"busybox:1","command":["sleep","1000"],"readinessProbe":{"httpGet":{"host":"127.0.0.1","port":)", port, R"(,"scheme":")", scheme,
                      R"("},"periodSeconds":1,"timeoutSeconds":1,"failureThreshold":1}})");
  };
  int nobody = 0;
  {
    WebServer closed;
    nobody = closed.port();
  }
  add("endless", endless.port());
  add("hangs", hangs.port());
  add("garbage", garbage.port());
  add("moved", moved.port());
  add("loops", loops.port());
  add("local", local.port());
  add("nobody", nobody);
  add("tls", endless.port(), "HTTPS");
  containers += cat(R"(,{"name":"tcp","image":"busybox:1","command":["sleep","1000"],"readinessProbe":{"tcpSocket":{"host":"127.0.0.1","port":)", endless.port(), R"(},"periodSeconds":1}})");
  // A host may have a name.
  containers += cat(R"(,{"name":"named","image":"busybox:1","command":["sleep","1000"],"readinessProbe":{"httpGet":{"host":"localhost","port":)", local.port(), R"(,"scheme":"HTTP"},"periodSeconds":1}})");
  containers += cat(R"(,{"name":"unknown","image":"busybox:1","command":["sleep","1000"],"readinessProbe":{"tcpSocket":{"host":"no such name","port":)", local.port(), R"(},"periodSeconds":1,"timeoutSeconds":9}})");
  containers += cat(R"(,{"name":"closed","image":"busybox:1","command":["sleep","1000"],"readinessProbe":{"tcpSocket":{"host":"127.0.0.1","port":)", nobody, R"(},"periodSeconds":1}})");
  put_pod("p", cat(R"("terminationGracePeriodSeconds":0,"containers":[)", containers, "]"));
  RUN_HERE({
    auto ready = [this] {
      std::string out;
      for (Value s : pod("p")["status"]["containerStatuses"].items())
        if (s["ready"].boolean()) out += cat(s["name"].str(), " ");
      return out;
    };
    for (int i = 0; i < 1000 && ready() != "endless moved local tcp named "; ++i) co_await sleep_ms(10);
    EXPECT_EQ(ready(), "endless moved local tcp named ");
    std::string get = R"(Unhealthy: Readiness probe failed: Get "http://127.0.0.1:)";
    co_await until_told(cat(get, hangs.port(), R"(/": context deadline exceeded (Client.Timeout exceeded while awaiting headers))"));
    co_await until_told(cat(get, garbage.port(), R"(/": )"));
    co_await until_told("ProbeWarning: Readiness probe warning: Probe terminated redirects, Response body: gone");
    co_await until_told(cat(get, loops.port(), R"(/again": stopped after 10 redirects)"));
    co_await until_told(cat(get, nobody, R"(/": dial tcp 127.0.0.1:)", nobody, ": connect: connection refused"));
    co_await until_told(cat(R"(Unhealthy: Readiness probe failed: Get "https://127.0.0.1:)", endless.port(), R"(/": )"));
    co_await until_told("Unhealthy: Readiness probe failed: dial tcp: lookup no such name");
    co_await until_told(cat("Unhealthy: Readiness probe failed: dial tcp 127.0.0.1:", nobody, ": connect: connection refused"));
    co_await remove_pod("p", 0);
    co_await until_gone("p");
  });
}

TEST_F(Probes, https_asks_for_no_certificate_that_can_be_checked_nor_do_hooks) {
  WebServer web;
  web.use_tls();
  start_kubelet();
  std::string get = cat(R"("httpGet":{"host":"127.0.0.1","scheme":"HTTPS","port":)", web.port());
  put_probed(cat(R"("lifecycle":{"postStart":{)", get, R"(,"path":"/hook"}}},"readinessProbe":{)", get, R"(,"path":"/probe"},"periodSeconds":1})"));
  RUN_HERE({
    Document d = co_await until_ready("p", true);
    EXPECT_GE(web.asked, 2);
    EXPECT_TRUE(web.seen.starts_with("GET /probe HTTP/1.1\r\n")) << web.seen;
    EXPECT_FALSE(told("Warning"));
    EXPECT_FALSE(told("FailedPostStartHook"));
    co_await remove_pod("p", 0);
    co_await until_gone("p");
  });
}

TEST_F(Probes, a_grpc_server_is_asked_for_its_health) {
  GrpcHealthServer server;
  server.serving[""] = 1;
  server.serving["db"] = 2;
  network_.address = "127.0.0.1";
  start_kubelet();
  put_pod("p", cat(R"("terminationGracePeriodSeconds":0,"containers":[{"name":"a","image":"busybox:1","command":["sleep","1000"],"readinessProbe":{"grpc":{"port":)", static_cast<int>(server.port()), R"(},"periodSeconds":1}},
    {"name":"b","image":"busybox:1","command":["sleep","1000"],"readinessProbe":{"grpc":{"port":)", static_cast<int>(server.port()), R"(,"service":"db"},"periodSeconds":1}}])"));
  RUN_HERE({
    co_await until_told(R"(Unhealthy: Readiness probe failed: service unhealthy (responded with "NOT_SERVING"))");
    EXPECT_EQ(server.user_agent, "kube-probe/1.36");
    server.serving["db"] = 1;
    Document d = co_await until_ready("p", true);
    server.answers = false;
    co_await until_told("Unhealthy: Readiness probe failed: timeout: health rpc did not complete within 1s");
    server.answers = true;
    server.implements = false;
    co_await until_told("Unhealthy: Readiness probe failed: error: this server does not implement the grpc health protocol (grpc.health.v1.Health): no health");
    co_await remove_pod("p", 0);
    co_await until_gone("p");
  });
}

TEST_F(Probes, a_grpc_server_that_is_not_there_is_told_as_upstream_does) {
  int nobody = 0;
  {
    WebServer closed;
    nobody = closed.port();
  }
  network_.address = "127.0.0.1";
  start_kubelet();
  put_probed(cat(R"("readinessProbe":{"grpc":{"port":)", nobody, R"(},"periodSeconds":1})"));
  RUN_HERE({ co_await until_told(cat(R"(Unhealthy: Readiness probe failed: timeout: failed to connect service "127.0.0.1:)", nobody, R"(" within 1s: context deadline exceeded)")); });
}

TEST_F(Probes, a_restart_of_the_kubelet_changes_no_readiness) {
  start_kubelet();
  put_probed(R"("startupProbe":{"exec":{"command":["test","-e","/ok"]},"periodSeconds":1},"readinessProbe":{"exec":{"command":["test","-e","/ok"]},"periodSeconds":1,"failureThreshold":2})");
  RUN_HERE({
    co_await until_told("Unhealthy: Startup probe failed: ");
    std::ofstream(rootfs_of(pod("p")) + "/ok") << "yes";
    Document d = co_await until_ready("p", true);
    std::string id = c(d)["containerID"].text();
    bool flapped = false;
    std::function<void(const Change&)> watch = [&flapped](const Change& change) { flapped = flapped || (change.after && !PodView(change.after).is_ready()); };
    auto sub = client_.subscribe({kPods}, watch);
    kubelet_.reset();
    start_kubelet();
    co_await sleep_ms(2500);
    EXPECT_FALSE(flapped);
    EXPECT_EQ(c(pod("p"))["containerID"].str(), id);
    fs::remove(rootfs_of(d) + "/ok");
    d = co_await until_ready("p", false);
    EXPECT_TRUE(c(d)["started"].boolean());
    EXPECT_EQ(c(d)["restartCount"].integer(), 0);
  });
}

TEST_F(Probes, readiness_goes_on_while_a_pod_ends_and_liveness_does_not) {
  start_kubelet();
  put_pod("p", R"("containers":[{"name":"c","image":"busybox:1","command":["sh","-c","trap 'rm -f /ok; sleep 4; exit 0' TERM; echo >/ok; echo up; while :; do sleep 0.1; done"],
    "livenessProbe":{"exec":{"command":["test","-e","/ok"]},"periodSeconds":1,"failureThreshold":1},"readinessProbe":{"exec":{"command":["test","-e","/ok"]},"periodSeconds":1,"failureThreshold":1}}])");
  RUN_HERE({
    Document d = co_await until_phase("p", "Running");
    co_await remove_pod("p", 30);
    d = co_await until_ready("p", false);
    EXPECT_TRUE(c(d)["state"].has("running"));
    co_await until_gone("p");
    co_await until_told("Unhealthy: Readiness probe failed: ");
    EXPECT_FALSE(told("Unhealthy: Liveness"));
  });
}

TEST_F(Probes, wait_for_their_initial_delay) {
  WebServer web;
  start_kubelet();
  put_probed(cat(R"("readinessProbe":{"httpGet":{"host":"127.0.0.1","port":)", web.port(), R"(},"initialDelaySeconds":600,"periodSeconds":1})"));
  RUN_HERE({
    Document d = co_await until_ready("p", false);
    co_await sleep_ms(1500);
    EXPECT_EQ(web.asked, 0);
    clock_.pass_us(601 * kSecondUs);
    d = co_await until_ready("p", true);
  });
}

TEST_F(Probes, a_slow_hook_or_container_holds_up_no_other) {
  start_kubelet();
  put_pod("p", R"("restartPolicy":"Always","terminationGracePeriodSeconds":1,"containers":[{"name":"a","image":"busybox:1","command":["sh","-c","[ -e /again ] && exec sleep 1000; echo >/again; exec sleep 1000"],
    "livenessProbe":{"exec":{"command":["test","-e","/well"]},"periodSeconds":1,"failureThreshold":1}},
    {"name":"b","image":"busybox:1","command":["sleep","1000"],"lifecycle":{"postStart":{"exec":{"command":["sleep","1000"]}}}},{"name":"after","image":"busybox:1","command":["sleep","1000"]}])");
  RUN_HERE({
    Document d = co_await until_restarts("p", 1);
    // The one whose hook runs is not told as running, and the next one waits for it.
    EXPECT_EQ(d["status"]["containerStatuses"].item(1)["state"]["waiting"]["reason"].str(), "ContainerCreating");
    EXPECT_FALSE(d["status"]["containerStatuses"].item(2).has("containerID"));
    EXPECT_EQ(PodView(d).phase(), "Pending");
    co_await remove_pod("p", 0);
    co_await until_gone("p");
  });
}

}  // namespace
}  // namespace bramble

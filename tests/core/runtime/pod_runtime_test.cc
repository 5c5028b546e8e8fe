// Real containers: the system's runc and a root file system made of the machine's static busybox. Needs root.
#include "core/runtime/pod_runtime.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "core/base/limits.h"
#include "core/loop/loop.h"
#include "core/runtime/pod_namespaces.h"

namespace bramble {
namespace {

namespace fs = std::filesystem;

std::string slurp(const std::string& path) {
  std::ifstream in(path);
  std::stringstream s;
  s << in.rdbuf();
  return s.str();
}

class PodRuntimeTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(geteuid(), 0u) << "containers need root";
    ASSERT_EQ(access("/bin/busybox", X_OK), 0) << "install busybox-static";
    char name[] = "/tmp/brt-XXXXXX";
    base_ = mkdtemp(name);
    tag_ = base_.substr(9);
    rootfs_ = base_ + "/rootfs";
    for (const char* d : {"bin", "proc", "sys", "dev", "tmp", "etc"}) fs::create_directories(rootfs_ + "/" + d);
    fs::copy_file("/bin/busybox", rootfs_ + "/bin/busybox");
    for (const char* applet : {"sh", "cat", "sleep", "stty", "echo", "seq", "true", "tty", "hostname", "dd", "head", "tr"})
      fs::create_symlink("busybox", rootfs_ + "/bin/" + applet);
    Cgroups::Options options;
    options.root = "brt-" + tag_;
    options.shims = "brt-shims-" + tag_;
    auto cgroups = Cgroups::open(options);
    ASSERT_TRUE(cgroups.ok()) << cgroups.error().message();
    cgroups_.emplace(std::move(*cgroups));
    Status prepared = cgroups_->prepare(1024);
    ASSERT_TRUE(prepared.ok()) << prepared.error().message();
    Status made = cgroups_->make_pod("BestEffort", uid_, PodCgroupLimits{});
    ASSERT_TRUE(made.ok()) << made.error().message();
  }
  void TearDown() override {
    if (base_.empty()) return;
    {
      Loop loop;
      open_runtime();
      run(loop, tear_down());
    }
    for (int i = 0; i < 200 && cgroups_ && !cgroups_->remove_pod("BestEffort", uid_).ok(); ++i) usleep(10000);
    if (cgroups_) cgroups_->remove_all();
    Status removed = unmount_and_remove(base_);
    EXPECT_TRUE(removed.ok()) << removed.error().message();
  }
  // 0: there is none.
  pid_t shim_pid() const {
    std::string procs;
    for (const auto& file : cgroups_->shim_procs_files())
      if (procs.empty()) procs = slurp(file);
    return static_cast<pid_t>(parse_int64(trim(procs)).value_or(0));
  }
  void open_runtime() {
    PodRuntime::Options o{base_ + "/run", base_ + "/data", runc_};
    if (command_ms_) o.command_ms = command_ms_;
    auto r = PodRuntime::open(o, *cgroups_);
    ASSERT_TRUE(r.ok()) << r.error().message();
    runtime_ = std::move(*r);
  }
  static Task<void> then_stop(Task<void> task, Loop* loop) {
    co_await task;
    loop->stop();
  }
  void run(Loop& loop, Task<void> task) {
    TaskGroup tasks;
    tasks.start(then_stop(std::move(task), &loop));
    loop.run();
  }
  Task<void> tear_down() {
    for (const auto& id : runtime_->container_ids(uid_)) {
      auto removed = co_await runtime_->remove(uid_, id);
      EXPECT_TRUE(removed.ok()) << removed.error().message();
    }
    auto removed = co_await runtime_->remove_pod(uid_);
    EXPECT_TRUE(removed.ok()) << removed.error().message();
  }

  ContainerSpec spec(std::vector<std::string> args) {
    ContainerSpec s;
    s.process.args = std::move(args);
    s.process.env = {"PATH=/bin", "TERM=xterm"};
    s.process.capabilities = default_capabilities();
    s.process.no_new_privileges = true;
    s.rootfs = rootfs_;
    s.namespaces = {{"pid", ""}, {"mount", ""}, {"network", ""}, {"ipc", runtime_->pod_dir(uid_) + "/ns/ipc"}, {"uts", runtime_->pod_dir(uid_) + "/ns/uts"}};
    if (cgroups_->v2()) s.namespaces["cgroup"] = "";
    s.cgroup_v2 = cgroups_->v2();
    s.shm_source = runtime_->pod_dir(uid_) + "/shm";
    s.cgroups_path = cgroups_->pod_path("BestEffort", uid_) + "/c";
    return s;
  }
  std::string id(const char* name) { return "brt-" + tag_ + "-" + name; }
  std::string log(const char* name) { return base_ + "/log/" + name + "/0.log"; }

  // Starts a container; gives its first process id.
  Task<int> start(std::string container, std::string script, ContainerStreams streams) {
    ContainerSpec s = spec({"sh", "-c", script});
    s.process.terminal = streams.tty;
    auto ready = co_await runtime_->ensure_pod(uid_, "pod-host");
    EXPECT_TRUE(ready.ok()) << ready.error().message();
    Document config = oci_config(s);
    auto pid = co_await runtime_->create(uid_, id(container.c_str()), config, log(container.c_str()), streams);
    EXPECT_TRUE(pid.ok()) << pid.error().message();
    if (!pid.ok()) co_return 0;
    auto started = co_await runtime_->start(uid_, id(container.c_str()));
    EXPECT_TRUE(started.ok()) << started.error().message();
    co_return *pid;
  }
  // Waits until the container has ended.
  Task<ContainerState> wait_exit(std::string container) {
    std::optional<ContainerState> found;
    Event ended;
    TaskGroup tasks;
    std::string wanted = id(container.c_str());
    std::function<void(ContainerState)> on_state = [&](ContainerState s) {
      if (s.id == wanted && s.phase == ContainerState::kExited) {
        found = s;
        ended.set();
      }
    };
    tasks.start(watch_states(on_state));
    co_await ended.wait();
    co_await sleep_ms(0);  // off the watcher's stack, before it is dropped
    co_return *found;
  }
  Task<void> watch_states(std::function<void(ContainerState)> on_state) {
    std::function<void()> synced = [] {};
    auto status = co_await runtime_->watch(uid_, on_state, synced);
    (void)status;
  }

  // runc, but one of its commands never ends; its process writes its number into <base>/hung.
  void let_runc_hang_at(const char* command) {
    runc_ = base_ + "/bad-runc";
    std::ofstream(runc_) << "#!/bin/sh\ncase \" $* \" in *' " << command << " '*) echo $$ >" << base_ << "/hung; sleep 1000; exit 1;; esac\nexec runc \"$@\"\n";
    chmod(runc_.c_str(), 0755);
    command_ms_ = 2000;
  }
  bool hung_process_is_gone() {
    auto pid = parse_int64(trim(slurp(base_ + "/hung")));
    return pid && ::kill(static_cast<pid_t>(-*pid), 0) != 0;  // with its children
  }

  std::string runc_ = "runc";
  int64_t command_ms_ = 0;
  std::string base_, tag_, rootfs_, uid_ = "11111111-2222-3333-4444-555555555555";
  std::optional<Cgroups> cgroups_;
  std::unique_ptr<PodRuntime> runtime_;
};

struct ExecResult {
  std::string out, err, error;
  int code = -1;
};

Task<ExecResult> collect(ExecSession* session) {
  ExecResult r;
  for (;;) {
    auto output = co_await session->next();
    if (!output) co_return r;
    if (output->kind == ExecSession::Output::kStdout) r.out += output->bytes;
    if (output->kind == ExecSession::Output::kStderr) r.err += output->bytes;
    if (output->kind == ExecSession::Output::kExit) {
      r.code = output->exit_code;
      r.error = output->error;
    }
  }
}

// The text of a CRI log without its stamps; P lines are joined.
std::string log_text(const std::string& path, const char* stream) {
  std::istringstream in(slurp(path));
  std::string line, out;
  while (std::getline(in, line)) {
    EXPECT_EQ(line[30], ' ');
    std::string rest = line.substr(31);
    if (!rest.starts_with(stream)) continue;
    out += rest.substr(9);
    if (rest[7] == 'F') out += '\n';
  }
  return out;
}

#define RUN(...)                             \
  Loop loop;                                 \
  open_runtime();                            \
  auto task = [this]() -> Task<void> __VA_ARGS__; \
  run(loop, task())

// The first of its kind: it forks, and no worker thread may exist yet.
TEST_F(PodRuntimeTest, containers_outlive_kill_9_and_are_adopted_with_the_same_pid_and_no_gap) {
  int report[2];
  ASSERT_EQ(pipe(report), 0);
  pid_t parent = fork();
  ASSERT_GE(parent, 0);
  if (parent == 0) {
    Loop loop;
    open_runtime();
    auto task = [this, &report]() -> Task<void> {
      ContainerStreams streams;
      int pid = co_await start("a", "trap 'echo bye; exit 3' TERM; i=0; while :; do i=$((i+1)); echo $i; sleep 0.01; done", streams);
      auto session = co_await runtime_->attach(uid_, id("a"), false);
      auto first = co_await (*session)->next();  // so the trap is set
      if (!first || write(report[1], &pid, sizeof pid) < 0) _exit(1);
    };
    TaskGroup tasks;
    tasks.start(task());
    loop.run();
    _exit(0);
  }
  int pid = 0;
  ASSERT_EQ(read(report[0], &pid, sizeof pid), static_cast<ssize_t>(sizeof pid));
  ASSERT_GT(pid, 0);
  ASSERT_EQ(kill(parent, SIGKILL), 0);
  waitpid(parent, nullptr, 0);
  close(report[0]);
  close(report[1]);
  size_t at_kill = slurp(log("a")).size();
  // Whoever was our cgroup is left by the shim.
  RUN({
    std::vector<ContainerState> seen;
    Event synced;
    std::function<void(ContainerState)> on_state = [&seen](ContainerState s) { seen.push_back(s); };
    std::function<void()> on_synced = [&synced] { synced.set(); };
    auto watching = [this, on_state, on_synced]() -> Task<void> {
      auto status = co_await runtime_->watch(uid_, on_state, on_synced);
      (void)status;
    };
    TaskGroup tasks;
    tasks.start(watching());
    co_await synced.wait();
    co_await sleep_ms(0);
    EXPECT_EQ(seen.size(), 1u);
    if (seen.empty()) co_return;
    EXPECT_EQ(seen[0].phase, ContainerState::kRunning);
    EXPECT_EQ(seen[0].pid, *parse_int64(trim(slurp(runtime_->container_dir(uid_, id("a")) + "/pid"))));
    auto sent = co_await runtime_->kill(uid_, id("a"), SIGTERM);
    EXPECT_TRUE(sent.ok());
    ContainerState end = co_await wait_exit("a");
    EXPECT_EQ(end.exit_code, 3);
  });
  EXPECT_GT(slurp(log("a")).size(), at_kill);
  std::istringstream in(log_text(log("a"), "stdout"));
  std::string line;
  long expected = 1;
  while (std::getline(in, line) && line != "bye") {
    EXPECT_EQ(line, std::to_string(expected));
    ++expected;
  }
  EXPECT_EQ(line, "bye");
  EXPECT_GT(expected, 1);
}

TEST_F(PodRuntimeTest, runs_a_container_and_records_its_log_and_exit_code) {
  RUN({
    ContainerStreams streams;
    int pid = co_await start("a", "echo one; echo two >&2; hostname; printf part; exit 42", streams);
    EXPECT_GT(pid, 0);
    ContainerState end = co_await wait_exit("a");
    EXPECT_EQ(end.exit_code, 42);
    EXPECT_EQ(end.signal, 0);
    EXPECT_GT(end.finished_us, 1600000000LL * 1000000);
    EXPECT_EQ(log_text(log("a"), "stdout"), "one\npod-host\npart");
    EXPECT_EQ(log_text(log("a"), "stderr"), "two\n");
    EXPECT_TRUE(slurp(runtime_->container_dir(uid_, id("a")) + "/exit").starts_with("42 0 "));
    auto states = runtime_->read_states(uid_);
    EXPECT_EQ(states.size(), 1u);
    EXPECT_EQ(states[0].exit_code, 42);
  });
}

TEST_F(PodRuntimeTest, says_what_the_runtime_says_when_the_command_is_missing) {
  RUN({
    auto ready = co_await runtime_->ensure_pod(uid_, "pod-host");
    EXPECT_TRUE(ready.ok());
    Document config = oci_config(spec({"/no/such"}));
    ContainerStreams streams;
    auto pid = co_await runtime_->create(uid_, id("x"), config, log("x"), streams);
    EXPECT_FALSE(pid.ok());
    if (pid.ok()) co_return;
    EXPECT_NE(pid.error().message().find("no such file or directory"), std::string::npos) << pid.error().message();
    EXPECT_EQ(slurp(log("x")), "");
  });
}

TEST_F(PodRuntimeTest, exec_returns_output_and_exit_code_42_and_half_closes_stdin) {
  RUN({
    ContainerStreams streams;
    int pid = co_await start("a", "exec sleep 1000", streams);
    EXPECT_GT(pid, 0);
    OciProcess p = spec({"sh", "-c", "cat; echo done; echo bad >&2; exit 42"}).process;
    auto session = co_await runtime_->exec(uid_, id("a"), p, true);
    EXPECT_TRUE(session.ok()) << session.error().message();
    if (!session.ok()) co_return;
    bool written = co_await (*session)->write_stdin("hello ");
    EXPECT_TRUE(written);
    (*session)->close_stdin();
    ExecResult r = co_await collect(session->get());
    EXPECT_EQ(r.out, "hello done\n");
    EXPECT_EQ(r.err, "bad\n");
    EXPECT_EQ(r.code, 42);
    // Much more than pipes and buffers hold, in both directions.
    p.args = {"sh", "-c", "cat | tr a b"};
    auto big = co_await runtime_->exec(uid_, id("a"), p, true);
    EXPECT_TRUE(big.ok());
    if (!big.ok()) co_return;
    std::string text(3 * 1000 * 1000, 'a');
    TaskGroup writer;
    ExecSession* raw = big->get();
    auto write = [raw, text]() -> Task<void> {
      bool sent = co_await raw->write_stdin(text);
      EXPECT_TRUE(sent);
      raw->close_stdin();
    };
    writer.start(write());
    ExecResult many = co_await collect(raw);
    EXPECT_EQ(many.out.size(), text.size());
    EXPECT_EQ(many.out, std::string(text.size(), 'b'));
    EXPECT_EQ(many.code, 0);
    // A command that is not there.
    p.args = {"/no/such"};
    auto none = co_await runtime_->exec(uid_, id("a"), p, false);
    EXPECT_FALSE(none.ok());
    if (none.ok()) co_return;
    EXPECT_NE(none.error().message().find("no such file"), std::string::npos) << none.error().message();
    // The container goes on.
    EXPECT_EQ(::kill(pid, 0), 0);
  });
}

TEST_F(PodRuntimeTest, exec_with_a_terminal_follows_its_size) {
  RUN({
    ContainerStreams streams;
    int pid = co_await start("a", "exec sleep 1000", streams);
    EXPECT_GT(pid, 0);
    OciProcess p = spec({"sh", "-c", "read x; stty size; read x; stty size; tty; exit 7"}).process;
    p.terminal = true;
    auto session = co_await runtime_->exec(uid_, id("a"), p, true);
    EXPECT_TRUE(session.ok()) << session.error().message();
    if (!session.ok()) co_return;
    (*session)->resize(132, 43);
    bool written = co_await (*session)->write_stdin("\n");
    EXPECT_TRUE(written);
    std::string out;
    while (out.find("43 132") == std::string::npos) {
      auto more = co_await (*session)->next();
      if (!more || more->kind != ExecSession::Output::kStdout) break;
      out += more->bytes;
    }
    (*session)->resize(80, 24);
    written = co_await (*session)->write_stdin("\n");
    ExecResult r = co_await collect(session->get());
    out += r.out;
    EXPECT_NE(out.find("43 132"), std::string::npos) << out;
    EXPECT_NE(out.find("24 80"), std::string::npos) << out;
    EXPECT_NE(out.find("/dev/pts/"), std::string::npos) << out;
    EXPECT_EQ(r.code, 7);
  });
}

// Processes that nobody asked for end at the shim as well: those of a pod with the host's process ids, and whatever a runtime leaves.
TEST_F(PodRuntimeTest, the_end_of_a_short_exec_is_not_lost_behind_orphans) {
  runc_ = base_ + "/runc-with-orphans";
  std::ofstream(runc_) << "#!/bin/sh\ncase \" $* \" in *' exec '*) ;; *) exec runc \"$@\";; esac\n"
                          "i=0; while [ $i -lt 50 ]; do (true &); i=$((i+1)); done; sleep 0.2\n"
                          "runc \"$@\"; code=$?; i=0; while [ $i -lt 50 ]; do (true &); i=$((i+1)); done; sleep 0.2; exit $code\n";
  chmod(runc_.c_str(), 0755);
  RUN({
    ContainerStreams streams;
    co_await start("a", "exec sleep 1000", streams);
    OciProcess p = spec({"sh", "-c", "echo done; exit 3"}).process;
    auto session = co_await runtime_->exec(uid_, id("a"), p, false);
    EXPECT_TRUE(session.ok()) << session.error().message();
    if (!session.ok()) co_return;
    ExecResult r;
    Event ended;
    TaskGroup tasks;
    auto collecting = [&r, &ended](ExecSession* s) -> Task<void> {
      ExecResult all = co_await collect(s);
      r = all;
      ended.set();
    };
    tasks.start(collecting(session->get()));
    Timer late([&ended] { ended.set(); });
    late.arm_ms(5000);
    co_await ended.wait();
    co_await sleep_ms(0);
    EXPECT_EQ(r.out, "done\n");
    EXPECT_EQ(r.code, 3);
  });
}

TEST_F(PodRuntimeTest, a_terminal_leaves_no_socket) {
  RUN({
    ContainerStreams streams;
    streams.tty = true;
    co_await start("a", "exec sleep 1000", streams);
    OciProcess p = spec({"sh", "-c", "tty"}).process;
    p.terminal = true;
    auto session = co_await runtime_->exec(uid_, id("a"), p, false);
    EXPECT_TRUE(session.ok()) << session.error().message();
    if (!session.ok()) co_return;
    ExecResult r = co_await collect(session->get());
    EXPECT_EQ(r.code, 0);
    p.args = {"no-such-program"};
    auto failed = co_await runtime_->exec(uid_, id("a"), p, false);
    EXPECT_FALSE(failed.ok());
    std::vector<std::string> sockets;
    for (const auto& e : fs::directory_iterator(runtime_->pod_dir(uid_)))
      if (e.is_socket()) sockets.push_back(e.path().filename().string());
    EXPECT_EQ(sockets, std::vector<std::string>{"shim.sock"});
  });
}

TEST_F(PodRuntimeTest, dropping_an_exec_kills_its_process) {
  RUN({
    ContainerStreams streams;
    co_await start("a", "exec sleep 1000", streams);
    OciProcess p = spec({"sh", "-c", "echo $$ >/tmp/pid; echo up; exec sleep 999"}).process;
    auto session = co_await runtime_->exec(uid_, id("a"), p, false);
    EXPECT_TRUE(session.ok());
    auto first = co_await (*session)->next();
    EXPECT_EQ(first->bytes, "up\n");
    session->reset();
    p.args = {"sh", "-c", "while kill -0 $(cat /tmp/pid) 2>/dev/null; do sleep 0.02; done; echo gone"};
    auto check = co_await runtime_->exec(uid_, id("a"), p, false);
    ExecResult r = co_await collect(check->get());
    EXPECT_EQ(r.out, "gone\n");
  });
}

TEST_F(PodRuntimeTest, attach_shares_the_streams_of_the_container) {
  RUN({
    ContainerStreams streams;
    streams.stdin_on = streams.stdin_once = true;
    co_await start("a", "while read line; do echo got $line; done; echo end", streams);
    auto session = co_await runtime_->attach(uid_, id("a"), true);
    EXPECT_TRUE(session.ok());
    bool written = co_await (*session)->write_stdin("x\n");
    EXPECT_TRUE(written);
    auto first = co_await (*session)->next();
    EXPECT_EQ(first->bytes, "got x\n");
    (*session)->close_stdin();
    ExecResult r = co_await collect(session->get());
    EXPECT_EQ(r.out, "end\n");
    EXPECT_EQ(r.code, 0);
    EXPECT_EQ(log_text(log("a"), "stdout"), "got x\nend\n");
  });
}

TEST_F(PodRuntimeTest, rotates_a_large_log_and_keeps_five_files) {
  RUN({
    ContainerStreams streams;
    // About 60 MiB of log, and one line of 40000 bytes.
    co_await start("a", "head -c 40000 /dev/zero | tr '\\0' x; echo; seq 1 1200000", streams);
    ContainerState end = co_await wait_exit("a");
    EXPECT_EQ(end.exit_code, 0);
    std::vector<std::string> files;
    for (const auto& e : fs::directory_iterator(base_ + "/log/a")) files.push_back(e.path());
    EXPECT_EQ(files.size(), 5u);
    std::sort(files.begin(), files.end());
    std::rotate(files.begin(), files.begin() + 1, files.end());  // the current one is the newest
    std::string all;
    for (const auto& f : files) {
      EXPECT_LE(fs::file_size(f), limits::kLogFileBytesMax + 2 * limits::kLogLineBytesMax) << f;
      all += log_text(f, "stdout");
    }
    // No line is lost between files: what is left counts up without a gap.
    std::istringstream in(all);
    long expected = 0, number = 0;
    long lines = 0;
    while (in >> number) {
      bool next = !expected || number == expected;
      EXPECT_TRUE(next) << number << " after " << expected - 1;
      if (!next) break;
      expected = number + 1;
      ++lines;
    }
    EXPECT_EQ(number, 1200000);
    EXPECT_GT(lines, 500000);
  });
}

TEST_F(PodRuntimeTest, shim_refuses_malformed_frames_and_goes_on) {
  RUN({
    auto ready = co_await runtime_->ensure_pod(uid_, "h");
    EXPECT_TRUE(ready.ok());
    struct Row {
      const char* name;
      std::string bytes;
      const char* answer;
    };
    const Row rows[] = {
        {"version", std::string("\x02\0\0\0\x63\x05", 6), "unknown protocol version"},
        {"type", std::string("\x02\0\0\0\x01\x63", 6), "unknown frame type"},
        {"length", std::string("\xff\xff\xff\xff", 4), "unlawful frame length"},
        {"no id", std::string("\x03\0\0\0\x01\x02q", 7), "malformed container id"},
        {"climbing id", std::string("\x06\0\0\0\x01\x02../\0", 10), "malformed container id"},
        {"no flags", std::string("\x02\0\0\0\x01\x01", 6), "malformed frame"},
    };
    for (const auto& row : rows) {
      int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
      sockaddr_un address{};
      address.sun_family = AF_UNIX;
      std::string path = runtime_->pod_dir(uid_) + "/shim.sock";
      memcpy(address.sun_path, path.c_str(), path.size() + 1);
      EXPECT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
      EXPECT_EQ(write(fd, row.bytes.data(), row.bytes.size()), static_cast<ssize_t>(row.bytes.size()));
      std::string answer;
      char buffer[256];
      for (ssize_t n; (n = read(fd, buffer, sizeof buffer)) > 0;) answer.append(buffer, static_cast<size_t>(n));
      close(fd);
      EXPECT_NE(answer.find(row.answer), std::string::npos) << row.name;
    }
    EXPECT_EQ(runtime_->find_shim(uid_), PodRuntime::Shim::kThere);
  });
}

TEST_F(PodRuntimeTest, namespaces_that_were_half_made_are_made_anew) {
  for (const char* half : {"ipc", "uts"}) {
    std::string dir = cat(base_, "/ns-", half);
    fs::create_directories(dir);
    std::ofstream(cat(dir, "/", half)) << "";
    ASSERT_EQ(mount(cat("/proc/self/ns/", half).c_str(), cat(dir, "/", half).c_str(), nullptr, MS_BIND, nullptr), 0);
    Status made = make_pod_namespaces(dir, "pod-host");
    EXPECT_TRUE(made.ok()) << half << ": " << made.error().message();
    for (const char* name : {"ipc", "uts"}) {
      struct stat pods, ours;
      EXPECT_EQ(stat(cat(dir, "/", name).c_str(), &pods), 0);
      EXPECT_EQ(stat(cat("/proc/self/ns/", name).c_str(), &ours), 0);
      EXPECT_NE(pods.st_ino, ours.st_ino) << name;
    }
  }
}

TEST_F(PodRuntimeTest, what_became_of_a_container_is_told_when_nothing_works_at_it) {
  let_runc_hang_at("start");
  open_runtime();
  Loop loop;
  auto task = [this]() -> Task<void> {
    auto ready = co_await runtime_->ensure_pod(uid_, "h");
    EXPECT_TRUE(ready.ok());
    auto unknown = co_await runtime_->settled(uid_, id("a"));
    EXPECT_EQ(unknown.ok() ? "" : unknown.error().message(), "no such container");
    Document config = oci_config(spec({"sleep", "1000"}));
    ContainerStreams streams;
    auto pid = co_await runtime_->create(uid_, id("a"), config, log("a"), streams);
    EXPECT_TRUE(pid.ok());
    auto created = co_await runtime_->settled(uid_, id("a"));
    EXPECT_TRUE(created.ok() && created->phase == ContainerState::kCreated && created->pid == *pid);
    TaskGroup tasks;  // a start whose caller goes away, and which is killed for its slowness
    auto start = [](PodRuntime* runtime, std::string uid, std::string container) -> Task<void> {
      auto started = co_await runtime->start(uid, container);
      EXPECT_FALSE(started.ok());
    };
    tasks.start(start(runtime_.get(), uid_, id("a")));
    for (int i = 0; i < 1000 && !fs::exists(base_ + "/hung"); ++i) co_await sleep_ms(10);
    tasks.cancel_all();
    auto after = co_await runtime_->settled(uid_, id("a"));
    EXPECT_TRUE(after.ok() && after->phase == ContainerState::kCreated);
    EXPECT_NE(kill(static_cast<pid_t>(atoi(slurp(base_ + "/hung").c_str())), 0), 0);
  };
  run(loop, task());
}

TEST_F(PodRuntimeTest, a_pod_has_one_shim_and_is_not_without_it_when_nobody_can_ask) {
  RUN({
    int pid = co_await start("a", "sleep 1000", {});
    std::string socket = runtime_->pod_dir(uid_) + "/shim.sock";
    EXPECT_EQ(rename(socket.c_str(), (socket + "-away").c_str()), 0);
    EXPECT_EQ(runtime_->find_shim(uid_), PodRuntime::Shim::kNone);
    auto second = co_await runtime_->ensure_pod(uid_, "h");
    EXPECT_FALSE(second.ok());
    EXPECT_EQ(rename((socket + "-away").c_str(), socket.c_str()), 0);
    rlimit all{}, none{};
    getrlimit(RLIMIT_NOFILE, &all);
    int free_fd = dup(0);
    close(free_fd);
    none = all;
    none.rlim_cur = static_cast<rlim_t>(free_fd);
    setrlimit(RLIMIT_NOFILE, &none);
    PodRuntime::Shim shim = runtime_->find_shim(uid_);
    auto removed = co_await runtime_->remove(uid_, id("a"));
    auto pod = co_await runtime_->remove_pod(uid_);
    setrlimit(RLIMIT_NOFILE, &all);
    EXPECT_EQ(shim, PodRuntime::Shim::kUnsure);
    EXPECT_FALSE(removed.ok());
    EXPECT_FALSE(pod.ok());
    EXPECT_EQ(kill(pid, 0), 0);
    auto state = co_await runtime_->settled(uid_, id("a"));
    EXPECT_TRUE(state.ok() && state->phase == ContainerState::kRunning);
  });
}

TEST_F(PodRuntimeTest, a_runtime_that_hangs_is_killed_and_its_caller_told) {
  for (const char* command : {"create", "start", "exec"}) {
    let_runc_hang_at(command);
    RUN({
      auto ready = co_await runtime_->ensure_pod(uid_, "h");
      EXPECT_TRUE(ready.ok());
      Document config = oci_config(spec({"sleep", "1000"}));
      ContainerStreams streams;
      auto pid = co_await runtime_->create(uid_, id("a"), config, log("a"), streams);
      Status done = pid.ok() ? ok() : Status(pid.error());
      if (done.ok()) {
        auto started = co_await runtime_->start(uid_, id("a"));
        done = started;
      }
      if (done.ok()) {
        OciProcess p = spec({"true"}).process;
        auto session = co_await runtime_->exec(uid_, id("a"), p, false);
        if (!session.ok()) done = session.error();
      }
      EXPECT_FALSE(done.ok());
      if (!done.ok()) {
        EXPECT_NE(done.error().message().find("bad-runc did not end in 2000 ms and was killed"), std::string::npos) << done.error().message();
      }
      for (int i = 0; i < 300 && !hung_process_is_gone(); ++i) co_await sleep_ms(10);
      EXPECT_TRUE(hung_process_is_gone());
      co_await tear_down();
    });
  }
}

TEST_F(PodRuntimeTest, a_shim_that_is_asked_to_end_does_so_after_the_last_container) {
  RUN({
    co_await start("a", "trap 'exit 4' TERM; while :; do echo ready; sleep 0.05; done", {});
    auto session = co_await runtime_->attach(uid_, id("a"), false);
    EXPECT_TRUE(session.ok());
    if (!session.ok()) co_return;
    auto first = co_await (*session)->next();  // so the trap is set
    EXPECT_TRUE(first.has_value());
    pid_t shim = shim_pid();
    EXPECT_GT(shim, 0);
    if (shim <= 0) co_return;
    int watched = static_cast<int>(syscall(SYS_pidfd_open, shim, 0));
    ::kill(shim, SIGTERM);
    auto state = co_await runtime_->settled(uid_, id("a"));
    EXPECT_TRUE(state.ok() && state->phase == ContainerState::kRunning) << "it still serves";
    auto sent = co_await runtime_->kill(uid_, id("a"), SIGTERM);
    EXPECT_TRUE(sent.ok());
    pollfd ended{watched, POLLIN, 0};
    EXPECT_EQ(poll(&ended, 1, 20000), 1);
    close(watched);
    EXPECT_TRUE(slurp(runtime_->container_dir(uid_, id("a")) + "/exit").starts_with("4 0 "));
    EXPECT_EQ(runtime_->find_shim(uid_), PodRuntime::Shim::kNone);
  });
}

TEST_F(PodRuntimeTest, a_shim_that_is_asked_to_end_kills_what_hears_no_signal) {
  RUN({
    co_await start("a", "trap '' TERM; sleep 1000", {});
    pid_t shim = shim_pid();
    EXPECT_GT(shim, 0);
    if (shim <= 0) co_return;
    int watched = static_cast<int>(syscall(SYS_pidfd_open, shim, 0));
    ::kill(shim, SIGTERM);
    pollfd ended{watched, POLLIN, 0};
    EXPECT_EQ(poll(&ended, 1, 60000), 1);
    close(watched);
    EXPECT_TRUE(slurp(runtime_->container_dir(uid_, id("a")) + "/exit").starts_with("137 9 "));
  });
}

TEST_F(PodRuntimeTest, a_shim_that_does_not_answer_is_not_waited_for) {
  command_ms_ = 1000;
  RUN({
    auto ready = co_await runtime_->ensure_pod(uid_, "h");
    EXPECT_TRUE(ready.ok());
    pid_t shim = shim_pid();
    EXPECT_GT(shim, 0);
    if (shim <= 0) co_return;
    ::kill(shim, SIGSTOP);
    auto killed = co_await runtime_->kill(uid_, id("a"), SIGTERM);
    EXPECT_FALSE(killed.ok());
    if (!killed.ok()) {
      EXPECT_EQ(killed.error().code(), Code::kTimeout) << killed.error().message();
    }
    ::kill(shim, SIGCONT);
  });
}

TEST_F(PodRuntimeTest, removing_a_pod_leaves_nothing_behind) {
  RUN({
    ContainerStreams streams;
    int pid = co_await start("a", "exec sleep 1000", streams);
    co_await tear_down();
    EXPECT_NE(::kill(pid, 0), 0);
    EXPECT_FALSE(fs::exists(runtime_->pod_dir(uid_)));
    EXPECT_TRUE(fs::is_empty(base_ + "/run/runc"));
  });
}

}  // namespace
}  // namespace bramble

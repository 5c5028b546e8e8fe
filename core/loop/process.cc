// run_process: posix_spawn (no copy of our page tables), the end seen through a pidfd, so nothing polls and no SIGCHLD
// handler is needed that another room might disturb.
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "core/base/limits.h"
#include "core/base/unique_fd.h"
#include "core/loop/loop.h"

extern char** environ;

namespace bramble {

namespace {

// P_PIDFD of waitid(2), absent from older headers.
constexpr auto kWaitPidfd = static_cast<idtype_t>(3);

struct Pipe {
  UniqueFd read_end, write_end;
};

Result<Pipe> make_pipe() {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) != 0) return Error::from_errno(errno, "pipe");
  Pipe p;
  p.read_end.reset(fds[0]);
  p.write_end.reset(fds[1]);
  return p;
}

void set_nonblocking(int fd) { fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK); }

// One collected output. Reads until end of file or an empty pipe; true: nothing will come any more.
struct Collector {
  UniqueFd fd;
  std::string text;

  bool drain() {
    char chunk[8192];
    for (;;) {
      ssize_t n = read(fd.get(), chunk, sizeof chunk);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno == EAGAIN) return false;
      if (n <= 0) return true;
      size_t room = limits::kProcessOutputBytesMax - text.size();
      text.append(chunk, static_cast<size_t>(n) < room ? static_cast<size_t>(n) : room);
    }
  }
};

// Feeds standard input; true: all written, or the reader is gone.
struct Feeder {
  UniqueFd fd;
  std::string data;
  size_t at = 0;

  bool feed() {
    while (at < data.size()) {
      ssize_t n = write(fd.get(), data.data() + at, data.size() - at);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno == EAGAIN) return false;
      if (n < 0) return true;
      at += static_cast<size_t>(n);
    }
    return true;
  }
};

// The child while it is ours to reap. Dropped early it is killed, and reaped by a worker so that the loop never waits.
struct Child {
  pid_t pid = -1;
  UniqueFd pidfd;

  Child() = default;
  Child(const Child&) = delete;
  ~Child() {
    if (pid < 0) return;
    kill(pid, SIGKILL);
    auto dead = pid;
    auto dropped = std::make_shared<bool>(true);
    loop_detail::offload_start(OffloadLane::kShort, [dead] { waitpid(dead, nullptr, 0); }, [] {}, dropped);
  }
  // After the pidfd became readable.
  siginfo_t reap() {
    siginfo_t info{};
    while (waitid(kWaitPidfd, static_cast<id_t>(pidfd.get()), &info, WEXITED) != 0 && errno == EINTR) {
    }
    pid = -1;
    return info;
  }
};

struct SpawnActions {
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attr;

  SpawnActions() {
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attr);
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &all);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  SpawnActions(const SpawnActions&) = delete;
  ~SpawnActions() {
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&files);
  }
};

// This process's environment without what the service manager meant for it alone (sd_notify(3), sd_watchdog_enabled(3),
// sd_listen_fds(3)): a runc that is given the socket waits for the container to say that it is ready.
std::vector<char*> inherited() {
  constexpr std::string_view kOwn[] = {"NOTIFY_SOCKET=", "WATCHDOG_USEC=", "WATCHDOG_PID=", "LISTEN_PID=", "LISTEN_FDS=", "LISTEN_FDNAMES="};
  std::vector<char*> out;
  for (char** e = environ; *e; e++) {
    std::string_view text(*e);
    if (std::none_of(std::begin(kOwn), std::end(kOwn), [text](std::string_view own) { return text.starts_with(own); })) out.push_back(*e);
  }
  out.push_back(nullptr);
  return out;
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (auto& t : texts) out.push_back(const_cast<char*>(t.c_str()));
  out.push_back(nullptr);
  return out;
}

// Starts the process; the parent's pipe ends land in the three arguments.
Status spawn(const ProcessSpec& spec, Child* child, Feeder* in, Collector* out, Collector* err) {
  SpawnActions actions;
  UniqueFd child_in, child_out, child_err;
  if (!spec.cwd.empty()) posix_spawn_file_actions_addchdir_np(&actions.files, spec.cwd.c_str());
  if (spec.stdin_fd >= 0) {
    posix_spawn_file_actions_adddup2(&actions.files, spec.stdin_fd, 0);
  } else if (spec.stdin_data.empty()) {
    posix_spawn_file_actions_addopen(&actions.files, 0, "/dev/null", O_RDONLY, 0);
  } else {
    TRY_ASSIGN(Pipe p, make_pipe());
    child_in = std::move(p.read_end);
    in->fd = std::move(p.write_end);
    set_nonblocking(in->fd.get());
    posix_spawn_file_actions_adddup2(&actions.files, child_in.get(), 0);
  }
  struct Output {
    int given, target;
    Collector* collector;
    UniqueFd* child_end;
  } outputs[] = {{spec.stdout_fd, 1, out, &child_out}, {spec.stderr_fd, 2, err, &child_err}};
  for (auto& o : outputs) {
    if (o.given >= 0) {
      posix_spawn_file_actions_adddup2(&actions.files, o.given, o.target);
      continue;
    }
    TRY_ASSIGN(Pipe p, make_pipe());
    o.collector->fd = std::move(p.read_end);
    *o.child_end = std::move(p.write_end);
    set_nonblocking(o.collector->fd.get());
    posix_spawn_file_actions_adddup2(&actions.files, o.child_end->get(), o.target);
  }
  std::vector<char*> argv = pointers(spec.argv), env = spec.env.empty() ? inherited() : pointers(spec.env);
  pid_t pid = -1;
  int rc = posix_spawnp(&pid, argv[0], &actions.files, &actions.attr, argv.data(), env.data());
  if (rc != 0) return Error::from_errno(rc, spec.argv[0]);
  child->pid = pid;
  child->pidfd.reset(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  if (!child->pidfd.valid()) return Error::from_errno(errno, "pidfd_open");
  return ok();
}

}  // namespace

Task<Result<ProcessResult>> run_process(ProcessSpec spec) {
  CHECK(!spec.argv.empty(), "argv");
  Child child;
  Feeder in;
  Collector out, err;
  in.data = std::move(spec.stdin_data);
  spec.stdin_data = in.data;
  CO_TRY(spawn(spec, &child, &in, &out, &err));

  Event ended;
  bool timed_out = false;
  std::optional<FdWatch> in_watch, out_watch, err_watch;
  auto on_in = [&](int) {
    if (!in.feed()) return;
    in_watch.reset();
    in.fd.reset();
  };
  auto on_out = [&](int) {
    if (out.drain()) out_watch.reset();
  };
  auto on_err = [&](int) {
    if (err.drain()) err_watch.reset();
  };
  if (in.fd.valid()) in_watch.emplace(in.fd.get(), FdWatch::kWritable, on_in);
  if (out.fd.valid()) out_watch.emplace(out.fd.get(), FdWatch::kReadable, on_out);
  if (err.fd.valid()) err_watch.emplace(err.fd.get(), FdWatch::kReadable, on_err);
  Timer timeout([&] {
    timed_out = true;
    kill(child.pid, SIGKILL);
  });
  if (spec.timeout_ms > 0) timeout.arm_ms(spec.timeout_ms);
  std::optional<FdWatch> end_watch;
  end_watch.emplace(child.pidfd.get(), FdWatch::kReadable, [&](int) { ended.set(); });
  co_await ended.wait();

  timeout.disarm();
  end_watch.reset();
  in_watch.reset();
  out_watch.reset();
  err_watch.reset();
  siginfo_t info = child.reap();
  // What the child wrote before it ended is in the pipes by now; a grandchild that keeps them open is not waited for.
  if (out.fd.valid()) out.drain();
  if (err.fd.valid()) err.drain();
  if (timed_out) co_return Error(Code::kTimeout, cat(spec.argv[0], ": killed after ", spec.timeout_ms, " ms"));
  ProcessResult result;
  result.signal = info.si_code == CLD_EXITED ? 0 : info.si_status;
  result.exit_code = info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
  result.out = std::move(out.text);
  result.err = std::move(err.text);
  co_return result;
}

}  // namespace bramble

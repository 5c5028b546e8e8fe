// bramble-shim: the parent of one pod's containers. A small static program, outside the pod's cgroup and in a session of its
// own, so that it outlives bramble: it reaps the containers, writes their logs, holds their terminals, serves attach and exec
// (wire.h), and leaves exit codes in files. It starts nothing by itself: bramble decides, and finds it again by its socket.
//   bramble-shim <pod directory> <runtime> <runtime root> <milliseconds for a command> <open files, or 0> [<cgroup.procs file>...]
// Open files: the soft limit of the containers. It joins the cgroups of the files.
// SIGTERM, which a machine that shuts down sends to all, ends it once nothing runs any more, and what does not end by itself is
// killed after limits::kShimEndSeconds; so it holds up no shutdown.
// It returns when the socket listens; the work is done by its child. Lost when it dies: the containers' streams.
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>

#include "core/base/limits.h"
#include "core/runtime/shim/command.h"
#include "core/runtime/shim/first_process.h"

namespace bramble::shim {

static Source listener, signals;
static int conn_count;
static char socket_path[108];

static void close_conn(Conn* c) {
  if (c->source.fd < 0) return;
  close_source(&c->source);
  Conn** at = &conns;
  while (*at && *at != c) at = &(*at)->next;
  if (*at) *at = c->next;
  --conn_count;
  for (Command* k = commands; k; k = k->next)
    if (k->conn == c) k->conn = nullptr;
  Process* p = c->process;
  c->process = c->settling = nullptr;
  c->in.clear();
  c->out.clear();
  bury(&c->source);
  if (!p) return;
  if (c->attached) {
    if (p->flags & kStdinOnce) {
      p->close_input = true;
      flush_input(p);
    }
    return;
  }
  p->conn = nullptr;
  p->abandoned = true;
  if (p->pid > 0 && p->state != kExited) kill(p->pid, SIGKILL);
  resume_outputs(p);
  settle(p);
}

// Zero-terminated texts of a payload.
struct Payload {
  const uint8_t* at;
  size_t left;
  const char* text() {
    const void* end = memchr(at, 0, left);
    if (!end) return nullptr;
    const char* s = reinterpret_cast<const char*>(at);
    size_t n = static_cast<size_t>(static_cast<const uint8_t*>(end) - at) + 1;
    at += n;
    left -= n;
    return s;
  }
};

static bool good_id(const char* id) { return id && *id && strlen(id) < sizeof(Process::id) && !strchr(id, '/') && id[0] != '.'; }

static void create(Conn* c, uint8_t flags, const char* id, const char* log_path) {
  if (find_container(id)) return send_failed(c, "there is a container of this id");
  Process* p = add_process(id, flags, false);
  if (!p->log.open_file(log_path)) {
    char text[1200];
    snprintf(text, sizeof text, "log %s: %s", log_path, strerror(errno));
    send_failed(c, text);
    return forget_process(p);
  }
  if (start_with_streams(p, c, nullptr)) return;
  send_failed(c, strerror(errno));
  forget_process(p);
}

static void exec(Conn* c, uint8_t flags, const char* id, const char* process_path) {
  Process* container = find_container(id);
  if (!container || container->state == kExited) return send_failed(c, "container not running");
  Process* p = add_process(id, flags, true);
  p->conn = c;
  c->process = p;
  if (start_with_streams(p, c, process_path)) return;
  send_failed(c, strerror(errno));
  forget_process(p);
}

static void attach(Conn* c, const char* id) {
  Process* p = find_container(id);
  if (!p || p->state == kExited) return send_failed(c, "container not running");
  c->process = p;
  c->attached = true;
  send_frame(c, kStarted, nullptr, 0);
}

static void remove(Conn* c, const char* id) {
  const char* args[] = {"delete", "--force", id, nullptr};
  if (!start_simple(kDelete, find_container(id), c, args)) send_failed(c, strerror(errno));
}

static void start(Conn* c, const char* id) {
  Process* p = find_container(id);
  const char* args[] = {"start", id, nullptr};
  if (!p) return send_failed(c, "no such container");
  if (!start_simple(kStart, p, c, args)) send_failed(c, strerror(errno));
}

static void settle_container(Conn* c, const char* id) {
  c->settling = find_container(id);
  if (!c->settling) return send_failed(c, "no such container");
  tell_settled();
}

static void kill_container(Conn* c, int signal_number, const char* id) {
  Process* p = find_container(id);
  if (!p) return send_failed(c, "no such container");
  if (p->state != kExited && p->pid > 0) kill(p->pid, signal_number);  // not reaped, so the number is still its own
  send_frame(c, kDone, nullptr, 0);
}

static void shut_down(Conn* c) {
  for (Process* p = processes; p; p = p->next)
    if (!p->is_exec) return send_failed(c, "there are containers");
  send_frame(c, kDone, nullptr, 0);
  unlink(socket_path);
  _exit(0);
}

// One frame. False: the connection is not to be trusted any more.
static bool serve(Conn* c, uint8_t version, uint8_t type, const uint8_t* body, size_t n) {
  Payload payload{body, n};
  if (version != kVersion) return send_failed(c, "unknown protocol version"), false;
  if (c->process) {  // a stream
    Process* p = c->process;
    if (type == kStdinData) {
      write_input(p, body, n);
    } else if (type == kStdinClose) {
      if (p->is_exec || (p->flags & kStdinOnce)) {
        p->close_input = true;
        flush_input(p);
      }
    } else if (type == kResize && n == 4) {
      resize(p, get_u16(body), get_u16(body + 2));
    } else {
      return send_failed(c, "unknown frame in a stream"), false;
    }
    return true;
  }
  uint8_t flags = 0;
  int signal_number = 0;
  if (type == kCreate || type == kExec || type == kAttach) {
    if (n < 1) return send_failed(c, "malformed frame"), false;
    flags = body[0];
    payload = {body + 1, n - 1};
  } else if (type == kKill) {
    if (n < 4) return send_failed(c, "malformed frame"), false;
    signal_number = static_cast<int>(get_u32(body));
    payload = {body + 4, n - 4};
  }
  if (type == kShutdown) return shut_down(c), true;
  if (type == kSubscribe) {
    c->subscribed = true;
    for (Process* p = processes; p; p = p->next)
      if (!p->is_exec && p->pid) send_state(c, p);
    return send_frame(c, kSynced, nullptr, 0), true;
  }
  if ((type < kCreate || type > kAttach) && type != kSettle) return send_failed(c, "unknown frame type"), false;
  const char* id = payload.text();
  if (!good_id(id)) return send_failed(c, "malformed container id"), false;
  const char* path = nullptr;
  if (type == kCreate || type == kExec) {
    path = payload.text();
    if (!path || *path != '/') return send_failed(c, "malformed path"), false;
  }
  switch (type) {
    case kCreate: create(c, flags, id, path); break;
    case kExec: exec(c, flags, id, path); break;
    case kStart: start(c, id); break;
    case kKill: kill_container(c, signal_number, id); break;
    case kDelete: remove(c, id); break;
    case kAttach: attach(c, id); break;
    case kSettle: settle_container(c, id); break;
  }
  return true;
}

void conn_ready(Source* s, uint32_t events) {
  Conn* c = static_cast<Conn*>(s->owner);
  if (!conn_flush(c)) return close_conn(c);
  if (c->process && c->process->is_exec) resume_outputs(c->process);
  if (c->closing && !c->out.size) return close_conn(c);
  if (events & EPOLLIN) {
    ssize_t n = recv(s->fd, chunk, sizeof chunk, MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) return close_conn(c);
    if (n > 0) c->in.append(chunk, static_cast<size_t>(n));
    while (c->in.size >= 4) {
      uint32_t length = get_u32(c->in.begin());
      bool lawful = length >= 2 && length <= kFrameBytesMax;
      if (!lawful) send_failed(c, "unlawful frame length");
      else if (c->in.size < 4 + length) break;
      if (!lawful || !serve(c, c->in.begin()[4], c->in.begin()[5], c->in.begin() + 6, length - 2)) {
        c->closing = true;
        if (!c->out.size) return close_conn(c);
        break;
      }
      if (s->fd < 0) return;
      c->in.drop(4 + length);
    }
  } else if (events & (EPOLLHUP | EPOLLERR | EPOLLRDHUP)) {
    return close_conn(c);
  }
  conn_interest(c);
}

static void listener_ready(Source* s, uint32_t) {
  int fd = accept4(s->fd, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0) return;
  Conn* c = conn_count < limits::kShimConnectionsMax ? static_cast<Conn*>(calloc(1, sizeof(Conn))) : nullptr;
  if (!c) {
    close(fd);
    return;
  }
  ++conn_count;
  c->source = Source{fd, 0, conn_ready, c, nullptr};
  c->next = conns;
  conns = c;
  conn_interest(c);
}

static bool asked_to_end;

// The first process of a PID namespace does not even hear of a SIGTERM that it has no handler for.
static void kill_all() {
  for (Process* p = processes; p; p = p->next)
    if (p->state != kExited && p->pid > 0) kill(p->pid, SIGKILL);
}

static bool is_idle() {
  for (Process* p = processes; p; p = p->next)
    if (p->state != kExited) return false;
  return !commands;
}

static void signals_ready(Source* s, uint32_t) {
  signalfd_siginfo info;
  while (read(s->fd, &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
    if (info.ssi_signo == SIGALRM) kill_all();
    if (info.ssi_signo != SIGTERM || asked_to_end) continue;
    asked_to_end = true;
    alarm(limits::kShimEndSeconds);
  }
  reap();
  if (asked_to_end && is_idle()) exit(0);
}

// A bramble that is killed while it starts a shim may be followed by one that starts another: the pod has the first.
static bool only_one() {
  char path[1024];
  snprintf(path, sizeof path, "%s/shim.lock", pod_dir);
  int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0) return true;  // held as long as the shim lives
  dprintf(2, "%s: %s\n", path, errno == EWOULDBLOCK ? "the pod has a shim" : strerror(errno));
  return false;
}

static bool set_up(int argc, char** argv) {
  if (!only_one()) return false;
  rlimit files;
  rlim_t soft = strtoull(argv[5], nullptr, 10);
  if (soft && getrlimit(RLIMIT_NOFILE, &files) == 0 && soft < files.rlim_cur) {
    files.rlim_cur = soft;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  for (int i = 6; i < argc; ++i) {
    int fd = open(argv[i], O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, "0", 1) != 1) dprintf(2, "%s: %s\n", argv[i], strerror(errno));
    if (fd >= 0) close(fd);
  }
  int score = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (score >= 0) {
    if (write(score, "-998", 4) != 4) errno = 0;  // without CAP_SYS_RESOURCE it stays as it is
    close(score);
  }
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  signal(SIGPIPE, SIG_IGN);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  sigaddset(&set, SIGHUP);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGALRM);
  sigprocmask(SIG_SETMASK, &set, nullptr);
  sigset_t heard;
  sigemptyset(&heard);
  sigaddset(&heard, SIGCHLD);
  sigaddset(&heard, SIGTERM);
  sigaddset(&heard, SIGALRM);
  epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  signals = Source{signalfd(-1, &heard, SFD_CLOEXEC | SFD_NONBLOCK), 0, signals_ready, nullptr, nullptr};
  command_timer = Source{timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK), 0, command_timer_ready, nullptr, nullptr};
  listener = Source{socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), 0, listener_ready, nullptr, nullptr};
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (snprintf(socket_path, sizeof socket_path, "%s/shim.sock", pod_dir) >= static_cast<int>(sizeof address.sun_path)) {
    dprintf(2, "%s: too long for a socket's path\n", pod_dir);
    return false;
  }
  strcpy(address.sun_path, socket_path);
  unlink(socket_path);
  umask(0077);
  if (epoll_fd < 0 || signals.fd < 0 || command_timer.fd < 0 || listener.fd < 0 || bind(listener.fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      listen(listener.fd, 16) != 0) {
    dprintf(2, "%s: %s\n", socket_path, strerror(errno));
    return false;
  }
  umask(0022);
  want(&signals, EPOLLIN);
  want(&command_timer, EPOLLIN);
  want(&listener, EPOLLIN);
  return true;
}

}  // namespace bramble::shim

int main(int argc, char** argv) {
  using namespace bramble::shim;
  if (argc >= 3 && strcmp(argv[1], "--first-process") == 0) return make_first_process(argc, argv);
  command_ns = argc < 6 ? 0 : strtoull(argv[4], nullptr, 10) * 1000000;
  if (!command_ns) {
    dprintf(2, "usage: bramble-shim <pod directory> <runtime> <runtime root> <milliseconds> <open files> [<cgroup.procs>...]\n");
    return 2;
  }
  pod_dir = argv[1];
  runtime_path = argv[2];
  runtime_root = argv[3];
  int ready[2];
  if (pipe2(ready, O_CLOEXEC) != 0) return 1;
  pid_t child = fork();
  if (child < 0) return 1;
  if (child > 0) {
    close(ready[1]);
    char byte;
    return read(ready[0], &byte, 1) == 1 ? 0 : 1;
  }
  setsid();
  if (chdir("/") != 0) return 1;
  if (!set_up(argc, argv)) return 1;
  int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  dup2(null, 0);
  dup2(null, 1);
  dup2(null, 2);
  if (write(ready[1], "", 1) != 1) return 1;
  close(ready[1]);
  close(ready[0]);
  for (;;) run_once();
}

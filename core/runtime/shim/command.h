// Commands: runs of runc, one at a time each, started as children; their end comes as SIGCHLD. runc itself ends before the
// container does: the container's first process then becomes the shim's child, because the shim is a subreaper. A run that
// takes too long is killed with the processes of its group, whether or not somebody still waits for it.
#pragma once

#include <sys/timerfd.h>

#include "core/runtime/shim/own_root.h"
#include "core/runtime/shim/process.h"

namespace bramble::shim {

struct Command {
  Command* next;
  pid_t pid;
  uint8_t type;      // kCreate, kStart, kDelete, kExec
  Process* process;  // gone: nullptr
  Conn* conn;        // who asked; gone: nullptr
  int error_fd;      // what runc says when it fails, if that is not the process's own standard error
  uint64_t begun_ns;  // CLOCK_MONOTONIC
  uint64_t due_ns;    // then it is killed; 0: it was
  char pid_path[1024];
};

inline Command* commands = nullptr;
inline const char* runtime_path = nullptr;
inline const char* runtime_root = nullptr;
inline uint64_t command_ns = 0;  // that a run may take
inline Source command_timer;     // a timerfd, at the first due_ns

// Children that ended before it was known whose they are: a short exec ends before its runc does. Others nobody asked for:
// orphans of a pod that has the host's process ids, and of runc. They are told apart by time: a process is younger than the
// command that starts it, so an end is kept as long as a command runs that began before it. Oldest first; when there is no
// room the oldest goes, since a command that starts a process is not far behind its end.
struct Ended {
  pid_t pid;
  int status;
  uint64_t at_ns;    // wall time
  uint64_t seen_ns;  // CLOCK_MONOTONIC
};
constexpr unsigned kEarlyMax = 1024;  // pages of it that are never needed take no memory
inline Ended early[kEarlyMax];
inline unsigned early_count = 0;

inline void drop_early(unsigned from, unsigned count) {
  early_count -= count;
  memmove(early + from, early + from + count, (early_count - from) * sizeof *early);
}

inline void note_early(const Ended& e) {
  if (early_count == kEarlyMax) drop_early(0, 1);
  early[early_count++] = e;
}

// The youngest end of that process since then, which is nobody else's any more.
inline bool take_early(pid_t pid, uint64_t since_ns, Ended* out) {
  for (unsigned i = early_count; i-- > 0 && early[i].seen_ns >= since_ns;) {
    if (early[i].pid != pid) continue;
    *out = early[i];
    drop_early(i, 1);
    return true;
  }
  return false;
}

// What ended before each of the commands that run began.
inline void forget_early() {
  uint64_t first = UINT64_MAX;
  for (Command* c = commands; c; c = c->next)
    if (c->begun_ns < first) first = c->begun_ns;
  unsigned old = 0;
  while (old < early_count && early[old].seen_ns < first) ++old;
  drop_early(0, old);
}

inline Command* find_command(pid_t pid) {
  for (Command* c = commands; c; c = c->next)
    if (c->pid == pid) return c;
  return nullptr;
}

// Answers those who wait until no command works at a container.
inline void tell_settled() {
  for (Conn* c = conns; c; c = c->next) {
    const Command* k = c->settling ? commands : nullptr;
    while (k && k->process != c->settling) k = k->next;
    if (!c->settling || k) continue;
    send_state(c, c->settling);
    c->settling = nullptr;
  }
}

// A container that is deleted, whatever else still works at it.
inline void forget_container(Process* p) {
  for (Command* c = commands; c; c = c->next)
    if (c->process == p) c->process = nullptr;
  forget_process(p);
}

inline uint64_t monotonic_ns() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<uint64_t>(t.tv_sec) * 1000000000 + static_cast<uint64_t>(t.tv_nsec);
}

inline void arm_command_timer() {
  uint64_t first = 0;
  for (Command* c = commands; c; c = c->next)
    if (c->due_ns && (!first || c->due_ns < first)) first = c->due_ns;
  itimerspec at{};
  at.it_value.tv_sec = static_cast<time_t>(first / 1000000000);
  at.it_value.tv_nsec = static_cast<long>(first % 1000000000);
  timerfd_settime(command_timer.fd, TFD_TIMER_ABSTIME, &at, nullptr);  // zero: never
}

inline void command_timer_ready(Source* s, uint32_t) {
  uint64_t count;
  if (read(s->fd, &count, sizeof count) < 0) return;
  uint64_t now = monotonic_ns();
  for (Command* c = commands; c; c = c->next) {
    if (!c->due_ns || c->due_ns > now) continue;
    c->due_ns = 0;
    kill(-c->pid, SIGKILL);
  }
  arm_command_timer();
}

inline bool make_pipe(int* read_end, int* write_end) {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) != 0) return false;
  *read_end = fds[0];
  *write_end = fds[1];
  return true;
}

// Runs `runc --root R --log /dev/null <args>` with these standard streams (-1: /dev/null). 0 when it could not be started.
inline pid_t spawn(const char* const* args, int in, int out, int err) {
  const char* argv[24] = {runtime_path, "--root", runtime_root, "--log", "/dev/null"};
  int n = 5;
  while (*args && n < 23) argv[n++] = *args++;
  argv[n] = nullptr;
  pid_t pid = fork();
  if (pid > 0) setpgid(pid, pid);  // on both sides, whoever comes first
  if (pid != 0) return pid > 0 ? pid : 0;
  setpgid(0, 0);
  int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  dup2(in >= 0 ? in : null, 0);
  dup2(out >= 0 ? out : null, 1);
  dup2(err >= 0 ? err : null, 2);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  signal(SIGPIPE, SIG_DFL);
  if (strcmp(argv[5], "create") == 0 && !root_the_namespace()) {
    dprintf(2, "cannot leave the chroot for a mount namespace: %s", strerror(errno));
    _exit(127);
  }
  execv(runtime_path, const_cast<char* const*>(argv));
  dprintf(2, "%s: %s", runtime_path, strerror(errno));
  _exit(127);
}

inline Command* add_command(uint8_t type, pid_t pid, uint64_t begun_ns, Process* p, Conn* conn, int error_fd) {
  Command* c = static_cast<Command*>(calloc(1, sizeof(Command)));
  if (!c) _exit(12);
  c->pid = pid;
  c->type = type;
  c->process = p;
  c->conn = conn;
  c->error_fd = error_fd;
  c->begun_ns = begun_ns;
  c->due_ns = begun_ns + command_ns;
  c->next = commands;
  commands = c;
  arm_command_timer();
  return c;
}

// `runc create` or `runc exec` with the process's streams. `arguments` end with a null.
inline bool start_with_streams(Process* p, Conn* conn, const char* process_path) {
  char console[512] = "", pid_path[1024], bundle[512];
  int in = -1, out = -1, err = -1, error_read = -1;
  unsigned number = ++console_count;
  snprintf(bundle, sizeof bundle, "%s/containers/%s", pod_dir, p->id);
  if (p->is_exec) snprintf(pid_path, sizeof pid_path, "%s/t%u.pid", pod_dir, number);
  else snprintf(pid_path, sizeof pid_path, "%s/pid", bundle);
  if (p->flags & kTty) {
    p->console_number = number;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (!console_path(console, sizeof console, number) || strlen(console) >= sizeof address.sun_path) return false;
    strcpy(address.sun_path, console);
    p->console.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    unlink(console);
    if (p->console.fd < 0 || bind(p->console.fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || listen(p->console.fd, 1) != 0)
      return false;
    want(&p->console, EPOLLIN);
    if (!make_pipe(&error_read, &err)) return false;
  } else {
    if (!make_pipe(&p->out.source.fd, &out) || !make_pipe(&p->err.source.fd, &err)) return false;
    if ((p->flags & kStdin) && !make_pipe(&in, &p->input.fd)) return false;
    if (p->input.fd >= 0) fcntl(p->input.fd, F_SETFL, O_NONBLOCK);
    fcntl(p->out.source.fd, F_SETFL, O_NONBLOCK);
    fcntl(p->err.source.fd, F_SETFL, O_NONBLOCK);
  }
  const char* args[16];
  int n = 0;
  args[n++] = p->is_exec ? "exec" : "create";
  if (p->is_exec) {
    args[n++] = "--detach";
    args[n++] = "--process";
    args[n++] = process_path;
  } else {
    args[n++] = "--bundle";
    args[n++] = bundle;
  }
  args[n++] = "--pid-file";
  args[n++] = pid_path;
  if (console[0]) {
    args[n++] = "--console-socket";
    args[n++] = console;
  }
  args[n++] = p->id;
  args[n] = nullptr;
  uint64_t begun_ns = monotonic_ns();
  pid_t pid = spawn(args, in, out, err);
  if (in >= 0) close(in);
  if (out >= 0) close(out);
  if (err >= 0) close(err);
  if (error_read >= 0) fcntl(error_read, F_SETFL, O_NONBLOCK);
  if (!pid) {
    if (error_read >= 0) close(error_read);
    return false;
  }
  Command* c = add_command(p->is_exec ? kExec : kCreate, pid, begun_ns, p, conn, error_read);
  snprintf(c->pid_path, sizeof c->pid_path, "%s", pid_path);
  return true;
}

inline bool start_simple(uint8_t type, Process* p, Conn* conn, const char* const* args) {
  int error_read, error_write;
  if (!make_pipe(&error_read, &error_write)) return false;
  fcntl(error_read, F_SETFL, O_NONBLOCK);
  uint64_t begun_ns = monotonic_ns();
  pid_t pid = spawn(args, -1, -1, error_write);
  close(error_write);
  if (!pid) {
    close(error_read);
    return false;
  }
  add_command(type, pid, begun_ns, p, conn, error_read);
  return true;
}

// The end of a process: exit file, state, streams.
inline void process_ended(Process* p, int status, uint64_t at_ns) {
  p->state = kExited;
  p->status = status;
  p->finished_ns = at_ns;
  if (!p->is_exec) {
    char path[600], text[64];
    snprintf(path, sizeof path, "%s/containers/%s/exit", pod_dir, p->id);
    snprintf(text, sizeof text, "%u %u %llu\n", exit_code(p), exit_signal(p), static_cast<unsigned long long>(at_ns));
    pump(&p->out, 1024);
    pump(&p->err, 1024);
    write_file(path, text);
    broadcast_state(p);
  }
  settle(p);
}

inline void read_error(int fd, char* text, size_t room) {
  ssize_t n = fd >= 0 ? read(fd, text, room - 1) : -1;
  text[n > 0 ? n : 0] = 0;
  for (ssize_t i = n - 1; i >= 0 && (text[i] == '\n' || text[i] == ' '); --i) text[i] = 0;
}

// runc came to its end.
inline void command_ended(Command* c, int status) {
  bool good = WIFEXITED(status) && WEXITSTATUS(status) == 0;
  Process* p = c->process;
  char text[4096] = "";
  if (!good) {
    read_error(c->error_fd >= 0 ? c->error_fd : p ? p->err.source.fd : -1, text, sizeof text);
    if (!c->due_ns) snprintf(text, sizeof text, "%s did not end in %u ms and was killed", runtime_path, static_cast<unsigned>(command_ns / 1000000));
    else if (!text[0]) snprintf(text, sizeof text, "%s ended with wait status %d", runtime_path, status);
  }
  if (c->error_fd >= 0) close(c->error_fd);
  bool begins = c->type == kCreate || c->type == kExec;
  if (begins && p && (p->flags & kTty)) {
    take_terminal(p);
    close_console(p);
  }
  if (begins && p && good) {
    long pid = read_number(c->pid_path);
    if (pid <= 0) {
      good = false;
      snprintf(text, sizeof text, "%s left no pid", runtime_path);
    } else {
      p->pid = static_cast<pid_t>(pid);
    }
  }
  if (c->type == kExec) unlink(c->pid_path);
  uint8_t pid_bytes[4] = {};
  if (p) put_u32(pid_bytes, static_cast<uint32_t>(p->pid));
  if (!good) send_failed(c->conn, text);
  else if (c->type == kExec) send_frame(c->conn, kStarted, nullptr, 0);
  else if (c->type != kDelete) send_frame(c->conn, kDone, pid_bytes, 4);
  if (p && begins && !good) forget_process(p);
  else if (p && begins) {
    if (p->is_exec && p->abandoned) kill(p->pid, SIGKILL);
    if (p->is_exec) p->state = kRunning;
    resume_outputs(p);
    Ended end;
    if (take_early(p->pid, c->begun_ns, &end)) process_ended(p, end.status, end.at_ns);
    else if (!p->is_exec) broadcast_state(p);
  } else if (p && c->type == kStart && good && p->state == kCreated) {
    p->state = kRunning;
    broadcast_state(p);
  } else if (c->type == kDelete && good) {
    if (p) forget_container(p);
    send_frame(c->conn, kDone, pid_bytes, 4);
  }
  Command** at = &commands;
  while (*at != c) at = &(*at)->next;
  *at = c->next;
  free(c);
  arm_command_timer();
  tell_settled();
  forget_early();
}

// Reaps whatever ended.
inline void reap() {
  for (;;) {
    int status;
    pid_t pid = waitpid(-1, &status, WNOHANG);
    if (pid <= 0) return;
    if (Command* c = find_command(pid)) {
      command_ended(c, status);
      continue;
    }
    Process* p = processes;
    while (p && (p->pid != pid || p->state == kExited)) p = p->next;
    if (p) process_ended(p, status, wall_ns());
    else if (commands) note_early({pid, status, wall_ns(), monotonic_ns()});
  }
}

}  // namespace bramble::shim

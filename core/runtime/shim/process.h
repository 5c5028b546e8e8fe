// Processes of the pod that the shim is the parent of: containers' first processes and exec'd ones, with their streams, and
// the connections that listen to them. Plain lists: a pod has a handful of each.
#pragma once

#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>

#include "core/base/limits.h"
#include "core/runtime/shim/cri_log.h"
#include "core/runtime/shim/reactor.h"
#include "core/runtime/shim/wire.h"

namespace bramble::shim {

struct Process;

struct Conn {
  Source source;
  Conn* next;
  Bytes in, out;
  Process* process;  // whose streams it carries
  Process* settling;  // whose commands it waits for
  bool subscribed, attached, closing;
};

struct Output {
  Source source;
  Process* process;
  Bytes partial;
  uint8_t type;  // kStdoutData or kStderrData
};

struct Process {
  Source input;
  Process* next;
  Bytes pending_input;
  bool close_input;
  Output out, err;
  Source console;  // the socket on which runc hands over the terminal
  unsigned console_number;  // of the socket's file; 0: there is none
  uint16_t columns, rows;

  char id[128];  // the container's
  uint8_t flags;
  bool is_exec, abandoned;  // abandoned: an exec whose caller went away
  Conn* conn;               // an exec's caller
  pid_t pid;                // 0: not known
  uint8_t state;
  bool exit_sent;
  int status;  // of waitpid
  uint64_t finished_ns;
  CriLog log;
};

inline Process* processes = nullptr;
inline Conn* conns = nullptr;
inline const char* pod_dir = nullptr;
inline unsigned console_count = 0;
inline uint8_t chunk[kChunkBytes];  // of one read, used within it

inline unsigned exit_signal(const Process* p) { return WIFSIGNALED(p->status) ? static_cast<unsigned>(WTERMSIG(p->status)) : 0; }
inline unsigned exit_code(const Process* p) {
  return WIFSIGNALED(p->status) ? 128 + static_cast<unsigned>(WTERMSIG(p->status)) : static_cast<unsigned>(WEXITSTATUS(p->status));
}

// Connections: frames out.

void conn_ready(Source* s, uint32_t events);

inline void conn_interest(Conn* c) {
  // A caller that sends more than the process reads waits in its socket.
  bool full = c->process && c->process->pending_input.size > limits::kShimStdinBytesMax;
  want(&c->source, (full || c->closing ? 0u : static_cast<uint32_t>(EPOLLIN)) | (c->out.size ? static_cast<uint32_t>(EPOLLOUT) : 0u) | EPOLLRDHUP);
}

inline bool conn_flush(Conn* c) {
  while (c->out.size) {
    ssize_t n = send(c->source.fd, c->out.begin(), c->out.size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) break;
    if (n <= 0) return false;
    c->out.drop(static_cast<size_t>(n));
  }
  return true;
}

inline void send_frame(Conn* c, uint8_t type, const void* a, size_t a_bytes, const void* b = nullptr, size_t b_bytes = 0) {
  if (!c || c->source.fd < 0) return;
  uint8_t head[6];
  put_u32(head, static_cast<uint32_t>(2 + a_bytes + b_bytes));
  head[4] = kVersion;
  head[5] = type;
  c->out.append(head, sizeof head);
  c->out.append(a, a_bytes);
  c->out.append(b, b_bytes);
  conn_flush(c);
  conn_interest(c);
}
inline void send_failed(Conn* c, const char* text) { send_frame(c, kFailed, text, strlen(text) + 1); }

inline void send_state(Conn* c, const Process* p) {
  uint8_t body[21];
  body[0] = p->state;
  put_u32(body + 1, static_cast<uint32_t>(p->pid));
  put_u32(body + 5, p->state == kExited ? exit_code(p) : 0);
  put_u32(body + 9, p->state == kExited ? exit_signal(p) : 0);
  put_u64(body + 13, p->finished_ns);
  send_frame(c, kState, body, sizeof body, p->id, strlen(p->id) + 1);
}
inline void broadcast_state(const Process* p) {
  for (Conn* c = conns; c; c = c->next)
    if (c->subscribed) send_state(c, p);
}

// Output: from a pipe or terminal to the log and to who listens.

inline bool conn_listens(const Conn* c, const Process* p) { return c->process == p && c->source.fd >= 0; }

inline bool output_paused(const Process* p) { return p->is_exec && p->conn && p->conn->out.size > limits::kShimOutputBytesMax; }

inline void end_output(Output* o) {
  if (o->source.fd < 0) return;
  close_source(&o->source);
  if (!o->process->is_exec) o->process->log.finish(o->partial, o->type == kStdoutData ? "stdout" : "stderr");
  o->partial.clear();
}

// Reads what is there, at most `rounds` chunks. False when the stream gave all it has (for now or for good).
inline bool pump(Output* o, int rounds) {
  Process* p = o->process;
  while (rounds-- > 0) {
    if (o->source.fd < 0) return false;
    if (output_paused(p)) {
      want(&o->source, 0);
      return true;
    }
    ssize_t n = read(o->source.fd, chunk, sizeof chunk);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return false;
    if (n <= 0) {  // a terminal answers EIO when nobody holds its other side
      end_output(o);
      return false;
    }
    if (!p->is_exec) p->log.append(o->partial, o->type == kStdoutData ? "stdout" : "stderr", chunk, static_cast<size_t>(n));
    for (Conn* c = conns; c; c = c->next) {
      if (!conn_listens(c, p)) continue;
      if (c->attached && c->out.size > limits::kShimAttachBytesMax) shutdown(c->source.fd, SHUT_RDWR);  // too slow
      else send_frame(c, o->type, chunk, static_cast<size_t>(n));
    }
  }
  return true;
}

// When a process has ended and its streams are read to the end: tell who listens.
inline void finish_if_drained(Process* p) {
  if (p->state != kExited || p->exit_sent) return;
  if (pump(&p->out, 64) || pump(&p->err, 64)) return;  // more to come: the output's turn calls again
  p->exit_sent = true;
  uint8_t body[8];
  put_u32(body, exit_code(p));
  put_u32(body + 4, exit_signal(p));
  for (Conn* c = conns; c; c = c->next) {
    if (!conn_listens(c, p)) continue;
    send_frame(c, kExit, body, sizeof body);
    c->process = nullptr;
    c->closing = c->out.size > 0;
    if (!c->closing) shutdown(c->source.fd, SHUT_RDWR);
  }
}

inline void forget_process(Process* p);

inline void settle(Process* p) {
  finish_if_drained(p);
  if (p->is_exec && p->exit_sent) forget_process(p);
}

inline void output_ready(Source* s, uint32_t) {
  Process* p = static_cast<Process*>(s->owner);
  pump(s == &p->out.source ? &p->out : &p->err, 4);
  settle(p);
}

inline void resume_outputs(Process* p) {
  if (!p->pid || output_paused(p)) return;  // before, what comes is runc's own complaint
  want(&p->out.source, EPOLLIN);
  want(&p->err.source, EPOLLIN);
}

// Input.

inline void end_input(Process* p) {
  bool terminal = p->flags & kTty;
  p->pending_input.clear();
  if (!terminal) close_source(&p->input);
}

inline void flush_input(Process* p) {
  while (p->input.fd >= 0 && p->pending_input.size) {
    ssize_t n = write(p->input.fd, p->pending_input.begin(), p->pending_input.size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) break;
    if (n < 0) {
      p->pending_input.clear();
      close_source(&p->input);
      for (Conn* c = conns; c; c = c->next)
        if (conn_listens(c, p)) send_frame(c, kStdinGone, nullptr, 0);
      return;
    }
    p->pending_input.drop(static_cast<size_t>(n));
  }
  if (p->input.fd >= 0) want(&p->input, p->pending_input.size ? static_cast<uint32_t>(EPOLLOUT) : 0u);
  if (!p->pending_input.size && p->close_input) end_input(p);
  for (Conn* c = conns; c; c = c->next)
    if (conn_listens(c, p)) conn_interest(c);
}
inline void input_ready(Source* s, uint32_t) { flush_input(static_cast<Process*>(s->owner)); }

inline void write_input(Process* p, const uint8_t* bytes, size_t n) {
  if (!(p->flags & kStdin) || p->close_input) return;
  if (p->input.fd < 0 && !(p->flags & kTty)) return;
  p->pending_input.append(bytes, n);
  flush_input(p);
}

inline void resize(Process* p, uint16_t columns, uint16_t rows) {
  p->columns = columns;
  p->rows = rows;
  winsize w{};
  w.ws_col = columns;
  w.ws_row = rows;
  if ((p->flags & kTty) && p->out.source.fd >= 0) ioctl(p->out.source.fd, TIOCSWINSZ, &w);
}

// A terminal: runc connects to the console socket and passes the master.

inline bool console_path(char* to, size_t room, unsigned number) {
  return snprintf(to, room, "%s/t%u.sock", pod_dir, number) < static_cast<int>(room);
}

inline void close_console(Process* p) {
  close_source(&p->console);
  char path[512];
  if (p->console_number && console_path(path, sizeof path, p->console_number)) unlink(path);
  p->console_number = 0;
}

inline void take_terminal(Process* p) {
  if (p->console.fd < 0) return;
  int fd = accept4(p->console.fd, nullptr, nullptr, SOCK_CLOEXEC);
  if (fd < 0) return;
  char byte[64];
  char control[CMSG_SPACE(sizeof(int))];
  iovec piece{byte, sizeof byte};
  msghdr m{};
  m.msg_iov = &piece;
  m.msg_iovlen = 1;
  m.msg_control = control;
  m.msg_controllen = sizeof control;
  ssize_t n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);
  close(fd);
  close_console(p);
  cmsghdr* h = n >= 0 ? CMSG_FIRSTHDR(&m) : nullptr;
  if (!h || h->cmsg_type != SCM_RIGHTS) return;
  int master;
  memcpy(&master, CMSG_DATA(h), sizeof master);
  fcntl(master, F_SETFL, fcntl(master, F_GETFL) | O_NONBLOCK);
  p->out.source.fd = master;
  p->input.fd = fcntl(master, F_DUPFD_CLOEXEC, 0);
  if (p->columns) resize(p, p->columns, p->rows);
  flush_input(p);
}
inline void console_ready(Source* s, uint32_t) {
  take_terminal(static_cast<Process*>(s->owner));
}

inline Process* find_container(const char* id) {
  for (Process* p = processes; p; p = p->next)
    if (!p->is_exec && strcmp(p->id, id) == 0) return p;
  return nullptr;
}

inline Process* add_process(const char* id, uint8_t flags, bool is_exec) {
  Process* p = static_cast<Process*>(calloc(1, sizeof(Process)));
  if (!p) _exit(12);
  snprintf(p->id, sizeof p->id, "%s", id);
  p->flags = flags;
  p->is_exec = is_exec;
  p->input = Source{-1, 0, input_ready, p, nullptr};
  p->out.source = Source{-1, 0, output_ready, p, nullptr};
  p->err.source = Source{-1, 0, output_ready, p, nullptr};
  p->console = Source{-1, 0, console_ready, p, nullptr};
  p->out.process = p->err.process = p;
  p->out.type = kStdoutData;
  p->err.type = kStderrData;
  p->log.begin();
  p->next = processes;
  processes = p;
  return p;
}

inline void forget_process(Process* p) {
  Process** at = &processes;
  while (*at && *at != p) at = &(*at)->next;
  if (!*at) return;
  *at = p->next;
  end_output(&p->out);
  end_output(&p->err);
  p->pending_input.clear();
  close_source(&p->input);
  close_console(p);
  p->log.close_file();
  for (Conn* c = conns; c; c = c->next)
    if (c->process == p) {
      c->process = nullptr;
      shutdown(c->source.fd, SHUT_RDWR);
    }
  for (Conn* c = conns; c; c = c->next)
    if (c->settling == p) {
      c->settling = nullptr;
      send_failed(c, "no such container");
    }
  bury(&p->input);
}

}  // namespace bramble::shim

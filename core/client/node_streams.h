// NodeStreams: what the apiserver asks of a node for one pod: logs, exec, attach, port-forward. The kubelet implements it;
// in one process it is called directly, for other nodes through the agent's tunnel. Owner's loop thread.
#pragma once

#include "core/client/client.h"

namespace bramble {

// Bytes in both directions. Ends are closed one at a time (half-close). Dropping it closes both.
class DuplexStream {
 public:
  virtual ~DuplexStream() = default;
  virtual Task<std::optional<std::string>> read() = 0;  // nullopt: the other side closed or failed
  virtual Task<bool> write(std::string bytes) = 0;      // waits for room; false: closed
  virtual void close_write() = 0;
};

struct LogOptions {
  std::string container;
  bool follow = false, previous = false, timestamps = false;
  std::optional<int64_t> tail_lines, since_seconds, limit_bytes;
  std::optional<int64_t> since_time_us;
  std::string stream;  // "", "All", "Stdout", "Stderr"
};

struct ExecOptions {
  std::string container;
  std::vector<std::string> command;  // empty: attach
  bool stdin_on = false, stdout_on = false, stderr_on = false, tty = false;
};

// A running exec or attach.
class ExecSession {
 public:
  virtual ~ExecSession() = default;                      // kills the exec'd process (attach: detaches)
  virtual Task<bool> write_stdin(std::string bytes) = 0;  // waits for room; false: the process does not read any more
  virtual void close_stdin() = 0;
  virtual void resize(int columns, int rows) = 0;
  struct Output {
    enum Kind { kStdout, kStderr, kExit } kind = kStdout;
    std::string bytes;
    int exit_code = 0;   // kExit: 128 + signal when killed
    std::string error;   // kExit: why it could not run; empty otherwise
  };
  virtual Task<std::optional<Output>> next() = 0;  // kExit is the last one
};

class NodeStreams {
 public:
  virtual ~NodeStreams() = default;
  // Errors: kNotFound (no such container), kInvalidArgument (not started yet; upstream's text), kUnavailable.
  virtual Task<Result<std::unique_ptr<DuplexStream>>> logs(ObjectKey pod, LogOptions options) = 0;  // read side only
  virtual Task<Result<std::unique_ptr<ExecSession>>> exec(ObjectKey pod, ExecOptions options) = 0;
  virtual Task<Result<std::unique_ptr<DuplexStream>>> port_forward(ObjectKey pod, uint16_t port) = 0;
};

}  // namespace bramble

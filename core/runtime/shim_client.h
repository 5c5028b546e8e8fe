// Our side of the shim's protocol (shim/wire.h): one connection, one operation. Loop thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "core/base/result.h"
#include "core/client/node_streams.h"
#include "core/loop/socket.h"
#include "core/loop/task.h"
#include "core/runtime/shim/wire.h"

namespace bramble {

struct ShimFrame {
  uint8_t type = 0;
  std::string body;
};

// What the shim knows of a container.
struct ContainerState {
  std::string id;
  enum Phase { kCreated, kRunning, kExited } phase = kCreated;
  int pid = 0;
  int exit_code = 0;  // 128 + signal when killed
  int signal = 0;
  int64_t finished_us = 0;
};

std::string encode_shim_frame(uint8_t type, std::string_view body);
// Takes one whole frame off the front of `bytes`; nothing when there is none yet. kCorrupt: unlawful length or version.
Result<std::optional<ShimFrame>> take_shim_frame(std::string& bytes);
std::optional<ContainerState> decode_container_state(std::string_view body);

class ShimConnection {
 public:
  explicit ShimConnection(std::unique_ptr<Stream> stream) : stream_(std::move(stream)) {}
  // kUnavailable: no shim listens there.
  static Task<Result<std::unique_ptr<ShimConnection>>> connect(std::string socket_path);
  Task<Status> send(uint8_t type, std::string body);
  Task<Status> send_raw(std::string frames) { return stream_->write_all(std::move(frames)); }
  Task<std::optional<ShimFrame>> receive();  // nullopt: the connection ended or broke
  // One request and its kDone; kInternal with the shim's text otherwise, kTimeout when it does not answer: then the
  // connection is closed.
  Task<Result<std::string>> call(uint8_t type, std::string body, int64_t timeout_ms);

 private:
  std::unique_ptr<Stream> stream_;
  std::string in_;
};

// An exec or attach whose kStarted has come.
std::unique_ptr<ExecSession> make_shim_session(std::unique_ptr<ShimConnection> connection);

}  // namespace bramble

#include "core/runtime/shim_client.h"

#include "core/base/limits.h"
#include "core/loop/loop.h"

namespace bramble {

std::string encode_shim_frame(uint8_t type, std::string_view body) {
  uint8_t head[6];
  shim::put_u32(head, static_cast<uint32_t>(2 + body.size()));
  head[4] = shim::kVersion;
  head[5] = type;
  std::string out(reinterpret_cast<char*>(head), sizeof head);
  out += body;
  return out;
}

Result<std::optional<ShimFrame>> take_shim_frame(std::string& bytes) {
  if (bytes.size() < 4) return std::optional<ShimFrame>();
  const auto* at = reinterpret_cast<const uint8_t*>(bytes.data());
  uint32_t length = shim::get_u32(at);
  if (length < 2 || length > shim::kFrameBytesMax) return Error(Code::kCorrupt, cat("shim: unlawful frame length ", length));
  if (bytes.size() < 4 + length) return std::optional<ShimFrame>();
  if (at[4] != shim::kVersion) return Error(Code::kCorrupt, cat("shim: unknown protocol version ", static_cast<int>(at[4])));
  ShimFrame frame{at[5], bytes.substr(6, length - 2)};
  bytes.erase(0, 4 + length);
  return std::optional<ShimFrame>(std::move(frame));
}

std::optional<ContainerState> decode_container_state(std::string_view body) {
  if (body.size() < 22) return std::nullopt;
  const auto* at = reinterpret_cast<const uint8_t*>(body.data());
  ContainerState s;
  if (at[0] > shim::kExited) return std::nullopt;
  s.phase = static_cast<ContainerState::Phase>(at[0]);
  s.pid = static_cast<int>(shim::get_u32(at + 1));
  s.exit_code = static_cast<int>(shim::get_u32(at + 5));
  s.signal = static_cast<int>(shim::get_u32(at + 9));
  s.finished_us = static_cast<int64_t>(shim::get_u64(at + 13) / 1000);
  s.id = std::string(body.substr(21, body.size() - 22));
  return s;
}

Task<Result<std::unique_ptr<ShimConnection>>> ShimConnection::connect(std::string socket_path) {
  CO_TRY_ASSIGN(SocketAddress address, SocketAddress::unix_path(socket_path));
  auto stream = co_await Stream::connect(address, limits::kShimConnectMs);
  if (!stream.ok()) co_return stream.error();
  co_return std::make_unique<ShimConnection>(std::move(*stream));
}

Task<Status> ShimConnection::send(uint8_t type, std::string body) {
  std::string frame = encode_shim_frame(type, body);
  auto status = co_await stream_->write_all(std::move(frame));
  co_return status;
}

Task<std::optional<ShimFrame>> ShimConnection::receive() {
  for (;;) {
    auto frame = take_shim_frame(in_);
    if (!frame.ok()) co_return std::nullopt;
    if (frame->has_value()) co_return std::move(*frame);
    auto more = co_await stream_->read_some(shim::kFrameBytesMax);
    if (!more.ok() || more->empty()) co_return std::nullopt;
    in_ += *more;
  }
}

Task<Result<std::string>> ShimConnection::call(uint8_t type, std::string body, int64_t timeout_ms) {
  bool late = false;
  Stream* stream = stream_.get();
  Timer deadline([stream, &late] {
    late = true;
    stream->close();
  });
  deadline.arm_ms(timeout_ms);
  auto sent = co_await send(type, std::move(body));
  if (!sent.ok() && !late) co_return sent.error();
  auto frame = co_await receive();
  if (late) co_return Error(Code::kTimeout, cat("the pod's shim did not answer in ", timeout_ms / 1000, " s"));
  if (!frame) co_return Error(Code::kUnavailable, "the pod's shim went away");
  if (frame->type == shim::kFailed) {
    std::string text = frame->body;
    while (!text.empty() && text.back() == '\0') text.pop_back();
    co_return Error(Code::kInternal, text);
  }
  co_return std::move(frame->body);
}

namespace {

class ShimSession final : public ExecSession {
 public:
  explicit ShimSession(std::unique_ptr<ShimConnection> connection) : connection_(std::move(connection)) { tasks_.start(write_frames()); }

  Task<bool> write_stdin(std::string bytes) override {
    for (size_t at = 0; at < bytes.size(); at += shim::kChunkBytes) {
      std::string frame = encode_shim_frame(shim::kStdinData, std::string_view(bytes).substr(at, shim::kChunkBytes));
      while (!stdin_gone_ && !ended_ && waiting_.size() > limits::kShimStdinBytesMax) co_await drained_.wait();
      if (stdin_gone_ || ended_) co_return false;
      waiting_ += frame;
      queued_.pulse();
    }
    co_return true;
  }
  void close_stdin() override { queue(shim::kStdinClose, {}); }
  void resize(int columns, int rows) override {
    uint8_t body[4];
    shim::put_u16(body, static_cast<uint16_t>(columns));
    shim::put_u16(body + 2, static_cast<uint16_t>(rows));
    queue(shim::kResize, std::string_view(reinterpret_cast<char*>(body), sizeof body));
  }

  Task<std::optional<Output>> next() override {
    for (;;) {
      if (ended_) co_return std::nullopt;
      auto frame = co_await connection_->receive();
      if (!frame) {
        end();
        Output lost;
        lost.kind = Output::kExit;
        lost.exit_code = 137;
        lost.error = "the pod's shim went away";
        co_return lost;
      }
      if (frame->type == shim::kStdinGone) {
        stdin_gone_ = true;
        drained_.pulse();
        continue;
      }
      Output out;
      if (frame->type == shim::kStdoutData || frame->type == shim::kStderrData) {
        out.kind = frame->type == shim::kStdoutData ? Output::kStdout : Output::kStderr;
        out.bytes = std::move(frame->body);
        co_return out;
      }
      end();
      out.kind = Output::kExit;
      if (frame->type == shim::kExit && frame->body.size() >= 4) {
        out.exit_code = static_cast<int>(shim::get_u32(reinterpret_cast<const uint8_t*>(frame->body.data())));
      } else {
        out.exit_code = 137;
        out.error = frame->type == shim::kFailed ? std::string(frame->body.c_str()) : "unexpected frame from the pod's shim";
      }
      co_return out;
    }
  }

 private:
  void queue(uint8_t type, std::string_view body) {
    if (ended_) return;
    waiting_ += encode_shim_frame(type, body);
    queued_.pulse();
  }
  void end() {
    ended_ = true;
    drained_.pulse();
  }
  Task<void> write_frames() {
    for (;;) {
      while (waiting_.empty()) co_await queued_.wait();
      std::string batch = std::exchange(waiting_, {});
      drained_.pulse();
      auto sent = co_await connection_->send_raw(std::move(batch));
      if (!sent.ok()) {
        stdin_gone_ = true;
        drained_.pulse();
        co_return;
      }
    }
  }

  std::unique_ptr<ShimConnection> connection_;
  std::string waiting_;
  bool stdin_gone_ = false, ended_ = false;
  Event queued_, drained_;
  TaskGroup tasks_;
};

}  // namespace

std::unique_ptr<ExecSession> make_shim_session(std::unique_ptr<ShimConnection> connection) { return std::make_unique<ShimSession>(std::move(connection)); }

}  // namespace bramble

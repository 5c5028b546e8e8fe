#include "core/client/remote_command.h"

#include "core/loop/race.h"
#include "core/base/limits.h"
#include "core/http/message.h"
#include "core/http/spdy.h"
#include "core/registry/api_status.h"

namespace bramble {

namespace {

enum Channel : unsigned char { kStdin = 0, kStdout = 1, kStderr = 2, kErrorChannel = 3, kResize = 4, kCloseSignal = 255 };

std::string message(Channel channel, std::string_view bytes) {
  std::string out(1, static_cast<char>(channel));
  out += bytes;
  return out;
}

void resize(ExecSession* session, std::string_view text) {
  auto size = Document::parse(text);
  if (!size.ok()) return;
  int64_t width = (*size)["Width"].integer(), height = (*size)["Height"].integer();
  if (width > 0 && height > 0 && width < 65536 && height < 65536) {
    session->resize(static_cast<int>(width), static_cast<int>(height));
  }
}

Task<void> pump_input(WebSocket* socket, ExecSession* session) {
  bool v5 = socket->protocol() == "v5.channel.k8s.io";
  for (;;) {
    auto received = co_await socket->receive();
    if (!received) co_return;
    if (received->empty()) continue;
    unsigned char channel = static_cast<unsigned char>((*received)[0]);
    std::string_view bytes = std::string_view(*received).substr(1);
    if (channel == kStdin && !bytes.empty()) {
      std::string chunk(bytes);
      co_await session->write_stdin(chunk);  // what a process does not read any more is dropped
    } else if (channel == kResize) {
      resize(session, bytes);
    } else if (channel == kCloseSignal && v5 && bytes.size() == 1 && static_cast<unsigned char>(bytes[0]) == kStdin) {
      session->close_stdin();
    }
  }
}

// A container that ends while somebody is attached to it ends their session well, whatever its exit code: the code is the pod's
// status, not the session's. What the client did not ask for is not sent: it may have no channel for it.
Task<void> pump_output(WebSocket* socket, ExecSession* session, const ExecOptions* options) {
  bool attached = options->command.empty();
  for (;;) {
    auto output = co_await session->next();
    if (!output) co_return;
    if (output->kind == ExecSession::Output::kExit) {
      std::string status = message(kErrorChannel, exit_status(attached ? 0 : output->exit_code, output->error));
      co_await socket->send(status);
      co_return;
    }
    if (!(output->kind == ExecSession::Output::kStdout ? options->stdout_on : options->stderr_on)) continue;
    std::string chunk = message(output->kind == ExecSession::Output::kStdout ? kStdout : kStderr, output->bytes);
    bool good = co_await socket->send(chunk);
    if (!good) co_return;
  }
}

// The streams of one session over SPDY (v4.channel.k8s.io). The client opens those that its URL asks for, then the session begins.
class SpdyStreams {
 public:
  // session: null when there is none, because the runtime refused; failure says why.
  SpdyStreams(WebSocket* bytes, ExecSession* session, const ExecOptions* options, std::string failure)
      : bytes_(bytes), session_(session), options_(options), failure_(std::move(failure)) {}

  // Until the client goes.
  Task<void> read() {
    for (;;) {
      auto received = co_await bytes_->receive();
      if (!received) co_return;
      auto frames = codec_.feed(*received);
      if (!frames.ok()) co_return;
      for (SpdyFrame& frame : *frames) {
        bool good = co_await take(std::move(frame));
        if (!good) co_return;
      }
    }
  }

  // Until the process has ended and that is told.
  Task<void> write() {
    co_await standing_.wait();
    std::string status = exit_status(0, failure_);
    while (session_) {
      auto output = co_await session_->next();
      if (!output) co_return;
      if (output->kind == ExecSession::Output::kExit) {
        status = exit_status(options_->command.empty() ? 0 : output->exit_code, output->error);
        break;
      }
      uint32_t stream = output->kind == ExecSession::Output::kStdout ? stdout_ : stderr_;
      if (stream == 0) continue;
      std::string chunk = SpdyCodec::data(stream, output->bytes, false);
      bool good = co_await bytes_->send(chunk);
      if (!good) co_return;
    }
    for (uint32_t stream : {stdout_, stderr_}) {
      if (stream == 0) continue;
      std::string end = SpdyCodec::data(stream, "", true);
      co_await bytes_->send(end);
    }
    std::string told = SpdyCodec::data(error_, status, true);
    co_await bytes_->send(told);
  }

 private:
  uint32_t* stream_of(std::string_view type) {
    if (type == "error") return &error_;
    if (type == "stdin" && options_->stdin_on) return &stdin_;
    if (type == "stdout" && options_->stdout_on) return &stdout_;
    if (type == "stderr" && wants_stderr()) return &stderr_;
    if (type == "resize" && options_->tty) return &resize_;
    return nullptr;
  }
  bool wants_stderr() const { return options_->stderr_on && !options_->tty; }  // a terminal has one output
  bool all_open() const {
    return error_ && (stdin_ || !options_->stdin_on) && (stdout_ || !options_->stdout_on) && (stderr_ || !wants_stderr()) &&
           (resize_ || !options_->tty);
  }

  Task<bool> take(SpdyFrame frame) {
    if (frame.type == SpdyFrame::Type::kSynStream) {
      uint32_t* stream = stream_of(frame.header("streamtype"));
      bool wanted = stream && *stream == 0;
      if (wanted) *stream = frame.stream;
      std::string reply = wanted ? codec_.syn_reply(frame.stream, {}, false) : SpdyCodec::rst_stream(frame.stream, kRefusedStream);
      bool good = co_await bytes_->send(reply);
      if (wanted && all_open()) standing_.set();
      co_return good;
    }
    if (frame.type == SpdyFrame::Type::kPing) {
      std::string pong = SpdyCodec::ping(frame.number);
      bool good = co_await bytes_->send(pong);
      co_return good;
    }
    if (frame.type == SpdyFrame::Type::kGoAway) co_return false;
    if (frame.type != SpdyFrame::Type::kData || !session_ || frame.stream == 0) co_return true;
    if (frame.stream == resize_) resize(session_, frame.data);
    if (frame.stream != stdin_) co_return true;
    if (!frame.data.empty()) co_await session_->write_stdin(std::move(frame.data));  // what a process does not read any more is dropped
    if (frame.fin) session_->close_stdin();
    co_return true;
  }

  static constexpr uint32_t kRefusedStream = 3;
  WebSocket* bytes_;
  ExecSession* session_;
  const ExecOptions* options_;
  std::string failure_;
  SpdyCodec codec_;
  uint32_t error_ = 0, stdin_ = 0, stdout_ = 0, stderr_ = 0, resize_ = 0;
  Event standing_;
};

}  // namespace

std::string exit_status(int exit_code, std::string_view error) {
  Builder b;
  Mut s = b.root();
  s.object("metadata");
  if (exit_code == 0 && error.empty()) {
    s.set("status", "Success");
    return b.dump();
  }
  s.set("status", "Failure");
  if (!error.empty()) {
    s.set("message", cat("Internal error occurred: ", error));
    s.set("reason", "InternalError");
    Mut cause = s.object("details").array("causes").append_object();
    cause.set("message", error);
    s.set("code", 500);
    return b.dump();
  }
  s.set("message", cat("command terminated with non-zero exit code: exit status ", exit_code));
  s.set("reason", "NonZeroExitCode");
  Mut cause = s.object("details").array("causes").append_object();
  cause.set("reason", "ExitCode");
  cause.set("message", cat(exit_code));
  return b.dump();
}

Task<void> serve_remote_command(StreamAsk ask, NodeStreams* node, ObjectKey pod, ExecOptions options) {
  auto opened = co_await node->exec(pod, options);
  // What the runtime refuses (no such program) is told inside the session; what is wrong with the question, before it.
  bool refused_by_runtime = !opened.ok() && opened.error().code() == Code::kInternal && opened.error().status_json().empty();
  if (!opened.ok() && !refused_by_runtime) {
    const Error& e = opened.error();
    co_return ask.refuse(e.status_json().empty() ? status_failure(e.code(), e.message()) : e);
  }
  std::vector<std::string> protocols = {"v5.channel.k8s.io", "v4.channel.k8s.io"};
  std::unique_ptr<WebSocket> socket = co_await ask.responder->accept_websocket(protocols);
  if (!socket) co_return;
  if (has_token(ask.http->header("upgrade"), "SPDY/3.1")) {
    std::unique_ptr<ExecSession> remote;
    if (opened.ok()) remote = std::move(*opened);
    SpdyStreams streams(socket.get(), remote.get(), &options, refused_by_runtime ? std::string(opened.error().message()) : std::string());
    {
      Race race;
      race.add(streams.read());
      race.add(streams.write());
      co_await race.first().wait();
    }
    co_return socket->close(1000, "");
  }
  // An empty message tells the client that the session stands.
  std::string hello = message(options.stdout_on ? kStdout : options.stderr_on ? kStderr : kErrorChannel, "");
  bool good = co_await socket->send(hello);
  if (!good) co_return;
  if (refused_by_runtime) {
    std::string status = message(kErrorChannel, exit_status(0, opened.error().message()));
    co_await socket->send(status);
    co_return socket->close(1000, "");
  }
  std::unique_ptr<ExecSession> session = std::move(*opened);
  {
    Race race;
    race.add(pump_input(socket.get(), session.get()));
    race.add(pump_output(socket.get(), session.get(), &options));
    co_await race.first().wait();
  }
  socket->close(1000, "");
}

}  // namespace bramble

#include "core/apiserver/remote_command.h"

#include "core/apiserver/race.h"
#include "core/base/limits.h"
#include "core/registry/api_status.h"

namespace bramble {

namespace {

enum Channel : unsigned char { kStdin = 0, kStdout = 1, kStderr = 2, kErrorChannel = 3, kResize = 4, kCloseSignal = 255 };

std::string message(Channel channel, std::string_view bytes) {
  std::string out(1, static_cast<char>(channel));
  out += bytes;
  return out;
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
      auto size = Document::parse(bytes);
      if (!size.ok()) continue;
      int64_t width = (*size)["Width"].integer(), height = (*size)["Height"].integer();
      if (width > 0 && height > 0 && width < 65536 && height < 65536) {
        session->resize(static_cast<int>(width), static_cast<int>(height));
      }
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

Task<void> serve_remote_command(std::shared_ptr<Request> request, NodeStreams* node, ObjectKey pod, ExecOptions options) {
  auto opened = co_await node->exec(pod, options);
  // What the runtime refuses (no such program) is told inside the session; what is wrong with the question, before it.
  bool refused_by_runtime = !opened.ok() && opened.error().code() == Code::kInternal && opened.error().status_json().empty();
  if (!opened.ok() && !refused_by_runtime) {
    const Error& e = opened.error();
    co_return send_error(*request, e.status_json().empty() ? status_failure(e.code(), e.message()) : e);
  }
  std::vector<std::string> protocols = {"v5.channel.k8s.io", "v4.channel.k8s.io"};
  std::unique_ptr<WebSocket> socket = co_await request->responder->accept_websocket(protocols);
  if (!socket) co_return;
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

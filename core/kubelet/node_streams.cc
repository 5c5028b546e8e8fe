// Kubelet as NodeStreams: logs, exec, attach, port-forward.
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "cni/netlink/netns.h"
#include "core/base/limits.h"
#include "core/base/unique_fd.h"
#include "core/kubelet/kubelet.h"
#include "core/kubelet/log_lines.h"
#include "core/kubelet/log_stream.h"
#include "core/loop/loop.h"
#include "core/loop/socket.h"

namespace bramble {

namespace {

// The attempts of a container that have a log file, newest first.
std::vector<int> log_attempts(const std::string& folder) {
  std::vector<int> out;
  std::error_code ec;
  for (std::filesystem::directory_iterator it(folder, ec), end; !ec && it != end; it.increment(ec)) {
    std::string name = it->path().filename().string();
    if (!name.ends_with(".log")) continue;
    if (auto n = parse_int64(std::string_view(name).substr(0, name.size() - 4))) out.push_back(static_cast<int>(*n));
  }
  std::sort(out.rbegin(), out.rend());
  return out;
}

Result<UniqueFd> tcp_socket(int family) {
  UniqueFd fd(socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return Error::from_errno(errno, "socket");
  return fd;
}

// Only the socket is made inside the namespace (by a thread of its own, because setns() moves a whole thread); it stays there,
// and is connected from the loop. netns empty: the host's.
Task<Result<std::unique_ptr<Stream>>> connect_in_netns(std::string netns, SocketAddress address) {
  auto make = [netns, family = address.family()]() -> Result<UniqueFd> {
    if (netns.empty()) return tcp_socket(family);
    UniqueFd out;
    TRY(in_netns(netns, [&out, family]() -> Status {
      TRY_ASSIGN(out, tcp_socket(family));
      return ok();
    }));
    return out;
  };
  Task<Result<UniqueFd>> making = offload(std::move(make));
  auto fd = co_await making;
  if (!fd.ok()) co_return fd.error();
  auto stream = co_await Stream::connect(std::move(*fd), address, limits::kConnectMs);
  co_return stream;
}

class SocketStream final : public DuplexStream {
 public:
  explicit SocketStream(std::unique_ptr<Stream> stream) : stream_(std::move(stream)) {}
  Task<std::optional<std::string>> read() override {
    auto bytes = co_await stream_->read_some(limits::kLogReadBytes);
    if (!bytes.ok() || bytes->empty()) co_return std::nullopt;
    co_return std::move(*bytes);
  }
  Task<bool> write(std::string bytes) override {
    auto sent = co_await stream_->write_all(std::move(bytes));
    co_return sent.ok();
  }
  void close_write() override { stream_->shutdown_write(); }

 private:
  std::unique_ptr<Stream> stream_;
};

Error container_not_found(const ObjectKey& pod, std::string_view container) {
  return Error(Code::kInvalidArgument, cat("container ", container, " is not valid for pod ", pod.name));
}

std::string default_container(const Document& pod, const std::string& wanted) {
  if (!wanted.empty()) return wanted;
  std::string named = PodView(pod).annotations()["kubectl.kubernetes.io/default-container"].text();
  return !named.empty() && PodView(pod).container(named) ? named : PodView(pod).containers().item(0)["name"].text();
}

}  // namespace

Task<Result<std::unique_ptr<DuplexStream>>> Kubelet::logs(ObjectKey key, LogOptions options) {
  PodWorker* worker = worker_of(key);
  if (!worker) co_return Error(Code::kNotFound, cat("pod ", key.text(), " is not on this node"));
  std::string name = default_container(worker->pod(), options.container);
  if (!PodView(worker->pod()).container(name)) co_return container_not_found(key, name);
  std::string folder = cat(parts_.log_folder(worker->pod().root()), "/", name);
  Task<std::vector<int>> listing = offload([folder] { return log_attempts(folder); });
  auto attempts = co_await listing;
  worker = worker_of(key);
  if (!worker) co_return Error(Code::kNotFound, cat("pod ", key.text(), " is not on this node"));
  const ContainerRecord* latest = latest_record(worker->records(), name);
  std::string path;
  if (options.previous) {
    const ContainerRecord* before = previous_record(worker->records(), name);
    // In back-off the latest one has ended and the next one has not begun: that one is the previous.
    Value status = PodView(worker->pod()).container_status(name);
    bool latest_is_previous = latest && latest->phase == ContainerRecord::Phase::kExited && status["state"].has("waiting");
    int attempt = latest_is_previous ? latest->attempt : before ? before->attempt : attempts.size() > 1 ? attempts[1] : -1;
    if (attempt < 0) co_return Error(Code::kInvalidArgument, cat("previous terminated container \"", name, "\" in pod \"", key.name, "\" not found"));
    path = cat(folder, "/", attempt, ".log");
  } else if (latest) {
    path = latest->log_path;
  } else if (!attempts.empty()) {
    path = cat(folder, "/", attempts[0], ".log");
  }
  Value waiting = PodView(worker->pod()).container_status(name)["state"]["waiting"];
  std::string_view reason = waiting["reason"].str("ContainerCreating");
  std::string_view message = waiting["message"].str();
  bool pulling = reason.starts_with("ErrImage") || reason == "ImagePullBackOff";
  Error no_log(Code::kInvalidArgument, cat("container \"", name, "\" in pod \"", key.name, "\" is waiting to start: ",
                                           pulling ? "trying and failing to pull image" : message.empty() ? reason : message));
  if (path.empty()) co_return no_log;
  std::string uid = worker->uid(), id = latest ? latest->id : std::string();
  std::function<bool()> ended = [this, uid, id, followers = parts_.followers, previous = options.previous]() {
    if (followers->closed() || previous || id.empty()) return true;
    auto it = workers_.find(uid);
    if (it == workers_.end()) return true;
    for (const auto& r : it->second->records())
      if (r.id == id) return r.phase == ContainerRecord::Phase::kExited;
    return true;
  };
  Task<Result<std::unique_ptr<DuplexStream>>> opening = open_log_stream(path, options, parts_.clock.wall_us(), ended, parts_.followers);
  auto stream = co_await opening;
  if (!stream.ok() && stream.error().code() == Code::kNotFound) co_return no_log;
  co_return stream;
}

Task<Result<std::unique_ptr<ExecSession>>> Kubelet::exec(ObjectKey key, ExecOptions options) {
  PodWorker* worker = worker_of(key);
  if (!worker) co_return Error(Code::kNotFound, cat("pod ", key.text(), " is not on this node"));
  std::string name = default_container(worker->pod(), options.container);
  if (!PodView(worker->pod()).container(name)) co_return container_not_found(key, name);
  const ContainerRecord* r = latest_record(worker->records(), name);
  if (!r || r->phase != ContainerRecord::Phase::kRunning) co_return Error(Code::kNotFound, cat("container not found (\"", name, "\")"));
  std::string uid = worker->uid(), id = r->id;
  if (options.command.empty()) {
    auto attached = co_await runtime_->attach(uid, id, options.stdin_on);
    co_return attached;
  }
  CO_TRY_ASSIGN(OciProcess process, container_process(runtime_->container_dir(uid, id)));
  process.args = options.command;
  process.terminal = options.tty;
  bool has_term = std::any_of(process.env.begin(), process.env.end(), [](const std::string& e) { return e.starts_with("TERM="); });
  if (options.tty && !has_term) process.env.push_back("TERM=xterm");
  auto session = co_await runtime_->exec(uid, id, process, options.stdin_on);
  if (!session.ok())
    co_return Error(session.error().code(), cat("error executing command in container: failed to exec in container: failed to start exec: OCI runtime exec failed: ", session.error().message()));
  co_return session;
}

Task<Result<std::unique_ptr<DuplexStream>>> Kubelet::port_forward(ObjectKey key, uint16_t port) {
  PodWorker* worker = worker_of(key);
  if (!worker) co_return Error(Code::kNotFound, cat("pod ", key.text(), " is not on this node"));
  std::string netns = PodView(worker->pod()).host_network() ? std::string() : cat(runtime_->pod_dir(worker->uid()), "/ns/net");
  std::string why;
  for (const char* host : {"127.0.0.1", "::1"}) {
    CO_TRY_ASSIGN(SocketAddress address, SocketAddress::ip(host, port));
    auto stream = co_await connect_in_netns(netns, address);
    if (stream.ok()) co_return std::make_unique<SocketStream>(std::move(*stream));
    // As Go says it, and of the first address only: "dial tcp4 127.0.0.1:80: connect: connection refused".
    const std::string& text = stream.error().message();
    if (why.empty()) why = cat("dial tcp4 ", address.text(), ": connect: ", lower(std::string_view(text).substr(text.rfind(": ") + 2)));
  }
  co_return Error(Code::kUnavailable, cat("failed to connect to localhost:", static_cast<int>(port), " inside namespace \"", netns, "\": ", why));
}

}  // namespace bramble

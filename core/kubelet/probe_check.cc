#include "core/kubelet/probe_check.h"

#include "core/base/limits.h"
#include "core/http/grpc_call.h"
#include "core/http/url.h"
#include "core/kubelet/expansion.h"
#include "core/kubelet/http_get.h"
#include "core/kubelet/log_lines.h"
#include "core/loop/loop.h"

namespace bramble {

namespace {

// What the one who waits shares with the work: it may run out of time at any point.
struct Attempt {
  ProbeAnswer answer;
  bool done = false;
  ProbeAnswer when_late;  // at this point of the work
};

ProbeAnswer failure(std::string text) { return {ProbeAnswer::kFailure, std::move(text)}; }

// "dial tcp 10.42.0.7:80: connect: connection refused", as Go says it.
std::string dial_text(const std::string& address, const Error& error) {
  const std::string& text = error.message();
  auto at = text.rfind(": ");
  return cat("dial tcp ", address, ": connect: ", lower(at == text.npos ? std::string_view(text) : std::string_view(text).substr(at + 2)));
}

// A connection to the first address of the host that takes one; else what Go says of the first that did not.
struct Dialed {
  Result<std::unique_ptr<Stream>> stream = Error(Code::kUnavailable, "no address");
  std::string why;
};
Task<Dialed> dial(std::string host, uint16_t port, int64_t timeout_ms) {
  Dialed out;
  Task<Result<std::vector<SocketAddress>>> looking_up = look_up(host, port);
  auto addresses = co_await looking_up;
  if (!addresses.ok()) {
    out.why = cat("dial tcp: ", addresses.error().message());
    co_return out;
  }
  for (const SocketAddress& address : *addresses) {
    out.stream = co_await Stream::connect(address, timeout_ms);
    if (out.stream.ok()) break;
    bool late = out.stream.error().code() == Code::kTimeout;
    if (out.why.empty()) out.why = late ? cat("dial tcp ", address.text(), ": i/o timeout") : dial_text(address.text(), out.stream.error());
  }
  co_return out;
}

void take_output(std::string& to, const std::string& bytes) {
  size_t room = limits::kProbeOutputBytesMax - std::min(limits::kProbeOutputBytesMax, to.size());
  to += bytes.substr(0, room);
}

Task<ProbeAnswer> check_command(PodRuntime* runtime, ProbePlace place, Document probe, Attempt* attempt) {
  auto process = container_process(runtime->container_dir(place.uid, place.id));
  if (!process.ok()) co_return ProbeAnswer{ProbeAnswer::kError, process.error().message()};
  // Only what the container's env says outright is expanded.
  auto known = [&place](std::string_view name) -> std::optional<std::string> {
    std::optional<std::string> out;
    for (Value e : place.container["env"].items())
      if (e["name"].str() == name && !e.has("valueFrom")) out = e["value"].text();
    return out;
  };
  process->args.clear();
  for (Value v : probe["exec"]["command"].items()) process->args.push_back(expand_references(v.str(), known));
  process->terminal = false;
  attempt->when_late = failure(cat("command ", go_quote(join(process->args, " ")), " timed out"));
  auto session = co_await runtime->exec(place.uid, place.id, *process, false);
  if (!session.ok()) co_return ProbeAnswer{ProbeAnswer::kError, cat("failed to exec in container: failed to start exec: OCI runtime exec failed: ", session.error().message())};
  std::string out, err;
  for (;;) {
    auto output = co_await (*session)->next();
    if (!output) co_return ProbeAnswer{ProbeAnswer::kError, "the command's process is lost"};
    if (output->kind == ExecSession::Output::kStdout) take_output(out, output->bytes);
    if (output->kind == ExecSession::Output::kStderr) take_output(err, output->bytes);
    if (output->kind != ExecSession::Output::kExit) continue;
    if (!output->error.empty()) co_return ProbeAnswer{ProbeAnswer::kError, output->error};
    take_output(out, err);
    co_return ProbeAnswer{output->exit_code == 0 ? ProbeAnswer::kSuccess : ProbeAnswer::kFailure, out};
  }
}

std::string go_http_error(const Error& error) {
  const std::string& text = error.message();
  if (text.find("connection ended before the answer did") != text.npos) return "EOF";
  return lower(text);
}

Task<ProbeAnswer> check_http(ProbePlace place, Document probe, int64_t timeout_ms, Attempt* attempt) {
  auto get = http_get(probe["httpGet"], place.container.root(), place.pod_ip, "probe");
  if (!get.ok()) co_return ProbeAnswer{ProbeAnswer::kError, get.error().message()};
  const std::string first_host = get->target.address;
  for (int redirects = 0;; ++redirects) {
    std::string prefix = cat("Get ", go_quote(get->url), ": ");
    if (redirects >= limits::kProbeRedirectsMax) co_return failure(cat(prefix, "stopped after ", limits::kProbeRedirectsMax, " redirects"));
    attempt->when_late = failure(cat(prefix, "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"));
    std::string host = get->target.address;
    Task<Dialed> dialing = dial(host, get->target.port, timeout_ms);
    Dialed dialed = co_await dialing;
    if (!dialed.stream.ok()) co_return failure(cat(prefix, dialed.why));
    auto stream = std::move(dialed.stream);
    auto connection = co_await HttpClientConnection::over(std::move(*stream), get->target);
    if (!connection.ok()) co_return failure(cat(prefix, go_http_error(connection.error())));
    auto answer = co_await (*connection)->start(get->request);
    if (!answer.ok()) co_return failure(cat(prefix, go_http_error(answer.error())));
    bool redirect = answer->status == 301 || answer->status == 302 || answer->status == 303 || answer->status == 307 || answer->status == 308;
    std::string location(answer->header("location"));
    if (redirect && !location.empty()) {
      auto here = parse_url(get->url);
      auto next = here.ok() ? resolve_url(*here, location) : here;
      if (!next.ok()) co_return failure(cat(prefix, "failed to parse Location header ", go_quote(location)));
      if (next->host == first_host) {
        Builder b(probe["httpGet"]);
        b.root().set("scheme", next->scheme == "https" ? "HTTPS" : "HTTP");
        b.root().set("port", static_cast<int64_t>(next->port_or_default()));
        b.root().set("path", next->target());
        Document action = b.finish();
        get = http_get(action.root(), place.container.root(), place.pod_ip, "probe");
        if (!get.ok()) co_return ProbeAnswer{ProbeAnswer::kError, get.error().message()};
        continue;
      }
    }
    // Its body is read as far as it is shown, and no further.
    attempt->when_late = {ProbeAnswer::kError, "context deadline exceeded (Client.Timeout or context cancellation while reading body)"};
    std::string body;
    while (body.size() < limits::kProbeOutputBytesMax) {
      auto piece = co_await (*connection)->read_body();
      if (!piece.ok()) co_return ProbeAnswer{ProbeAnswer::kError, "unexpected EOF"};
      if (!*piece) break;
      take_output(body, **piece);
    }
    if (answer->status >= 200 && answer->status < 300) co_return ProbeAnswer{ProbeAnswer::kSuccess, body};
    if (answer->status >= 300 && answer->status < 400) co_return ProbeAnswer{ProbeAnswer::kWarning, cat("Probe terminated redirects, Response body: ", body)};
    co_return failure(cat("HTTP probe failed with statuscode: ", answer->status));
  }
}

Task<ProbeAnswer> check_tcp(ProbePlace place, Document probe, int64_t timeout_ms, Attempt* attempt) {
  auto port = container_port(probe["tcpSocket"]["port"], place.container.root());
  if (!port.ok()) co_return ProbeAnswer{ProbeAnswer::kError, port.error().message()};
  std::string host = probe["tcpSocket"]["host"].text();
  if (host.empty()) host = place.pod_ip;
  attempt->when_late = failure(cat("dial tcp: lookup ", host, ": i/o timeout"));
  if (auto numeric = SocketAddress::ip(host, *port); numeric.ok()) attempt->when_late = failure(cat("dial tcp ", numeric->text(), ": i/o timeout"));
  Task<Dialed> dialing = dial(host, *port, timeout_ms);
  Dialed dialed = co_await dialing;
  if (!dialed.stream.ok()) co_return failure(dialed.why);
  co_return ProbeAnswer{};
}

// As grpc-go's client: it connects again and again until the time is over, and only a server that speaks HTTP/2 counts.
Task<ProbeAnswer> check_grpc(ProbePlace place, Document probe, int64_t timeout_ms, Attempt* attempt) {
  auto port = container_port(probe["grpc"]["port"], place.container.root());
  if (!port.ok()) co_return ProbeAnswer{ProbeAnswer::kError, port.error().message()};
  std::string authority = host_and_port(place.pod_ip, *port), within = cat(timeout_ms / 1000, "s");
  ProbeAnswer unconnected = failure(cat("timeout: failed to connect service ", go_quote(authority), " within ", within, ": context deadline exceeded"));
  attempt->when_late = unconnected;
  auto address = SocketAddress::ip(place.pod_ip, *port);
  if (!address.ok()) co_return failure(cat("error: failed to connect service at ", go_quote(authority), ": ", address.error().message()));
  GrpcRequest request;
  request.authority = authority;
  request.path = "/grpc.health.v1.Health/Check";
  request.user_agent = "kube-probe/1.36";
  request.timeout_ms = timeout_ms;
  std::string service = probe["grpc"]["service"].text();
  if (!service.empty()) {
    request.message = "\x0a";
    for (size_t n = service.size(); ; n >>= 7) {
      request.message += static_cast<char>((n & 0x7f) | (n > 0x7f ? 0x80 : 0));
      if (n <= 0x7f) break;
    }
    request.message += service;
  }
  for (;;) {
    bool connected = false;
    std::function<void()> on_connected = [&connected, attempt, within] {
      connected = true;
      attempt->when_late = failure(cat("timeout: health rpc did not complete within ", within));
    };
    auto stream = co_await Stream::connect(*address, timeout_ms);
    if (stream.ok()) {
      Task<Result<GrpcAnswer>> calling = grpc_call(std::move(*stream), request, on_connected);
      auto answer = co_await calling;
      if (answer.ok()) {
        if (answer->code == 12) co_return failure(cat("error: this server does not implement the grpc health protocol (grpc.health.v1.Health): ", answer->text));
        if (answer->code == 4) co_return failure(cat("timeout: health rpc did not complete within ", within));
        if (answer->code != 0) co_return failure(cat("error: health rpc probe failed: rpc error: code = ", grpc_code_name(answer->code), " desc = ", answer->text));
        auto status = health_status(answer->message);
        static constexpr const char* kStates[] = {"UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"};
        if (!status) co_return failure("error: health rpc probe failed: rpc error: code = Internal desc = grpc: failed to unmarshal the received message");
        if (*status == 1) co_return ProbeAnswer{ProbeAnswer::kSuccess, "service healthy"};
        std::string state = *status >= 0 && *status < 4 ? kStates[*status] : cat(*status);
        co_return failure(cat("service unhealthy (responded with ", go_quote(state), ")"));
      }
      if (connected) co_return failure(cat("error: health rpc probe failed: rpc error: code = Unavailable desc = ", answer.error().message()));
    }
    attempt->when_late = unconnected;
    co_await sleep_ms(limits::kProbeRedialMs);
  }
}

Task<void> carry_out(PodRuntime* runtime, ProbePlace place, Document probe, int64_t timeout_ms, Attempt* attempt, Alarm* over) {
  Value p = probe.root();
  Task<ProbeAnswer> work;
  if (p.has("exec")) work = check_command(runtime, place, probe, attempt);
  else if (p.has("httpGet")) work = check_http(place, probe, timeout_ms, attempt);
  else if (p.has("tcpSocket")) work = check_tcp(place, probe, timeout_ms, attempt);
  else if (p.has("grpc")) work = check_grpc(place, probe, timeout_ms, attempt);
  attempt->answer = {ProbeAnswer::kError, "missing probe handler"};
  if (work.valid()) {
    auto answer = co_await work;
    attempt->answer = std::move(answer);
  }
  attempt->done = true;
  over->set_in_ms(0);  // who waits drops this task: not from within it
}

}  // namespace

Task<ProbeAnswer> check_health(PodRuntime* runtime, AlarmFactory alarms, ProbePlace place, Document probe) {
  Attempt attempt;
  Event over;
  std::function<void()> fire = [&over] { over.set(); };
  std::unique_ptr<Alarm> alarm = alarms(fire);
  int64_t timeout_ms = std::max<int64_t>(1, probe["timeoutSeconds"].integer(1)) * 1000;
  alarm->set_in_ms(timeout_ms);
  TaskGroup work;
  work.start(carry_out(runtime, place, probe, timeout_ms, &attempt, alarm.get()));
  co_await over.wait();
  if (!attempt.done) co_return attempt.when_late;
  co_return attempt.answer;
}

std::optional<int> health_status(std::string_view message) {
  int out = 0;
  size_t at = 0;
  auto varint = [&]() -> std::optional<uint64_t> {
    uint64_t v = 0;
    for (int shift = 0; shift < 64 && at < message.size(); shift += 7) {
      auto byte = static_cast<unsigned char>(message[at++]);
      v |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return v;
    }
    return std::nullopt;
  };
  while (at < message.size()) {
    auto key = varint();
    if (!key) return std::nullopt;
    if ((*key & 7) == 0) {
      auto value = varint();
      if (!value) return std::nullopt;
      if (*key >> 3 == 1) out = static_cast<int>(*value);
      continue;
    }
    uint64_t skip = 0;
    if ((*key & 7) == 2) {
      auto length = varint();
      if (!length) return std::nullopt;
      skip = *length;
    } else if ((*key & 7) == 1) {
      skip = 8;
    } else if ((*key & 7) == 5) {
      skip = 4;
    } else {
      return std::nullopt;
    }
    if (skip > message.size() - at) return std::nullopt;
    at += static_cast<size_t>(skip);
  }
  return out;
}

}  // namespace bramble

#include "core/kubelet/hooks.h"

#include "core/http/client.h"
#include "core/kubelet/log_lines.h"
#include "core/loop/loop.h"

namespace bramble {

namespace {

Task<Status> run_command(PodRuntime* runtime, HookPlace place, Document handler) {
  auto process = container_process(runtime->container_dir(place.uid, place.id));
  if (!process.ok()) co_return process.error();
  process->args.clear();
  for (Value v : handler["exec"]["command"].items()) process->args.push_back(v.text());
  process->terminal = false;
  auto session = co_await runtime->exec(place.uid, place.id, *process, false);
  if (!session.ok()) co_return session.error();
  for (;;) {
    auto output = co_await (*session)->next();
    if (!output) co_return Error(Code::kUnavailable, "the hook's process is lost");
    if (output->kind != ExecSession::Output::kExit) continue;
    if (output->exit_code == 0) co_return ok();
    co_return Error(Code::kInternal, cat("command exited with ", output->exit_code));
  }
}

// A number, or the name of one of the container's ports.
Result<uint16_t> port_of(Value port, Value container) {
  int64_t number = port.is_string() ? parse_int64(port.str()).value_or(0) : port.integer();
  for (Value p : container["ports"].items())
    if (number == 0 && p["name"].str() == port.str()) number = p["containerPort"].integer();
  if (number < 1 || number > 65535) return Error(Code::kInvalidArgument, cat("invalid port ", port.dump()));
  return static_cast<uint16_t>(number);
}

Task<Status> send_request(HookPlace place, Document handler) {
  Value get = handler["httpGet"];
  if (get["scheme"].str("HTTP") != "HTTP") co_return Error(Code::kUnsupportedMedia, "hooks by HTTPS are not sent by this version");
  HttpClientTarget target;
  target.address = get["host"].text(place.pod_ip);
  CO_TRY_ASSIGN(target.port, port_of(get["port"], place.container.root()));
  auto connection = co_await HttpClientConnection::open(target);
  if (!connection.ok()) co_return connection.error();
  HttpClientRequest request;
  request.target = get["path"].text("/");
  if (!request.target.starts_with('/')) request.target = "/" + request.target;
  request.headers = {{"user-agent", "kube-lifecycle/1.36"}, {"accept", "*/*"}};
  for (Value h : get["httpHeaders"].items()) {
    std::string name = lower(h["name"].str());
    std::erase_if(request.headers, [&name](const Header& x) { return x.name == name; });
    request.headers.push_back({name, h["value"].text()});
  }
  auto answer = co_await (*connection)->start(request);
  if (!answer.ok()) co_return answer.error();
  co_return ok();
}

}  // namespace

Task<Status> run_hook(PodRuntime* runtime, HookPlace place, Document handler) {
  if (handler.root().has("exec")) {
    auto done = co_await run_command(runtime, place, handler);
    co_return done;
  }
  if (handler.root().has("httpGet")) {
    auto done = co_await send_request(place, handler);
    co_return done;
  }
  if (handler.root().has("sleep")) {
    co_await sleep_ms(handler["sleep"]["seconds"].integer() * 1000);
    co_return ok();
  }
  co_return Error(Code::kInvalidArgument, cat("invalid handler: ", handler.root().dump()));
}

}  // namespace bramble

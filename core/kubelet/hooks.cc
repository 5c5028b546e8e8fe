#include "core/kubelet/hooks.h"

#include "core/kubelet/http_get.h"
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

Task<Status> send_request(HookPlace place, Document handler) {
  CO_TRY_ASSIGN(HttpGet get, http_get(handler["httpGet"], place.container.root(), place.pod_ip, "lifecycle"));
  std::string host = get.target.address;
  Task<Result<std::vector<SocketAddress>>> looking_up = look_up(host, get.target.port);
  auto addresses = co_await looking_up;
  if (!addresses.ok()) co_return addresses.error();
  if (get.target.server_name.empty()) get.target.server_name = host;
  Result<std::unique_ptr<HttpClientConnection>> connection = Error(Code::kUnavailable, "no address");
  for (const SocketAddress& address : *addresses) {
    get.target.address = address.host();
    connection = co_await HttpClientConnection::open(get.target);
    if (connection.ok()) break;
  }
  if (!connection.ok()) co_return connection.error();
  auto answer = co_await (*connection)->start(get.request);
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

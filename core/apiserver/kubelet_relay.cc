#include "core/apiserver/kubelet_relay.h"

#include "core/apiserver/relay.h"
#include "core/base/limits.h"
#include "core/client/api_requests.h"
#include "core/loop/race.h"
#include "core/registry/api_status.h"

namespace bramble {

namespace {

Error dial_error(const std::string& node, const Error& error) {
  return status_failure(Code::kInternal, 500, "InternalError", cat("error dialing backend: ", error.message(), " (node ", node, ")"));
}

// What a kubelet says is text; the number tells what kind of failure it is (upstream: errors.NewGenericServerResponse).
Task<void> answer_failure(std::shared_ptr<Request> request, HttpClientConnection* connection, int status) {
  std::string body;
  while (body.size() < limits::kNodeRequestBytesMax) {
    auto piece = co_await connection->read_body();
    if (!piece.ok() || !*piece) break;
    body += **piece;
  }
  Error told = error_of_answer(status, body);
  if (!told.status_json().empty()) co_return send_error(*request, told);
  std::string text(trim(body));
  send_error(*request, status_failure(told.code(), text.empty() ? cat("the kubelet answered ", status) : text));
}

Task<void> carry_log(std::shared_ptr<Request> request, HttpClientConnection* connection) {
  for (;;) {
    auto piece = co_await connection->read_body();
    if (!piece.ok() || !*piece) co_return;
    Buffer chunk = make_buffer(std::move(**piece));
    bool good = co_await request->responder->write(chunk);
    if (!good) co_return;
  }
}

Task<void> exchange(std::shared_ptr<Request> request, KubeletConnect connect, std::string node, std::string target) {
  auto opened = co_await connect(node);
  if (!opened.ok()) co_return send_error(*request, dial_error(node, opened.error()));
  std::unique_ptr<HttpClientConnection> connection = std::move(*opened);
  const bool upgrades = request->http->asks_for_upgrade();
  HttpClientRequest out = forwarded_request(*request, target);
  if (!upgrades) {
    out.method = "GET";
    out.body = nullptr;
  }
  auto response = co_await connection->start(std::move(out));
  if (!response.ok()) co_return send_error(*request, dial_error(node, response.error()));
  if (response->status == 101 && upgrades) {
    Task<void> carrying = carry_upgraded(request, std::move(connection), response->headers);
    co_await carrying;
    co_return;
  }
  if (response->status != 200 || upgrades) {
    Task<void> failing = answer_failure(request, connection.get(), response->status);
    co_await failing;
    co_return;
  }
  request->responder->begin(200, answer_headers(*request, "text/plain"));
  Task<void> carrying = carry_log(request, connection.get());
  co_await carrying;
  request->responder->end();
}

}  // namespace

Task<void> relay_to_kubelet(std::shared_ptr<Request> request, KubeletConnect connect, std::string node, std::string target) {
  Race race;
  race.until(&request->responder->gone());
  race.add(exchange(request, std::move(connect), std::move(node), std::move(target)));
  co_await race.first().wait();
}

}  // namespace bramble

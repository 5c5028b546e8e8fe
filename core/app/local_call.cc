#include "core/app/local_call.h"

#include "core/http/client.h"

namespace bramble {

Task<Result<Document>> call_local(std::string socket_path, std::string method, std::string target, std::function<void(Value line)> on_line) {
  HttpClientTarget where;
  where.unix_path = socket_path;
  auto connection = co_await HttpClientConnection::open(where);
  if (!connection.ok())
    co_return Error(Code::kUnavailable, cat("no bramble answers on ", socket_path, " (", connection.error().message(), "); start it, or give its --run-dir"));
  HttpClientRequest request;
  request.method = method;
  request.target = target;
  auto head = co_await (*connection)->start(std::move(request));
  if (!head.ok()) co_return head.error();
  std::string text;
  Document last;
  for (;;) {
    auto piece = co_await (*connection)->read_body();
    if (!piece.ok()) co_return piece.error();
    if (*piece) text += **piece;
    size_t end;
    while ((end = text.find('\n')) != std::string::npos || (!*piece && !text.empty())) {
      auto parsed = Document::parse(text.substr(0, end));
      text.erase(0, end == std::string::npos ? end : end + 1);
      if (!parsed.ok()) co_return parsed.error();
      last = std::move(*parsed);
      if (on_line) on_line(last.root());
    }
    if (!*piece) break;
  }
  if (last["error"].exists()) co_return Error(Code::kInvalidArgument, last["error"].text());
  co_return last;
}

}  // namespace bramble

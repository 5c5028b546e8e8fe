#include "core/apiserver/apiserver.h"
#include "core/apiserver/reads.h"
#include "core/registry/api_status.h"

namespace bramble {

void ApiServer::serve_get(RequestRef request) {
  if (request->info.query.flag("export"))
    return send_error(*request, api_bad_request("the export parameter, deprecated since v1.14, is no longer supported"));
  auto version = parse_version(request->info.query.get("resourceVersion"));
  if (!version.ok()) return send_error(*request, version.error());
  Status reached = check_reached(registry_.cache(), *version);
  if (!reached.ok()) return send_error(*request, reached.error());
  Call call;
  call.kind = request->kind;
  call.ns = request->kind->namespaced ? request->info.ns : std::string();
  call.name = request->info.name, call.subresource = request->info.subresource;
  auto reply = verbs_.get(call);
  if (!reply.ok()) return send_error(*request, reply.error());
  send_object(*request, reply->status, reply->object, registry_.clock());
}

Task<void> ApiServer::serve_list(RequestRef request) {
  auto list = parse_list(*request);
  if (!list.ok()) co_return send_error(*request, list.error());
  auto page = read_page(registry_.cache(), *list);
  if (!page.ok()) co_return send_error(*request, page.error());
  Task<void> sending = send_page(request, std::move(*page), &registry_.clock());
  co_await sending;
}

}  // namespace bramble

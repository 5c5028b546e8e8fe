#include "core/apiserver/openapi_paths.h"

#include "core/registry/api_status.h"
#include "core/schema/openapi.h"

namespace bramble {

namespace {

// Clients name the digest that they found in the index: such an answer never changes.
void send_document(Request& request, const OpenApiDocument& document) {
  const std::string etag = cat("\"", document.hash, "\"");
  std::string_view wanted = request.info.query.get("hash");
  if (!wanted.empty() && wanted != document.hash) {
    request.responder->send(301, {{"location", cat("/openapi/v3/", document.path, "?hash=", document.hash)}}, make_buffer(""));
    return;
  }
  std::vector<Header> headers = {{"content-type", "application/json"},
                                 {"cache-control", wanted.empty() ? "no-cache, private" : "public, immutable"},
                                 {"vary", "Accept, Accept-Encoding"},
                                 {"etag", etag}};
  if (request.http->header("if-none-match").find(etag) != std::string_view::npos) {
    return request.responder->send(304, std::move(headers), make_buffer(""));
  }
  if (request.http->header("accept-encoding").find("gzip") != std::string_view::npos) {
    headers.push_back({"content-encoding", "gzip"});
    return request.responder->send(200, std::move(headers), make_buffer(std::string(document.compressed())));
  }
  auto json = openapi_v3_json(document);
  if (!json.ok()) return send_error(request, json.error());
  request.responder->send(200, std::move(headers), make_buffer(std::move(*json)));
}

}  // namespace

bool serve_openapi(Request& request) {
  constexpr std::string_view kRoot = "/openapi/v3";
  std::string_view path = request.info.path;
  while (path.size() > kRoot.size() && path.back() == '/') path.remove_suffix(1);
  if (path.substr(0, kRoot.size()) != kRoot || (path.size() > kRoot.size() && path[kRoot.size()] != '/')) return false;
  if (path == kRoot) {
    request.responder->send(200, answer_headers(request, "application/json"), make_buffer(openapi_v3_index()));
  } else if (const OpenApiDocument* document = find_openapi_v3(path.substr(kRoot.size() + 1))) {
    send_document(request, *document);
  } else {
    send_text(request, 404, "404 page not found\n");
  }
  return true;
}

}  // namespace bramble

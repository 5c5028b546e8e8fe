#include "core/apiserver/openapi_paths.h"

#include "core/apiserver/negotiation.h"
#include "core/registry/api_status.h"
#include "core/schema/openapi.h"

namespace bramble {

namespace {

// As it is linked, or inflated for a client that does not take gzip; 304 to one that has it.
void send_document(Request& request, const OpenApiDocument& document, std::string_view content_type, std::string_view cache_control) {
  const std::string etag = cat("\"", document.hash, "\"");
  std::vector<Header> headers = {{"content-type", std::string(content_type)},
                                 {"cache-control", std::string(cache_control)},
                                 {"vary", "Accept, Accept-Encoding"},
                                 {"etag", etag}};
  if (request.http->header("if-none-match").find(etag) != std::string_view::npos) {
    return request.responder->send(304, std::move(headers), make_buffer(""));
  }
  if (request.http->header("accept-encoding").find("gzip") != std::string_view::npos) {
    headers.push_back({"content-encoding", "gzip"});
    return request.responder->send(200, std::move(headers), make_buffer(std::string(document.compressed())));
  }
  auto whole = openapi_bytes(document);
  if (!whole.ok()) return send_error(request, whole.error());
  request.responder->send(200, std::move(headers), make_buffer(std::move(*whole)));
}

// Clients name the digest that they found in the index: such an answer never changes.
void send_v3(Request& request, const OpenApiDocument& document) {
  std::string_view wanted = request.info.query.get("hash");
  if (!wanted.empty() && wanted != document.hash) {
    request.responder->send(301, {{"location", cat("/openapi/v3/", document.path, "?hash=", document.hash)}}, make_buffer(""));
    return;
  }
  send_document(request, document, "application/json", wanted.empty() ? "no-cache, private" : "public, immutable");
}

void send_v2(Request& request) {
  // Clients ask by the first name of the protobuf form; it is no valid media type, so the answer has the second.
  static constexpr std::string_view kForms[] = {"application/json", "application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
                                                "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"};
  auto form = first_accepted(request.http->header("accept"), kForms);
  if (!form) return request.responder->send(406, answer_headers(request, "text/plain; charset=utf-8"), make_buffer(""));
  bool json = *form == 0;
  send_document(request, openapi_v2(json ? OpenApiForm::kJson : OpenApiForm::kProtobuf), kForms[json ? 0 : 2], "no-cache, private");
}

}  // namespace

bool serve_openapi(Request& request) {
  constexpr std::string_view kRoot = "/openapi/v3";
  std::string_view path = request.info.path;
  if (path == "/openapi/v2") {
    send_v2(request);
    return true;
  }
  while (path.size() > kRoot.size() && path.back() == '/') path.remove_suffix(1);
  if (path.substr(0, kRoot.size()) != kRoot || (path.size() > kRoot.size() && path[kRoot.size()] != '/')) return false;
  if (path == kRoot) {
    request.responder->send(200, answer_headers(request, "application/json"), make_buffer(openapi_v3_index()));
  } else if (const OpenApiDocument* document = find_openapi_v3(path.substr(kRoot.size() + 1))) {
    send_v3(request, *document);
  } else {
    send_text(request, 404, "404 page not found\n");
  }
  return true;
}

}  // namespace bramble

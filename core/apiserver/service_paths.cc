// Paths that are no objects: health, version, discovery, OpenAPI, OpenID, metrics, the index.
#include <algorithm>

#include "core/apiserver/apiserver.h"
#include "core/apiserver/component_pages.h"
#include "core/apiserver/openapi_paths.h"
#include "core/apiserver/pretty.h"
#include "core/registry/api_status.h"
#include "core/schema/protobuf.h"

namespace bramble {

namespace {

std::string_view without_slash(std::string_view path) {
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  return path;
}

void send_cached(Request& request, std::string_view content_type, const std::string& etag, const Buffer& body) {
  std::vector<Header> headers = {{"content-type", std::string(content_type)},
                                 {"cache-control", "public"},
                                 {"vary", "Accept"},
                                 {"etag", etag}};
  std::string_view known = request.http->header("if-none-match");
  if (!etag.empty() && known.find(etag) != std::string_view::npos) {
    request.responder->send(304, std::move(headers), make_buffer(""));
    return;
  }
  request.responder->send(200, std::move(headers), body);
}

Buffer discovery_in_protobuf(const DiscoveryPage& page) {
  auto document = Document::parse(page.json);
  CHECK(document.ok(), "discovery is not JSON");
  ProtobufKind kind{(*document)["apiVersion"].text("v1"), (*document)["kind"].text(), nullptr};
  // The two versions of aggregated discovery have the same fields.
  kind.type = protobuf_type(kind.api_version == "apidiscovery.k8s.io/v2beta1" ? "apidiscovery.k8s.io/v2" : kind.api_version, kind.kind);
  CHECK(kind.type != nullptr, "discovery has a type");
  return make_buffer(protobuf_object(kind, document->root()));
}

std::string version_json(const ApiServer::Options& options) {
  Builder b;
  Mut v = b.root();
  v.set("major", "1");
  v.set("minor", "36");
  v.set("emulationMajor", "1");
  v.set("emulationMinor", "36");
  v.set("minCompatibilityMajor", "1");
  v.set("minCompatibilityMinor", "35");
  v.set("gitVersion", options.git_version);
  v.set("gitCommit", options.git_commit);
  v.set("gitTreeState", options.git_tree_state);
  v.set("buildDate", format_rfc3339(options.build_time_s * 1000000));
  v.set("goVersion", "none");
  v.set("compiler", "c++20");
  v.set("platform", options.platform);
  return b.dump();
}

constexpr std::string_view kOpenIdConfiguration = "/.well-known/openid-configuration", kOpenIdKeys = "/openid/v1/jwks";

std::string openid_configuration(const std::string& issuer, const std::string& server_address) {
  Builder b;
  Mut v = b.root();
  v.set("issuer", issuer);
  v.set("jwks_uri", cat("https://", server_address, kOpenIdKeys));
  v.array("response_types_supported").append("id_token");
  v.array("subject_types_supported").append("public");
  v.array("id_token_signing_alg_values_supported").append("ES256");
  return b.dump();
}

}  // namespace

// Who is given a service account's token verifies it by these (OpenID Connect Discovery 1.0).
bool ApiServer::serve_openid(Request& request) {
  const std::string_view path = without_slash(request.info.path);
  const bool keys = path == kOpenIdKeys;
  if (!keys && path != kOpenIdConfiguration) return false;
  if (request.info.method != "GET") {
    send_error(request, api_method_not_allowed());
    return true;
  }
  std::string body = keys ? tokens_.key_set() : openid_configuration(tokens_.issuer(), options_.server_address);
  request.responder->send(200, {{"content-type", keys ? "application/jwk-set+json" : "application/json"}, {"cache-control", "public, max-age=3600"}},
                          make_buffer(std::move(body)));
  return true;
}

// What a machine that joins reads before it is known, and a node once it is (provision/join). Who may is in authz.
bool ApiServer::serve_joining(Request& request) {
  const std::string& path = request.info.path;
  const std::string* text = nullptr;
  static const std::string kPong = "pong";
  if (path == "/cacerts") text = &options_.server_ca_pem;
  if (path == "/v1-bramble/client-ca.crt") text = &options_.client_ca_pem;
  if (path == "/ping") text = &kPong;
  if (text == nullptr || text->empty()) return false;
  request.responder->send(200, {{"content-type", "text/plain"}, {"cache-control", "no-store"}}, make_buffer(*text));
  return true;
}

void ApiServer::serve_path(RequestRef request) {
  const RequestInfo& info = request->info;
  if (!health_root(info.path).empty()) {
    if (health_root(info.path) == info.path) request->watched->counts_as(info, *request->http);
    HealthReport report = report_health(info.path, info.query, checks_, health_counts_);
    return send_text(*request, report.status, std::move(report.text));
  }
  std::string_view path = without_slash(info.path);
  // Upstream serves these by method; its other paths look at the path alone.
  bool by_method = path == "/version" || path == "/api" || path == "/apis" || path.substr(0, 5) == "/api/" || path.substr(0, 6) == "/apis/";
  if (by_method && info.method != "GET" && info.method != "HEAD" && (path == "/version" || discovery_.plain(path) != nullptr)) {
    return send_error(*request, api_method_not_allowed());
  }
  if (path == "/version") {
    return request->responder->send(200, answer_headers(*request, "application/json"), make_buffer(indented(version_json(options_))));
  }
  if (path.substr(0, 9) == "/version/") return send_error(*request, api_no_such_resource());
  if (serve_openapi(*request)) return;
  if (serve_openid(*request)) return;
  if (serve_joining(*request)) return;
  if (serve_discovery(request)) return;
  if (path == "/metrics") return serve_metrics(request);
  if (path == "/metrics/slis") return serve_slis(request);
  if (serve_component(*request)) return;
  if (path == "/") {
    Builder b;
    for (const std::string& p : all_paths()) b.root().array("paths").append(p);
    return request->responder->send(200, answer_headers(*request, "application/json"), make_buffer(indented(b.dump())));
  }
  send_text(*request, 404, "404 page not found\n");
}

bool ApiServer::serve_component(Request& request) {
  const std::string_view kind = component_kind(request.info.path);
  if (kind.empty()) return false;
  ComponentFacts facts{options_.git_version, started_us_, registry_.clock().wall_us(), all_paths(), options_.flags};
  auto page = component_page(kind, request.http->header("accept"), facts);
  if (!page.ok()) {
    send_error(request, page.error());
    return true;
  }
  std::vector<Header> headers = answer_headers(request, page->content_type);
  if (!page->warning.empty()) headers.push_back({"warning", page->warning});
  request.responder->send(200, std::move(headers), make_buffer(std::move(page->body)));
  return true;
}

std::vector<std::string> ApiServer::all_paths() const {
  std::vector<std::string> all = discovery_.paths();
  const std::vector<std::string> health = health_paths(checks_);
  all.insert(all.end(), health.begin(), health.end());
  for (std::string_view own : {kOpenIdConfiguration, kOpenIdKeys, std::string_view("/flagz"), std::string_view("/metrics"),
                               std::string_view("/metrics/slis"), std::string_view("/openapi/v2"), std::string_view("/openapi/v3"),
                               std::string_view("/openapi/v3/"), std::string_view("/statusz"), std::string_view("/version")}) {
    all.emplace_back(own);
  }
  std::sort(all.begin(), all.end());
  return all;
}

bool ApiServer::serve_discovery(RequestRef request) {
  std::string_view path = without_slash(request->info.path);
  std::string_view accept = request->http->header("accept");
  const DiscoveryPage* plain = discovery_.plain(path);
  if (plain == nullptr) {
    bool below = path.substr(0, 6) == "/apis/" || path.substr(0, 5) == "/api/";
    if (!below) return false;
    std::string_view group = path.substr(0, 6) == "/apis/" ? path.substr(6) : std::string_view();
    group = group.substr(0, group.find('/'));
    if (!discovery_.has_group(group)) return false;
    send_error(*request, api_no_such_resource());
    return true;
  }
  auto wanted = negotiate_discovery(accept);
  if (!wanted.ok()) {
    send_error(*request, wanted.error());
    return true;
  }
  request->answer.type = wanted->type;
  if (path == "/api" || path == "/apis") request->watched->counts_as(request->info, *request->http);
  const DiscoveryPage* page = wanted->version.empty() ? nullptr : discovery_.aggregated(path, wanted->version);
  std::string shape = page ? cat(";g=apidiscovery.k8s.io;v=", wanted->version, ";as=APIGroupDiscoveryList") : std::string();
  if (page == nullptr) page = plain;
  const bool pretty = wants_pretty(request->info.query.get("pretty"), false, request->http->header("user-agent"));
  if (shape.empty() && (wanted->type == MediaType::kYaml || (wanted->type == MediaType::kJson && pretty))) {
    send_body(*request, 200, page->json);
  } else if (wanted->type == MediaType::kProtobuf) {
    send_cached(*request, cat(kProtobufType, shape), page->etag, discovery_in_protobuf(*page));
  } else {
    send_cached(*request, cat("application/json", shape), page->etag, page->json);
  }
  return true;
}

}  // namespace bramble

#include "core/apiserver/relay.h"

#include <algorithm>

#include "core/apiserver/authn.h"
#include "core/apiserver/relay_links.h"
#include "core/base/limits.h"
#include "core/http/client.h"
#include "core/http/message.h"
#include "core/loop/race.h"
#include "core/registry/api_status.h"

namespace bramble {

namespace {

constexpr std::string_view kHopByHop[] = {"connection",          "proxy-connection", "keep-alive", "proxy-authenticate", "proxy-authorization",
                                          "te",                  "trailer",          "transfer-encoding", "upgrade",     "content-length"};

bool is_hop_by_hop(const std::vector<Header>& all, std::string_view name) {
  if (std::find(std::begin(kHopByHop), std::end(kHopByHop), name) != std::end(kHopByHop)) return true;
  return has_token(find_header(all, "connection"), name);
}

// Whom the client is, is between it and this server.
bool is_proof(std::string_view name) { return name == "authorization" || name.starts_with("impersonate-"); }

// The subprotocols offered, less the one that is a token (authn.h).
std::string offered_protocols(std::string_view header) {
  std::vector<std::string> out;
  for (std::string_view offer : split(header, ',')) {
    if (!trim(offer).starts_with(kBearerProtocol)) out.emplace_back(trim(offer));
  }
  return join(out, ", ");
}

// The raw path in two: what leads to the subresource, and what the server behind it sees ("" or with a slash first).
struct SplitPath {
  std::string prefix, rest;
};
SplitPath split_path(const Request& request) {
  std::string_view path = request.http->path;
  size_t parts = request.kind->namespaced ? 7 : 5;  // api, v1, (namespaces, NS,) pods, NAME, proxy
  size_t at = 0;
  while (parts > 0 && at < path.size()) {
    while (at < path.size() && path[at] == '/') ++at;
    at = std::min(path.find('/', at), path.size());
    --parts;
  }
  return {std::string(path.substr(0, at)), std::string(path.substr(at))};
}

HttpClientRequest forwarded(const Request& request, const SplitPath& path) {
  const HttpRequest& http = *request.http;
  HttpClientRequest out;
  out.method = http.method;
  out.target = path.rest.empty() ? "/" : path.rest;
  if (!http.query.empty()) out.target += cat("?", http.query);
  std::string seen(http.header("x-forwarded-for"));
  for (const Header& h : http.headers) {
    if (is_hop_by_hop(http.headers, h.name) || is_proof(h.name) || h.name.starts_with("x-forwarded-") || h.name.starts_with(':')) continue;
    if (h.name == "sec-websocket-protocol") {
      std::string offered = offered_protocols(h.value);
      if (!offered.empty()) out.headers.push_back({h.name, std::move(offered)});
    } else {
      out.headers.push_back(h);
    }
  }
  if (http.asks_for_upgrade()) {
    out.headers.push_back({"connection", "Upgrade"});
    out.headers.push_back({"upgrade", std::string(http.header("upgrade"))});
  }
  if (!http.remote_ip.empty()) out.headers.push_back({"x-forwarded-for", seen.empty() ? http.remote_ip : cat(seen, ", ", http.remote_ip)});
  out.headers.push_back({"x-forwarded-uri", cat(path.prefix, path.rest.empty() ? "/" : path.rest)});
  bool sends = !http.body.empty() || http.method == "POST" || http.method == "PUT" || http.method == "PATCH";
  if (sends) out.body = make_buffer(http.body);
  return out;
}

std::vector<Header> answered(const HttpResponse& response, const RelayPlace& place) {
  std::vector<Header> out;
  for (const Header& h : response.headers) {
    if (is_hop_by_hop(response.headers, h.name) || h.name.starts_with("access-control-allow-")) continue;
    out.push_back(h);
    if (h.name == "location") out.back().value = relayed_url(place, h.value);
  }
  return out;
}

// As Go's dialler words it.
Error unreachable(const RelayTarget& target, const Error& error) {
  std::string why = error.message();
  const std::string prefix = cat("connect ", target.text(), ": ");
  if (why.starts_with(prefix)) {
    why = error.code() == Code::kTimeout ? cat("dial tcp ", target.text(), ": i/o timeout")
                                         : cat("dial tcp ", target.text(), ": connect: ", lower(why.substr(prefix.size())));
  }
  return status_failure(Code::kUnavailable, cat("error trying to reach service: ", why));
}

// Body pieces that were read before it was decided how to send them, then the rest.
Task<void> stream_answer(std::shared_ptr<Request> request, HttpClientConnection* connection, std::string first) {
  if (!first.empty()) {
    Buffer chunk = make_buffer(std::move(first));
    bool good = co_await request->responder->write(chunk);
    if (!good) co_return;
  }
  for (;;) {
    auto piece = co_await connection->read_body();
    if (!piece.ok()) co_return;  // let go without an end: the client sees that it is cut
    if (!*piece) break;
    Buffer chunk = make_buffer(std::move(**piece));
    bool good = co_await request->responder->write(chunk);
    if (!good) co_return;
  }
  request->responder->end();
}

Task<void> carry(WebSocket* from, WebSocket* to) {
  for (;;) {
    std::optional<std::string> bytes = co_await from->receive();
    if (!bytes) co_return;
    bool good = co_await to->send(std::move(*bytes));
    if (!good) co_return;
  }
}

}  // namespace

Task<void> carry_upgraded(std::shared_ptr<Request> request, std::unique_ptr<HttpClientConnection> connection, std::vector<Header> headers) {
  std::unique_ptr<WebSocket> server = HttpClientConnection::upgraded(std::move(connection));
  std::unique_ptr<WebSocket> client = request->responder->hand_over(std::move(headers));
  Race race;
  race.add(carry(server.get(), client.get()));
  race.add(carry(client.get(), server.get()));
  co_await race.first().wait();
}

namespace {

bool is_page(const HttpResponse& response) {
  std::string_view type = response.header("content-type");
  return trim(type.substr(0, type.find(';'))) == "text/html" && response.header("content-encoding").empty();
}

// How much of the answer is read before it is sent: small ones whole, so that they have a length; pages whole, for their links.
size_t read_ahead(const Request& request, const HttpResponse& response) {
  if (request.http->method == "HEAD" || !may_have_body(response.status)) return 0;
  if (is_page(response)) return limits::kProxiedPageBytesMax;
  auto length = parse_uint64(response.header("content-length"));
  return length && *length <= limits::kSendAheadBytesMax ? limits::kSendAheadBytesMax : 0;
}

Task<Result<std::unique_ptr<HttpClientConnection>>> connect_to(RelayTarget target, KubeletConnect kubelets) {
  if (!target.kubelet_of.empty() && kubelets) {
    auto connection = co_await kubelets(target.kubelet_of);
    co_return connection;
  }
  HttpClientTarget to;
  to.address = target.address;
  to.port = target.port;
  if (target.tls) {
    TlsClientContext::Options any;
    any.verify = false;  // a pod's certificate is nobody's that this server knows
    any.alpn = {"http/1.1"};
    auto context = TlsClientContext::create(any);
    if (!context.ok()) co_return context.error();
    to.tls = *context;
  }
  auto connection = co_await HttpClientConnection::open(to);
  co_return connection;
}

Task<void> exchange(std::shared_ptr<Request> request, RelayTarget target, HttpClientRequest out, RelayPlace place, KubeletConnect kubelets) {
  Task<Result<std::unique_ptr<HttpClientConnection>>> connecting = connect_to(target, kubelets);
  auto opened = co_await connecting;
  if (!opened.ok()) co_return send_error(*request, unreachable(target, opened.error()));
  std::unique_ptr<HttpClientConnection> connection = std::move(*opened);
  auto response = co_await connection->start(out);
  if (!response.ok()) co_return send_error(*request, unreachable(target, response.error()));
  const int status = response->status;
  if (status == 101 && request->http->asks_for_upgrade()) co_return co_await carry_upgraded(request, std::move(connection), response->headers);
  if (status == 101) co_return send_error(*request, status_failure(Code::kUnavailable, "error trying to reach service: upgraded without being asked"));
  std::vector<Header> headers = answered(*response, place);
  const size_t ahead = read_ahead(*request, *response);
  std::string body;
  bool whole = false;
  while (!whole && ahead > 0 && body.size() <= ahead) {
    auto piece = co_await connection->read_body();
    if (!piece.ok()) co_return send_error(*request, unreachable(target, piece.error()));
    whole = !*piece;
    if (!whole) body += **piece;
  }
  if (whole) {
    if (is_page(*response)) body = relayed_page(place, body);
    co_return request->responder->send(status, std::move(headers), make_buffer(std::move(body)));
  }
  if (!may_have_body(status)) co_return request->responder->send(status, std::move(headers), make_buffer(""));
  request->responder->begin(status, std::move(headers));
  co_await stream_answer(request, connection.get(), std::move(body));
}

struct Counted {
  explicit Counted(size_t* n) : count(n) { ++*count; }
  ~Counted() { --*count; }
  size_t* count;
};

}  // namespace

HttpClientRequest forwarded_request(const Request& request, std::string target) {
  SplitPath whole;
  HttpClientRequest out = forwarded(request, whole);
  out.target = std::move(target);
  return out;
}

Task<void> relay_to(std::shared_ptr<Request> request, RelayTarget target, KubeletConnect kubelets) {
  SplitPath path = split_path(*request);
  RelayPlace place{path.prefix, target.text(), std::string(request->http->header("host"))};
  HttpClientRequest out = forwarded(*request, path);
  Race race;
  race.until(&request->responder->gone());
  race.add(exchange(request, target, std::move(out), std::move(place), std::move(kubelets)));
  co_await race.first().wait();
}

Task<void> serve_relay(std::shared_ptr<Request> request, Registry* registry, size_t* under_way, KubeletConnect kubelets) {
  const HttpRequest& http = *request->http;
  if (*under_way >= limits::kProxiedMax) co_return send_too_many_requests(*request);
  auto target = relay_target(*registry, *request->kind, request->kind->namespaced ? request->info.ns : std::string(), request->info.name);
  if (!target.ok()) co_return send_error(*request, target.error());
  if (!http.asks_for_upgrade() && split_path(*request).rest.empty() && (http.method == "GET" || http.method == "HEAD")) {
    std::string to = cat(http.path, "/", http.query.empty() ? "" : "?", http.query);
    std::vector<Header> headers = {{"location", to}};
    co_return request->responder->send(301, std::move(headers), make_buffer(""));
  }
  Counted counted(under_way);
  RelayTarget where = *target;
  Task<void> relaying = relay_to(request, where, std::move(kubelets));
  co_await relaying;
}

}  // namespace bramble

#include "core/kubelet/kubelet_port.h"

#include <algorithm>

#include "core/client/kubelet_connect.h"
#include "core/client/port_forward.h"
#include "core/client/remote_command.h"
#include "core/client/remote_readings.h"
#include "core/client/request_verb.h"
#include "core/json/builder.h"
#include "core/loop/race.h"
#include "core/registry/api_status.h"

namespace bramble {

namespace {

bool is_below(std::string_view path, std::string_view root) {
  while (root.size() > 1 && root.ends_with('/')) root.remove_suffix(1);
  return path == root || (path.size() > root.size() && path.starts_with(root) && path[root.size()] == '/');
}

void send_text(Responder& responder, int status, std::string text) {
  responder.send(status, {{"content-type", "text/plain; charset=utf-8"}}, make_buffer(std::move(text)));
}

std::string bearer(const HttpRequest& request) {
  std::string_view value = request.header("authorization");
  if (value.size() <= 7 || !equals_ignore_case(value.substr(0, 7), "bearer ")) return {};
  return std::string(trim(value.substr(7)));
}

void add_groups(Mut owner, const std::vector<std::string>& groups) {
  for (const std::string& g : groups) owner.array("groups").append(g);
}

Task<void> answer(std::shared_ptr<const HttpRequest> request, std::shared_ptr<Responder> responder, NodeReadings* pages) {
  if (request->path == kSamplePath && request->method == "GET") {
    auto sample = co_await pages->sample();
    if (!sample.ok()) co_return send_text(*responder, http_status_of(sample.error()), sample.error().message());
    std::vector<Header> json = {{"content-type", "application/json"}};
    co_return responder->send(200, std::move(json), make_buffer(sample_text(*sample)));
  }
  NodePage page = co_await pages->page(request->method, request->path, request->query);
  std::vector<Header> headers = {{"content-type", page.content_type}};
  responder->send(page.status, std::move(headers), make_buffer(std::move(page.body)));
}

Task<void> serve_log(std::shared_ptr<Responder> responder, NodeStreams* streams, ObjectKey pod, LogOptions options, std::function<void(const Error&)> refuse) {
  auto opened = co_await streams->logs(pod, options);
  if (!opened.ok()) co_return refuse(opened.error());
  std::unique_ptr<DuplexStream> log = std::move(*opened);
  std::vector<Header> headers = {{"content-type", "text/plain"}};
  responder->begin(200, std::move(headers));
  for (;;) {
    auto bytes = co_await log->read();
    if (!bytes) break;
    Buffer chunk = make_buffer(std::move(*bytes));
    bool good = co_await responder->write(chunk);
    if (!good) co_return;
  }
  responder->end();
}

// Failures are text here; the number tells what kind they are of.
Task<void> serve_stream(std::shared_ptr<const HttpRequest> request, std::shared_ptr<Responder> responder, NodeStreams* streams, KubeletAsk what) {
  std::function<void(const Error&)> refuse = [responder](const Error& e) { send_text(*responder, http_status_of(e), e.message()); };
  if (what.kind == KubeletAsk::kLog) {
    Task<void> logging = serve_log(responder, streams, what.pod, what.log, refuse);
    co_await logging;
    co_return;
  }
  if (!request->asks_for_upgrade()) {
    send_text(*responder, 400, "you must specify an upgrade to a WebSocket or SPDY/3.1");
    co_return;
  }
  StreamAsk ask{request, responder, refuse};
  if (what.kind == KubeletAsk::kPortForward) {
    Task<void> forwarding = serve_port_forward(ask, streams, what.pod, what.ports);
    co_await forwarding;
    co_return;
  }
  Task<void> running = serve_remote_command(ask, streams, what.pod, what.command);
  co_await running;
}

}  // namespace

std::vector<std::string> node_subresources(std::string_view path) {
  if (is_below(path, "/stats")) return {"stats"};
  if (is_below(path, "/metrics")) return {"metrics"};
  if (is_below(path, "/logs")) return {"log"};
  if (is_below(path, "/checkpoint")) return {"checkpoint"};
  if (is_below(path, "/statusz")) return {"statusz"};
  if (is_below(path, "/flagz")) return {"flagz"};
  // Once part of proxy, which still suffices.
  if (is_below(path, "/pods") || is_below(path, "/runningpods")) return {"pods", "proxy"};
  if (is_below(path, "/healthz")) return {"healthz", "proxy"};
  if (is_below(path, "/configz")) return {"configz", "proxy"};
  return {"proxy"};
}

Task<Result<Identity>> KubeletPort::identify(std::shared_ptr<const HttpRequest> request) {
  Identity user;
  if (!request->peer.common_name.empty()) {
    user.user = request->peer.common_name;
    user.groups = request->peer.organizations;
    if (std::find(user.groups.begin(), user.groups.end(), "system:authenticated") == user.groups.end()) user.groups.emplace_back("system:authenticated");
    co_return user;
  }
  std::string token = bearer(*request);
  if (token.empty()) co_return Error(Code::kUnauthenticated, "Unauthorized");
  Builder b;
  b.root().set("apiVersion", "authentication.k8s.io/v1");
  b.root().set("kind", "TokenReview");
  b.root().object("spec").set("token", token);
  ResourceId reviews{"authentication.k8s.io", "v1", "tokenreviews"};
  Document asked = b.finish();
  auto answered = co_await client_.create(reviews, "", asked);
  if (!answered.ok()) co_return answered.error();
  Value status = (*answered)["status"];
  if (!status["authenticated"].boolean()) co_return Error(Code::kUnauthenticated, "Unauthorized");
  user.user = status["user"]["username"].text();
  user.uid = status["user"]["uid"].text();
  for (Value g : status["user"]["groups"].items()) user.groups.push_back(g.text());
  for (auto [key, values] : status["user"]["extra"].members()) {
    user.extra.push_back({std::string(key), {}});
    for (Value v : values.items()) user.extra.back().second.push_back(v.text());
  }
  co_return user;
}

Task<Result<bool>> KubeletPort::allowed(Identity user, std::string verb, std::string subresource) {
  Builder b;
  b.root().set("apiVersion", "authorization.k8s.io/v1");
  b.root().set("kind", "SubjectAccessReview");
  Mut spec = b.root().object("spec");
  spec.set("user", user.user);
  if (!user.uid.empty()) spec.set("uid", user.uid);
  add_groups(spec, user.groups);
  for (const auto& [key, values] : user.extra) {
    for (const std::string& v : values) spec.object("extra").array(key).append(v);
  }
  Mut what = spec.object("resourceAttributes");
  what.set("verb", verb);
  what.set("version", "v1");
  what.set("resource", "nodes");
  what.set("subresource", subresource);
  what.set("name", node_name_);
  ResourceId reviews{"authorization.k8s.io", "v1", "subjectaccessreviews"};
  Document asked = b.finish();
  auto answered = co_await client_.create(reviews, "", asked);
  if (!answered.ok()) co_return answered.error();
  co_return (*answered)["status"]["allowed"].boolean();
}

Task<void> KubeletPort::handle(std::shared_ptr<const HttpRequest> request, std::shared_ptr<Responder> responder, NodeReadings* pages, NodeStreams* streams) {
  Task<Result<Identity>> identifying = identify(request);
  auto user = co_await identifying;
  if (!user.ok()) {
    const bool nobody = user.error().code() == Code::kUnauthenticated;
    co_return send_text(*responder, nobody ? 401 : 500, nobody ? "Unauthorized" : user.error().message());
  }
  responder->peer_is_known();
  const std::string verb(request_verb(request->method));
  const std::vector<std::string> subresources = node_subresources(request->path);
  bool good = false;
  for (const std::string& subresource : subresources) {
    if (good) break;
    Task<Result<bool>> asking = allowed(*user, verb, subresource);
    auto may = co_await asking;
    if (!may.ok()) {
      co_return send_text(*responder, 500, cat("Authorization error (user=", user->user, ", verb=", verb, ", resource=nodes, subresource=", subresource, ")"));
    }
    good = *may;
  }
  if (!good) {
    co_return send_text(*responder, 403, cat("Forbidden (user=", user->user, ", verb=", verb, ", resource=nodes, subresource(s)=[", join(subresources, " "), "])\n"));
  }
  if (!pages) co_return send_text(*responder, 503, "the kubelet is not there yet");
  auto stream = parse_kubelet_path(request->path, request->query);
  if (!stream.ok()) co_return send_text(*responder, 400, stream.error().message());
  if (*stream && !streams) co_return send_text(*responder, 503, "the kubelet is not there yet");
  Race race;
  race.until(&responder->gone());
  if (*stream) race.add(serve_stream(request, responder, streams, std::move(**stream)));
  else race.add(answer(request, responder, pages));
  co_await race.first().wait();
}

}  // namespace bramble

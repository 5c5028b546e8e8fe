// The way of one request, top to bottom, one line a stage.
#include <algorithm>

#include "core/apiserver/apiserver.h"
#include "core/apiserver/authn.h"
#include "core/apiserver/bootstrap.h"
#include "core/apiserver/watch.h"
#include "core/apiserver/write_step.h"
#include "core/registry/api_status.h"
#include "core/registry/object_meta.h"
#include "core/schema/protobuf.h"

namespace bramble {

namespace {

bool has_protobuf(const Kind& kind) { return protobuf_type(api_version_of(kind), kind.kind) != nullptr; }

}  // namespace

ApiServer::ApiServer(Registry& registry, Options options)
    : registry_(registry),
      options_(std::move(options)),
      tokens_(registry, options_.tokens),
      authorizer_(registry),
      impersonation_(authorizer_),
      verbs_(registry, tokens_, authorizer_),
      discovery_(options_.server_address),
      in_flight_(options_.in_flight) {
  auto passes = []() -> Status { return ok(); };
  checks_ = {{"ping", HealthCheck::kEverywhere, passes},
             {"log", HealthCheck::kEverywhere, passes}};  // a line is written where it is made: a log that blocks blocks this too
  checks_.insert(checks_.end(), options_.checks.begin(), options_.checks.end());
  auto bootstrapped = [this]() -> Status { return bootstrapped_ ? ok() : Status(Error(Code::kUnavailable, "not finished")); };
  for (const char* hook : {"poststarthook/scheduling/bootstrap-system-priority-classes", "poststarthook/rbac/bootstrap-roles", "poststarthook/start-system-namespaces-controller"}) {
    checks_.push_back({hook, HealthCheck::kEverywhere, bootstrapped});
  }
}

Task<Status> ApiServer::bootstrap() {
  Identity self;
  self.user = "system:apiserver";
  self.groups = {"system:masters"};
  std::unique_ptr<Client> own = client(self);
  auto done = co_await bootstrap_objects(own.get());
  bootstrapped_ = done.ok();
  co_return done;
}

Task<void> ApiServer::handle(std::shared_ptr<const HttpRequest> http, std::shared_ptr<Responder> responder) {
  auto request = std::make_shared<Request>();
  request->http = http;
  request->responder = responder;
  request->quarantine = registry_.options().quarantine;
  request->audit_id = registry_.random().uuid();

  request->info = route(http->method, http->path, http->query);
  if (request->info.malformed) co_return send_bad_request(*request);

  auto user = identify(*request);
  if (!user.ok()) co_return send_error(*request, user.error());
  request->user = *user;

  auto counted = in_flight_.enter(request->info, request->user, responder);
  if (!counted) co_return send_too_many_requests(*request);
  request->responder = counted;

  Status allowed = authorizer_.authorize(request->user, Attributes::of(request->info));
  if (!allowed.ok()) co_return send_error(*request, allowed.error());

  if (!request->info.resource_request) co_return serve_path(request);

  Status found = find_resource(*request);
  if (!found.ok()) co_return send_error(*request, found.error());
  if (request->kind == nullptr) co_return send_text(*request, 404, "404 page not found\n");

  // What is handed on is not ours to negotiate.
  if (request->info.subresource == "proxy") {
    Task<void> handing_on = serve_stream(request);
    co_await handing_on;
    co_return;
  }

  std::string_view accept = http->header("accept");
  Offer offer{true, lower(accept).find(kProtobufType) != std::string::npos && has_protobuf(*request->kind)};
  auto answer = negotiate(accept, offer);
  if (!answer.ok()) co_return send_error(*request, answer.error());
  request->answer = *answer;

  co_await serve_resource(request);
}

Result<Identity> ApiServer::identify(Request& request) {
  const TokenIssuer* tokens = &tokens_;
  TokenFn check = [tokens](std::string_view token) -> Result<Identity> {
    TRY_ASSIGN(TokenIssuer::Checked checked, tokens->check(token, {}));
    return checked.user;
  };
  // HTTP/2 makes it cheap to ask much: whom nobody knows has one connection for each request, as upstream.
  request.last_of_connection = request.http->http_major == 2;
  TRY_ASSIGN(Identity real, authenticate(*request.http, check));
  if (real.user != kAnonymous) {
    request.last_of_connection = false;
    request.responder->peer_is_known();
  }
  TRY_ASSIGN(std::optional<Identity> wanted, wanted_user(*request.http));
  if (!wanted) return real;
  return impersonation_.become(real, *wanted, Attributes::of(request.info));
}

std::function<Status()> ApiServer::may_create(const Request& request) const {
  Attributes what = Attributes::of(request.info);
  what.verb = "create";
  return [this, user = request.user, what] { return authorizer_.authorize(user, what); };
}

// Finds the kind and checks that the path and the method fit it. Leaves kind null for a group that is not served at all.
Status ApiServer::find_resource(Request& request) const {
  const RequestInfo& info = request.info;
  if (!discovery_.has_group(info.group)) return ok();
  const Kind* kind = find_kind(info.group, info.version, info.resource);
  if (kind == nullptr) return api_no_such_resource();
  bool is_namespace = kind->group.empty() && kind->resource == "namespaces";
  bool whole_cluster = info.verb == "list" || info.verb == "watch";
  bool named = !info.name.empty() && !whole_cluster;
  if (kind->namespaced) {
    if (info.ns.empty() && named) return api_no_such_resource();
    if (info.ns.empty() && !whole_cluster) return api_method_not_allowed();
  } else if (!info.ns.empty() && !is_namespace) {
    return api_no_such_resource();
  }
  const std::vector<std::string_view>* verbs = &kind->verbs;
  if (!info.subresource.empty()) {
    const Subresource* sub = find_subresource(*kind, info.subresource);
    if (sub == nullptr) return api_no_such_resource();
    verbs = &sub->verbs;
  }
  std::string_view method = info.method;
  if (info.subresource == "proxy" && (method == "HEAD" || method == "OPTIONS")) {
    request.kind = kind;
    return ok();
  }
  bool known = method == "GET" || method == "POST" || method == "PUT" || method == "PATCH" || method == "DELETE";
  if (!known || std::find(verbs->begin(), verbs->end(), info.verb) == verbs->end()) return api_method_not_allowed();
  if (info.verb == "create" && named && info.subresource.empty()) return api_method_not_allowed();
  if ((info.verb == "update" || info.verb == "patch") && !named) return api_method_not_allowed();
  request.kind = kind;
  if (!kind->deprecation.empty()) request.warnings.emplace_back(kind->deprecation);
  return ok();
}

Task<void> ApiServer::serve_resource(RequestRef request) {
  const RequestInfo& info = request->info;
  std::string_view sub = info.subresource;
  if (sub == "log" || sub == "exec" || sub == "attach" || sub == "portforward") {
    co_await serve_stream(request);
  } else if (info.verb == "get") {
    serve_get(request);
  } else if (info.verb == "list") {
    co_await serve_list(request);
  } else if (info.verb == "watch") {
    co_await serve_watch(request, &registry_, options_.bookmark_ms);
  } else {
    co_await serve_write(request);
  }
}

// A write that ended the server before is refused: what is set aside is this very body.
Task<void> ApiServer::serve_write(RequestRef request) {
  const RequestInfo& info = request->info;
  WriteStep step(registry_, *request->kind, info.verb, info.subresource, info.ns, info.name, request->http->body);
  if (!step.allowed()) co_return send_error(*request, step.refusal());
  if (info.verb == "create") {
    co_await serve_create(request);
  } else if (info.verb == "update") {
    co_await serve_update(request);
  } else if (info.verb == "patch") {
    co_await serve_patch(request);
  } else if (info.verb == "delete") {
    co_await serve_delete(request);
  } else {
    co_await serve_delete_collection(request);
  }
}

}  // namespace bramble

// The way of one request, top to bottom, one line a stage.
#include <algorithm>

#include "core/apiserver/apiserver.h"
#include "core/apiserver/audit.h"
#include "core/apiserver/authn.h"
#include "core/apiserver/bootstrap.h"
#include "core/apiserver/watch.h"
#include "core/apiserver/write_step.h"
#include "core/base/limits.h"
#include "core/registry/api_status.h"
#include "core/registry/object_meta.h"
#include "core/resources/bootstrap_token.h"
#include "core/resources/node_key.h"
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
      in_flight_(options_.in_flight),
      request_metrics_(registry.clock()),
      part_calls_(registry.clock()),
      fairness_(registry, options_.flow_seats),
      flow_keeper_(verbs_, registry.clock()),
      started_us_(registry.clock().wall_us()) {
  auto passes = []() -> Status { return ok(); };
  checks_ = {{"ping", HealthCheck::kEverywhere, passes},
             {"log", HealthCheck::kEverywhere, passes}};  // a line is written where it is made: a log that blocks blocks this too
  checks_.insert(checks_.end(), options_.checks.begin(), options_.checks.end());
  auto bootstrapped = [this]() -> Status { return bootstrapped_ ? ok() : Status(Error(Code::kUnavailable, "not finished")); };
  for (const char* hook : {"poststarthook/scheduling/bootstrap-system-priority-classes", "poststarthook/rbac/bootstrap-roles", "poststarthook/start-system-namespaces-controller",
                           "poststarthook/priority-and-fairness-config-producer", "poststarthook/priority-and-fairness-config-consumer"}) {
    checks_.push_back({hook, HealthCheck::kEverywhere, bootstrapped});
  }
}

Task<Status> ApiServer::bootstrap() {
  Identity self;
  self.user = "system:apiserver";
  self.groups = {"system:masters"};
  std::unique_ptr<Client> own = client(self);
  auto done = co_await bootstrap_objects(own.get());
  if (done.ok()) {
    Task<Status> flows = flow_keeper_.ensure();
    done = co_await flows;
  }
  bootstrapped_ = done.ok();
  if (done.ok()) flow_keeper_.start();
  co_return done;
}

Task<void> ApiServer::handle(std::shared_ptr<const HttpRequest> http, std::shared_ptr<Responder> responder) {
  auto request = std::make_shared<Request>();
  request->http = http;
  request->quarantine = registry_.options().quarantine;
  request->audit_id = http->header("audit-id");
  if (request->audit_id.empty()) request->audit_id = registry_.random().uuid();

  request->info = route(http->method, http->path, http->query);
  auto watched = request_metrics_.watch(responder, is_long_running(request->info), is_mutating(request->info));
  request->watched = watched.get();
  request->responder = watched;
  if (request->info.malformed) co_return send_bad_request(*request);

  auto user = identify(*request);
  if (user.ok()) request->user = *user;
  begin_audit(*request, !user.ok());
  if (!user.ok()) co_return send_error(*request, user.error());

  auto acting = impersonate(*request);
  if (!acting.ok()) co_return send_error(*request, acting.error());
  request->user = *acting;

  Task<bool> placing = take_place(request);
  bool placed = co_await placing;
  if (!placed) co_return send_too_many_requests(*request);

  int64_t asked_us = registry_.clock().monotonic_us();
  Status allowed = authorizer_.authorize(request->user, Attributes::of(request->info));
  request_metrics_.authorized(allowed.ok(), asked_us);
  if (request->audit) {
    AuthzDecision decision = authorizer_.decide(request->user, Attributes::of(request->info));
    request->audit->annotate("authorization.k8s.io/decision", decision.allowed ? "allow" : "forbid");
    request->audit->annotate("authorization.k8s.io/reason", decision.reason);
  }
  // At the first start the roles by which nodes join are made after the port is open: they shall ask again.
  if (!allowed.ok() && !bootstrapped_ && in_group(request->user, kBootstrappers)) {
    allowed = status_failure(Code::kUnavailable, "the server is starting, please try again later");
  }
  if (!allowed.ok()) co_return send_error(*request, allowed.error());

  if (!request->info.resource_request) co_return serve_path(request);

  Status found = find_resource(*request);
  if (!found.ok()) co_return send_error(*request, found.error());
  if (request->kind == nullptr) co_return send_text(*request, 404, "404 page not found\n");
  request->watched->counts_as(request->info, *http);

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

// A seat of the request's priority level, and a place among all that are in flight.
Task<bool> ApiServer::take_place(RequestRef request) {
  Fairness::Arrival arrival = fairness_.arrive(request->info, request->user, request->responder->gone());
  if (!arrival.level_uid.empty()) {
    request->watched->add_header("x-kubernetes-pf-flowschema-uid", arrival.schema_uid);
    request->watched->add_header("x-kubernetes-pf-prioritylevel-uid", arrival.level_uid);
  }
  if (arrival.what == Fairness::Arrival::What::kWait) {
    int64_t since_us = registry_.clock().monotonic_us();
    Task<std::shared_ptr<Fairness::Seat>> waiting = fairness_.wait(arrival.waiting);
    arrival.seat = co_await waiting;
    request->watched->waited(registry_.clock().monotonic_us() - since_us);
  }
  bool needs_none = arrival.what == Fairness::Arrival::What::kGo && !arrival.seat;
  if (!needs_none && !arrival.seat) request->retry_after_s = fairness_.retry_after_s(arrival);
  if (request->info.verb == "watch") request->seat = arrival.seat;
  std::shared_ptr<Responder> counted;
  if (needs_none || arrival.seat) counted = in_flight_.enter(request->info, request->user, request->responder, std::move(arrival.seat));
  if (!counted) {
    const RequestInfo& info = request->info;
    const Kind* kind = info.resource_request ? find_kind(info.group, info.version, info.resource) : nullptr;
    bool served = kind && (info.subresource.empty() || find_subresource(*kind, info.subresource) != nullptr);
    if (served) {  // what is made up must not fill the counters
      request->watched->counts_as(info, *request->http);
      request_metrics_.terminated(info, request->http->header("content-type"), 429);
    }
    co_return false;
  }
  request->responder = counted;
  co_return true;
}

Result<Identity> ApiServer::identify(Request& request) {
  const TokenIssuer* tokens = &tokens_;
  TokenFn check = [tokens](std::string_view token) -> Result<Identity> {
    TRY_ASSIGN(TokenIssuer::Checked checked, tokens->check(token, {}));
    return checked.user;
  };
  // HTTP/2 makes it cheap to ask much: whom nobody knows has one connection for each request, as upstream.
  request.last_of_connection = request.http->http_major == 2;
  int64_t asked_us = registry_.clock().monotonic_us();
  auto proven = authenticate(*request.http, check);
  if (proven.ok() && is_node(*proven)) {
    Status bound = check_node_key(*proven, *request.http);
    if (!bound.ok()) proven = bound.error();
  }
  request_metrics_.authenticated(proven, *request.http, asked_us);
  TRY_ASSIGN(Identity real, std::move(proven));
  if (real.user != kAnonymous) {
    request.last_of_connection = false;
    request.responder->peer_is_known();
  }
  return real;
}

Status ApiServer::check_node_key(const Identity& user, const HttpRequest& request) const {
  const Kind* secrets = find_kind("", "v1", "secrets");
  std::string name = node_key_name(node_name_of(user));
  auto known = name.empty() ? std::nullopt : node_key_of(registry_.get(*secrets, kNodeKeyNamespace, name));
  if (!known || known->key.empty() || known->key == request.peer.key_sha256_hex) return ok();
  return status_failure(Code::kUnauthenticated, "Unauthorized");
}

void ApiServer::begin_audit(Request& request, bool unauthenticated) {
  if (!options_.audit) return;
  Audit::Arrived arrived = Audit::arrived(*request.http, Attributes::of(request.info));
  arrived.id = request.audit_id;
  arrived.user = request.user;
  arrived.long_running = is_long_running(request.info);
  auto trail = unauthenticated ? options_.audit->begin_unauthenticated(std::move(arrived), *request.http, request.responder)
                               : options_.audit->begin(std::move(arrived), request.responder);
  if (!trail) return;
  request.audit = trail.get();
  request.responder = std::move(trail);
}

Result<Identity> ApiServer::impersonate(const Request& request) {
  TRY_ASSIGN(std::optional<Identity> wanted, wanted_user(*request.http));
  if (!wanted) return request.user;
  TRY_ASSIGN(Identity acting, impersonation_.become(request.user, *wanted, Attributes::of(request.info)));
  if (request.audit) request.audit->impersonated(acting);
  return acting;
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
  std::string_view deprecation = kind->deprecation;
  for (const auto& [part, text] : kind->part_deprecations) {
    if (part == info.subresource) deprecation = text;
  }
  if (!deprecation.empty()) request.warnings.emplace_back(deprecation);
  return ok();
}

Task<void> ApiServer::serve_resource(RequestRef request) {
  const RequestInfo& info = request->info;
  std::string_view sub = info.subresource;
  if (request->kind->group == kUsageGroup) {
    co_await serve_usage_api(request, &registry_, options_.readings);
  } else if (sub == "log" || sub == "exec" || sub == "attach" || sub == "portforward") {
    co_await serve_stream(request);
  } else if (info.verb == "get") {
    serve_get(request);
  } else if (info.verb == "list") {
    co_await serve_list(request);
  } else if (info.verb == "watch") {
    request->events = &request_metrics_.watch_series(info);
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

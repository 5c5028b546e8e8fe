// Subresources of a pod that are streams from its node: log, exec, attach, portforward. The node is found by spec.nodeName;
// its NodeStreams does the work. Specification: Kubernetes "Ephemeral... remote command" subprotocols v4 and
// v5.channel.k8s.io (KEP 4006), log options of PodLogOptions.
#include "core/apiserver/apiserver.h"
#include "core/client/port_forward.h"
#include "core/loop/race.h"
#include "core/apiserver/relay.h"
#include "core/client/remote_command.h"
#include "core/apiserver/kubelet_relay.h"
#include "core/http/message.h"
#include "core/registry/api_status.h"

namespace bramble {

namespace {

std::string names_of(Value containers) {
  std::string out;
  for (Value c : containers.items()) out += cat(out.empty() ? "" : " ", c["name"].str());
  return out;
}

// The container that is meant, by upstream's rules and texts.
Result<std::string> choose_container(const Document& pod, std::string_view asked) {
  Value spec = pod["spec"];
  for (const char* list : {"containers", "initContainers", "ephemeralContainers"}) {
    for (Value c : spec[list].items()) {
      if (!asked.empty() && c["name"].str() == asked) return std::string(asked);
    }
  }
  if (!asked.empty()) return api_bad_request(cat("container ", asked, " is not valid for pod ", name_of(pod)));
  if (spec["containers"].size() == 1 && spec["initContainers"].size() == 0) return spec["containers"].item(0)["name"].text();
  if (spec["containers"].size() == 1) return spec["containers"].item(0)["name"].text();
  std::string text = cat("a container name must be specified for pod ", name_of(pod), ", choose one of: [", names_of(spec["containers"]), "]");
  if (spec["initContainers"].size() != 0) text += cat(" or one of the init containers: [", names_of(spec["initContainers"]), "]");
  return api_bad_request(text);
}

Result<std::optional<int64_t>> number_option(const Query& query, std::string_view name) {
  std::string_view text = query.get(name);
  if (text.empty()) return std::optional<int64_t>();
  auto n = parse_int64(text);
  if (!n) return api_bad_request(cat("strconv.ParseInt: parsing ", go_quote(text), ": invalid syntax"));
  return n;
}

Result<LogOptions> read_log_options(const Request& request, const Document& pod) {
  const Query& query = request.info.query;
  LogOptions o;
  TRY_ASSIGN(o.container, choose_container(pod, query.get("container")));
  o.follow = query.flag("follow");
  o.previous = query.flag("previous");
  o.timestamps = query.flag("timestamps");
  TRY_ASSIGN(o.tail_lines, number_option(query, "tailLines"));
  TRY_ASSIGN(o.since_seconds, number_option(query, "sinceSeconds"));
  TRY_ASSIGN(o.limit_bytes, number_option(query, "limitBytes"));
  o.stream = query.get("stream");
  std::string_view since = query.get("sinceTime");
  FieldErrors errors;
  if (o.tail_lines && *o.tail_lines < 0) errors.invalid(Path("tailLines"), *o.tail_lines, "must be greater than or equal to 0");
  if (o.limit_bytes && *o.limit_bytes < 1) errors.invalid(Path("limitBytes"), *o.limit_bytes, "must be greater than 0");
  if (!since.empty() && o.since_seconds) errors.forbidden(Path(), "at most one of `sinceTime` or `sinceSeconds` may be specified");
  if (o.since_seconds && *o.since_seconds < 1) errors.invalid(Path("sinceSeconds"), *o.since_seconds, "must be greater than 0");
  if (!errors.empty()) return errors.to_error("", "PodLogOptions", name_of(pod));
  if (!since.empty()) {
    o.since_time_us = parse_rfc3339(since);
    if (!o.since_time_us) return api_bad_request(cat("parsing time ", go_quote(since), ": cannot parse it as RFC 3339"));
  }
  return o;
}

bool wants_upgrade(const HttpRequest& http) {
  std::string_view offer = http.header("upgrade");
  return equals_ignore_case(offer, "websocket") || offer.find("websocket") != std::string_view::npos || has_token(offer, "SPDY/3.1");
}

// An error of the node as the API shows it: the text is kept, the Status is made here.
Error node_error(const Error& error) {
  if (!error.status_json().empty()) return error;
  return status_failure(error.code(), error.message());
}

Task<void> pump_log(std::shared_ptr<Request> request, DuplexStream* stream) {
  for (;;) {
    auto bytes = co_await stream->read();
    if (!bytes) co_return;
    Buffer chunk = make_buffer(std::move(*bytes));
    bool good = co_await request->responder->write(chunk);
    if (!good) co_return;
  }
}

Task<void> serve_log(std::shared_ptr<Request> request, NodeStreams* node, ObjectKey key, LogOptions options) {
  auto opened = co_await node->logs(key, options);
  if (!opened.ok()) co_return send_error(*request, node_error(opened.error()));
  std::unique_ptr<DuplexStream> stream = std::move(*opened);
  request->responder->begin(200, answer_headers(*request, "text/plain"));
  {
    Race race;
    race.until(&request->responder->gone());
    race.add(pump_log(request, stream.get()));
    co_await race.first().wait();
  }
  request->responder->end();
}

}  // namespace

Task<void> ApiServer::serve_stream(RequestRef request) {
  const RequestInfo& info = request->info;
  if (info.subresource == "proxy") {
    if (NodeReadings* kubelet = kubelet_behind_proxy(*request, registry_, options_.readings)) {
      co_await serve_node_page(request, kubelet);
      co_return;
    }
    Task<void> relaying = serve_relay(request, &registry_, &relayed_, options_.kubelets);
    co_await relaying;
    co_return;
  }
  ResourceName resource{request->kind->group, request->kind->resource};
  // A WebSocket begins with a GET, and runs commands all the same.
  bool acts = info.subresource == "exec" || info.subresource == "attach" || info.subresource == "portforward";
  if (acts && info.verb != "create") {
    Attributes what = Attributes::of(info);
    what.verb = "create";
    AuthzDecision decision = authorizer_.decide(request->user, what);
    if (!decision.allowed) co_return send_error(*request, api_forbidden(resource, info.name, decision.reason));
  }
  Document object = registry_.get(*request->kind, request->kind->namespaced ? info.ns : std::string(), info.name);
  if (!object) co_return send_error(*request, api_not_found(resource, info.name));
  bool log = info.subresource == "log";
  LogOptions log_options;
  ExecOptions exec_options;
  if (log) {
    auto options = read_log_options(*request, object);
    if (!options.ok()) co_return send_error(*request, options.error());
    log_options = *options;
  } else if (info.subresource != "portforward") {
    auto container = choose_container(object, info.query.get("container"));
    if (!container.ok()) co_return send_error(*request, container.error());
    exec_options.container = *container;
    exec_options.command = info.query.all("command");
    exec_options.stdin_on = info.query.flag("stdin");
    exec_options.stdout_on = info.query.flag("stdout");
    exec_options.stderr_on = info.query.flag("stderr");
    exec_options.tty = info.query.flag("tty");
    bool exec = info.subresource == "exec";
    if (exec && exec_options.command.empty()) {
      co_return send_error(*request, api_bad_request("you must specify at least 1 command for the container"));
    }
    if (!exec_options.stdin_on && !exec_options.stdout_on && !exec_options.stderr_on) {
      co_return send_error(*request, api_bad_request("you must specify at least one of stdin, stdout, stderr"));
    }
  }
  std::string node_name = object["spec"]["nodeName"].text();
  if (node_name.empty()) {
    if (log) {  // not placed yet: an empty log, as upstream
      request->responder->send(200, answer_headers(*request, "text/plain"), make_buffer(""));
      co_return;
    }
    co_return send_error(*request, api_bad_request(cat("pod ", info.name, " does not have a host assigned")));
  }
  NodeStreams* node = options_.streams ? options_.streams(node_name) : nullptr;
  if (node == nullptr && options_.kubelets) {
    KubeletPath path;
    path.pod = {info.ns, info.name};
    path.container = log ? log_options.container : exec_options.container;
    std::string target = log ? path.log(log_options) : info.subresource == "portforward" ? path.port_forward(info.query.all("ports")) : path.command(exec_options);
    if (!log && !wants_upgrade(*request->http)) co_return send_error(*request, api_bad_request("Upgrade request required"));
    Task<void> relaying = relay_to_kubelet(request, options_.kubelets, node_name, target);
    co_await relaying;
    co_return;
  }
  if (node == nullptr) {
    co_return send_error(*request, status_failure(Code::kUnavailable, cat("node ", node_name, " cannot be reached")));
  }
  ObjectKey key{info.ns, info.name};
  if (log) {
    co_await serve_log(request, node, key, log_options);
    co_return;
  }
  if (!wants_upgrade(*request->http)) co_return send_error(*request, api_bad_request("Upgrade request required"));
  StreamAsk ask{request->http, request->responder, [request](const Error& e) { send_error(*request, e); }};
  if (info.subresource == "portforward") {
    std::vector<std::string> ports = info.query.all("ports");
    co_await serve_port_forward(ask, node, key, ports);
    co_return;
  }
  co_await serve_remote_command(ask, node, key, exec_options);
}

}  // namespace bramble

// Bodies and options of writes over HTTP, and their answers.
#include "core/apiserver/apiserver.h"
#include "core/apiserver/audit.h"
#include "core/apiserver/delete_options.h"
#include "core/apiserver/field_writer.h"
#include "core/apiserver/go_json.h"
#include "core/apiserver/reads.h"
#include "core/apiserver/reviews.h"
#include "core/json/yaml.h"
#include "core/registry/api_status.h"

namespace bramble {

namespace {

// dryRun, fieldValidation, fieldManager, force of the URL.
Status read_options(const Request& request, std::string_view options_kind, bool apply, Call& call) {
  const Query& query = request.info.query;
  FieldErrors errors;
  call.manager = query.get("fieldManager");
  if (apply) {
    call.force = query.flag("force");
    if (call.manager.empty()) errors.required(Path("fieldManager"), "is required for apply patch");
  } else if (options_kind == "PatchOptions" && query.has("force")) {
    errors.forbidden(Path("force"), "may not be specified for non-apply patch");
  }
  check_field_manager(call.manager, errors);
  if (call.manager.empty()) call.manager = manager_of_user_agent(request.http->header("user-agent"));
  if (!errors.empty()) return errors.to_error("meta.k8s.io", options_kind, "");
  call.dry_run_sent = query.all("dryRun");
  TRY(check_dry_run(call.dry_run_sent, options_kind, call.dry_run));
  std::string_view validation = query.get("fieldValidation");
  if (validation == "Strict") {
    call.validation = FieldValidation::kStrict;
  } else if (validation == "Ignore") {
    call.validation = FieldValidation::kIgnore;
  } else if (!validation.empty() && validation != "Warn") {
    errors.add({"FieldValueNotSupported", "fieldValidation",
                cat("Unsupported value: ", go_quote(validation), ": supported values: \"\", \"Ignore\", \"Strict\", \"Warn\"")});
    return errors.to_error("meta.k8s.io", options_kind, "");
  }
  return ok();
}

CallRef call_of(const Request& request) {
  auto call = std::make_shared<Call>();
  call->kind = request.kind;
  call->ns = request.kind->namespaced ? request.info.ns : std::string();
  call->name = request.info.name, call->subresource = request.info.subresource;
  call->user = request.user;
  return call;
}

void answer(Request& request, const CallRef& call, const Result<Reply>& reply, const Clock& clock) {
  request.warnings.insert(request.warnings.end(), call->warnings.begin(), call->warnings.end());
  if (request.audit) request.audit->annotate(call->annotations);
  if (!reply.ok()) return send_error(request, reply.error());
  send_object(request, reply->status, reply->object, clock);
}

Result<Removal> read_delete_options(const Request& request, bool& dry_run) {
  SentDeleteOptions options;
  const HttpRequest& http = *request.http;
  if (!http.body.empty()) {
    std::string media_type = media_type_of(http.header("content-type"));
    auto parsed = media_type == kProtobufType ? parse_protobuf(*Type::find("meta.v1.DeleteOptions"), http.body)
                                              : parse_body(http.body, media_type);
    TRY(parsed);
    Value o = parsed->root();
    std::string_view kind = o["kind"].str();
    if (!kind.empty() && kind != "DeleteOptions") {
      return api_bad_request(cat("no kind ", go_quote(kind), " is registered for version ", go_quote(o["apiVersion"].str()),
                                 " in scheme \"k8s.io/apimachinery/pkg/apis/meta/internalversion/scheme/register.go:27\""));
    }
    options = delete_options_of(o);
    if (request.audit) request.audit->patched(*parsed);
  } else {
    Removal& out = options.removal;
    const Query& query = request.info.query;
    std::string_view grace = query.get("gracePeriodSeconds");
    if (!grace.empty()) {
      out.grace_period_s = parse_int64(grace);
      if (!out.grace_period_s) return api_bad_request(cat("strconv.ParseInt: parsing ", go_quote(grace), ": invalid syntax"));
    }
    if (query.has("orphanDependents")) out.orphan_dependents = query.flag("orphanDependents");
    out.propagation = query.get("propagationPolicy");
    options.dry_run = query.all("dryRun");
  }
  TRY(check_delete_options(options, dry_run));
  return options.removal;
}

std::optional<PatchType> patch_type_of(std::string_view media_type) {
  if (media_type == "application/json-patch+json") return PatchType::kJson;
  if (media_type == "application/merge-patch+json") return PatchType::kMerge;
  if (media_type == "application/strategic-merge-patch+json") return PatchType::kStrategic;
  if (media_type == "application/apply-patch+yaml") return PatchType::kApply;
  return std::nullopt;
}

// The body of an apply: YAML or JSON, of which fieldValidation=Strict refuses keys that stand twice.
Result<Document> read_apply_patch(std::string_view body, FieldValidation validation) {
  std::vector<std::string> repeated;
  auto patch = parse_yaml_loosely(body, &repeated);
  if (!patch.ok()) return api_bad_request(cat("error decoding YAML: error converting YAML to JSON: ", patch.error().message()));
  if (!patch->root().is_object() && !patch->root().is_null()) {
    return api_bad_request(cat("error decoding YAML: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal ",
                               patch->root().type_name(), " into Go value of type map[string]interface {}"));
  }
  if (!repeated.empty() && validation == FieldValidation::kStrict) {
    return api_bad_request(cat("error strict decoding YAML: error converting YAML to JSON: yaml: unmarshal errors:\n  ", join(repeated, "\n  ")));
  }
  return patch;
}

}  // namespace

Task<void> ApiServer::serve_create(RequestRef request) {
  CallRef call = call_of(*request);
  Status options = read_options(*request, "CreateOptions", false, *call);
  if (!options.ok()) co_return send_error(*request, options.error());
  auto expected = Verbs::expected_type(*request->kind, call->subresource);
  if (!expected.ok()) co_return send_error(*request, expected.error());
  const HttpRequest& http = *request->http;
  auto object = decode_body(*expected, http.body, media_type_of(http.header("content-type")), call->validation, &call->warnings);
  if (!object.ok()) co_return send_error(*request, object.error());
  Document document = object->finish();
  if (request->audit) request->audit->requested(document);
  if (is_review(*request->kind) && call->subresource.empty()) {
    auto review = answer_review(*request->kind, call->ns, request->user, document, authorizer_, tokens_, registry_.clock());
    if (!review.ok()) co_return send_error(*request, review.error());
    co_return send_object(*request, 201, *review, registry_.clock());
  }
  auto reply = co_await verbs_.create(call, document);
  answer(*request, call, reply, registry_.clock());
}

Task<void> ApiServer::serve_update(RequestRef request) {
  CallRef call = call_of(*request);
  Status options = read_options(*request, "UpdateOptions", false, *call);
  if (!options.ok()) co_return send_error(*request, options.error());
  auto expected = Verbs::expected_type(*request->kind, call->subresource);
  if (!expected.ok()) co_return send_error(*request, expected.error());
  const HttpRequest& http = *request->http;
  auto object = decode_body(*expected, http.body, media_type_of(http.header("content-type")), call->validation, &call->warnings);
  if (!object.ok()) co_return send_error(*request, object.error());
  Document document = object->finish();
  if (request->audit) request->audit->requested(document);
  call->may_create = may_create(*request);
  auto reply = co_await verbs_.update(call, document);
  answer(*request, call, reply, registry_.clock());
}

Task<void> ApiServer::serve_patch(RequestRef request) {
  CallRef call = call_of(*request);
  const HttpRequest& http = *request->http;
  auto type = patch_type_of(media_type_of(http.header("content-type")));
  if (!type) {
    co_return send_error(*request, api_unsupported_media({"application/json-patch+json", "application/merge-patch+json",
                                                          "application/strategic-merge-patch+json", "application/apply-patch+yaml"}));
  }
  Status options = read_options(*request, "PatchOptions", *type == PatchType::kApply, *call);
  if (!options.ok()) co_return send_error(*request, options.error());
  call->may_create = may_create(*request);
  if (*type == PatchType::kApply) {
    auto config = read_apply_patch(http.body, call->validation);
    if (!config.ok()) co_return send_error(*request, config.error());
    if (request->audit) request->audit->patched(*config);
    auto reply = co_await verbs_.apply(call, *config);
    co_return answer(*request, call, reply, registry_.clock());
  }
  auto patch = Document::parse(std::string_view(http.body));
  if (!patch.ok()) {
    // Upstream reads the patch when it has the object.
    auto present = verbs_.get(*call);
    if (!present.ok()) co_return send_error(*request, present.error());
    std::string go = go_json_error(http.body);
    std::string_view prefix = *type == PatchType::kStrategic ? "" : "error decoding patch: ";
    co_return send_error(*request, api_bad_request(cat(prefix, go.empty() ? patch.error().message() : go)));
  }
  if (request->audit) request->audit->patched(*patch);
  auto reply = co_await verbs_.patch(call, *type, *patch);
  answer(*request, call, reply, registry_.clock());
}

Task<void> ApiServer::serve_delete(RequestRef request) {
  CallRef call = call_of(*request);
  auto removal = read_delete_options(*request, call->dry_run);
  if (!removal.ok()) co_return send_error(*request, removal.error());
  auto reply = co_await verbs_.remove(call, *removal);
  answer(*request, call, reply, registry_.clock());
}

Task<void> ApiServer::serve_delete_collection(RequestRef request) {
  bool dry_run = false;
  auto removal = read_delete_options(*request, dry_run);
  if (!removal.ok()) co_return send_error(*request, removal.error());
  auto list = parse_list(*request);
  if (!list.ok()) co_return send_error(*request, list.error());
  auto page = read_page(registry_.cache(), *list);
  if (!page.ok()) co_return send_error(*request, page.error());
  for (const EntryRef& entry : page->entries) {
    CallRef call = call_of(*request);
    call->ns = namespace_of(entry->document);
    call->name = name_of(entry->document);
    call->dry_run = dry_run;
    auto reply = co_await verbs_.remove(call, *removal);
    request->warnings.insert(request->warnings.end(), call->warnings.begin(), call->warnings.end());
    bool gone = !reply.ok() && reply.error().code() == Code::kNotFound;
    if (!reply.ok() && !gone) co_return send_error(*request, reply.error());
  }
  Task<void> sending = send_page(request, std::move(*page), &registry_.clock());
  co_await sending;
}

}  // namespace bramble

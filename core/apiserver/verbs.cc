#include "core/apiserver/verbs.h"

#include "core/apiserver/tokens.h"
#include "core/registry/api_status.h"
#include "core/registry/object_meta.h"
#include "core/registry/scale.h"

namespace bramble {

namespace {

bool is(const Kind& kind, std::string_view group, std::string_view resource) {
  return kind.group == group && kind.resource == resource;
}

ExpectedType foreign(std::string_view group, std::string_view version, std::string_view kind, std::string_view type_name) {
  ExpectedType e;
  e.group = group, e.version = version, e.kind = kind;
  e.type = Type::find(type_name);
  return e;
}

// The namespace in the object and the one in the URL must agree; the object gets the URL's.
Status match_namespace(const Kind& kind, std::string_view ns, Mut object) {
  Mut m = object.object("metadata");
  if (!kind.namespaced) {
    m.remove("namespace");
    return ok();
  }
  std::string_view its = m["namespace"].str();
  if (its == ns) return ok();
  if (!its.empty()) {
    return api_bad_request("the namespace of the provided object does not match the namespace sent on the request");
  }
  m.set("namespace", ns);
  return ok();
}

Status match_name(std::string_view name, Mut object) {
  std::string_view its = object["metadata"]["name"].str();
  if (its.empty()) return api_bad_request("the name of the object (based on URL) was undeterminable: name must be provided");
  if (its == name) return ok();
  return api_bad_request(cat("the name of the object (", its, ") does not match the name on the URL (", name, ")"));
}

// FNV-1a: tells contents apart, no more.
uint64_t content_mark(std::string_view text) {
  uint64_t hash = 14695981039346656037u;
  for (char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
  return hash;
}

UpdatePart part_of(std::string_view subresource) {
  if (subresource == "status" || subresource == "approval") return UpdatePart::kStatus;
  if (subresource == "finalize") return UpdatePart::kFinalize;
  return UpdatePart::kMain;
}

Reply success(int status) {
  auto document = Document::parse(std::string_view(success_status({}, status)));
  return Reply{status, std::move(document).value()};
}

}  // namespace

Result<ExpectedType> Verbs::expected_type(const Kind& kind, std::string_view subresource) {
  if (subresource.empty() || subresource == "status") return ExpectedType::of(kind);
  if (subresource == "finalize" && is(kind, "", "namespaces")) return ExpectedType::of(kind);
  if (subresource == "approval" && is(kind, "certificates.k8s.io", "certificatesigningrequests")) return ExpectedType::of(kind);
  if (subresource == "scale" && kind.scale.present) return foreign("autoscaling", "v1", "Scale", "autoscaling.v1.Scale");
  if (subresource == "binding" && is(kind, "", "pods")) return foreign("", "v1", "Binding", "core.v1.Binding");
  if (subresource == "eviction" && is(kind, "", "pods")) return foreign("policy", "v1", "Eviction", "policy.v1.Eviction");
  if (subresource == "token" && is(kind, "", "serviceaccounts")) {
    return foreign("authentication.k8s.io", "v1", "TokenRequest", "authentication.v1.TokenRequest");
  }
  return api_no_such_resource();
}

WriteRequest Verbs::write_request(CallRef call, Operation operation) const {
  WriteRequest request;
  request.kind = call->kind;
  request.ns = call->ns, request.name = call->name;
  request.dry_run = call->dry_run;
  request.warnings = &call->warnings;
  const Admission* admission = &admission_;
  const StepNote* note = &note_;
  request.admit = [call, operation, admission, note](Mut object, Value old) -> Status {
    ObjectKey key{call->ns, call->name.empty() ? object["metadata"]["name"].text() : call->name};
    // What is set aside is this very content: the object mended goes through.
    if (*note && !(*note)(ObjectKey{key.ns, cat(key.name, "#", content_mark(object.dump()))})) {
      return api_forbidden({call->kind->group, call->kind->resource}, key.name,
                           "it is quarantined: admitting it ended the server twice; see the server's log");
    }
    bool creates = !old.exists();  // an update of what is not there
    if (creates && operation == Operation::kUpdate && call->may_create) TRY(call->may_create());
    AdmissionCall a;
    a.operation = creates ? Operation::kCreate : operation;
    a.kind = call->kind, a.subresource = call->subresource, a.ns = call->ns, a.name = call->name;
    a.user = call->user, a.dry_run = call->dry_run;
    return admission->admit(a, object, old);
  };
  return request;
}

Task<Result<Reply>> Verbs::create(CallRef call, Document object) {
  const Kind& kind = *call->kind;
  if (call->subresource == "binding" || is(kind, "", "bindings")) {
    auto reply = co_await create_binding(call, object);
    co_return reply;
  }
  if (call->subresource == "eviction") {
    auto reply = co_await create_eviction(call, object);
    co_return reply;
  }
  if (call->subresource == "token") co_return tokens_.request(*call, object);
  if (!call->subresource.empty()) co_return api_method_not_allowed();
  Builder builder(object.root());
  Status matched = match_namespace(kind, call->ns, builder.root());
  CO_TRY(matched);
  WriteRequest request = write_request(call, Operation::kCreate);
  auto created = co_await registry_.create(request, std::move(builder));
  CO_TRY(created);
  co_return Reply{201, std::move(created).value()};
}

Task<Result<Reply>> Verbs::create_binding(CallRef call, Document object) {
  std::string_view name = name_of(object);
  if (!call->name.empty() && call->name != name) co_return api_bad_request("name in URL does not match name in Binding object");
  std::string_view target_kind = object["target"]["kind"].str();
  if (!target_kind.empty() && target_kind != "Node") {
    co_return api_plain(cat("target.kind: Unsupported value: ", go_quote(target_kind), ": supported values: \"Node\", \"<empty>\""));
  }
  if (object["target"]["name"].str().empty()) co_return api_plain("target.name: Required value");
  WriteRequest request;
  request.kind = find_kind("", "v1", "pods");
  request.ns = call->ns, request.name = name;
  request.dry_run = call->dry_run;
  Status bound = co_await registry_.bind(request, object);
  CO_TRY(bound);
  co_return success(201);
}

// An eviction is a delete that a PodDisruptionBudget may refuse. Budgets have no controller yet, so none refuses.
Task<Result<Reply>> Verbs::create_eviction(CallRef call, Document object) {
  if (name_of(object) != call->name && !name_of(object).empty()) {
    co_return api_bad_request("name in URL does not match name in Eviction object");
  }
  Removal removal;
  Value options = object["deleteOptions"];
  if (options["gracePeriodSeconds"]) removal.grace_period_s = options["gracePeriodSeconds"].integer();
  removal.propagation = options["propagationPolicy"].text();
  if (options["preconditions"]["uid"]) removal.uid = options["preconditions"]["uid"].text();
  if (options["preconditions"]["resourceVersion"]) removal.resource_version = options["preconditions"]["resourceVersion"].text();
  auto pod_call = std::make_shared<Call>(*call);
  pod_call->subresource.clear();
  auto removed = co_await remove(pod_call, removal);
  CO_TRY(removed);
  co_return success(201);
}

Task<Result<Reply>> Verbs::update_with(CallRef call, ChangeFn change, bool from_put) {
  WriteRequest request = write_request(call, Operation::kUpdate);
  request.from_put = from_put;
  auto written = co_await registry_.update(request, part_of(call->subresource), change);
  CO_TRY(written);
  co_return Reply{written->created ? 201 : 200, written->object};
}

Task<Result<Reply>> Verbs::update_scale(CallRef call, std::function<Result<Document>(const Document& scale)> change) {
  const Kind* kind = call->kind;
  std::string name = call->name;
  ChangeFn scale_change = [kind, name, change](Value object) -> Result<Builder> {
    Document before = scale_of(*kind, object);
    TRY_ASSIGN(Document scale, change(before));
    Builder named(scale.root());
    TRY(match_name(name, named.root()));
    TRY(validate_scale(scale.root()));
    return scaled(object, scale.root());
  };
  auto reply = co_await update_with(call, scale_change, false);
  CO_TRY(reply);
  co_return Reply{200, scale_of(*kind, reply->object.root())};
}

Task<Result<Reply>> Verbs::update(CallRef call, Document object) {
  if (call->subresource == "scale") {
    std::function<Result<Document>(const Document&)> change = [object](const Document&) -> Result<Document> { return object; };
    auto reply = co_await update_scale(call, change);
    co_return reply;
  }
  Builder builder(object.root());
  Status named = match_name(call->name, builder.root());
  CO_TRY(named);
  Status matched = match_namespace(*call->kind, call->ns, builder.root());
  CO_TRY(matched);
  Document next = builder.finish();
  ChangeFn change = [next](Value) -> Result<Builder> { return Builder(next.root()); };
  auto reply = co_await update_with(call, change, true);
  co_return reply;
}

Task<Result<Reply>> Verbs::patch(CallRef call, PatchType type, Document patch) {
  auto expected = expected_type(*call->kind, call->subresource);
  CO_TRY(expected);
  ExpectedType want = *expected;
  if (call->subresource == "scale") {
    std::function<Result<Document>(const Document&)> change = [call, want, type, patch](const Document& scale) {
      return apply_patch(want, type, scale.root(), patch.root(), call->validation, &call->warnings);
    };
    auto reply = co_await update_scale(call, change);
    co_return reply;
  }
  ChangeFn change = [call, want, type, patch](Value current) -> Result<Builder> {
    TRY_ASSIGN(Document next, apply_patch(want, type, current, patch.root(), call->validation, &call->warnings));
    Builder builder(next.root());
    TRY(match_name(call->name, builder.root()));
    TRY(match_namespace(*call->kind, call->ns, builder.root()));
    return builder;
  };
  auto reply = co_await update_with(call, change, false);
  co_return reply;
}

Task<Result<Reply>> Verbs::remove(CallRef call, Removal removal) {
  DeleteRequest request;
  request.kind = call->kind;
  request.ns = call->ns, request.name = call->name;
  request.dry_run = call->dry_run;
  request.grace_period_s = removal.grace_period_s;
  request.orphan_dependents = removal.orphan_dependents;
  request.propagation = removal.propagation;
  request.uid = removal.uid;
  request.resource_version = removal.resource_version;
  request.warnings = &call->warnings;
  const Admission* admission = &admission_;
  request.admit = [call, admission](Value) {
    AdmissionCall a;
    a.operation = Operation::kDelete;
    a.kind = call->kind, a.ns = call->ns, a.name = call->name, a.user = call->user;
    return admission->admit_delete(a);
  };
  auto removed = co_await registry_.remove(request);
  CO_TRY(removed);
  if (!removed->show_status) co_return Reply{200, removed->object};
  StatusDetails details;
  details.present = true;
  details.name = call->name, details.group = call->kind->group, details.kind = call->kind->resource;
  details.uid = uid_of(removed->object);
  auto status = Document::parse(std::string_view(success_status(details)));
  co_return Reply{200, std::move(status).value()};
}

Result<Reply> Verbs::get(const Call& call) const {
  Document object = registry_.get(*call.kind, call.ns, call.name);
  if (!object) return api_not_found({call.kind->group, call.kind->resource}, call.name);
  if (call.subresource == "scale") return Reply{200, scale_of(*call.kind, object.root())};
  return Reply{200, object};
}

}  // namespace bramble

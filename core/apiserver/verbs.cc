#include "core/apiserver/verbs.h"

#include <algorithm>

#include "core/apiserver/delete_options.h"
#include "core/apiserver/object_match.h"
#include "core/apiserver/tokens.h"
#include "core/registry/api_status.h"
#include "core/registry/object_meta.h"
#include "core/registry/scale.h"
#include "core/resources/field_rules.h"
#include "core/resources/subresource_rules.h"
#include "core/resources/workload_versions.h"

namespace bramble {

namespace {

bool is(const Kind& kind, std::string_view group, std::string_view resource) {
  return kind.group == group && kind.resource == resource;
}

ExpectedType foreign(std::string_view group, std::string_view version, std::string_view kind) {
  ExpectedType e;
  e.group = group, e.version = version, e.kind = kind;
  e.type = Type::find_kind(group, version, kind);
  return e;
}

// What a client may not say of a new object; nobody owns it.
Document without_system_fields(const Document& object) {
  Value m = object["metadata"];
  constexpr std::string_view kFields[] = {"deletionTimestamp", "deletionGracePeriodSeconds"};
  if (std::none_of(std::begin(kFields), std::end(kFields), [&](std::string_view f) { return m.has(f); })) return object;
  Builder out(object.root());
  for (std::string_view f : kFields) out.root()["metadata"].remove(f);
  return out.finish();
}

// `change` sees and makes the kind's own form, also where that is not the stored one.
ChangeFn over_shown_form(const Kind& kind, ChangeFn change) {
  if (!kind.stored_as.elsewhere()) return change;
  return [&kind, change](Value current) -> Result<Builder> {
    Document shown;
    if (current) shown = kind.stored_as.to_shown(current);
    TRY_ASSIGN(Builder next, change(shown.root()));
    Document made = next.finish();
    Document stored = kind.stored_as.from_shown(made.root());
    return Builder(stored.root());
  };
}

UpdatePart part_of(std::string_view subresource) {
  if (subresource == "status") return UpdatePart::kStatus;
  if (subresource == "finalize") return UpdatePart::kFinalize;
  return subresource.empty() || subresource == "scale" ? UpdatePart::kMain : UpdatePart::kPart;
}

DeleteRequest delete_request(const Call& call, const Removal& removal) {
  DeleteRequest request;
  request.kind = &stored_kind(*call.kind);
  request.ns = call.ns, request.name = call.name;
  request.dry_run = call.dry_run;
  request.grace_period_s = removal.grace_period_s;
  request.orphan_dependents = removal.orphan_dependents;
  request.propagation = removal.propagation;
  request.orphans_by_default = call.kind->orphans_by_default;
  request.uid = removal.uid;
  request.resource_version = removal.resource_version;
  return request;
}

Task<Result<std::shared_ptr<Charge>>> timed_charge(Task<Result<std::shared_ptr<Charge>>> charging, AdmissionMetrics* metrics, const Clock* clock,
                                                   Operation operation) {
  const int64_t since_us = clock->monotonic_us();
  auto charge = co_await charging;
  metrics->observe(AdmissionMetrics::kResourceQuota, AdmissionMetrics::kValidate, operation, !charge.ok(), clock->monotonic_us() - since_us);
  co_return charge;
}

Reply success(int status) {
  auto document = Document::parse(std::string_view(success_status({}, status)));
  return Reply{status, std::move(document).value()};
}

}  // namespace

Result<ExpectedType> Verbs::expected_type(const Kind& kind, std::string_view subresource) {
  if (subresource.empty() || subresource == "status") return ExpectedType::of(kind);
  if (subresource == "finalize" && is(kind, "", "namespaces")) return ExpectedType::of(kind);
  if (find_subresource_rules(kind, subresource)) return ExpectedType::of(kind);
  if (subresource == "scale" && kind.scale.present) return foreign(kind.scale.group, kind.scale.version, "Scale");
  if (subresource == "rollback") return foreign(kind.group, kind.version, "DeploymentRollback");
  if (subresource == "binding" && is(kind, "", "pods")) return foreign("", "v1", "Binding");
  if (subresource == "eviction" && is(kind, "", "pods")) return foreign("policy", "v1", "Eviction");
  if (subresource == "token" && is(kind, "", "serviceaccounts")) {
    return foreign("authentication.k8s.io", "v1", "TokenRequest");
  }
  return api_no_such_resource();
}

AdmissionCall Verbs::admission_call(const Call& call, Operation operation) {
  AdmissionCall a;
  a.operation = operation;
  a.kind = call.kind, a.subresource = call.subresource, a.ns = call.ns, a.name = call.name;
  a.user = call.user, a.dry_run = call.dry_run, a.patches = call.patches;
  return a;
}

WriteRequest Verbs::write_request(CallRef call, Operation operation) {
  WriteRequest request;
  request.kind = &stored_kind(*call->kind);
  if (request.kind != call->kind) request.shown = call->kind;
  request.ns = call->ns, request.name = call->name;
  request.dry_run = call->dry_run;
  request.part = call->subresource;
  request.warnings = &call->warnings;
  const Admission* admission = &admission_;
  QuotaGate* quotas = &quotas_;
  request.admit = [call, operation, admission, quotas](Mut object, Value old) -> Status {
    bool creates = !old.exists();  // an update of what is not there
    if (creates && operation == Operation::kUpdate) {
      CHECK(call->may_create, "an update that may create comes with who may");
      TRY(call->may_create());
    }
    // What others count lacks the writes that are being charged just now.
    const bool counts = is(*call->kind, "", "resourcequotas") && call->subresource == "status" && quotas->busy(meta(old, "uid"));
    if (counts && !equal(object["status"]["used"], old["status"]["used"])) return api_conflict({"", "resourcequotas"}, call->name, kModifiedText);
    return admission->admit(admission_call(*call, creates ? Operation::kCreate : operation), object, old);
  };
  request.inspect = [call, operation, admission](Value object, Value old) -> Status {
    const bool creates = !old.exists();
    return admission->inspect(admission_call(*call, creates ? Operation::kCreate : operation), object, old, &call->warnings, &call->annotations);
  };
  if (quotas_.guards(*request.kind, call->ns)) {
    const Clock* clock = &registry_.clock();
    request.charge = [call, quotas, admission, clock](Document object, Document old, bool only_look) {
      const Operation what = old ? Operation::kUpdate : Operation::kCreate;
      return timed_charge(quotas->charge(&stored_kind(*call->kind), call->ns, call->subresource, std::move(object), std::move(old), only_look),
                          &admission->metrics(), clock, what);
    };
  }
  return request;
}

Task<Result<Reply>> Verbs::create(CallRef call, Document object) {
  const Kind& kind = *call->kind;
  if (!call->subresource.empty() || is(kind, "", "bindings")) {
    Builder asked(object.root());
    Status admitted = admission_.admit_subresource(admission_call(*call, Operation::kCreate), asked.root());
    CO_TRY(admitted);
    object = asked.finish();
  }
  if (call->subresource == "binding" || is(kind, "", "bindings")) {
    auto reply = co_await create_binding(call, object);
    co_return reply;
  }
  if (call->subresource == "eviction") {
    auto reply = co_await create_eviction(call, object);
    co_return reply;
  }
  if (call->subresource == "token") co_return tokens_.request(*call, object);
  if (call->subresource == "rollback") {
    auto reply = co_await create_rollback(call, object);
    co_return reply;
  }
  if (!call->subresource.empty()) co_return api_method_not_allowed();
  Document named = without_system_fields(object);
  Builder builder(named.root());
  Status matched = match_namespace(kind, call->ns, builder.root());
  CO_TRY(matched);
  track_update(TrackedType::of(kind, {}), writer_of(*call), Value(), named, builder.root());
  if (kind.stored_as.elsewhere()) builder = Builder(stored_form(kind, builder.finish()).root());
  WriteRequest request = write_request(call, Operation::kCreate);
  auto created = co_await registry_.create(request, std::move(builder));
  CO_TRY(created);
  co_return Reply{201, shown_form(kind, *created)};
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

Task<Result<Reply>> Verbs::create_eviction(CallRef call, Document object) {
  Builder builder(object.root());
  Status matched = match_namespace(*call->kind, call->ns, builder.root());
  CO_TRY(matched);
  if (name_of(object) != call->name) co_return api_bad_request("name in URL does not match name in Eviction object");
  // The dry run may stand in the URL, in the eviction, or, if they agree, in both.
  SentDeleteOptions options = delete_options_of(object["deleteOptions"]);
  if (options.dry_run.empty()) {
    options.dry_run = call->dry_run_sent;
  } else if (!call->dry_run_sent.empty() && options.dry_run != call->dry_run_sent) {
    co_return api_plain(cat("Non-matching dry-run options in request and content: [", join(call->dry_run_sent, " "), "] and [",
                            join(options.dry_run, " "), "]"));
  }
  bool asked_within = false;
  Status checked = check_delete_options(options, asked_within);
  CO_TRY(checked);
  DeleteRequest pod = delete_request(*call, options.removal);
  pod.dry_run = call->dry_run || asked_within;
  Status evicted = co_await registry_.evict(pod);
  CO_TRY(evicted);
  co_return success(201);
}

// Notes in the Deployment to where its controller shall take it back, past all rules of updates, as upstream did.
Task<Result<Reply>> Verbs::create_rollback(CallRef call, Document object) {
  const std::string name = object["name"].text();
  FieldErrors errors;
  validate_annotations(object["updatedAnnotations"], Path("updatedAnnotations"), errors);
  if (name.empty()) errors.required(Path("name"), "name is required");
  validate_nonnegative(object["rollbackTo"]["revision"], Path("rollback").at("version"), errors);
  if (!errors.empty()) co_return errors.to_error("apps", "DeploymentRollback", name);
  if (name != call->name) co_return api_bad_request("name in URL does not match name in DeploymentRollback object");
  WriteRequest request;
  request.kind = &stored_kind(*call->kind);
  request.ns = call->ns, request.name = name;
  request.dry_run = call->dry_run;
  ChangeFn change = [object, type = request.kind->type](Value current) -> Result<Builder> {
    Builder out(current);
    Mut annotations = out.root().object("metadata").object("annotations");
    for (auto [key, value] : object["updatedAnnotations"].members()) annotations.set(key, value);
    annotations.set(kRollbackTo, cat(object["rollbackTo"]["revision"].integer()));
    const Document noted = out.finish();
    return canonicalize(*type, noted.root(), nullptr);
  };
  auto noted = co_await registry_.update(request, UpdatePart::kRollback, change);
  CO_TRY(noted);
  Builder status;
  status.root().set("kind", "Status");
  status.root().set("apiVersion", "v1");
  status.root().object("metadata");
  status.root().set("status", "Success");
  status.root().set("message", cat("rollback request for deployment ", go_quote(name), " succeeded"));
  status.root().set("code", 200);
  co_return Reply{201, status.finish()};
}

FieldWriter Verbs::writer_of(const Call& call) const {
  return FieldWriter{call.manager, call.subresource, registry_.clock().now_rfc3339()};
}

Task<Result<Reply>> Verbs::update_with(CallRef call, ChangeFn change, Origin origin) {
  WriteRequest request = write_request(call, Operation::kUpdate);
  request.from_put = origin == Origin::kPut;
  request.from_apply = origin == Origin::kApply;
  auto written = co_await registry_.update(request, part_of(call->subresource), over_shown_form(*call->kind, change));
  CO_TRY(written);
  co_return Reply{written->created ? 201 : 200, shown_form(*call->kind, written->object)};
}

// `tracked`: the change has written the Scale's managedFields itself.
Task<Result<Reply>> Verbs::update_scale(CallRef call, std::function<Result<Document>(const Document& scale)> change, bool tracked) {
  const Kind* kind = call->kind;
  FieldWriter writer = writer_of(*call);
  ChangeFn scale_change = [kind, call, writer, change, tracked](Value object) -> Result<Builder> {
    Builder shown(scale_of(*kind, object).root());
    scale_managed_fields(*kind, object).write(shown.root().object("metadata"));
    Document before = shown.finish();
    TRY_ASSIGN(Document scale, change(before));
    Builder named(scale.root());
    TRY(match_name(call->name, named.root()));
    TRY(validate_scale(scale.root()));
    if (!tracked) track_update(TrackedType::scale(*kind), writer, before.root(), scale, named.root());
    Document owned = named.finish();
    Builder out = scaled(object, owned.root());
    auto managed = ManagedFields::read(owned["metadata"]["managedFields"]);
    unscaled_managed_fields(*kind, object, managed.ok() ? *managed : ManagedFields()).write(out.root().object("metadata"));
    return out;
  };
  auto reply = co_await update_with(call, scale_change, Origin::kPatch);
  CO_TRY(reply);
  co_return Reply{200, scale_of(*kind, reply->object.root())};
}

Task<Result<Reply>> Verbs::update(CallRef call, Document object) {
  if (call->subresource == "scale") {
    std::function<Result<Document>(const Document&)> change = [object](const Document&) -> Result<Document> { return object; };
    auto reply = co_await update_scale(call, change, false);
    co_return reply;
  }
  Builder builder(object.root());
  Status named = match_name(call->name, builder.root());
  CO_TRY(named);
  Status matched = match_namespace(*call->kind, call->ns, builder.root());
  CO_TRY(matched);
  Document next = builder.finish();
  TrackedType tracked = TrackedType::of(*call->kind, call->subresource);
  FieldWriter writer = writer_of(*call);
  ChangeFn change = [next, tracked, writer](Value current) -> Result<Builder> {
    Builder out(next.root());
    track_update(tracked, writer, current, next, out.root());
    return out;
  };
  auto reply = co_await update_with(call, change, Origin::kPut);
  co_return reply;
}

Task<Result<Reply>> Verbs::patch(CallRef call, PatchType type, Document patch) {
  call->patches = true;
  if (type == PatchType::kApply) {
    auto applied = co_await apply(call, patch);
    co_return applied;
  }
  auto expected = expected_type(*call->kind, call->subresource);
  CO_TRY(expected);
  ExpectedType want = *expected;
  if (call->subresource == "scale") {
    std::function<Result<Document>(const Document&)> change = [call, want, type, patch](const Document& scale) {
      return apply_patch(want, type, scale.root(), patch, call->validation, &call->warnings);
    };
    auto reply = co_await update_scale(call, change, false);
    co_return reply;
  }
  TrackedType tracked = TrackedType::of(*call->kind, call->subresource);
  FieldWriter writer = writer_of(*call);
  ChangeFn change = [call, want, type, patch, tracked, writer](Value current) -> Result<Builder> {
    TRY_ASSIGN(Document next, apply_patch(want, type, current, patch, call->validation, &call->warnings));
    Builder builder(next.root());
    TRY(match_name(call->name, builder.root()));
    TRY(match_namespace(*call->kind, call->ns, builder.root()));
    track_update(tracked, writer, current, next, builder.root());
    return builder;
  };
  auto reply = co_await update_with(call, change, Origin::kPatch);
  co_return reply;
}

Task<Result<Reply>> Verbs::remove(CallRef call, Removal removal) {
  DeleteRequest request = delete_request(*call, removal);
  request.warnings = &call->warnings;
  const Admission* admission = &admission_;
  request.admit = [call, admission](Value) {
    return admission->admit_delete(admission_call(*call, Operation::kDelete));
  };
  auto removed = co_await registry_.remove(request);
  CO_TRY(removed);
  if (!removed->show_status) co_return Reply{200, shown_form(*call->kind, removed->object)};
  StatusDetails details;
  details.present = true;
  details.name = call->name, details.group = request.kind->group, details.kind = request.kind->resource;
  details.uid = uid_of(removed->object);
  auto status = Document::parse(std::string_view(success_status(details)));
  co_return Reply{200, std::move(status).value()};
}

Result<Reply> Verbs::get(const Call& call) const {
  Document object = registry_.get(*call.kind, call.ns, call.name);
  const Kind& stored = stored_kind(*call.kind);
  if (!object) return api_not_found({stored.group, stored.resource}, call.name);
  if (call.subresource == "scale") return Reply{200, scale_of(*call.kind, object.root())};
  return Reply{200, shown_form(*call.kind, object)};
}

}  // namespace bramble

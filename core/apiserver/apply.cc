// Server-side apply: an object as its applier wants it, merged with what others own of it.
#include "core/apiserver/object_match.h"
#include "core/apiserver/verbs.h"
#include "core/registry/api_status.h"
#include "core/registry/scale.h"

namespace bramble {

namespace {

// The merged object with its types read and its defaults set, as every write comes.
Result<Builder> typed(const ExpectedType& want, Value patch, Value merged) {
  auto canonical = canonicalize(*want.type, merged, nullptr, DecodeFrom::kUnstructured);
  if (!canonical.ok()) {
    return api_plain(cat("failed to convert new object (", meta(patch, "namespace"), "/", meta(patch, "name"), "; ", want.group, "/", want.version,
                         ", Kind=", want.kind, ") to proper version: ", canonical.error().message()));
  }
  Mut root = canonical->root();
  root.set("kind", want.kind);
  root.set("apiVersion", want.group.empty() ? want.version : cat(want.group, "/", want.version));
  if (want.set_defaults) want.set_defaults(root);
  return canonical;
}

// What an apply makes of an object, with who owns it now. `current` is absent when it is created.
Result<Builder> applied(const ExpectedType& want, const TrackedType& tracked, const FieldWriter& writer, Value current, Value patch, bool force) {
  TRY_ASSIGN(AppliedObject made, apply_object(tracked, writer, current, patch, force));
  Builder out(made.object.root());
  if (made.changed) {
    TRY_ASSIGN(out, typed(want, patch, made.object.root()));
    forget_empty_lists(*want.type, out.root());
  }
  if (!made.last_applied.empty()) set_last_applied(out.root(), made.last_applied);
  made.managed.write(out.root().object("metadata"));
  return out;
}

}  // namespace

Task<Result<Reply>> Verbs::apply(CallRef call, Document patch) {
  auto expected = expected_type(*call->kind, call->subresource);
  CO_TRY(expected);
  ExpectedType want = *expected;
  FieldWriter writer = writer_of(*call);
  if (call->subresource == "scale") {
    std::function<Result<Document>(const Document&)> change = [call, want, writer, patch](const Document& scale) -> Result<Document> {
      TRY_ASSIGN(Builder out, applied(want, TrackedType::scale(*call->kind), writer, scale.root(), patch.root(), call->force));
      return out.finish();
    };
    auto reply = co_await update_scale(call, change, true);
    co_return reply;
  }
  TrackedType tracked = TrackedType::of(*call->kind, call->subresource);
  ChangeFn change = [call, want, tracked, writer, patch](Value current) -> Result<Builder> {
    TRY_ASSIGN(Builder out, applied(want, tracked, writer, current, patch.root(), call->force));
    std::string_view uid = out["metadata"]["uid"].str();
    if (!current && !uid.empty()) {
      return api_conflict({call->kind->group, call->kind->resource}, call->name,
                          cat("uid mismatch: the provided object specified uid ", uid, ", and no existing object was found"));
    }
    TRY(match_namespace(*call->kind, call->ns, out.root()));
    TRY(match_name(call->name, out.root()));
    return out;
  };
  auto reply = co_await update_with(call, change, Origin::kApply);
  co_return reply;
}

}  // namespace bramble

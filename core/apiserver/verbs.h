// Stage 5, verbs: create, update, patch, delete of objects and their subresources, whoever asks: the HTTP pipeline and the
// in-process client both enter here, so admission and all rules are the same for both. Owner's loop thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/apiserver/admission.h"
#include "core/apiserver/decode.h"
#include "core/apiserver/quota_gate.h"
#include "core/client/client.h"
#include "core/registry/managed_fields.h"
#include "core/registry/registry.h"

namespace bramble {

// One write. Shared by the steps of the verb; lives until the verb has answered.
struct Call {
  const Kind* kind = nullptr;
  std::string ns, name, subresource;
  Identity user;
  bool dry_run = false;
  bool patches = false;  // comes as a patch, of whatever type
  std::vector<std::string> dry_run_sent;  // as the client wrote it
  FieldValidation validation = FieldValidation::kWarn;
  std::string manager;  // of fields; "" counts as "unknown"
  bool force = false;   // an apply takes what others own
  std::vector<std::string> warnings;
  AuditAnnotations annotations;
  // Asked when an update, patch or apply finds nothing and creates: whether the user may.
  std::function<Status()> may_create;
};
using CallRef = std::shared_ptr<Call>;

struct Reply {
  int status = 200;
  Document object;
};

// Parsed DeleteOptions.
struct Removal {
  std::optional<int64_t> grace_period_s;
  std::optional<bool> orphan_dependents;
  std::string propagation;
  std::optional<std::string> uid, resource_version;
};

class TokenIssuer;

class Verbs {
 public:
  Verbs(Registry& registry, TokenIssuer& tokens, const Authorizer& authorizer)
      : registry_(registry), admission_(registry, authorizer), quotas_(registry), tokens_(tokens) {}

  // What a body sent to this resource or subresource must be; null type: takes none. 404 when there is no such subresource.
  static Result<ExpectedType> expected_type(const Kind& kind, std::string_view subresource);

  // `object` is canonical with defaults, of expected_type().
  Task<Result<Reply>> create(CallRef call, Document object);
  Task<Result<Reply>> update(CallRef call, Document object);
  Task<Result<Reply>> patch(CallRef call, PatchType type, Document patch);
  // Server-side apply (apply.cc). `patch` may be of any type.
  Task<Result<Reply>> apply(CallRef call, Document patch);
  Task<Result<Reply>> remove(CallRef call, Removal removal);
  Result<Reply> get(const Call& call) const;

  Registry& registry() { return registry_; }
  const Admission& admission() const { return admission_; }

 private:
  WriteRequest write_request(CallRef call, Operation operation);
  static AdmissionCall admission_call(const Call& call, Operation operation);
  Task<Result<Reply>> create_binding(CallRef call, Document object);
  Task<Result<Reply>> create_eviction(CallRef call, Document object);
  Task<Result<Reply>> create_rollback(CallRef call, Document object);
  enum class Origin { kPatch, kPut, kApply };
  Task<Result<Reply>> update_with(CallRef call, ChangeFn change, Origin origin);
  Task<Result<Reply>> update_scale(CallRef call, std::function<Result<Document>(const Document& scale)> change, bool tracked);
  FieldWriter writer_of(const Call& call) const;

  Registry& registry_;
  Admission admission_;
  QuotaGate quotas_;
  TokenIssuer& tokens_;
};

// The object of a patch: `current` changed by `patch` as its media type says, then decoded again. Pure.
Result<Document> apply_patch(const ExpectedType& expected, PatchType type, Value current, const Document& patch,
                             FieldValidation validation, std::vector<std::string>* warnings);

}  // namespace bramble

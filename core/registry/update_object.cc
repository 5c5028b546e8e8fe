#include "core/base/limits.h"
#include "core/registry/api_status.h"
#include "core/registry/managed_fields.h"
#include "core/registry/object_meta.h"
#include "core/registry/registry.h"
#include "core/resources/sameness.h"
#include "core/resources/update_warnings.h"
#include "core/resources/subresource_rules.h"

namespace bramble {

namespace {


// The UID a client names must be the object's own (upstream checks it where it stores).
Status check_uid(const WriteRequest& request, Mut object, Value old) {
  std::string_view wanted = object["metadata"]["uid"].str();
  if (!request.from_put || wanted.empty() || wanted == meta(old, "uid")) return ok();
  const Kind& kind = *request.kind;
  std::string key = cat("/registry/", kind.resource, "/", request.ns, request.ns.empty() ? "" : "/", request.name);
  return api_conflict({kind.group, kind.resource}, request.name,
                      cat("StorageError: invalid object, Code: 4, Key: ", key,
                          ", ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: ", wanted,
                          ", UID in object meta: ", meta(old, "uid")));
}

Status check_version(const WriteRequest& request, Mut object, Value old) {
  const Kind& kind = *request.kind;
  std::string_view wanted = object["metadata"]["resourceVersion"].str();
  if (wanted == meta(old, "resourceVersion")) return ok();
  if (!wanted.empty() && !parse_uint64(wanted)) {
    return api_plain(cat("strconv.ParseUint: parsing ", go_quote(wanted), ": invalid syntax"));
  }
  if (wanted.empty() || wanted == "0") {
    if (kind.allow_unconditional_update) return ok();
    FieldErrors errors;
    errors.invalid_raw(Path("metadata").at("resourceVersion"), "0", "must be specified for an update");
    return errors.to_error(kind.group, kind.resource, request.name);
  }
  return api_conflict({kind.group, kind.resource}, request.name, kModifiedText);
}

// Everything beside metadata and status is as it was; what is missing comes back.
void keep_all_but_status(Mut object, Value old) {
  std::vector<std::string> gone;
  for (const auto& [key, value] : object.members()) {
    if (key != "kind" && key != "apiVersion" && key != "metadata" && key != "status") gone.emplace_back(key);
  }
  for (const std::string& key : gone) object.set(key, old[key]);
  for (auto [key, value] : old.members()) {
    if (key != "metadata" && key != "status" && !object.has(key)) object.set(key, value);
  }
}

// Whether anything but metadata and status differs.
bool spec_changed(Mut now, Value old) {
  auto skipped = [](std::string_view key) { return key == "kind" || key == "apiVersion" || key == "metadata" || key == "status"; };
  for (const auto& [key, value] : now.members()) {
    if (!skipped(key) && !equal(value, old[key])) return true;
  }
  for (auto [key, value] : old.members()) {
    if (!skipped(key) && !now.has(key)) return true;
  }
  return false;
}

void count_generation(const Kind& kind, Mut object, Value old) {
  if (!kind.counts_generation) return;
  int64_t before = old["metadata"]["generation"].integer();
  if (object["metadata"]["generation"].integer() > before) return;  // the kind counted itself
  bool changed = spec_changed(object, old);
  if (kind.counts_as_spec) changed = changed || kind.counts_as_spec(object, old);
  object.object("metadata").set("generation", before + (changed ? 1 : 0));
}

// Managers' times alone are no change: nothing is written.
bool unchanged(Value next, Value old) {
  return same_but_version(next, old) && same_managed_fields(next["metadata"]["managedFields"], old["metadata"]["managedFields"]);
}

// An object whose last finalizer goes while it is being deleted goes with it.
bool goes_with_this_update(const Kind& kind, Value next, Value old) {
  if (!old["metadata"]["deletionTimestamp"] || next["metadata"]["finalizers"].size() != 0) return false;
  if (kind.has_spec_finalizers) return next["spec"]["finalizers"].size() == 0;
  return old["metadata"]["deletionGracePeriodSeconds"].integer() == 0;
}

}  // namespace

Result<Builder> Registry::prepare_update(const WriteRequest& request, UpdatePart part, const ChangeFn& change,
                                         const Document& current, ServicePools::Hold& hold) {
  const Kind& kind = *request.kind;
  Value old = current.root();
  TRY_ASSIGN(Builder object, change(old));
  Mut root = object.root();
  TRY(check_uid(request, root, old));
  TRY(check_version(request, root, old));
  if (request.admit) TRY(request.admit(root, old));
  keep_system_fields(root, old);
  switch (part) {
    case UpdatePart::kMain:
      if (kind.has_status) root.set("status", old["status"]);
      if (kind.prepare_update) kind.prepare_update(root, old);
      break;
    case UpdatePart::kStatus:
      keep_all_but_status(root, old);
      if (kind.prepare_status_update) kind.prepare_status_update(root, old);
      if (kind.stamp_status) kind.stamp_status(root, old, clock_.now_rfc3339());
      break;
    case UpdatePart::kFinalize:
      root.set("status", old["status"]);
      break;
    case UpdatePart::kPart:
      find_subresource_rules(kind, request.part)->prepare(root, old, clock_.now_rfc3339());
      break;
    case UpdatePart::kBinding:
    case UpdatePart::kRollback:
      break;
  }
  if (kind.allocates && part == UpdatePart::kMain) {
    FieldErrors errors;
    TRY(services_.assign(root, old, hold, errors));
    if (!errors.empty()) return errors.to_error(kind.group, kind.kind, request.name);
  }
  if (part == UpdatePart::kMain || part == UpdatePart::kPart) count_generation(kind, root, old);
  dedupe_owner_references(root, request.warnings);
  root.object("metadata").set("resourceVersion", old["metadata"]["resourceVersion"]);
  return ordered(std::move(object), kind);
}

Status Registry::validate_changed(const WriteRequest& request, UpdatePart part, Value object, Value old) {
  const Kind& kind = *request.kind;
  FieldErrors errors;
  validate_object_meta_update(object, old, kind, errors);
  using Again = Kind::MetaAgain;
  if (kind.meta_again == Again::kAsUpdate || kind.meta_again == Again::kAsBoth) validate_object_meta_update(object, old, kind, errors);
  bool as_create = kind.meta_again == Again::kAsCreate || kind.meta_again == Again::kAsBoth;
  if (as_create && part == UpdatePart::kMain) validate_object_meta(object, kind, errors);
  if (part == UpdatePart::kFinalize) {
    if (kind.validate_finalize) kind.validate_finalize(object, errors);
  } else if (part == UpdatePart::kStatus) {
    if (kind.validate_status_update) kind.validate_status_update(object, old, errors);
  } else if (part == UpdatePart::kPart) {
    find_subresource_rules(kind, request.part)->validate(object, old, errors);
  } else if (part == UpdatePart::kMain) {
    const Kind& rules = request.shown ? *request.shown : kind;
    if (rules.validate_update) {
      rules.validate_update(object, old, errors);
    } else if (rules.validate) {
      rules.validate(object, errors);
    }
  }
  if (!errors.empty()) return errors.to_error(kind.group, kind.kind, request.name);
  if (part == UpdatePart::kMain && request.warnings) update_warnings(kind, object, old, *request.warnings);
  if (part == UpdatePart::kStatus && request.warnings) status_warnings(kind, object, *request.warnings);
  return ok();
}

Task<Result<Written>> Registry::update(WriteRequest request, UpdatePart part, ChangeFn change) {
  const Kind& kind = *request.kind;
  std::string key = registry_key(kind, request.ns, request.name);
  bool missing = false;
  {
    auto held = co_await locks_.lock(key);
    for (int attempt = 0; attempt < limits::kWriteAttempts; ++attempt) {
      Document current = present(key);
      missing = !current;
      if (missing) break;
      Held holds{ServicePools::Hold(services_), nullptr};
      auto prepared = prepare_update(request, part, change, current, holds.pools);
      CO_TRY(prepared);
      Document next = marked(*prepared);
      Status valid = validate_changed(request, part, next.root(), current.root());
      CO_TRY(valid);
      if (request.inspect) {
        Status passed = request.inspect(next.root(), current.root());
        CO_TRY(passed);
      }
      bool goes = goes_with_this_update(kind, next.root(), current.root());
      if (!goes && unchanged(next.root(), current.root())) co_return Written{current, false};
      if (request.charge && !goes) {
        auto charging = request.charge(next, current, request.dry_run);
        auto charged = co_await charging;
        CO_TRY(charged);
        holds.charge = std::move(*charged);
      }
      if (goes || request.dry_run) {
        prepared->root().object("metadata").set("resourceVersion", version_of(current));
        Document last = prepared->finish();
        if (request.dry_run) co_return Written{last, false};
        auto erased = co_await erase(key, current, Durability::kDurable);
        if (erased.ok()) co_return Written{last, false};
        if (erased.error().code() != Code::kConflict) co_return erased.error();
        continue;
      }
      uint64_t expected = parse_uint64(version_of(current)).value_or(0);
      auto stored = co_await put(request.kind, key, expected, current, next, std::move(holds));
      if (stored.ok()) co_return Written{std::move(stored).value(), false};
      if (stored.error().code() != Code::kConflict) co_return stored.error();
    }
  }
  ResourceName resource{kind.group, kind.resource};
  if (!missing) co_return api_conflict(resource, request.name, kModifiedText);
  const bool creates = request.from_apply || (request.from_put && kind.allow_create_on_update);
  if (!creates || part != UpdatePart::kMain) co_return api_not_found(resource, request.name);
  auto object = change(Value());
  CO_TRY(object);
  object->root().object("metadata").remove("resourceVersion");
  auto created = co_await create(request, std::move(*object));
  CO_TRY(created);
  co_return Written{std::move(created).value(), true};
}

}  // namespace bramble

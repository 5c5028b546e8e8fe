// metadata.managedFields: who owns which fields of an object, as clients see it. A write of any sort passes here once, with
// its defaults set and before admission: an update gives its writer what it changed, an apply merges what is applied with
// what others own. At most kUpdateManagersMax managers that update are kept apart; the oldest become "ancient-changes".
// Not here: the algebra (core/schema/apply), who is asked for a name (core/apiserver/field_writer.h).
// Specification: Kubernetes "Server-Side Apply"; k8s.io/apimachinery/pkg/util/managedfields. Pure; any thread.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "core/resources/kind.h"
#include "core/schema/apply/ownership.h"

namespace bramble {

// Who writes, and through what.
struct FieldWriter {
  std::string manager;      // "" counts as "unknown"
  std::string subresource;  // "status"; "" is the object itself
  std::string now;          // RFC 3339
};

// What kind of object is written: a served kind, or a subresource's own (Scale).
struct TrackedType {
  std::string group, version, kind;
  const Type* type = nullptr;
  const Kind* served = nullptr;  // null for Scale
  std::string subresource;
  FieldFilter filter;
  static TrackedType of(const Kind& served, std::string_view subresource);
  static TrackedType scale(const Kind& scaled);
  std::string api_version() const { return group.empty() ? version : cat(group, "/", version); }
};

// By what managers are told apart. An applier is the same whatever version it applies in.
struct OwnerName {
  std::string manager;
  bool applies = false;
  std::string api_version;  // of an updater, else ""
  std::string subresource;
  std::string id() const;  // as JSON; in this order conflicts are listed
  static OwnerName of_id(std::string_view id);
};

// The list, read.
struct ManagedFields {
  Owners owners;
  std::map<std::string, std::string, std::less<>> times;  // by id; absent: no time is known

  // kInvalidArgument in upstream's words. An absent list is empty.
  static Result<ManagedFields> read(Value list);
  // Sets metadata.managedFields, or removes it when nobody owns anything.
  void write(Mut metadata) const;
};

// Writes into `object` who owns its fields now that `writer` writes `next` over `live` (absent or without a uid: a creation).
// `object` and `next` are the same object; both hold the managedFields that the client sent. An empty list or one empty
// entry ends the tracking of this object. After this an empty list is none (forget_empty_lists).
void track_update(const TrackedType& type, const FieldWriter& writer, Value live, const Document& next, Mut object);

// What an apply makes of `live` (absent: it is created). `object` is not decoded and has no defaults yet; without `changed`
// it is `live`, and only who owns what may differ. Errors carry the whole Status: 400 for what is no apply patch of this
// type, 409 with the conflicts, 500 without a reason where upstream answers a plain error.
struct AppliedObject {
  Document object;
  bool changed = false;
  ManagedFields managed;
  std::string last_applied;  // the annotation that kubectl's own apply keeps; "": leave it alone
};
Result<AppliedObject> apply_object(const TrackedType& type, const FieldWriter& writer, Value live, Value patch, bool force);

// Sets kubectl's annotation, where it fits into the annotations' limit; otherwise removes it.
void set_last_applied(Mut object, const std::string& text);

// The kind that shows the same objects in another version; null when none is served.
const Kind* kind_in_version(const Kind& kind, std::string_view api_version);

// The managedFields of the Scale that an object shows, and of the object after its Scale was written.
ManagedFields scale_managed_fields(const Kind& kind, Value object);
ManagedFields unscaled_managed_fields(const Kind& kind, Value object, const ManagedFields& scale);

// The same entries, their times aside.
bool same_managed_fields(Value a, Value b);

}  // namespace bramble

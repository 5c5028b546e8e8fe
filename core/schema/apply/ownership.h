// Who owns which fields of an object, and what an update or an apply makes of that: the core of server-side apply. Managers
// are told apart by an id of the caller's; each owns a set of fields in one API version, by applying or by updating.
// Not here: metadata.managedFields, times, names of managers (core/registry/managed_fields.h).
// Follows sigs.k8s.io/structured-merge-diff, merge.Updater. Pure; any thread.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/schema/apply/typed.h"

namespace bramble {

struct OwnedFields {
  FieldSet set;
  std::string version;   // "apps/v1": in which the set names fields
  bool applied = false;  // by apply, else by update
};
using Owners = std::map<std::string, OwnedFields, std::less<>>;  // by id

// Which fields a request may own: those that the registry takes from nobody (status in a write of the main resource).
class FieldFilter {
 public:
  FieldFilter() = default;  // all
  static FieldFilter without(FieldSet fields);  // all but these and what is below them
  // Only what begins with one of these paths; "*" stands for any step.
  static FieldFilter only(std::vector<FieldPath> prefixes);
  FieldSet apply(FieldSet set) const;
  const FieldSet& without() const { return without_; }

 private:
  FieldSet without_;
  std::vector<FieldPath> only_;
};

// An object that is changed, and how managers of other versions see it.
struct ApplyContext {
  std::string version;  // of the objects given
  MergeShape shape;
  FieldFilter filter;
  // The object in another version, with its shape there; nothing when that version is not served (any more): what a manager
  // owned there is forgotten. May be empty: no other version is known.
  struct InVersion {
    Document object;
    MergeShape shape;
    FieldFilter filter;
  };
  std::function<std::optional<InVersion>(Value object, std::string_view from, std::string_view to)> convert;
};

struct FieldConflict {
  std::string owner;  // id
  FieldPath path;
};

// After an update by `owner`: it owns what changed, the others lose it. kInvalidArgument: lists that cannot be compared.
Status own_by_update(const ApplyContext& context, Value before, Value after, std::string_view owner, Owners& owners);

// What the creator of an object owns: `none` is an object that says nothing.
Result<FieldSet> own_by_creation(const ApplyContext& context, Value none, Value object);

// What an apply of `config` by `owner` makes of `live`. Either conflicts, or the object (empty: it stays as it is) and the
// owners. `config` must fit the schema (misfit). kInvalidArgument: it cannot be merged.
struct ApplyOutcome {
  std::vector<FieldConflict> conflicts;  // by owner, then in order of the paths
  Document object;
  Owners owners;
};
Result<ApplyOutcome> apply_config(const ApplyContext& context, Value live, Value config, std::string_view owner, bool force, Owners owners);

}  // namespace bramble

// The walks of apply over values whose MergeShape is known: what differs, what a value names, two values merged, parts taken
// away, and whether a value fits. Values are those of immutable documents; what is made goes into a Builder.
// Recursion is bounded by limits::kJsonDepthMax, which the parser enforces. Objects and lists of any length take
// n log n. Follows sigs.k8s.io/structured-merge-diff, typed. Pure; any thread.
#pragma once

#include <optional>
#include <string>

#include "core/schema/apply/field_set.h"
#include "core/schema/apply/merge_shape.h"

namespace bramble {

// No field stands in more than one of the sets.
struct Comparison {
  FieldSet removed, modified, added;
  bool same() const { return removed.empty() && modified.empty() && added.empty(); }
};
// What stands in `except`, and below it, is not looked at. kInvalidArgument: an item of a list has no keys.
Result<Comparison> compare_values(const MergeShape& shape, Value before, Value after, const FieldSet& except = {});

// Every leaf and every item that the value mentions.
FieldSet field_set_of(const MergeShape& shape, Value value);

// `base` with what `over` says; nothing is removed. Lists of parts keep base's order, or take over's where it has one.
// kInvalidArgument in upstream's words for lists whose items have no keys, or the same keys twice in `over`.
Result<Document> merge_values(const MergeShape& shape, Value base, Value over);

// The value without the members and items of the set. What becomes empty thereby is null. Empty document: nothing is left.
Document remove_fields(const MergeShape& shape, Value value, const FieldSet& fields);

// Why the value does not fit: "" when it does, else ".spec.x: expected string, got ..." or several such lines.
// `duplicates_fit`: lists may hold two items with the same keys, as stored objects may.
std::string misfit(const MergeShape& shape, Value value, bool duplicates_fit);

// The set with the fields that lead to its members as members too, where they are fields of the schema.
FieldSet with_named_fields(const MergeShape& shape, const FieldSet& set);

// A set recorded when lists and objects that are atomic now had owners part by part: such a part becomes the whole.
// Nothing: the set is fine as it is.
std::optional<FieldSet> fit_to_schema(const MergeShape& shape, const FieldSet& set);

}  // namespace bramble

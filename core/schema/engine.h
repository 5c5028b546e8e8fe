// The row engine: canonical form, strict validation of fields, pruning, strategic merge patch, driven by Type rows.
// Pure functions; any thread. Recursion is bounded by limits::kJsonDepthMax, which the JSON parser enforces.
#pragma once

#include <string>
#include <vector>

#include "core/json/builder.h"
#include "core/schema/type.h"

namespace bramble {

// What decoding noticed that is no error by itself: fieldValidation=Strict refuses, Warn warns, Ignore drops.
// Texts as upstream's strict decoder: `unknown field "spec.foo"`, `duplicate field "spec.bar"`.
struct DecodeNotes {
  std::vector<std::string> unknown;
  std::vector<std::string> duplicate;
  std::vector<std::string> all;  // both, in order of the document: what upstream prints; limits::kStrictErrorsMax at most
};

// Where the object comes from decides how upstream words a type that does not fit.
enum class DecodeFrom {
  kJson,          // a request body: `json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32`
  kUnstructured,  // the outcome of a strategic merge patch: `unrecognized type: int32`, `cannot restore slice from string`
};

// Brings `in` to the form that upstream's typed round trip gives: known fields only, null and omitted zeroes dropped,
// always-emitted fields present, Quantity, Time, MicroTime, IntOrString normalised, integers 64-bit, fields in row order,
// map keys sorted. `notes` may be null. kInvalidArgument with Go's text when a type does not fit. A null document counts as
// an empty object. No defaults are applied here. A list that is always written stays empty where it was given so.
Result<Builder> canonicalize(const Type& type, Value in, DecodeNotes* notes, DecodeFrom from = DecodeFrom::kJson);

// Makes lists null that are always written and empty, as upstream reads them back from its store.
void forget_empty_lists(const Type& type, Mut object);

// A strategic merge patch (directives $patch, $retainKeys, $setElementOrder, $deleteFromPrimitiveList) on `original`.
// type null: plain merge patch semantics. Errors: kInvalidArgument (upstream answers 400) for a malformed patch,
// kInvalidObject (422) for one that does not fit, kInternal (500) where upstream answers a plain error.
Result<Builder> strategic_merge(const Type* type, Value original, Value patch);

}  // namespace bramble

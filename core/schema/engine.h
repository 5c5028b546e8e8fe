// The row engine: canonical form, strict validation of fields, pruning, strategic merge patch, driven by Type rows.
// Pure functions; any thread.
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
};

// Brings `in` to the form that upstream's typed round trip gives: known fields only, null and omitted zeroes dropped,
// always-emitted fields present, Quantity, Time, MicroTime, IntOrString normalised, integers 64-bit, fields in row order,
// map keys sorted. kInvalidArgument with Go's decoder text when a type does not fit (`json: cannot unmarshal string into Go
// struct field ...`). No defaults are applied here.
Result<Builder> canonicalize(const Type& type, Value in, DecodeNotes* notes);

// A strategic merge patch (directives $patch, $retainKeys, $setElementOrder, $deleteFromPrimitiveList) on `original`.
// type null: plain merge patch semantics.
Result<Builder> strategic_merge(const Type* type, Value original, Value patch);

}  // namespace bramble

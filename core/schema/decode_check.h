// The first pass of canonicalize: does a document fit its type, and what in it is unknown or duplicate? In order of the
// document, as Go's decoder meets it. Internal to core/schema. Pure; any thread.
#pragma once

#include "core/schema/engine.h"

namespace bramble {

Status check_decodable(const Type& type, Value in, DecodeNotes* notes, DecodeFrom from);

// The text of a quantity value (a string or a number) as it is parsed; empty when it is neither.
std::string quantity_source(Value v);
// Base64 as Go reads it: line breaks are skipped.
std::optional<std::string> decode_bytes(std::string_view text);

}  // namespace bramble

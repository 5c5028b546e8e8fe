// JSON Pointer (RFC 6901), JSON Patch (RFC 6902) and JSON Merge Patch (RFC 7386), as upstream's API server applies them.
// Pure functions; any thread. The strategic merge patch needs a schema and lives in core/schema/engine.h.
#pragma once

#include <string_view>
#include <vector>

#include "core/json/builder.h"

namespace bramble {

// The reference tokens of a pointer, unescaped; "" is the whole document. Nothing when it does not begin with "/".
Result<std::vector<std::string>> parse_pointer(std::string_view pointer);
// The node at a pointer; absent when there is none.
Value at_pointer(Value root, std::string_view pointer);

// Applies the operations in order; all or nothing. Upstream's library also takes negative array indices.
// Errors: kInvalidArgument (upstream 400) for a patch that is no list of operations, kTooLarge for more than
// limits::kJsonPatchOperationsMax, kInvalidObject (upstream 422) for one that does not apply: a failed test, a missing path.
Result<Builder> json_patch(Value original, Value patch);

// Members of null are removed, objects merged, everything else replaced.
Builder merge_patch(Value original, Value patch);

}  // namespace bramble

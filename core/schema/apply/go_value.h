// Decoded JSON values as Go's fmt and JSON packages write them; messages of apply hold such texts. Pure; any thread.
#pragma once

#include <string>
#include <string_view>

#include "core/json/value.h"

namespace bramble {

// %v of a float64: "80", "1e+06".
std::string go_float_text(double v);
// A JSON string with <, > and & escaped, as Go's encoder writes it.
std::string go_json_string(std::string_view s);
// %#v of a value decoded from JSON: `"x"`, `1`, `map[string]interface {}{"a":"b"}`.
std::string go_syntax(Value v);
// %v of the same: `x`, `1`, `map[a:b]`.
std::string go_plain(Value v);

}  // namespace bramble

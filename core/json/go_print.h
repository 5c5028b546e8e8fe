// JSON as Go's %v prints the decoded value: "map[a:1 b:[x y]]", "<nil>". Upstream's messages hold such texts. Pure; any thread.
#pragma once

#include <string>

#include "core/json/value.h"

namespace bramble {

std::string go_print(Value v);

// Go's name of the decoded type: "map[string]interface {}", "[]interface {}", "string", "int64", "float64", "bool", "<nil>".
std::string_view go_type_name(Value v);

}  // namespace bramble

// Objects as upstream prints them inside validation errors. Its servers validate structs of their own (the internal version),
// whose JSON has Go's field names, in the order of the struct, with nothing left out:
// {"Type":"OnDelete","RollingUpdate":null}. Types of meta/v1, quantities and times look as in the API. Pure; any thread.
#pragma once

#include <string_view>

#include "core/json/value.h"

namespace bramble {

// `v` as the type of that name in the schema ("apps.v1.StatefulSetUpdateStrategy"), printed by the internal one. Absent: null.
Document internal_form(Value v, std::string_view type);
// A list of such values.
Document internal_list(Value v, std::string_view type);

}  // namespace bramble

// An object in a body against the URL it was sent to. Pure.
#pragma once

#include <string_view>

#include "core/json/builder.h"
#include "core/resources/kind.h"

namespace bramble {

// The namespace in the object and the one in the URL must agree; the object gets the URL's. kInvalidArgument otherwise.
Status match_namespace(const Kind& kind, std::string_view ns, Mut object);
// The same of its name, which it must have.
Status match_name(std::string_view name, Mut object);

}  // namespace bramble

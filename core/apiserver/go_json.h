// Bodies as upstream's messages quote them. Pure.
#pragma once

#include <string>
#include <string_view>

#include "core/json/go_error.h"

namespace bramble {

// "5b5d" of a body that does not begin with '{', the first 30 characters of one that does, "<empty>".
std::string summarize_body(std::string_view body);

}  // namespace bramble
